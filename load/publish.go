package load

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
)

const (
	maxPublishing  = 256 // requests at the same time; a server that is slower falls behind the schedule
	publishTimeout = 30 * time.Second
	publishWindow  = 1 << 14  // events whose times are remembered
	maxAnswer      = 64 << 10 // bytes that are read of an answer
)

// A publisher sends events on a schedule.
type publisher struct {
	cfg    *Publish
	client *http.Client
	start  time.Time
	prefix []byte // of each token of this run

	due [publishWindow]struct{ n, at atomic.Int64 } // at is a time.Duration since the start

	sent, failed atomic.Int64
	overlapping  atomic.Int64 // events that were sent while an earlier one was not answered
	failures     causes
	took         histogram
}

func newPublisher(cfg *Config, start time.Time) *publisher {
	p := &publisher{cfg: cfg.Publish, client: cfg.Publish.Client, start: start}
	p.prefix = fmt.Appendf(nil, "sseload-%s-", rand.Text()[:10])
	if p.client == nil {
		p.client = &http.Client{
			Transport: &http.Transport{TLSClientConfig: cfg.TLS, MaxIdleConnsPerHost: maxPublishing, ForceAttemptHTTP2: true},
			Timeout:   publishTimeout,
		}
	}
	return p
}

// run publishes until the context ends, and returns when the last answer has come.
func (p *publisher) run(ctx context.Context) {
	var publishing sync.WaitGroup
	defer func() {
		publishing.Wait()
		if p.cfg.Client == nil {
			p.client.CloseIdleConnections()
		}
	}()
	places := make(chan struct{}, maxPublishing)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := int64(1); ; n++ {
		due := time.Duration(n-1) * p.cfg.Interval
		timer.Reset(due - time.Since(p.start))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if len(places) > 1 {
			p.overlapping.Add(1)
		}
		p.note(n, due)
		publishing.Go(func() {
			defer func() { <-places }()
			err := p.publish(ctx, n)
			switch {
			case err == nil:
				p.sent.Add(1)
				p.took.record(time.Since(p.start) - due)
			case ctx.Err() == nil:
				p.failed.Add(1)
				p.failures.count(causeOf(err), err)
			}
		})
	}
}

func (p *publisher) publish(ctx context.Context, n int64) error {
	token := fmt.Sprintf("%s%d.", p.prefix, n)
	var req *http.Request
	var err error
	if p.cfg.Request != nil {
		req, err = p.cfg.Request(n, token)
	} else {
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.URL, strings.NewReader(token))
		if err == nil {
			req.Header.Set("Content-Type", "text/plain")
		}
	}
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode/100 != 2 {
		return &sse.ResponseError{StatusCode: resp.StatusCode}
	}
	return nil
}

// note remembers when event n was due.
func (p *publisher) note(n int64, due time.Duration) {
	slot := &p.due[n%publishWindow]
	slot.n.Store(0)
	slot.at.Store(int64(due))
	slot.n.Store(n)
}

// find returns the number of the event that has such data, 0 if Run did not publish it, and when it
// was due, if that is known still.
func (p *publisher) find(data []byte) (n int64, due time.Duration, timed bool) {
	_, rest, ok := bytes.Cut(data, p.prefix)
	if !ok {
		return 0, 0, false
	}
	digits := 0
	for digits < len(rest) && digits < 18 && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits == len(rest) || rest[digits] != '.' { // it was cut
		return 0, 0, false
	}
	n, _ = strconv.ParseInt(string(rest[:digits]), 10, 64)
	if n <= 0 {
		return 0, 0, false
	}
	slot := &p.due[n%publishWindow]
	due = time.Duration(slot.at.Load())
	return n, due, slot.n.Load() == n
}

func (p *publisher) report() *Publishing {
	return &Publishing{Sent: p.sent.Load(), Failed: p.failed.Load(), Failures: p.failures.counts(), Took: p.took.distribution()}
}
