package conform

import (
	"context"
	"fmt"
	"time"

	"github.com/lastevent/sse/internal/suite"
)

// Times of a scenario, which Options.Slow multiplies.
const (
	// stepLimit is how long the client's next step may take: an event, a request. It is
	// longer than the default wait of most clients.
	stepLimit = 6 * time.Second

	// startLimit is how long the first request may take: some languages start slowly.
	startLimit = 30 * time.Second

	// A client that must not reconnect is watched for so long: after a first response, for
	// which its own default wait applies, and after a retry field that names a short wait.
	watchFirst = 3500 * time.Millisecond
	watchLater = time.Second

	// settle is how long events that must not come are waited for, once the client has read
	// the end of the stream, or says that it is over.
	settle = 250 * time.Millisecond
)

// judge waits until the scenario is decided, and returns what failed, or "".
func (p *play) judge(ctx context.Context) string {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * p.slow) }
	for {
		p.mu.Lock()
		fault, pending := p.check(), p.pending()
		limit, over := scaled(stepLimit), p.exit != "" || p.closed
		if len(p.requests) == 0 {
			limit = scaled(startLimit)
		}
		end := p.last.Add(limit)
		switch {
		case pending == "" && p.complete():
			over = true
			end = time.Time{}
		case pending == "":
			end = p.last.Add(scaled(p.quiet()))
		case p.exit != "":
			end = time.Time{}
		case over:
			end = p.last.Add(scaled(settle))
		}
		exit := p.exit
		p.mu.Unlock()

		if fault != "" {
			return fault
		}
		if wait := time.Until(end); wait > 0 {
			select {
			case <-ctx.Done():
				return "interrupted"
			case <-p.news:
			case <-time.After(wait):
			}
			continue
		}
		switch {
		case pending == "":
			return ""
		case exit != "":
			return fmt.Sprintf("it has ended (%s) before %s", exit, pending)
		case over:
			return "it reports that the stream is over before " + pending
		default:
			return fmt.Sprintf("%s did not come within %s", pending, limit)
		}
	}
}

// pending returns what the script still waits for, or "".
func (p *play) pending() string {
	s := &p.script
	if n := len(p.events); n < len(s.Events)-s.Optional {
		return fmt.Sprintf("event %d, %s", n+1, describe(Record{Event: &s.Events[n]}))
	}
	if n := len(p.requests); n < max(len(s.Requests), len(s.Responses)-s.Optional) {
		return fmt.Sprintf("request %d", n+1)
	}
	return ""
}

// complete reports whether nothing can follow that would change the verdict.
func (p *play) complete() bool {
	n := len(p.events)
	return !p.script.Stops && n == len(p.script.Events) && n > 0 && p.events[n-1].Event.Data == suite.End || p.exit != ""
}

// quiet is how long nothing may happen before the scenario has passed.
func (p *play) quiet() time.Duration {
	switch {
	case p.closed:
		return settle
	case !p.script.Stops && p.gone < len(p.script.Responses)-p.script.Optional:
		return 4 * settle // it may not have read the end of the stream yet
	case !p.script.Stops:
		return settle
	case len(p.script.Responses) == 1:
		return watchFirst
	default:
		return watchLater
	}
}
