package sse_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
)

// A policyRow is something that happens to one connection, and what the policies make of it.
type policyRow struct {
	name    string
	handler http.HandlerFunc
	url     string              // instead of the server's
	dial    error               // instead of a connection
	hangUp  bool                // the server closes the connection at once
	set     func(c *sse.Client) // what the row needs of the client
	http2   bool

	err                 any  // a target of errors.As, or an error for errors.Is
	opens               bool // it was an event stream, once
	transient, standard bool // whether the policy reconnects
	quiet               bool // not to reconnect is no error
}

func policyRows() []policyRow {
	idle := func(c *sse.Client) { c.IdleTimeout = time.Minute }
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	rows := []policyRow{
		{name: "close between events", handler: stream("data:1\n\n"), err: io.EOF, opens: true, transient: true, standard: true, quiet: true},
		{name: "close before any byte", handler: stream(""), err: io.EOF, opens: true, transient: true, standard: true, quiet: true},
		{name: "close inside an event", handler: stream("data:1\n"), err: new(*sse.UnfinishedError), opens: true, transient: true, standard: true},
		{name: "cut between events", handler: cut("data:1\n\n"), err: io.ErrUnexpectedEOF, opens: true, transient: true, standard: true},
		{name: "cut inside an event", handler: cut("data:1\nda"), err: io.ErrUnexpectedEOF, opens: true, transient: true, standard: true},
		{name: "close without framing", handler: raw(rawHeader+"\r\ndata:1\n\n", false), err: io.EOF, opens: true, transient: true, standard: true, quiet: true},
		{name: "short Content-Length", handler: raw(rawHeader+"Content-Length: 100\r\n\r\ndata:1\n\n", false),
			err: io.ErrUnexpectedEOF, opens: true, transient: true, standard: true},
		{name: "reset", handler: raw(rawHeader+"\r\ndata:1\n\n", true), err: new(*net.OpError), opens: true, transient: true, standard: true},
		{name: "close before the header", handler: raw("", false), err: new(*url.Error), transient: true, standard: true},

		{name: "dial", dial: syscall.ECONNREFUSED, err: syscall.ECONNREFUSED, transient: true, standard: true},
		{name: "dial timeout", dial: context.DeadlineExceeded, err: new(*url.Error), transient: true, standard: true},
		{name: "DNS", dial: &net.DNSError{Err: "no such host", IsNotFound: true}, err: new(*net.DNSError), transient: true, standard: true},
		{name: "TLS handshake", url: "https://memnet/", hangUp: true, err: new(*url.Error), transient: true, standard: true},
		{name: "HTTP behind https", url: "https://memnet/", err: http.ErrSchemeMismatch},

		{name: "scheme", url: "ftp://memnet/", err: new(*url.Error)},
		{name: "no scheme", url: "memnet/", err: new(*url.Error)},
		{name: "no host", url: "http:///", err: new(*url.Error)},
		{name: "opaque", url: "mailto:a@b", err: new(*url.Error)},
		{name: "redirect to a scheme", handler: status(307, "Location", "ftp://memnet/"), err: new(*url.Error)},
		{name: "redirect to no host", handler: status(307, "Location", "http:///"), err: new(*url.Error)},

		{name: "204", handler: status(204), quiet: true},
		{name: "other media type", handler: status(200, "Content-Type", "text/html"), err: new(*sse.ResponseError)},
		{name: "no media type", handler: raw("HTTP/1.1 200 OK\r\n\r\n", false), err: new(*sse.ResponseError)},
		{name: "Content-Encoding", handler: status(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), err: new(*sse.ResponseError)},

		{name: "silent", handler: hold("data:1\n\n"), set: idle, err: sse.ErrIdleTimeout, opens: true, transient: true, standard: true},
		{name: "silent from the start", handler: hold(""), set: idle, err: sse.ErrIdleTimeout, opens: true, transient: true, standard: true},
		{name: "silent, HTTP/2", handler: hold("data:1\n\n"), set: idle, http2: true, err: sse.ErrIdleTimeout, opens: true, transient: true, standard: true},
		{name: "no header within IdleTimeout", handler: silent, set: idle, err: sse.ErrIdleTimeout, transient: true, standard: true},
		{name: "no header within HTTPClient.Timeout", handler: silent, set: func(c *sse.Client) { c.HTTPClient.Timeout = time.Minute },
			err: sse.ErrIdleTimeout, transient: true, standard: true},

		{name: "bad HTTP", handler: raw("hello\r\n\r\n", false), err: new(*url.Error), transient: true, standard: true},
		{name: "broken chunking", handler: raw(rawHeader+"Transfer-Encoding: chunked\r\n\r\n8\r\ndata:1\n\n\r\nX\r\n", false),
			err: new(error), opens: true, transient: true, standard: true},
		{name: "redirect loop", handler: status(302, "Location", "loop"), err: new(*url.Error), transient: true, standard: true},
		{name: "RST_STREAM", handler: cut("data:1\n\n"), http2: true, err: new(error), opens: true, transient: true, standard: true},
		{name: "close, HTTP/2", handler: stream("data:1\n\n"), http2: true, err: io.EOF, opens: true, transient: true, standard: true, quiet: true},

		{name: "event too large", handler: hold("data:" + strings.Repeat("x", 2000)), set: func(c *sse.Client) { c.MaxEventSize = 1000 },
			err: sse.ErrEventTooLarge, opens: true},
	}
	for _, code := range []int{408, 425, 429, 500, 502, 503, 504, 506, 507, 508, 510, 511, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599} {
		rows = append(rows, policyRow{name: strconv.Itoa(code), handler: status(code), err: new(*sse.ResponseError), transient: true})
	}
	for _, code := range []int{201, 202, 203, 205, 206, 210, 299, 300, 304, 400, 401, 403, 404, 405, 410, 418, 451, 501, 505, 600, 999} {
		rows = append(rows, policyRow{name: strconv.Itoa(code), handler: status(code, "Content-Type", "text/event-stream"), err: new(*sse.ResponseError)})
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		rows = append(rows, policyRow{name: strconv.Itoa(code) + " without Location", handler: status(code), err: new(*sse.ResponseError)})
	}
	return rows
}

// TestPolicy goes through the table of what reconnects, each row under four policies.
// The server answers the connection after the failing one with 204: a policy that
// reconnects ends the stream without an error.
func TestPolicy(t *testing.T) {
	for _, row := range policyRows() {
		for _, policy := range []struct {
			name       string
			good       int // connections before the failing one
			policy     func(error) bool
			reconnects bool
		}{
			{"default, first attempt", 0, nil, row.opens && row.transient},
			{"default, after a good one", 1, nil, row.transient},
			{"Transient", 0, sse.Transient, row.transient},
			{"Standard", 0, sse.Standard, row.standard},
		} {
			in(t, row.name+"/"+policy.name, func(t *testing.T) {
				tr := record()
				connection := func() int { return tr.connects - 1 } // the current one
				s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
					switch n, _ := strconv.Atoi(r.Header.Get("Connection-Number")); {
					case n < policy.good:
						stream("data:0\n\n")(w, r)
					case n > policy.good:
						w.WriteHeader(http.StatusNoContent)
					default:
						row.handler(w, r)
					}
				})
				if row.http2 {
					s.useHTTP2(t)
				}
				transport := s.netHTTP(t)
				transport.DisableKeepAlives = !row.http2
				transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if row.dial != nil && connection() == policy.good {
						return nil, &net.OpError{Op: "dial", Net: network, Err: row.dial}
					}
					if row.hangUp && connection() == policy.good {
						client, server := memnet.Pipe()
						server.Close()
						return client, nil
					}
					return s.DialContext(ctx, network, addr)
				}
				c := sse.Client{HTTPClient: s.client, Reconnect: policy.policy, NewBackoff: every(time.Second), Trace: tr.trace()}
				if row.set != nil {
					row.set(&c)
				}
				c.Prepare = func(r *http.Request) (err error) {
					r.Header.Set("Connection-Number", strconv.Itoa(tr.connects))
					if row.url != "" && tr.connects == policy.good {
						r.URL, err = url.Parse(row.url)
						r.Host = r.URL.Host
					}
					return err
				}

				_, err := all(t, c.Events(get(t, "http://memnet/")))

				require.GreaterOrEqual(t, len(tr.infos), policy.good+1)
				failed := tr.infos[policy.good]
				requireError(t, row.err, failed.Err)
				require.Equal(t, policy.reconnects, failed.Reconnect)
				if policy.reconnects {
					require.NoError(t, err)
					require.Equal(t, time.Second, failed.Delay)
					require.Len(t, tr.infos, policy.good+2)
					return
				}
				require.Len(t, tr.infos, policy.good+1)
				if row.quiet {
					require.NoError(t, err)
				} else {
					requireError(t, row.err, err)
				}
			})
		}
	}
}

// requireError holds err to want: nil, a target of errors.As, or an error for errors.Is.
func requireError(t *testing.T, want any, err error) {
	t.Helper()
	switch want := want.(type) {
	case nil:
		require.NoError(t, err)
	case error:
		require.ErrorIs(t, err, want)
	default:
		require.ErrorAs(t, err, want)
	}
}

// TestInvalidCertificate: nobody should wait for it to heal.
func TestInvalidCertificate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := httptest.NewUnstartedServer(stream("data:1\n\n"))
		srv.Listener.Close()
		srv.Listener = l
		srv.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
		srv.StartTLS()
		defer srv.Close()
		transport := &http.Transport{DialContext: l.DialContext}
		defer transport.CloseIdleConnections()
		c := sse.Client{HTTPClient: &http.Client{Transport: transport}, Reconnect: sse.Transient}
		_, err := all(t, c.Get(t.Context(), "https://memnet/"))
		require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
		require.False(t, sse.Standard(err))
	})
}

// TestTransientTransport: a scheme that is foreign to net/http may be the transport's own.
func TestTransientTransport(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	require.True(t, sse.Transient(&url.Error{Op: "Get", URL: "unix:///socket", Err: dial}))
	require.False(t, sse.Transient(nil))
	require.False(t, sse.Standard(nil))
	require.True(t, sse.Transient(fmt.Errorf("wrapped: %w", io.EOF)))
	require.False(t, sse.Transient(fmt.Errorf("wrapped: %w", sse.ErrEventTooLarge)))
}

// TestOtherEnds are the rows that no policy is asked about.
func TestOtherEnds(t *testing.T) {
	broken := errors.New("broken")
	ask := func(err error) bool { t.Errorf("the policy was asked about %v", err); return false }

	in(t, "Prepare fails", func(t *testing.T) {
		s := serve(t)
		tr := record()
		c := sse.Client{HTTPClient: s.client, Reconnect: ask, Trace: tr.trace(), Prepare: func(*http.Request) error { return broken }}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.Equal(t, broken, err)
		require.Empty(t, s.requests)
		require.Empty(t, tr.String())
	})
	in(t, "Prepare fails later", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"))
		n := 0
		c := sse.Client{HTTPClient: s.client, Prepare: func(*http.Request) error {
			if n++; n == 2 {
				return broken
			}
			return nil
		}}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.Equal(t, broken, err)
		require.Equal(t, "1", data(got))
	})
	in(t, "GetBody fails", func(t *testing.T) {
		s := serve(t)
		req := get(t, "http://memnet/")
		req.Body, req.GetBody = io.NopCloser(strings.NewReader("x")), func() (io.ReadCloser, error) { return nil, broken }
		c := sse.Client{HTTPClient: s.client, Reconnect: ask}
		_, err := all(t, c.Events(req))
		require.Equal(t, broken, err)
	})
	in(t, "bad URL", func(t *testing.T) {
		c := sse.Client{Reconnect: ask, Prepare: func(*http.Request) error { t.Error("a request was made"); return nil }}
		_, err := all(t, c.Get(t.Context(), "http://this is invalid/"))
		require.ErrorAs(t, err, new(*url.Error))
	})
	in(t, "204 is not asked about", func(t *testing.T) {
		s := serve(t)
		c := sse.Client{HTTPClient: s.client, Reconnect: ask}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Empty(t, got)
	})
	in(t, "giving up", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), status(503), status(503), status(503))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace(), NewBackoff: func(time.Duration) sse.Backoff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
		}}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.ErrorContains(t, err, "sse: giving up: sse: GET http://memnet/: 503 Service Unavailable")
		require.ErrorAs(t, err, new(*sse.ResponseError))
		require.Len(t, s.requests, 3)
		require.False(t, tr.infos[2].Reconnect)
		require.ErrorAs(t, tr.infos[2].Err, new(*sse.ResponseError))
	})
	in(t, "giving up on a clean close", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"))
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(-1)}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.EqualError(t, err, "sse: giving up: EOF")
	})
}

// TestNeverSent: what net/http rejects before anything is sent can never work, whatever the
// policy. It has no types for these errors, only texts, which may change with its releases.
func TestNeverSent(t *testing.T) {
	for name, prepare := range map[string]func(*http.Request){
		"a token with its newline": func(r *http.Request) { r.Header.Set("Authorization", "Bearer token\n") },
		"a header's name":          func(r *http.Request) { r.Header["X Token"] = []string{"1"} },
		"a trailer's value":        func(r *http.Request) { r.Trailer = http.Header{"X": {"\x00"}} },
		"a method":                 func(r *http.Request) { r.Method = "GET /" },
		"RequestURI":               func(r *http.Request) { r.RequestURI = "/" },
		"no URL":                   func(r *http.Request) { r.URL = nil },
		"a length without a body":  func(r *http.Request) { r.ContentLength = 5 },
		"a body longer than its length, over HTTP/2": func(r *http.Request) { withBody(r); r.ContentLength = 3 },
		"a body longer than its length":              func(r *http.Request) { withBody(r); r.ContentLength = 3 },
		"a body shorter than its length":             func(r *http.Request) { withBody(r); r.ContentLength = 5 },
		"a port that is too large":                   func(r *http.Request) { r.URL.Host = "memnet:99999" },
		"a malformed address":                        func(r *http.Request) { r.URL.Host = "[::1" },
		"Transfer-Encoding over HTTP/2":              func(r *http.Request) { r.Header.Set("Transfer-Encoding", "gzip") },
		"Connection over HTTP/2":                     func(r *http.Request) { r.Header.Set("Connection", "upgrade") },
		"Upgrade over HTTP/2":                        func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"too much for HTTP/2":                        func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", 2<<20)) },
	} {
		http2 := strings.HasSuffix(name, "HTTP/2")
		overBoth(t, name, func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
			s := serve(t, repeated(5, hold(""))...)
			if http2 && strings.HasSuffix(t.Name(), "lean") {
				t.Skip("package lean has no HTTP/2")
			}
			if http2 {
				s.useHTTP2(t)
				resp, err := s.client.Get("http://memnet/") // which brings the server's settings
				require.NoError(t, err)
				resp.Body.Close()
				s.requests = nil
			} else {
				dial := new(net.Dialer)
				s.client.Transport = transport(func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr != "memnet:80" {
						return dial.DialContext(ctx, network, addr)
					}
					return s.DialContext(ctx, network, addr)
				})
			}
			for policyName, policy := range map[string]func(error) bool{"Transient": sse.Transient, "Standard": sse.Standard} {
				c := sse.Client{HTTPClient: s.client, Reconnect: policy, Prepare: func(r *http.Request) error {
					prepare(r)
					return nil
				}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := all(t, c.Get(ctx, "http://memnet/"))
				require.ErrorAs(t, err, new(*url.Error), policyName)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
			}
			if !strings.HasPrefix(name, "a body") { // its beginning is sent
				require.Empty(t, s.requests)
			}
		})
	}
}

func withBody(r *http.Request) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4
}

// TestPolicyAsksWhatWasSent: a request is what Prepare made of it.
func TestPolicyAsksWhatWasSent(t *testing.T) {
	for name, test := range map[string]struct {
		method  string
		prepare func(r *http.Request)
		sent    int
	}{
		"a GET that becomes a POST": {"GET", func(r *http.Request) { r.Method = "POST" }, 1},
		"a POST that becomes a GET": {"POST", func(r *http.Request) { r.Method = "GET" }, 3},
		"a POST that gets a key":    {"POST", func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") }, 3},
		"a key that goes":           {"DELETE", func(r *http.Request) { r.Header.Del("Idempotency-Key") }, 1},
		"a GET that gets a body":    {"GET", withBody, 3},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, cut("data:1\n\n"), cut("data:2\n\n"))
			req := get(t, "http://memnet/")
			if req.Method = test.method; test.method == "DELETE" {
				req.Header.Set("Idempotency-Key", "k")
			}
			c := sse.Client{HTTPClient: s.client, Prepare: func(r *http.Request) error { test.prepare(r); return nil }}
			_, err := all(t, c.Events(req))
			require.Equal(t, test.sent == 1, err == io.ErrUnexpectedEOF, err)
			require.Len(t, s.requests, test.sent)
			if name == "a GET that gets a body" {
				require.Equal(t, "body body body", s.requests[0].body+" "+s.requests[1].body+" "+s.requests[2].body)
			}
		})
	}
}

// TestBodiesOfPrepare: the caller's body can be sent once. A body that Prepare puts in its
// place is new for each attempt. A GetBody that Prepare sets, on the clone that is sent,
// brings nothing back: the stream ends with what ended its connection.
func TestBodiesOfPrepare(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(r *http.Request)
		bodies  string
		err     error
	}{
		"a new body":   {withBody, "body body", nil},
		"only GetBody": {func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil } }, "the caller's", io.ErrUnexpectedEOF},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, cut("data:1\n\n"))
			req := post(t, io.NopCloser(strings.NewReader("the caller's")))
			req.Header.Set("Idempotency-Key", "k")
			c := sse.Client{HTTPClient: s.client, Prepare: func(r *http.Request) error { test.prepare(r); return nil }}
			_, err := all(t, c.Events(req))
			require.Equal(t, test.err, err)
			var bodies []string
			for _, r := range s.requests {
				bodies = append(bodies, r.body)
			}
			require.Equal(t, test.bodies, strings.Join(bodies, " "))
		})
	}
}

// TestCompleteAnswerIsNotAskedForAgain, whatever makes the request one that may be repeated.
func TestCompleteAnswerIsNotAskedForAgain(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "REPORT"} {
		for _, key := range []string{"Idempotency-Key", "idempotency-key", "X-Idempotency-Key"} {
			for name, text := range map[string]string{"whole": "data:1\n\n", "unfinished": "data:1\n\ndata:2", "with text": "data:1\n\n<html>", "empty": ""} {
				in(t, method+"/"+key+"/"+name, func(t *testing.T) {
					s := serve(t, stream(text))
					req := post(t, nil)
					req.Method = method
					req.Header[key] = []string{"k"}
					_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
					if name == "whole" || name == "empty" {
						require.NoError(t, err)
					} else {
						require.ErrorAs(t, err, new(*sse.UnfinishedError))
					}
					require.Len(t, s.requests, 1)

					s = serve(t, cut(text))
					_, err = all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
					require.NoError(t, err)
					require.Len(t, s.requests, 2, "what was cut is asked for again")
				})
			}
		}
	}
	in(t, "unless a policy of the caller's wants it", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"))
		_, err := all(t, (&sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}).Events(post(t, strings.NewReader("{}"))))
		require.NoError(t, err)
		require.Len(t, s.requests, 2)
	})
}
