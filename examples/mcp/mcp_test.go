package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// A request is what the tests look at of an HTTP request.
type request struct {
	HTTPMethod, Method string // the second is that of JSON-RPC
	Session, Version   string
	LastEventID        string
	Answer             json.RawMessage // the client's, to a request of the server's
}

// A fixture is a server that records its requests, and what a client of it sees.
type fixture struct {
	url    string
	client sse.Client

	mu       sync.Mutex
	requests []request
	drops    []sse.DisconnectInfo
}

// serve serves h. The fixture may be read when no call is in progress.
func serve(t *testing.T, h http.Handler) *fixture {
	f := new(fixture)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var m message
		_ = json.Unmarshal(body, &m)
		answer := m.Result
		if m.Error != nil {
			answer, _ = json.Marshal(m.Error)
		}
		f.mu.Lock()
		f.requests = append(f.requests, request{
			HTTPMethod: r.Method, Method: m.Method,
			Session: r.Header.Get("Mcp-Session-Id"), Version: r.Header.Get("MCP-Protocol-Version"),
			LastEventID: r.Header.Get("Last-Event-ID"), Answer: answer,
		})
		f.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.client = sse.Client{
		HTTPClient:       srv.Client(),
		ReconnectionTime: 10 * time.Millisecond,
		Trace: &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if info.Reconnect {
				f.drops = append(f.drops, info)
			}
		}},
	}
	return f
}

// open opens a session, which the test closes at its end.
func (f *fixture) open(t *testing.T) *session {
	s, err := open(t.Context(), f.url, f.client)
	require.NoError(t, err)
	require.NotEmpty(t, s.session)
	require.Equal(t, protocolVersion, s.version)
	t.Cleanup(func() { _ = s.close(context.Background()) })
	return s
}

// gets returns the Last-Event-ID of each GET.
func (f *fixture) gets() (after []string) {
	for _, r := range f.requests {
		if r.HTTPMethod == http.MethodGet {
			after = append(after, r.LastEventID)
		}
	}
	return after
}

// methods returns the JSON-RPC methods of the POSTs.
func (f *fixture) methods() (methods []string) {
	for _, r := range f.requests {
		if r.HTTPMethod == http.MethodPost {
			methods = append(methods, r.Method)
		}
	}
	return methods
}

// A tally is what came of a call of the tool.
type tally struct {
	result  string
	err     error
	numbers []int
	ids     []string
}

// run calls the tool.
func run(ctx context.Context, s *session, args count) *tally {
	return runSeen(ctx, s, args, func(int) {})
}

// runSeen calls the tool, and calls seen with each number.
func runSeen(ctx context.Context, s *session, args count, seen func(n int)) *tally {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // a call that hangs fails
	defer cancel()
	c := new(tally)
	var result json.RawMessage
	result, c.err = s.call(ctx, "tools/call", map[string]any{
		"name": "count", "arguments": args, "_meta": map[string]any{"progressToken": "p"},
	}, func(m message) {
		var params struct{ Progress int }
		if err := json.Unmarshal(m.Params, &params); err != nil || m.Method != "notifications/progress" {
			panic(m.Method)
		}
		c.numbers = append(c.numbers, params.Progress)
		c.ids = append(c.ids, m.EventID)
		seen(params.Progress)
	})
	c.result = string(result)
	return c
}

const counted = `{"content":[{"type":"text","text":"counted"}]}`

// requireOnce requires that the call has an answer, and that each number to the last one came
// once, in order, in an event with an ID of its own.
func (c *tally) requireOnce(t *testing.T, last int) {
	require.NoError(t, c.err)
	require.JSONEq(t, counted, c.result)
	require.Equal(t, numbers(last), c.numbers)
	slices.Sort(c.ids)
	require.Len(t, slices.Compact(c.ids), last)
	require.NotEmpty(t, c.ids[0])
}

func numbers(last int) []int {
	var all []int
	for n := 1; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func resumableOptions() mcp.StreamableHTTPOptions {
	return mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}
}

// The methods of the POSTs of a session with one call: none is repeated.
var oneCall = []string{"initialize", "notifications/initialized", "tools/call"}

func TestJSONAnswer(t *testing.T) {
	server := newCounter()
	f := serve(t, server.handler(mcp.StreamableHTTPOptions{JSONResponse: true}))
	c := run(t.Context(), f.open(t), count{To: 10})
	require.NoError(t, c.err)
	require.JSONEq(t, counted, c.result)
	require.Empty(t, c.numbers, "a JSON answer is a single message")
	require.EqualValues(t, 1, server.runs.Load())
	require.Equal(t, oneCall, f.methods())
	require.Empty(t, f.gets())
}

func TestStreamAnswer(t *testing.T) {
	server := newCounter()
	f := serve(t, server.handler(resumableOptions()))
	s := f.open(t)
	run(t.Context(), s, count{To: 10}).requireOnce(t, 10)
	require.EqualValues(t, 1, server.runs.Load())
	require.Equal(t, oneCall, f.methods())
	require.Empty(t, f.gets(), "a stream that ended after the answer is finished")
	for i, r := range f.requests {
		if i == 0 {
			require.Empty(t, r.Session+r.Version)
			continue
		}
		require.Equal(t, s.session, r.Session)
		require.Equal(t, protocolVersion, r.Version)
	}
}

// Each connection carries a few events and half of the next one. A GET resumes after the
// last whole event, and the POST is not repeated.
func TestCuts(t *testing.T) {
	for _, end := range []string{"cut", "clean"} {
		for _, after := range []int{1, 2, 3, 5, 11} {
			t.Run(fmt.Sprint(end, " after ", after), func(t *testing.T) {
				server := newCounter()
				f := serve(t, &flaky{Handler: server.handler(resumableOptions()), after: after, clean: end == "clean"})
				s := f.open(t)
				run(t.Context(), s, count{To: 10}).requireOnce(t, 10)
				require.EqualValues(t, 1, server.runs.Load())
				require.Equal(t, oneCall, f.methods())
				// The streams are the priming event and an answer, with the numbers in between.
				gets := (2-1)/after + (12-1)/after
				require.Len(t, f.gets(), gets)
				require.Len(t, f.drops, gets)
				for i, id := range f.gets() {
					require.NotEmpty(t, id)
					require.Equal(t, f.drops[i].LastEventID, id)
				}
				for _, r := range f.requests[1:] {
					require.Equal(t, s.session, r.Session)
				}
			})
		}
	}
}

func TestConcurrentCalls(t *testing.T) {
	server := newCounter()
	f := serve(t, &flaky{Handler: server.handler(resumableOptions()), after: 3})
	s := f.open(t)
	tallies := make([]*tally, 8)
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() { tallies[i] = run(t.Context(), s, count{To: 10 + i}) })
	}
	wg.Wait()
	for i, c := range tallies {
		c.requireOnce(t, 10+i)
	}
	require.EqualValues(t, len(tallies), server.runs.Load())
}

// The server closes the stream cleanly after its priming event, and asks the client to
// reconnect later.
func TestPoll(t *testing.T) {
	server := newCounter()
	f := serve(t, server.handler(resumableOptions()))
	run(t.Context(), f.open(t), count{To: 10, Poll: true}).requireOnce(t, 10)
	require.EqualValues(t, 1, server.runs.Load())
	require.Equal(t, oneCall, f.methods())
	require.Len(t, f.gets(), 1)
	require.True(t, strings.HasSuffix(f.gets()[0], "_0"), "%s is not the ID of the priming event", f.gets()[0])
	require.Len(t, f.drops, 1)
	require.Equal(t, io.EOF, f.drops[0].Err)
	require.GreaterOrEqual(t, f.drops[0].Delay, 20*time.Millisecond, "the server's retry")
}

// Without an event store the server sends no IDs. A stream that ends too early is then an
// error: a GET without a position would wait for an answer that never comes.
func TestNoPosition(t *testing.T) {
	for _, clean := range []bool{false, true} {
		f := serve(t, &flaky{Handler: newCounter().handler(mcp.StreamableHTTPOptions{}), after: 2, clean: clean})
		c := run(t.Context(), f.open(t), count{To: 10})
		require.ErrorIs(t, c.err, io.ErrUnexpectedEOF)
		require.Equal(t, numbers(2), c.numbers)
		require.Equal(t, oneCall, f.methods())
		require.Empty(t, f.gets())
	}
	f := serve(t, newCounter().handler(mcp.StreamableHTTPOptions{}))
	c := run(t.Context(), f.open(t), count{To: 10, Poll: true})
	require.EqualError(t, c.err, "mcp: the stream ended before the answer, and cannot be resumed")
	require.Empty(t, f.gets())

	f = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: \x01\ndata:\n\n") // no header can carry this ID
	}))
	c = run(t.Context(), &session{transport: transport{url: f.url, client: f.client}}, count{})
	require.EqualError(t, c.err, "mcp: the stream ended before the answer, and cannot be resumed")
	require.Empty(t, f.gets())
}

// The server asks whether the client is alive, in the middle of a call whose connections are
// cut. It gets one answer.
func TestPing(t *testing.T) {
	server := newCounter()
	f := serve(t, &flaky{Handler: server.handler(resumableOptions()), after: 2})
	run(t.Context(), f.open(t), count{To: 4, Ping: true}).requireOnce(t, 4)
	require.Equal(t, append(slices.Clone(oneCall), ""), f.methods())
	i := slices.IndexFunc(f.requests, func(r request) bool { return r.Answer != nil })
	require.JSONEq(t, "{}", string(f.requests[i].Answer))
}

// A request of the server's may have the ID of a call, which does not make it the answer.
func TestRequestOfTheServer(t *testing.T) {
	f := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		_ = json.NewDecoder(r.Body).Decode(&m)
		if m.Method == "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"id\": 1, \"method\": \"roots/list\"}\n\ndata: {\"id\": 1, \"result\": 2}\n\n")
	}))
	s := session{transport: transport{url: f.url, client: f.client}}
	result, err := s.call(t.Context(), "work", nil, nil)
	require.NoError(t, err)
	require.JSONEq(t, "2", string(result))
	require.JSONEq(t, `{"code": -32601, "message": "method not found"}`, string(f.requests[1].Answer))
}

// A server that has not noticed yet that the connection is lost refuses the one that resumes
// the stream.
func TestConflict(t *testing.T) {
	server := newCounter()
	handler := server.handler(resumableOptions())
	notice := make(chan struct{})
	noticed := make(chan struct{})
	var once sync.Once
	f := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			handler.ServeHTTP(w, r)
			once.Do(func() { close(notice) })
			<-noticed
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		lose := func() {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
			go func() {
				<-notice
				cancel()
			}()
		}
		fw := &flakyWriter{ResponseWriter: w, after: 3, cut: lose}
		handler.ServeHTTP(fw, r.WithContext(ctx))
		if fw.after < 0 {
			close(noticed)
		}
	}))
	// The ping is answered on the resumed stream only: until then the call is in progress.
	run(t.Context(), f.open(t), count{To: 10, Ping: true}).requireOnce(t, 10)
	require.EqualValues(t, 1, server.runs.Load())
	require.Len(t, f.drops, 2)
	var refusal *sse.ResponseError
	require.ErrorAs(t, f.drops[1].Err, &refusal)
	require.Equal(t, http.StatusConflict, refusal.StatusCode)
}

func TestUnknownSession(t *testing.T) {
	requireOver := func(t *testing.T, err error, method string) {
		require.ErrorIs(t, err, errSessionOver)
		var refusal *sse.ResponseError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, method, refusal.Method)
		require.Equal(t, http.StatusNotFound, refusal.StatusCode)
		require.Equal(t, "session not found\n", string(refusal.Body))
	}
	t.Run("call", func(t *testing.T) {
		server := newCounter()
		s := serve(t, server.handler(resumableOptions())).open(t)
		unknown := session{transport: transport{url: s.url, client: s.client, session: "unknown", version: s.version}}
		requireOver(t, run(t.Context(), &unknown, count{To: 10}).err, http.MethodPost)
		requireOver(t, unknown.close(t.Context()), http.MethodDelete)
		require.Zero(t, server.runs.Load())
	})
	t.Run("resumption by a server that has forgotten its sessions", func(t *testing.T) {
		before := &flaky{Handler: newCounter().handler(resumableOptions()), after: 3}
		after := newCounter().handler(resumableOptions())
		f := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				after.ServeHTTP(w, r)
				return
			}
			before.ServeHTTP(w, r)
		}))
		c := run(t.Context(), f.open(t), count{To: 10})
		requireOver(t, c.err, http.MethodGet)
		require.Equal(t, numbers(2), c.numbers)
		require.Len(t, f.gets(), 1)
	})
}

func TestErrors(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		opts := resumableOptions()
		opts.JSONResponse = asJSON
		f := serve(t, newCounter().handler(opts))
		s := f.open(t)
		var answer *rpcError

		_, err := s.call(t.Context(), "tools/call", map[string]any{"name": "no such tool"}, nil)
		require.ErrorAs(t, err, &answer)
		require.Equal(t, -32602, answer.Code)
		require.EqualError(t, err, `mcp: error -32602: unknown tool "no such tool"`)

		// A refusal whose body is a JSON-RPC error.
		later := session{transport: transport{url: s.url, client: s.client, session: s.session, version: "2026-07-28"}}
		err = run(t.Context(), &later, count{}).err
		require.ErrorAs(t, err, &answer)
		require.Equal(t, -32022, answer.Code)
		var refusal *sse.ResponseError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, http.StatusBadRequest, refusal.StatusCode)

		// A refusal whose body is text.
		later.version = "2000-01-01"
		require.ErrorContains(t, run(t.Context(), &later, count{}).err, "400 Bad Request: \"Bad Request: Unsupported protocol version")
		require.Empty(t, f.gets())
	}
	_, err := open(t.Context(), serve(t, http.NotFoundHandler()).url, sse.Client{})
	require.NotErrorIs(t, err, errSessionOver)
	require.ErrorContains(t, err, "404 Not Found")
}

// The end of the context ends the wait. The tool runs to its end.
func TestContext(t *testing.T) {
	server := newCounter()
	f := serve(t, &flaky{Handler: server.handler(resumableOptions()), after: 3})
	s := f.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := runSeen(ctx, s, count{To: 10}, func(n int) {
		if n == 5 {
			cancel()
		}
	})
	require.ErrorIs(t, c.err, context.Canceled)
	require.Equal(t, numbers(5), c.numbers)
	run(t.Context(), s, count{To: 10}).requireOnce(t, 10)
	require.EqualValues(t, 2, server.runs.Load())
}

func TestClose(t *testing.T) {
	server := newCounter()
	f := serve(t, server.handler(resumableOptions()))
	s := f.open(t)
	run(t.Context(), s, count{To: 3}).requireOnce(t, 3)
	require.Len(t, slices.Collect(server.Sessions()), 1)
	require.NoError(t, s.close(t.Context()))
	require.Equal(t, request{HTTPMethod: http.MethodDelete, Session: s.session, Version: protocolVersion}, f.requests[len(f.requests)-1])
	require.Empty(t, slices.Collect(server.Sessions()))
	require.ErrorIs(t, run(t.Context(), s, count{To: 3}).err, errSessionOver)
	require.EqualValues(t, 1, server.runs.Load())

	without := session{transport: s.transport}
	without.session = ""
	require.NoError(t, without.close(t.Context()), "a server without sessions")

	s.url = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed)
	})).url
	require.NoError(t, s.close(t.Context()), "a server whose sessions only it ends")
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), &out))
	require.Contains(t, out.String(), "\nPOST: unexpected EOF; resume after event ")
	require.Contains(t, out.String(), "\nGET: unexpected EOF; resume after event ")
	require.Contains(t, out.String(), "\n3 drops; progress received: 10, with 10 IDs; the tool ran 1 time(s)\nsession closed\n")
}
