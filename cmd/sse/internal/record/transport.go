package record

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/lastevent/sse/internal/recording"
)

// A Transport is an http.RoundTripper whose requests and responses are recorded.
type Transport struct {
	recorder *Recorder
	base     *http.Transport
	keep     func(h *head) bool
}

// Transport returns a Transport that sends requests by base, which it changes, and records
// each.
func (r *Recorder) Transport(base *http.Transport) *Transport {
	tapTransport(base)
	return &Transport{recorder: r, base: base}
}

// CloseIdleConnections closes the idle connections of the base.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip sends a request.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	c := t.recorder.newConnection(req, t.keep)
	tapped, attempts := false, 0
	out := req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if attempts++; attempts > 1 { // the transport repeats what a reused connection has not answered
				c.finish(time.Now(), recording.Drop)
				c = c.again()
			}
			var conn *tap
			if conn, tapped = info.Conn.(*tap); tapped {
				conn.attach(&splitter{out: c, method: req.Method})
			}
		},
	}))
	if out.Body != nil && out.Body != http.NoBody {
		out.Body = &requestBody{out.Body, c}
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		kind := recording.Drop
		if ctx.Err() != nil {
			kind = recording.Wait
		}
		c.finish(time.Now(), kind)
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		c.finish(time.Now(), recording.Drop) // what follows is no response
		return resp, nil
	}
	if !tapped {
		h := headOf(resp)
		c.head(time.Now(), h)
		if resp.ContentLength == 0 || h.framing == noBody {
			c.end(time.Now())
		}
	}
	resp.Body = &responseBody{resp.Body, c, ctx, tapped}
	return resp, nil
}

// ending returns how a response has ended, of whose body err is.
func ending(ctx context.Context, err error) recording.Kind {
	switch {
	case err == io.EOF:
		return recording.End
	case ctx.Err() != nil:
		return recording.Wait
	}
	return recording.Drop
}

// headOf returns what a connection that cannot be tapped would have shown.
func headOf(resp *http.Response) *head {
	h := &head{code: resp.StatusCode}
	for name, values := range resp.Header {
		for _, value := range values {
			h.fields = append(h.fields, field{name, value})
		}
	}
	switch {
	case resp.Request.Method == http.MethodHead, resp.StatusCode == http.StatusNoContent, resp.StatusCode == http.StatusNotModified:
	case resp.ProtoMajor == 2:
		h.framing = byHTTP2
	case resp.ContentLength >= 0:
		h.framing = byLength
	case len(resp.TransferEncoding) > 0:
		h.framing = byChunks
	default:
		h.framing = byClose
	}
	return h
}

// A requestBody notes what is sent of a request's body.
type requestBody struct {
	io.ReadCloser
	conn *connection
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.conn.sending(p[:n])
	return n, err
}

// A responseBody notes how a response's body ended and, if the connection was not tapped,
// what came of it.
type responseBody struct {
	io.ReadCloser
	conn   *connection
	ctx    context.Context
	tapped bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	at := time.Now()
	if n > 0 && !b.tapped {
		b.conn.bytes(at, p[:n], false)
	}
	if err != nil {
		b.conn.finish(at, ending(b.ctx, err))
	}
	return n, err
}

func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.conn.finish(time.Now(), recording.Wait)
	return err
}
