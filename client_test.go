package sse_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

func TestRequestHeaders(t *testing.T) {
	for name, test := range map[string]struct{ set, want map[string][]string }{
		"defaults": {nil, map[string][]string{
			"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}, "Accept-Encoding": {"identity"}, "Last-Event-Id": nil}},
		"the caller's": {
			map[string][]string{"Accept": {"text/event-stream, application/json"}, "Cache-Control": {"max-age=0"}, "Accept-Encoding": {"br"},
				"Authorization": {"Bearer x"}, "X-Two": {"1", "2"}},
			map[string][]string{"Accept": {"text/event-stream, application/json"}, "Cache-Control": {"max-age=0"}, "Accept-Encoding": {"br"},
				"Authorization": {"Bearer x"}, "X-Two": {"1", "2"}}},
		"empty Last-Event-ID": {map[string][]string{"Last-Event-Id": {""}}, map[string][]string{"Last-Event-Id": nil}},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, stream("data:1\n\n"), stream("data:2\n\n"))
			req := get(t, "http://memnet/")
			for k, v := range test.set {
				req.Header[k] = v
			}
			before := req.Clone(t.Context())
			_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
			require.NoError(t, err)
			require.Len(t, s.requests, 3)
			for _, r := range s.requests {
				require.Equal(t, http.MethodGet, r.Method)
				for k, v := range test.want {
					require.Equal(t, v, r.Header[k], k)
				}
			}
			require.Equal(t, before.Header, req.Header, "the caller's request is never written")
		})
	}
	in(t, "no header map", func(t *testing.T) {
		s := serve(t)
		req := (&http.Request{URL: get(t, "http://memnet/").URL}).WithContext(t.Context())
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		require.Equal(t, "text/event-stream", s.requests[0].Header.Get("Accept"))
		require.Nil(t, req.Header)
	})
}

// TestPrepare: each attempt is a fresh clone, so that what it adds does not pile up.
func TestPrepare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("id:1\ndata:1\n\n"), status(503), stream("id:2\ndata:2\n\n"))
		req := get(t, "http://memnet/feed?a=1")
		attempt := 0
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace(), Prepare: func(r *http.Request) error {
			require.NotSame(t, req, r)
			attempt++
			r.Header.Add("Authorization", "token "+strconv.Itoa(attempt))
			q := r.URL.Query()
			q.Add("since", r.Header.Get("Last-Event-ID"))
			r.URL.RawQuery = q.Encode()
			r.Header.Del("Last-Event-ID")
			return nil
		}}
		_, err := all(t, c.Events(req))
		require.NoError(t, err)
		var seen []string
		for _, r := range s.requests {
			seen = append(seen, r.URL.RawQuery+" "+strings.Join(r.Header["Authorization"], "|"))
		}
		require.Equal(t, []string{"a=1&since= token 1", "a=1&since=1 token 2", "a=1&since=1 token 3", "a=1&since=2 token 4"}, seen)
		require.Equal(t, "a=1", req.URL.RawQuery)
		require.Empty(t, req.Header)
		require.Equal(t, "a=1&since=2", tr.infos[3].Request.URL.RawQuery, "Trace sees what Prepare made")
	})
}

// TestPrepareSeesNoBody: a request without a body has none in Prepare either.
func TestPrepareSeesNoBody(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{"nil": nil, "NoBody": http.NoBody} {
		in(t, name, func(t *testing.T) {
			s := serve(t)
			req := get(t, "http://memnet/")
			req.Body = body
			c := sse.Client{HTTPClient: s.client, Prepare: func(r *http.Request) error {
				require.True(t, r.Body == body, "%T", r.Body)
				return nil
			}}
			_, err := all(t, c.Events(req))
			require.NoError(t, err)
			require.Len(t, s.requests, 1)
		})
	}
}

// TestTokenRefresh: a policy may reconnect after a 401, with a new token from Prepare.
func TestTokenRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		token := "old"
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, n int) {
			switch {
			case r.Header.Get("Authorization") != "new":
				w.WriteHeader(http.StatusUnauthorized)
			case n == 1:
				send(w, "data:1\n\n")
			default:
				w.WriteHeader(http.StatusNoContent)
			}
		})
		c := sse.Client{
			HTTPClient: s.client,
			Prepare:    func(r *http.Request) error { r.Header.Set("Authorization", token); return nil },
			Reconnect: func(err error) bool {
				re, ok := err.(*sse.ResponseError)
				if ok && re.StatusCode == http.StatusUnauthorized && token == "old" {
					token = "new"
					return true
				}
				return sse.Transient(err)
			},
		}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1", data(got))
	})
}

func post(t *testing.T, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://memnet/", body)
	require.NoError(t, err)
	return req
}

// TestReplay: which requests the default policy sends again, and with which body.
func TestReplay(t *testing.T) {
	once := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) } // NewRequest makes no GetBody of it
	for name, test := range map[string]struct {
		method  string
		body    io.Reader
		header  string
		replays bool
	}{
		"GET":                           {"GET", nil, "", true},
		"no method":                     {"", nil, "", true},
		"OPTIONS":                       {"OPTIONS", nil, "", true},
		"TRACE":                         {"TRACE", nil, "", true},
		"GET with a body":               {"GET", strings.NewReader("body"), "", true},
		"GET with a single-use body":    {"GET", once("body"), "", false},
		"POST":                          {"POST", strings.NewReader("body"), "", false},
		"POST without a body":           {"POST", nil, "", false},
		"REPORT":                        {"REPORT", strings.NewReader("body"), "", false},
		"POST with Idempotency-Key":     {"POST", strings.NewReader("body"), "Idempotency-Key", true},
		"POST with X-Idempotency-Key":   {"POST", strings.NewReader("body"), "X-Idempotency-Key", true},
		"single-use, Idempotency-Key":   {"POST", once("body"), "Idempotency-Key", false},
		"DELETE with X-Idempotency-Key": {"DELETE", nil, "X-Idempotency-Key", true},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, cut("id:1\ndata:1\n\n"))
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://memnet/", test.body)
			require.NoError(t, err)
			req.Method = test.method
			if test.header != "" {
				req.Header.Set(test.header, "k")
			}
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
			require.Equal(t, "1", data(got))
			if !test.replays {
				require.Equal(t, io.ErrUnexpectedEOF, err)
				require.Len(t, s.requests, 1, "nothing is paid for twice")
				return
			}
			require.NoError(t, err)
			require.Len(t, s.requests, 2)
			require.Equal(t, s.requests[0].body, s.requests[1].body)
			require.Equal(t, s.requests[0].Method, s.requests[1].Method)
			if test.body != nil {
				require.Equal(t, "body", s.requests[1].body)
			}
		})
	}
	in(t, "HEAD", func(t *testing.T) { // whose response has no body to cut
		s := serve(t, stream(""))
		req := get(t, "http://memnet/")
		req.Method = http.MethodHead
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		require.Empty(t, got)
		require.Len(t, s.requests, 2)
		require.Equal(t, http.MethodHead, s.requests[1].Method)
	})
	in(t, "a POST that ends is done", func(t *testing.T) {
		s := serve(t, stream("data:1\n\ndata:[DONE]\n\n"))
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))))
		require.NoError(t, err)
		require.Equal(t, "1 [DONE]", data(got))
		require.Len(t, s.requests, 1)
	})
	in(t, "a policy that repeats a POST", func(t *testing.T) {
		s := serve(t, cut("id:1\ndata:1\n\n"), status(503), cut("data:2\n\n"))
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}
		_, err := all(t, c.Events(post(t, bytes.NewReader([]byte("body")))))
		require.NoError(t, err)
		require.Len(t, s.requests, 4)
		for _, r := range s.requests {
			require.Equal(t, "POST body", r.Method+" "+r.body)
		}
	})
	in(t, "a policy that repeats a spent body", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"))
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}
		events := c.Events(post(t, once("body")))
		_, err := all(t, events)
		require.EqualError(t, err, "sse: cannot reconnect, the request's body has no GetBody: EOF")
		_, err = all(t, events)
		require.EqualError(t, err, "sse: the request's body is spent, and it has no GetBody")
		require.Len(t, s.requests, 1, "it is not sent again empty")
	})
	in(t, "Prepare turns a POST into a GET that resumes", func(t *testing.T) {
		s := serve(t, cut("id:1\ndata:1\n\n"), stream("data:2\n\n"))
		first := true
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Prepare: func(r *http.Request) error {
			if !first {
				r.Method, r.Body, r.GetBody, r.ContentLength = http.MethodGet, nil, nil, 0
			}
			first = false
			return nil
		}}
		got, err := all(t, c.Events(post(t, strings.NewReader("body"))))
		require.NoError(t, err)
		require.Equal(t, "1 2", data(got))
		require.Equal(t, "GET ", s.requests[1].Method+" "+s.requests[1].body)
		require.Equal(t, "- 1 1", s.lastEventIDs())
	})
	in(t, "Prepare's error closes the body", func(t *testing.T) {
		closed := false
		req := post(t, strings.NewReader("body"))
		req.GetBody = func() (io.ReadCloser, error) {
			return closer{strings.NewReader("body"), func() { closed = true }}, nil
		}
		c := sse.Client{Prepare: func(*http.Request) error { return errCause }}
		_, err := all(t, c.Events(req))
		require.Equal(t, errCause, err)
		require.True(t, closed)
	})
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

// TestEachRangeIsAStream: ranging twice opens two streams, each from the start.
func TestEachRangeIsAStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("id:1\ndata:1\n\n"), status(204), stream("id:2\ndata:2\n\n"))
		events := (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("body")))
		for range 3 {
			_, err := all(t, events)
			require.NoError(t, err)
		}
		require.Equal(t, "- - -", s.lastEventIDs())
		for _, r := range s.requests {
			require.Equal(t, "body", r.body)
		}
	})
}

// TestOpens: what is an event stream and what is not.
func TestOpens(t *testing.T) {
	for contentType, opens := range map[string]bool{
		"text/event-stream":                               true,
		"TEXT/Event-Stream":                               true,
		"text/event-stream;":                              true,
		"text/event-stream ; charset=utf-8":               true,
		"text/event-stream;charset=windows-1252":          true,
		"text/event-stream; charset=utf-8; charset=utf-8": true,
		"text/event-stream; \"":                           true,
		"text/event-stream;x=y;z":                         true,
		"text/event-stream2":                              false,
		"text/event-stream, text/plain":                   false,
		"text/plain, text/event-stream":                   true,
		"text/plain,text/event-stream; charset=utf-8,":    true,
		"text/event-stream, */*":                          true,
		"text/event-stream, plain":                        true,
		"text/event-stream; x=\"a, text/plain\"":          true,
		"text/event-stream; x=\"\\\", text/plain":         true,
		"text/event-stream; x=\"a\", text/plain":          false,
		", text/event-stream":                             true,
		"*/*":                                             false,
		"text/event stream":                               false,
		"application/json":                                false,
		"text/plain":                                      false,
		"x bogus":                                         false,
		"text/x-bogus":                                    false,
		"/":                                               false,
	} {
		in(t, contentType, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", contentType)
				_, _ = io.WriteString(w, "data:ok…\n\n")
			})
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			if opens {
				require.NoError(t, err)
				require.Equal(t, "ok…", data(got))
				return
			}
			var re *sse.ResponseError
			require.ErrorAs(t, err, &re)
			require.Equal(t, 200, re.StatusCode)
			require.Equal(t, contentType, re.Header.Get("Content-Type"))
			require.Equal(t, "data:ok…\n\n", string(re.Body))
		})
	}
	in(t, "in two lines", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain", "text/event-stream"}
			_, _ = io.WriteString(w, "data:ok…\n\n")
		})
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "ok…", data(got))
	})
	for encoding, opens := range map[string]bool{"identity": true, "Identity": true, "gzip": false, "br": false} {
		in(t, encoding, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", encoding)
				send(w, "data:1\n\n")
			})
			_, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			require.Equal(t, opens, err == nil, err)
		})
	}
}

func TestResponseError(t *testing.T) {
	h := http.Header{"Content-Type": {"text/html"}}
	for want, err := range map[string]*sse.ResponseError{
		"sse: 404 Not Found":              {StatusCode: 404},
		`sse: 403 Forbidden: "no\nentry"`: {StatusCode: 403, Body: []byte("no\nentry\n")},
		"sse: 200 OK without an event stream (Content-Type \"text/html\", Content-Encoding \"\"): \"<html>\"": {StatusCode: 200, Header: h, Body: []byte("<html>")},
		`sse: 500 Internal Server Error: "` + strings.Repeat("x", 256) + `"`:                                  {StatusCode: 500, Body: bytes.Repeat([]byte("x"), 1024)},
		"sse: 599": {StatusCode: 599},
	} {
		require.EqualError(t, err, want)
	}
}

// TestSpecResponses runs the format cases that are about the response, or about the
// connections behind the first, through a Client.
func TestSpecResponses(t *testing.T) {
	n := 0
	for _, c := range specCases(t) {
		if c.ContentType == "" && c.Reconnect == nil {
			continue
		}
		n++
		in(t, c.Name, func(t *testing.T) {
			handlers := []http.HandlerFunc{c.handler(string(c.stream()))}
			want, ids := slices.Clone(c.Events), "-"
			for _, next := range c.Reconnect {
				handlers = append(handlers, stream(next.Stream))
				want = append(want, next.Events...)
				ids += " " + next.RequestLastEventID
			}
			s := serve(t, handlers...)
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			if c.ContentType != "" && !c.Opens {
				require.ErrorAs(t, err, new(*sse.ResponseError))
				require.Empty(t, got)
				require.Len(t, s.requests, 1)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.True(t, strings.HasPrefix(s.lastEventIDs(), ids), "%q", s.lastEventIDs())
		})
	}
	require.Equal(t, 6, n)
}

// TestRedirect: followed, and forgotten by the next connection.
func TestRedirect(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		in(t, strconv.Itoa(code), func(t *testing.T) {
			s := serveAll(t, func(w http.ResponseWriter, r *http.Request, n int) {
				switch {
				case n == 4:
					w.WriteHeader(http.StatusNoContent)
				case r.URL.Path == "/":
					http.Redirect(w, r, "/target", code)
				default:
					send(w, "id:1\ndata:1\n\n")
				}
			})
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, "1 1", data(got))
			var paths []string
			for _, r := range s.requests {
				paths = append(paths, r.URL.Path)
				require.Equal(t, "text/event-stream", r.Header.Get("Accept"))
			}
			require.Equal(t, []string{"/", "/target", "/", "/target", "/"}, paths)
			require.Equal(t, "- - 1 1 1", s.lastEventIDs())
		})
	}
	in(t, "one that is not followed, and relative to the one before", func(t *testing.T) {
		s := serve(t, status(302, "Location", "http://other/dir/"), status(302, "Location", "page"))
		s.client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
			if len(via) == 2 {
				return errCause
			}
			return nil
		}
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.ErrorIs(t, err, errCause)
		require.EqualError(t, err, `Get "http://other/dir/page": the cause`)
	})
	in(t, "credentials stay with their host", func(t *testing.T) {
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Host == "memnet" {
				http.Redirect(w, r, "http://other/", http.StatusTemporaryRedirect)
			} else {
				w.WriteHeader(http.StatusNoContent)
			}
		})
		req := get(t, "http://memnet/")
		req.Header.Set("Authorization", "secret")
		req.Header.Set("Cookie", "secret=1")
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		require.Equal(t, "other", s.requests[1].Host)
		require.Equal(t, "secret", s.requests[0].Header.Get("Authorization"))
		require.Empty(t, s.requests[1].Header.Get("Authorization"))
		require.Empty(t, s.requests[1].Header.Get("Cookie"))
	})
	in(t, "a refused redirect is its response", func(t *testing.T) {
		s := serve(t, status(302, "Location", "/target"))
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		var re *sse.ResponseError
		require.ErrorAs(t, err, &re)
		require.Equal(t, "/target", re.Header.Get("Location"))
	})
}

// TestCookies: the caller's jar is used, and none without one.
func TestCookies(t *testing.T) {
	for _, jar := range []bool{true, false} {
		in(t, strconv.FormatBool(jar), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
				send(w, "data:1\n\n")
			})
			if jar {
				s.client.Jar, _ = cookiejar.New(nil)
			}
			_, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, jar, len(s.requests[1].Cookies()) == 1)
		})
	}
}

// TestSharedClient: many goroutines use one Client, which nobody writes.
func TestSharedClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("Last-Event-ID") == "3" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			send(w, "id:"+strconv.Itoa(n+1)+"\ndata:"+r.URL.Path+"\n\n")
		})
		s.client.Timeout = time.Minute
		c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute}
		before, clientBefore := c, *s.client
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				path := "/" + strconv.Itoa(i)
				got, err := all(t, c.Get(t.Context(), "http://memnet"+path))
				if err != nil || data(got) != path+" "+path+" "+path {
					t.Errorf("%s: %q, %v", path, data(got), err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, before, c)
		require.Equal(t, clientBefore, *s.client)
	})
}

// TestGet is the zero Client, on http.DefaultClient, over loopback TCP.
func TestGet(t *testing.T) {
	before := *http.DefaultClient
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := listenAndServe(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "2" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		send(w, "retry:0\nid:1\ndata:1\n\nid:2\ndata:2\n\n")
	})
	got, err := all(t, sse.Get(ctx, url))
	require.NoError(t, err)
	require.Equal(t, "1 2", data(got))
	require.Equal(t, before, *http.DefaultClient)
	http.DefaultClient.CloseIdleConnections()

	for ev, err := range sse.Get(ctx, "://") {
		require.Zero(t, ev)
		require.ErrorContains(t, err, "missing protocol scheme")
	}
}

// TestLastEventIDInAnySpelling: a header map may hold any; each is read and removed.
func TestLastEventIDInAnySpelling(t *testing.T) {
	for _, key := range []string{"Last-Event-Id", "last-event-id", "Last-Event-ID", "LAST-EVENT-ID"} {
		for _, http2 := range []bool{false, true} {
			in(t, key+map[bool]string{true: "/HTTP2"}[http2], func(t *testing.T) {
				s := serve(t, stream("id:8\ndata:1\n\n"), stream("id\n\n"), stream("data:2\n\n"))
				if http2 {
					s.useHTTP2(t)
				}
				req := get(t, "http://memnet/")
				req.Header[key] = []string{"7"}
				got, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
				require.NoError(t, err)
				require.Equal(t, "1 2", data(got))
				require.Equal(t, "7 8 - -", s.lastEventIDs())
			})
		}
	}
	in(t, "without a value", func(t *testing.T) {
		s := serve(t)
		req := get(t, "http://memnet/")
		req.Header = http.Header{"last-event-id": {}}
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		require.Equal(t, "-", s.lastEventIDs())
	})
	in(t, "in several", func(t *testing.T) {
		s := serve(t)
		req := get(t, "http://memnet/")
		req.Header = http.Header{"last-event-id": {"6"}, "Last-Event-Id": {"7"}, "LAST-EVENT-ID": {}}
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		require.Equal(t, "7", s.lastEventIDs())
	})
	in(t, "and so are the others", func(t *testing.T) {
		s := serve(t)
		req := get(t, "http://memnet/")
		req.Header = http.Header{"accept": {"text/plain"}, "CACHE-CONTROL": {"max-age=1"}, "accept-Encoding": {"br"}}
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		got := s.requests[0].Header
		require.Equal(t, []string{"text/plain|max-age=1|br"}, []string{strings.Join(append(append(got["Accept"], got["Cache-Control"]...), got["Accept-Encoding"]...), "|")})
	})
}

// TestTrailers: what the caller puts in the trailer while the body is read is sent.
func TestTrailers(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		in(t, map[bool]string{true: "HTTP2", false: "HTTP1"}[http2], func(t *testing.T) {
			var trailer []string
			s := serveAll(t, func(w http.ResponseWriter, r *http.Request, n int) {
				trailer = append(trailer, r.Trailer.Get("Digest")) // the body has been read
				if n == 0 {
					cut("data:1\n\n")(w, r)
				}
				w.WriteHeader(http.StatusNoContent)
			})
			if http2 {
				s.useHTTP2(t)
			}
			req := post(t, nil)
			req.Trailer = http.Header{"Digest": nil}
			body := func() (io.ReadCloser, error) {
				r := strings.NewReader("body")
				return io.NopCloser(readerFunc(func(b []byte) (int, error) {
					n, err := r.Read(b)
					if err == io.EOF {
						req.Trailer.Set("Digest", "d")
					}
					return n, err
				})), nil
			}
			req.Body, _ = body()
			req.GetBody = body
			c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}
			_, err := all(t, c.Events(req))
			require.NoError(t, err)
			require.Equal(t, []string{"d", "d"}, trailer)
		})
	}
}

// TestBodyIsClosed: the caller's own, in whatever way a stream ends.
func TestBodyIsClosed(t *testing.T) {
	refuse := func(*http.Request) error { return errCause }
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		prepare func(*http.Request) error
		done    bool // the context, from the start
	}{
		"ends":                        {handler: stream("data:1\n\n")},
		"cut":                         {handler: cut("data:1\n\n")},
		"refused":                     {handler: status(404)},
		"Prepare fails":               {prepare: refuse},
		"Prepare replaces":            {handler: stream("data:1\n\n"), prepare: func(r *http.Request) error { withBody(r); return nil }},
		"Prepare removes":             {handler: stream("data:1\n\n"), prepare: func(r *http.Request) error { r.Body, r.GetBody, r.ContentLength = nil, nil, 0; return nil }},
		"done from the start":         {done: true},
		"Prepare replaces, and fails": {prepare: func(r *http.Request) error { withBody(r); return errCause }},
	} {
		for _, again := range []bool{false, true} {
			in(t, name+map[bool]string{true: ", with GetBody"}[again], func(t *testing.T) {
				var s *server
				if test.handler != nil {
					s = serve(t, test.handler)
				} else {
					s = serve(t)
				}
				open := 0
				body := func() (io.ReadCloser, error) {
					open++
					return &closeCounter{strings.NewReader("body"), func() { open-- }}, nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.done {
					cancel()
				}
				req := post(t, nil).WithContext(ctx)
				req.Body, _ = body()
				req.ContentLength = 4
				if again {
					req.GetBody = body
				}
				c := sse.Client{HTTPClient: s.client, Prepare: test.prepare}
				for range c.Events(req) {
				}
				synctest.Wait()
				require.Zero(t, open)
			})
		}
	}
}

// closeCounter is a body that counts its first Close only.
type closeCounter struct {
	io.Reader
	close func()
}

func (c *closeCounter) Close() error {
	if c.close != nil {
		c.close()
		c.close = nil
	}
	return nil
}

// TestPrepareReadsTheBody: to sign it, say, or to count what is sent.
func TestPrepareReadsTheBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, cut("data:1\n\n"))
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Prepare: func(r *http.Request) error {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader("signed "), r.Body), r.Body}
			r.ContentLength += int64(len("signed "))
			return nil
		}}
		_, err := all(t, c.Events(post(t, strings.NewReader("body"))))
		require.NoError(t, err)
		require.Equal(t, "signed body signed body", s.requests[0].body+" "+s.requests[1].body)

		s = serve(t, cut("data:1\n\n"))
		c.HTTPClient = s.client
		req := post(t, io.MultiReader(strings.NewReader("body")))
		req.ContentLength = 4
		_, err = all(t, c.Events(req))
		require.ErrorContains(t, err, "the request's body is spent", "and no policy is asked about that")
		synctest.Wait()
		require.LessOrEqual(t, len(s.waits()), 1, "what reads from the body fails where the body is read")
	})
	in(t, "a body that cannot be compared", func(t *testing.T) {
		s := serve(t, cut("data:1\n\n"))
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Prepare: func(r *http.Request) error {
			r.Body = closer{strings.NewReader("own"), func() {}}
			r.ContentLength = 3
			return nil
		}}
		req := post(t, nil)
		req.Body = closer{strings.NewReader("body"), func() {}}
		_, err := all(t, c.Events(req))
		require.NoError(t, err)
		require.Equal(t, "own own", s.requests[0].body+" "+s.requests[1].body)
	})
}
