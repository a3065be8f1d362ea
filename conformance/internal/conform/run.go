// Package conform plays the scenarios of the conformance suite to a client of event streams,
// and judges what the client reports and requests.
package conform

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/suite"
)

// Options are the settings of a run.
type Options struct {
	Parallel int     // scenarios that are played at the same time
	Slow     float64 // multiplies all time limits, and the pauses between reads
	Bytes    bool    // sends streams without cuts of their own byte by byte
	Done     func(Result)
}

// A Result is what became of one scenario.
type Result struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Chapter  string        `json:"chapter"`
	Level    string        `json:"level"`
	Clause   suite.Clause  `json:"clause"`
	Tags     []string      `json:"tags,omitempty"`
	Passed   bool          `json:"passed"`
	Fault    string        `json:"fault,omitempty"`    // why it failed
	Sent     []string      `json:"sent,omitempty"`     // if it failed: each response
	Expected []suite.Event `json:"expected,omitempty"` // if it failed
	Got      []suite.Event `json:"got,omitempty"`      // if it failed
	Requests []string      `json:"requests,omitempty"` // if it failed: each request
	Seconds  float64       `json:"seconds"`
}

// Run plays the cases to a client, and returns their results in the order of the cases. When
// ctx is done, it ends what is played, starts nothing more, and returns the cause.
func Run(ctx context.Context, client Client, cases []suite.Case, clauses map[string]suite.Clause, o Options) ([]Result, error) {
	srv, err := newServer()
	if err != nil {
		return nil, err
	}
	defer srv.close()
	results := make([]Result, len(cases))
	slots := make(chan struct{}, max(1, o.Parallel))
	var wg sync.WaitGroup
	var mu sync.Mutex                      // for Done
	for i := len(cases) - 1; i >= 0; i-- { // the last chapters have the longest scenarios
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = one(ctx, srv, client, &cases[i], clauses, o)
			if o.Done != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				o.Done(results[i])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return results, nil
}

// plays is how often a scenario is played whose only fault is that a request comes late.
const plays = 3

// one plays one scenario, until it is certain what became of it.
func one(ctx context.Context, srv *server, client Client, c *suite.Case, clauses map[string]suite.Clause, o Options) Result {
	for n := 1; ; n++ {
		r, late := once(ctx, srv, client, c, clauses, o)
		if !late || n == plays {
			return r
		}
	}
}

// once plays one scenario once, and reports whether it failed by a request that came late.
func once(ctx context.Context, srv *server, client Client, c *suite.Case, clauses map[string]suite.Clause, o Options) (r Result, late bool) {
	start := time.Now()
	p := newPlay(c, o.Slow)
	if o.Bytes {
		cutBytes(&p.script)
	}
	srv.add(p)
	types := p.types()
	target := p.dir + "stream"
	if len(types) > 0 {
		target += "?" + url.Values{"type": types}.Encode()
	}
	var fault string
	stop, err := client.Start(target, types, p.see)
	if err != nil {
		fault = "it cannot be started: " + err.Error()
	} else {
		p.mu.Lock()
		p.last = time.Now()
		p.mu.Unlock()
		fault = p.judge(ctx)
		close(p.over)
		stop()
	}
	r = Result{
		ID: c.ID, Name: c.Name, Chapter: c.Chapter(), Level: c.Level, Clause: clauses[cmp.Or(p.blame, c.Clause)], Tags: c.Tags,
		Passed: fault == "", Fault: fault, Seconds: time.Since(start).Seconds(),
	}
	if fault != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.explain(&r)
	}
	return r, p.late
}

// maxExplained is how many events and requests of a failure are kept.
const maxExplained = 1100

// explain adds to a result what was sent, expected and seen.
func (p *play) explain(r *Result) {
	for i := range p.script.Responses {
		var b []byte
		for _, piece := range pieces(&p.script.Responses[i], p.dir) {
			b = append(b, piece...)
		}
		r.Sent = append(r.Sent, string(b))
	}
	r.Expected = p.script.Events
	for _, got := range p.events[:min(len(p.events), maxExplained)] {
		r.Got = append(r.Got, *got.Event)
	}
	for _, got := range p.requests[:min(len(p.requests), maxExplained)] {
		text := got.method + " " + got.path
		if ids := got.header["Last-Event-Id"]; ids != nil {
			text += fmt.Sprintf(", Last-Event-ID %.200q", strings.Join(ids, `", "`))
		}
		if got.wait >= 0 {
			text += fmt.Sprintf(", after %d ms", got.wait.Milliseconds())
		}
		r.Requests = append(r.Requests, text)
	}
}

// maxBytes is how many pieces of one byte a stream begins with, when it is cut.
const maxBytes = 100

// cutBytes has the server send streams byte by byte, but for those with cuts of their own.
func cutBytes(s *suite.Script) {
	for i := range s.Responses {
		r := &s.Responses[i]
		if len(r.Cuts) > 1 || r.Raw != nil || r.Status != 0 {
			continue
		}
		r.Cuts, r.PauseMs = nil, 1
		for cut := 1; cut < min(len(r.Bytes()), maxBytes); cut++ {
			r.Cuts = append(r.Cuts, cut)
		}
	}
}
