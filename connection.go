package sse

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// What interrupts a connection or a wait, and the end of a stream that is no error.
// Callers never see these.
var (
	errClosed    = errors.New("sse: the stream was closed")
	errNoContent = errors.New("sse: 204 No Content")
)

// restarted is the cause of a context that Stream.Restart ended.
type restarted struct{ cause error }

func (r *restarted) Error() string { return r.cause.Error() }

const (
	closeTimeout = time.Second // for a response's body to close

	drainTimeout = 20 * time.Millisecond // for the rest of a body, so that its connection can be used again,
	maxDrain     = 4 << 10               // and bytes of it
)

// A connection is one attempt to open the stream and, if it succeeds, what is read of it.
//
// Whatever ends it early ends ctx, whose cause says what that was. The end of ctx also
// closes the body, so that a RoundTripper that ignores its context cannot hold a Read.
type connection struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	sent   *attempt    // nil until the request is made
	timer  *time.Timer // ends ctx with ErrIdleTimeout: for the header, and for silence

	resp     *http.Response // nil until the header has arrived
	body     *body          // as the RoundTripper made it
	rejected bool           // by an error of Client.CheckResponse that is no *ResponseError

	openedAt  time.Time // when the response opened the stream; zero: it did not
	openedID  string    // the ID in force then
	anonymous bool      // it brought an event while no ID was in force: progress without an ID

	traced bool           // the trace will get its end: Disconnect is due
	info   DisconnectInfo // for the trace
	wire   wire           // the network connection that the request used
}

func newConnection(ctx context.Context) *connection {
	c := new(connection)
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.timer = time.AfterFunc(math.MaxInt64, func() { c.cancel(ErrIdleTimeout) })
	c.timer.Stop()
	return c
}

// begin notes the request that Disconnect will report.
func (c *connection) begin(req *http.Request) { c.traced, c.info.Request = true, req }

// send sends the request and takes the response. It waits for its header at most for
// headerTime; 0 means no limit.
func (c *connection) send(client *http.Client, headerTime time.Duration) error {
	if headerTime > 0 {
		c.timer.Reset(headerTime)
	}
	resp, err := client.Do(c.sent.Request)
	c.timer.Stop()
	if err != nil {
		if ue := (*url.Error)(nil); resp != nil && errors.As(err, &ue) {
			// A redirect was not followed, and net/http gives its target as the server wrote it.
			base := c.sent.URL
			if resp.Request != nil {
				base = resp.Request.URL
			}
			if target, err := base.Parse(ue.URL); err == nil {
				ue.URL = target.String()
			}
		}
		return c.cause(redact(err))
	}
	c.take(resp)
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx) // it came too late, and may be what the server made of the end
	}
	return nil
}

// take makes resp the connection's response.
func (c *connection) take(resp *http.Response) {
	c.resp, c.body = resp, &body{ReadCloser: resp.Body, timer: c.timer, closed: make(chan struct{})}
	if resp.Body == nil {
		c.body.ReadCloser = http.NoBody
	}
	resp.Body = c.body
	if resp.Request == nil {
		resp.Request = c.sent.Request // which net/http would have done
	}
	context.AfterFunc(c.ctx, func() { c.body.Close() })
}

// check reports whether the response opens the stream. The check is the caller's, or nil.
func (c *connection) check(check func(*http.Response) error, idle time.Duration) error {
	if c.resp.StatusCode == http.StatusNoContent {
		return errNoContent
	}
	if check == nil {
		return CheckResponse(c.resp)
	}
	c.body.idle = idle
	err := check(c.resp)
	if re := (*ResponseError)(nil); err != nil && !errors.As(err, &re) {
		c.rejected = c.ctx.Err() == nil
		return c.cause(err)
	}
	return err
}

// interrupted returns what ended the connection before its time, so that nothing that is
// buffered may be delivered any more. Silence does not: what has arrived is delivered.
func (c *connection) interrupted() error {
	if c.ctx.Err() == nil {
		return nil
	}
	if err := context.Cause(c.ctx); err != ErrIdleTimeout {
		return err
	}
	return nil
}

// cause returns the reason for an error of the connection: the cause of its context, if
// that has ended. A refusal is reported as one even if the rest of its body was late.
func (c *connection) cause(err error) error {
	if c.ctx.Err() == nil {
		return err
	}
	cause := context.Cause(c.ctx)
	if re := (*ResponseError)(nil); cause == ErrIdleTimeout && errors.As(err, &re) {
		return err
	}
	return cause
}

// close closes the connection. It waits for the body to be closed, but not for ever: over
// HTTP/2 net/http waits for writes, which a peer that stops reading can block.
func (c *connection) close() {
	c.timer.Stop()
	c.cancel(nil) // closes the body, and ends the request first, so that nothing is drained
	if c.resp != nil {
		select {
		case <-c.body.closed:
		case <-time.After(closeTimeout):
		}
		if c.resp.Body != c.body && c.resp.Body != nil {
			c.resp.Body.Close() // which CheckResponse put in its place
		}
	}
	if c.sent != nil {
		c.sent.close()
	}
}

// drain reads the rest of the body, if it is short and soon to come, so that an HTTP/1.1
// connection can be used again. That matters for requests that are made one per answer,
// which streams that use GET are not.
func (c *connection) drain() {
	if c.resp == nil || c.resp.ProtoMajor != 1 || c.resp.Request == nil {
		return
	}
	if method := c.resp.Request.Method; method == http.MethodGet || method == "" {
		return
	}
	c.body.idle, c.body.sized = 0, false
	c.timer.Reset(drainTimeout)
	_, _ = io.CopyN(io.Discard, c.body, maxDrain)
}

// A body is a response's body that is closed once, by the first of those that may close it:
// the end of the connection's context, a CheckResponse, or the connection.
type body struct {
	io.ReadCloser
	timer  *time.Timer
	idle   time.Duration // for a Read to wait for a byte, before the timer goes off; 0: any
	sized  bool          // what has arrived is to be delivered at once, by reads of the right size
	size   readSize      // of each read, if sized
	once   sync.Once
	closed chan struct{} // closed when ReadCloser has been
	err    error         // of its Close
}

// Read drops the connection if it waits too long for a byte. Time that passes between
// Reads is the consumer's, and does not count.
func (b *body) Read(p []byte) (int, error) {
	if b.idle > 0 {
		b.timer.Reset(b.idle)
		defer b.timer.Stop()
	}
	if !b.sized {
		return b.ReadCloser.Read(p)
	}
	p = p[:min(len(p), b.size.limit())]
	if b.size.single() { // how long it takes does not matter
		n, err := b.ReadCloser.Read(p)
		b.size.note(len(p), n, 0)
		return n, err
	}
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.size.note(len(p), n, time.Since(start))
	return n, err
}

func (b *body) Close() error {
	b.once.Do(func() {
		defer close(b.closed)
		b.err = b.ReadCloser.Close()
	})
	return b.err
}
