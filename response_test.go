package sse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// quotaError is a refusal of Google's size: its retryDelay stands after more than a KiB.
var quotaError = `{"error":{"code":429,"message":"` + strings.Repeat("You exceeded your current quota. ", 50) +
	`","details":[{"retryDelay":"17s"}]}}`

// TestRefusalIsWhole: programs read what a refusal says.
func TestRefusalIsWhole(t *testing.T) {
	for name, test := range map[string]struct {
		status      int
		contentType string
		body        string
	}{
		"a quota's delay":                       {429, "application/json", quotaError},
		"a validation error that echoes input":  {422, "application/json", `{"detail":[{"input":"` + strings.Repeat("x", 20_000) + `"}]}`},
		"an answer that is no stream after all": {200, "application/json", `{"choices":[{"message":{"content":"` + strings.Repeat("word ", 1000) + `"}}]}`},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			start := time.Now()
			_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))))
			var re *sse.ResponseError
			require.ErrorAs(t, err, &re)
			require.Equal(t, test.body, string(re.Body))
			require.True(t, json.Valid(re.Body))
			require.Less(t, len(err.Error()), 1<<10)
			require.Zero(t, time.Since(start))
		})
	}
}

// TestRefusalSaysWho refused: after redirects that is not who was asked.
func TestRefusalSaysWho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			switch r.URL.Path {
			case "/old":
				w.Header().Set("Location", "http://user:secret@other.test/new?token=secret#part")
				w.WriteHeader(http.StatusSeeOther)
			default:
				http.Error(w, "no", http.StatusForbidden)
			}
		})
		req := post(t, strings.NewReader("{}"))
		req.URL.Path = "/old"
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		var re *sse.ResponseError
		require.ErrorAs(t, err, &re)
		require.Equal(t, "GET", re.Method)
		require.Equal(t, "http://other.test/new?token=secret#part", re.URL)
		require.EqualError(t, err, `sse: GET http://other.test/new: 403 Forbidden: "no"`)
	})
}

// TestErrorsCarryNoPassword, neither that of the URL that was asked for nor that of a redirect's
// target.
func TestErrorsCarryNoPassword(t *testing.T) {
	const userinfo = "user:pa55word@"
	redirect := func(location string) http.HandlerFunc { return status(307, "Location", location) }
	for name, test := range map[string]struct {
		url     string
		handler http.HandlerFunc
	}{
		"refused":                        {"http://" + userinfo + "memnet/", status(404)},
		"after a space":                  {"http:// " + userinfo + "memnet/", nil},
		"a space before it":              {"http://user: pa55word@memnet/", nil},
		"a quote before it":              {`http://user:"pa55word@memnet/`, nil},
		"a bracket before it":            {"http://user:<pa55word@memnet/", nil},
		"a tab before it":                {"http://user:\tpa55word@memnet/", nil},
		"a fragment's sign after it":     {"http://user:pa55word#@memnet/", nil},
		"a question mark after it":       {"http://user:pa55word?@memnet/", nil},
		"not to be parsed":               {"http://" + userinfo + "mem net/", nil},
		"a token instead of a user":      {"http://pa55word@mem net/", nil},
		"not to be parsed, with a slash": {"http://user:pa55word/more@mem net/", nil},
		"another scheme":                 {"ftp://" + userinfo + "memnet/", nil},
		"an impossible port":             {"http://" + userinfo + "memnet:99999/", nil},
		"cut before the header":          {"http://" + userinfo + "memnet/", raw("", false)},
		"redirect, refused": {"http://memnet/", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				redirect("http://"+userinfo+"memnet/x")(w, r)
			} else {
				w.WriteHeader(404)
			}
		}},
		"redirect to another scheme":      {"http://memnet/", redirect("ftp://" + userinfo + "memnet/")},
		"redirect loop":                   {"http://memnet/", redirect("http://" + userinfo + "memnet/")},
		"redirect, not to be parsed":      {"http://memnet/", redirect("http://" + userinfo + "mem net/")},
		"redirect, not to be parsed, odd": {"http://memnet/", redirect("http://user:pa55word/@mem%zznet/")},
		"redirect, a space before it":     {"http://memnet/", redirect("http://user: pa55word@memnet/")},
		"redirect, a quote before it":     {"http://memnet/", redirect(`http://user:"pa55word@memnet/`)},
		"redirect, a number sign after":   {"http://memnet/", redirect("http://user:pa55word#@memnet/")},
		"redirect without a scheme":       {"http://memnet/", redirect("//" + userinfo + "mem net/")},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler, test.handler, test.handler, test.handler, test.handler, test.handler,
				test.handler, test.handler, test.handler, test.handler, test.handler)
			if strings.Contains(name, "port") {
				s.netHTTP(t).DialContext = nil // net's own looks at the port
			}
			_, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), test.url))
			require.Error(t, err)
			for e := err; e != nil; e = errors.Unwrap(e) {
				require.NotContains(t, fmt.Sprintf("%v %+v", e, e), "pa55word")
			}
			if ue := (*url.Error)(nil); errors.As(err, &ue) {
				require.NotContains(t, ue.URL, "pa55word")
			}
		})
	}
	for _, u := range []string{"http://" + userinfo + "mem net/", "//" + userinfo + "memnet/", "http://user:pa55word#@memnet/"} {
		_, err := sse.NewEventSource(u)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "pa55word")
	}
}

// TestErrorsKeepTheRest: what is no password stays in an error, and so does its chain.
func TestErrorsKeepTheRest(t *testing.T) {
	cause := errors.New("dial refused: user")
	hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return nil, cause })}
	for url, want := range map[string]string{
		"http://user:refused@memnet/a?b=c": `Get "http://xxxxx@memnet/a?b=c": dial refused: user`,
		"http://refused@memnet/":           `Get "http://xxxxx@memnet/": dial refused: user`,
		"http://memnet/a":                  `Get "http://memnet/a": dial refused: user`,
	} {
		_, err := all(t, (&sse.Client{HTTPClient: hc}).Get(t.Context(), url))
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, cause)
	}
	cause = errors.New("proxy http://user:secret@proxy refused: // nobody@memnet")
	_, err := all(t, (&sse.Client{HTTPClient: hc}).Get(t.Context(), "http://memnet/"))
	require.EqualError(t, err, `Get "http://memnet/": proxy http://xxxxx@proxy refused: // nobody@memnet`)
	cause = errors.New(`"//user:a secret@one""//two" at nobody@memnet`)
	_, err = all(t, (&sse.Client{HTTPClient: hc}).Get(t.Context(), "http://memnet/"))
	require.EqualError(t, err, `Get "http://memnet/": "//xxxxx@one""//two" at nobody@memnet`)
	for url, want := range map[string]string{
		"http://memnet:port/":   `parse "http://memnet:port/": invalid port ":port" after host`,
		"http://@memnet:port/":  `parse "http://@memnet:port/": invalid port ":port" after host`,
		"http://u@memnet:port/": `parse "http://xxxxx@memnet:port/": invalid port ":port" after host`,
	} {
		_, err = all(t, sse.Get(t.Context(), url))
		require.EqualError(t, err, want)
	}
}

// TestCheckResponseFunction is CheckResponse by itself, on responses that no Client got.
func TestCheckResponseFunction(t *testing.T) {
	response := func(status int, contentType, body string) (*http.Response, *bool) {
		closed := new(bool)
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}},
			Body: closer{strings.NewReader(body), func() { *closed = true }}}, closed
	}
	resp, closed := response(200, "text/event-stream", "data: 1\n\n")
	require.NoError(t, sse.CheckResponse(resp))
	require.False(t, *closed, "it is still to be read")
	for _, code := range []int{200, 201, 204, 404, 500} {
		resp, closed := response(code, "text/plain", strings.Repeat("x", 100_000))
		var re *sse.ResponseError
		require.ErrorAs(t, sse.CheckResponse(resp), &re)
		require.Equal(t, &sse.ResponseError{StatusCode: code, Header: resp.Header, Body: bytes.Repeat([]byte("x"), 64<<10)}, re)
		require.True(t, *closed)
	}
	require.ErrorAs(t, sse.CheckResponse(&http.Response{StatusCode: 404}), new(*sse.ResponseError), "no body, no header")
	require.EqualError(t, sse.CheckResponse(&http.Response{StatusCode: 404, Request: &http.Request{URL: &url.URL{Scheme: "http", User: url.User("u"), Host: "h", Path: "/p"}}}),
		"sse: GET http://h/p: 404 Not Found")
	resp, _ = response(404, "text/plain", "")
	var pieces []io.Reader // each is what one Read returns
	for range 100 {
		pieces = append(pieces, strings.NewReader(strings.Repeat("x", 1000)))
	}
	resp.Body = io.NopCloser(io.MultiReader(pieces...))
	var re *sse.ResponseError
	require.ErrorAs(t, sse.CheckResponse(resp), &re)
	require.Len(t, re.Body, 64<<10)
	in(t, "closes the body once", func(t *testing.T) {
		closed := 0
		body := closer{strings.NewReader("x"), func() { closed++ }}
		require.Error(t, sse.CheckResponse(&http.Response{StatusCode: 404, Body: body}))
		time.Sleep(time.Minute)
		require.Equal(t, 1, closed)
	})
	in(t, "a body that nobody writes", func(t *testing.T) {
		r, _ := io.Pipe()
		start := time.Now()
		require.Error(t, sse.CheckResponse(&http.Response{StatusCode: 404, Body: r}))
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestContentEncoding: what is a content coding, and what only looks like one.
func TestContentEncoding(t *testing.T) {
	opens := map[string]bool{
		"": true, "identity": true, "Identity": true, "none": true, "utf-8": true, "UTF-8": true, "chunked": true, "text": true,
		"identity, identity": true, "identity,none": true, " , ,": true, "gzipped": true, "aes128gcm": true,
	}
	for _, coding := range []string{"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"} {
		for _, value := range []string{coding, strings.ToUpper(coding), " " + coding + "\t", "identity, " + coding, coding + ",identity", "none|" + coding, coding + ";q=1", `"` + coding + `"`} {
			opens[value] = false
		}
	}
	for value, opens := range opens {
		in(t, value, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if value != "" {
					w.Header()["Content-Encoding"] = strings.Split(value, "|") // in two lines
				}
				send(w, "data:1\n\n")
			})
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			if opens {
				require.NoError(t, err)
				require.Equal(t, "1", data(got))
			} else {
				require.ErrorAs(t, err, new(*sse.ResponseError))
			}
		})
	}
}

// TestCheckResponse: a client with a check of its own.
func TestCheckResponse(t *testing.T) {
	anything := func(*http.Response) error { return nil }
	for name, handler := range map[string]http.HandlerFunc{
		"no Content-Type": raw("HTTP/1.1 200 OK\r\n\r\ndata:1\n\n", false),
		"another label":   func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "data:1\n\n") },
		"201": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(201)
			_, _ = io.WriteString(w, "data:1\n\n")
		},
		"404": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "data:1\n\n")
		},
	} {
		in(t, "accepts/"+name, func(t *testing.T) {
			s := serve(t, handler)
			c := sse.Client{HTTPClient: s.client, CheckResponse: anything}
			got, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, "1", data(got))
			require.Len(t, s.requests, 2, "an open stream, that reconnects")
		})
	}
	in(t, "not asked about 204", func(t *testing.T) {
		s := serve(t)
		c := sse.Client{HTTPClient: s.client, CheckResponse: func(resp *http.Response) error { t.Errorf("asked about %s", resp.Status); return nil }}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
	})
	in(t, "a JSON answer", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"n":1}`)
		})
		var answer item
		c := sse.Client{HTTPClient: s.client, CheckResponse: func(resp *http.Response) error {
			if resp.Header.Get("Content-Type") == "application/json" {
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
				return errCause
			}
			return sse.CheckResponse(resp)
		}}
		_, err := all(t, c.Events(post(t, strings.NewReader("{}"))))
		require.Equal(t, errCause, err)
		require.Equal(t, item{1}, answer)
	})
	in(t, "an error of its own ends the stream under the default", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), stream("data:2\n\n"))
		n := 0
		c := sse.Client{HTTPClient: s.client, CheckResponse: func(*http.Response) error {
			if n++; n > 1 {
				return errCause
			}
			return nil
		}}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.Equal(t, errCause, err)
		require.Equal(t, "1", data(got))
	})
	in(t, "a policy of the caller's is asked", func(t *testing.T) {
		s := serve(t, stream(""), stream("data:2\n\n"))
		n := 0
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, CheckResponse: func(*http.Response) error {
			if n++; n == 1 {
				return errCause
			}
			return nil
		}}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "2", data(got))
	})
	in(t, "a ResponseError of its own is judged like ours", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), stream(""), stream("data:2\n\n"))
		n := 0
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace(), CheckResponse: func(*http.Response) error {
			if n++; n == 2 {
				return fmt.Errorf("wrapped: %w", &sse.ResponseError{StatusCode: 503, Header: http.Header{"Retry-After": {"100"}}})
			}
			return nil
		}}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1 2", data(got))
		require.GreaterOrEqual(t, tr.infos[1].Delay, 100*time.Second)
	})
	in(t, "it may replace the body", func(t *testing.T) {
		s := serve(t, stream(")]}'\ndata:1\n\n"))
		closed := 0
		c := sse.Client{HTTPClient: s.client, CheckResponse: func(resp *http.Response) error {
			head := make([]byte, len(")]}'\n"))
			_, err := io.ReadFull(resp.Body, head)
			resp.Body = closer{resp.Body, func() { closed++ }}
			return err
		}}
		got, err := all(t, c.Events(post(t, strings.NewReader("{}"))))
		require.NoError(t, err)
		require.Equal(t, "1", data(got))
		require.Equal(t, 1, closed)
	})
	// What it reads is bounded by IdleTimeout and the context, and by nothing else.
	slow := func(w http.ResponseWriter, r *http.Request) {
		for range 20 {
			send(w, ":\n")
			pause(r, 30*time.Second)
		}
		send(w, "data:1\n\n")
		pause(r, 1000*time.Hour)
	}
	readAll := func(resp *http.Response) error {
		_, err := io.ReadAll(resp.Body)
		return err
	}
	in(t, "it may read for as long as it likes", func(t *testing.T) {
		s := serve(t, slow)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Hour, errCause)
		defer cancel()
		c := sse.Client{HTTPClient: s.client, CheckResponse: readAll}
		_, err := all(t, c.Get(ctx, "http://memnet/"))
		require.Equal(t, errCause, err)
	})
	in(t, "IdleTimeout", func(t *testing.T) {
		s := serve(t, slow)
		c := sse.Client{HTTPClient: s.client, CheckResponse: readAll, IdleTimeout: time.Minute}
		start := time.Now()
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.Equal(t, sse.ErrIdleTimeout, err)
		require.Equal(t, 11*time.Minute, time.Since(start))
	})
	in(t, "IdleTimeout in a refusal's body leaves it a refusal", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, "busy")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		c := sse.Client{HTTPClient: s.client, CheckResponse: sse.CheckResponse, IdleTimeout: 100 * time.Millisecond}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		var re *sse.ResponseError
		require.ErrorAs(t, err, &re)
		require.Equal(t, "busy", string(re.Body))
	})
}

// TestConnectionsAreUsedAgain: 20 POSTs over TLS that end by a stop word take one or two
// connections, also where the server is a little late with the end, and refusals take none.
func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, last := range map[string]http.HandlerFunc{
		"the end comes with the stop word": func(w http.ResponseWriter, r *http.Request) { send(w, "data:[DONE]\n\n") },
		"the end comes later":              func(w http.ResponseWriter, r *http.Request) { send(w, "data:[DONE]\n\n"); send(w, ":bye\n") },
		"the end is unfinished":            func(w http.ResponseWriter, r *http.Request) { send(w, "data:[DONE]") },
		"refusals":                         func(w http.ResponseWriter, r *http.Request) { http.Error(w, quotaError, http.StatusTooManyRequests) },
	} {
		t.Run(name, func(t *testing.T) {
			remote := make(map[string]bool)
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				remote[r.RemoteAddr] = true
				last(w, r)
			}))
			defer srv.Close()
			c := sse.Client{HTTPClient: srv.Client()}
			for range 20 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("{}"))
				require.NoError(t, err)
				_, err = decodeAll[item](t, c.Events(req), "[DONE]")
				if name != "refusals" {
					require.NoError(t, err)
				}
			}
			require.LessOrEqual(t, len(remote), 2)
		})
	}
}

// TestDrain: how long the rest of a POST's body is waited for, and how much of it is read.
func TestDrain(t *testing.T) {
	for name, test := range map[string]struct {
		method  string
		handler http.HandlerFunc
		took    time.Duration
		http2   bool
	}{
		"POST that says no more":    {"POST", hold("data:1\n\n"), 20 * time.Millisecond, false},
		"GET is closed at once":     {"GET", hold("data:1\n\n"), 0, false},
		"HTTP/2 is closed at once":  {"POST", hold("data:1\n\n"), 0, true},
		"POST that ends":            {"POST", stream("data:1\n\n"), 0, false},
		"POST that ends a bit late": {"POST", func(w http.ResponseWriter, r *http.Request) { send(w, "data:1\n\n"); pause(r, 15*time.Millisecond) }, 15 * time.Millisecond, false},
		"endless POST": {"POST", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, "data:1\n\n"+strings.Repeat(":\n", 1000))
			}
		}, 0, false},
		"POST that drips": {"POST", func(w http.ResponseWriter, r *http.Request) {
			send(w, "data:1\n\n")
			for r.Context().Err() == nil {
				send(w, ":\n")
				pause(r, time.Millisecond)
			}
		}, 20 * time.Millisecond, false},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler)
			if test.http2 {
				s.useHTTP2(t)
			}
			req := post(t, strings.NewReader("{}"))
			req.Method = test.method
			c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Millisecond * 5}
			start := time.Now()
			for _, err := range c.Events(req) {
				require.NoError(t, err)
				break
			}
			require.Equal(t, test.took, time.Since(start))
		})
	}
	in(t, "no more than 4 KiB", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"+strings.Repeat(":\n", 1<<20)))
		read := 0
		c := sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := s.client.Transport.RoundTrip(r)
			if err == nil {
				body := resp.Body
				resp.Body = closer{readerFunc(func(b []byte) (int, error) {
					n, err := body.Read(b)
					read += n
					return n, err
				}), func() { body.Close() }}
			}
			return resp, err
		})}}
		before := 0
		for range c.Events(post(t, strings.NewReader("{}"))) {
			before = read
			break
		}
		require.Equal(t, 4<<10, read-before)
	})
	t.Run("in real time", func(t *testing.T) {
		url := listenAndServe(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			hold("data:1\n\n")(w, r)
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
		require.NoError(t, err)
		for range new(sse.Client).Events(req) {
			break // a test that waits for the server's end never ends
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOddRoundTrippers leave out of a response what net/http would have set.
func TestOddRoundTrippers(t *testing.T) {
	respond := func(code int, header http.Header, body io.ReadCloser) sse.Client {
		return sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code, Header: header, Body: body}, nil
		})}}
	}
	eventStream := http.Header{"Content-Type": {"text/event-stream"}}
	c := respond(200, eventStream, io.NopCloser(strings.NewReader("data:1\n\n")))
	got, err := all(t, c.Events(post(t, strings.NewReader("{}"))))
	require.NoError(t, err)
	require.Equal(t, "1", data(got))

	c = respond(302, http.Header{"Location": {"/loop"}}, http.NoBody)
	_, err = all(t, c.Get(t.Context(), "http://memnet/"))
	require.ErrorContains(t, err, "stopped after 10 redirects")

	c = respond(404, nil, http.NoBody)
	_, err = all(t, c.Get(t.Context(), "http://memnet/x"))
	require.EqualError(t, err, "sse: GET http://memnet/x: 404 Not Found")

	c = respond(200, eventStream, io.NopCloser(strings.NewReader("data:1\n\n")))
	for range c.Events(post(t, strings.NewReader("{}"))) {
		break
	}
}

// TestEvery5xx is what Cloudflare and others send: an open stream outlives it.
func TestEvery5xx(t *testing.T) {
	for code := 500; code < 600; code++ {
		in(t, strconv.Itoa(code), func(t *testing.T) {
			s := serve(t, stream("data:1\n\n"), status(code), stream("data:2\n\n"))
			got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			if code == 501 || code == 505 {
				require.ErrorAs(t, err, new(*sse.ResponseError))
				require.Equal(t, "1", data(got))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "1 2", data(got))
		})
	}
}
