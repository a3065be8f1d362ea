// Package capture makes a request and notes when each byte of the response arrives, at the
// connection: before anything that decodes, buffers or parses could hold it.
package capture

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

var maxBody = 8 << 20 // bytes of a body that are kept; the rest is only timed; less in a test

const (
	maxHeader = 1 << 20 // bytes of a response's header
	maxBursts = 100_000 // arrivals that are kept apart; later ones are joined
)

// A Request is what one connection asks for.
type Request struct {
	Name   string // what the report calls it
	URL    *url.URL
	Method string
	Header http.Header
	Body   []byte
	HTTP2  bool
	TLS    *tls.Config // for https
}

// A Burst is what arrived at one time.
type Burst struct {
	At  time.Duration
	End int // bytes of the body until then
}

// A View is what had been seen of an exchange at one time. Its times are since the epoch.
type View struct {
	Request   Request
	Begin     time.Duration // the connection was asked for
	Connected time.Duration // after TLS; 0: not yet
	Sent      time.Duration // the request was written; 0: not yet
	Header    time.Duration // the response's header had arrived; 0: not yet
	Response  *http.Response
	Body      []byte
	Bursts    []Burst
	Size      int64         // of the body, kept or not
	Last      time.Duration // when a byte last arrived
	Longest   time.Duration // the longest silence between two of them, the header being the first
	Ended     bool
	End       time.Duration
	Err       error // what ended it; nil: the response is complete
	Stopped   bool  // by us
	Now       time.Duration
}

// An Exchange is a request and what comes of it.
type Exchange struct {
	epoch  time.Time
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	view View
}

// Start makes a request. The times of the exchange count from the epoch.
func Start(ctx context.Context, epoch time.Time, req Request) *Exchange {
	ctx, cancel := context.WithCancel(ctx)
	x := &Exchange{epoch: epoch, cancel: cancel, done: make(chan struct{})}
	x.view = View{Request: req, Begin: time.Since(epoch)}
	go func() {
		defer close(x.done)
		defer cancel()
		var err error
		if req.HTTP2 {
			err = x.http2(ctx, req)
		} else {
			err = x.http1(ctx, req)
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.view.Ended, x.view.End, x.view.Err = true, time.Since(epoch), err
		x.view.Stopped = x.view.Stopped || err != nil && ctx.Err() != nil // by the caller's context, too
	}()
	return x
}

// Done is closed when the response has ended.
func (x *Exchange) Done() <-chan struct{} { return x.done }

// Stop ends the exchange, if it has not ended, and waits for that.
func (x *Exchange) Stop() {
	x.mu.Lock()
	x.view.Stopped = !x.view.Ended
	x.mu.Unlock()
	x.cancel()
	<-x.done
}

// View returns what has been seen so far.
func (x *Exchange) View() View {
	x.mu.Lock()
	defer x.mu.Unlock()
	v := x.view
	v.Body, v.Bursts = slices.Clip(v.Body), slices.Clone(v.Bursts)
	v.Now = time.Since(x.epoch)
	if v.Stopped {
		v.Ended, v.Err = false, nil
	}
	return v
}

// set changes the view.
func (x *Exchange) set(f func(v *View)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f(&x.view)
}

func (x *Exchange) opened(resp *http.Response, at time.Time) {
	x.set(func(v *View) {
		v.Response, v.Header = resp, at.Sub(x.epoch)
		v.Last = v.Header
		v.Sent = min(v.Sent, v.Header)
	})
}

// arrived notes bytes of the body.
func (x *Exchange) arrived(p []byte, at time.Time) {
	x.set(func(v *View) {
		now := at.Sub(x.epoch)
		v.Longest = max(v.Longest, now-v.Last)
		v.Last = now
		v.Size += int64(len(p))
		kept := p[:min(len(p), maxBody-len(v.Body))]
		if len(kept) == 0 {
			return
		}
		v.Body = append(v.Body, kept...)
		if n := len(v.Bursts); n > 0 && (v.Bursts[n-1].At == now || n == maxBursts) {
			v.Bursts[n-1].End = len(v.Body)
		} else {
			v.Bursts = append(v.Bursts, Burst{now, len(v.Body)})
		}
	})
}

// At returns when the byte at an offset of the body arrived.
func (v *View) At(offset int) time.Duration {
	i, _ := slices.BinarySearchFunc(v.Bursts, offset, func(b Burst, offset int) int {
		if b.End > offset {
			return 1
		}
		return -1
	})
	if i == len(v.Bursts) {
		return v.Now
	}
	return v.Bursts[i].At
}

// Until returns when the watch ended: at the end of the response, or now.
func (v *View) Until() time.Duration {
	if v.Ended {
		return v.End
	}
	return v.Now
}
