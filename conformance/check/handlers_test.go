package check

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/conformance/internal/wire"
)

// serve serves a handler over HTTP/1.1.
func serve(h http.Handler) func(*testing.T) string {
	return func(t *testing.T) string { return wire.HTTP1.Serve(t, h).URL() }
}

// body is a handler of a whole body.
func body(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
	}
}

func data(format string) func(n int) string {
	return func(n int) string {
		return fmt.Sprintf("id: %d\n%s\n\n", n, strings.ReplaceAll(format, "N", strconv.Itoa(n)))
	}
}

func lastID(r *http.Request) int {
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	return n
}

// oneClient ends the stream of a client when another comes.
func oneClient() http.Handler {
	var mu sync.Mutex
	leave := func() {}
	return feed{before: func(w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		_ = http.NewResponseController(w).Flush() // a stream that is ended has begun: both connections come at once
		leave()
		leave = func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Now()) }
		return false
	}}
}

// TestHandlers: the faults of handlers. The first part are those that ssetest.TestHandler
// is tested with and that can be seen from outside: a handler that stays after its client
// has left, or after HEAD, cannot.
func TestHandlers(t *testing.T) {
	test(t, []row{
		{name: "JSON", want: "problem content-type", url: serve(feed{header: func(h http.Header) { h.Set("Content-Type", "application/json") }})},
		{name: "Latin-1", want: "problem content-type", url: serve(feed{header: func(h http.Header) { h.Set("Content-Type", "text/event-stream; charset=latin1") }})},
		{name: "late header", want: "problem header-late", url: serve(feed{before: func(_ http.ResponseWriter, r *http.Request) bool { return pause(r, 12*time.Second) }})},
		{name: "a header that never comes", want: "problem header-late", url: serve(feed{before: func(_ http.ResponseWriter, r *http.Request) bool { return pause(r, time.Hour) }}), unverified: "buffered not-flushed compressed-buffering no-ids no-resume"},
		{name: "header with the first event", want: "risk header-late", url: serve(feed{before: func(_ http.ResponseWriter, r *http.Request) bool { return pause(r, 2*time.Second) }})},
		{name: "compressed", want: "problem content-coding", url: serve(feed{header: func(h http.Header) { h.Set("Content-Encoding", "gzip") }})},
		{name: "length", want: "problem content-length", url: serve(feed{header: func(h http.Header) { h.Set("Content-Length", "1000000") }})},
		{name: "unfinished", want: "problem not-flushed", url: serve(feed{every: 1500 * time.Millisecond, event: func(n int) string { return fmt.Sprintf("\nid: %d\ndata: %d\n", n, n) }})},
		{name: "no UTF-8", want: "problem invalid-utf8", url: serve(feed{event: data("data: \xff")})},
		{name: "LF in data", want: "problem unknown-field", url: serve(feed{event: data("data: one\ntwo")})},
		{name: "CR in data", want: "problem cr-in-data", url: serve(feed{event: data("data: one\rtwo")})},
		{name: "no heartbeats", want: "risk no-heartbeat", args: []string{"-for", "70s"}, url: serve(feed{last: 5, after: silent})},
		{name: "no IDs", want: "risk no-ids", url: serve(feed{event: func(n int) string { return fmt.Sprintf("data: %d\n\n", n) }})},
		{name: "NUL in ID", want: "problem nul-id", url: serve(feed{event: func(n int) string { return fmt.Sprintf("id: \x00%d\ndata: %d\n\n", n, n) }})},
		{name: "long ID", want: "problem no-resume", url: serve(feed{event: func(n int) string { return fmt.Sprintf("id: %08193d\ndata: %d\n\n", n, n) }})},
		{name: "starts again", want: "problem no-resume", url: serve(feed{first: func(*http.Request) int { return 0 }})},
		{name: "repeats one", want: "risk resume-repeats", url: serve(feed{first: func(r *http.Request) int { return max(lastID(r)-1, 0) }})},
		{name: "leaves one out", want: "problem resume-gap", url: serve(feed{first: func(r *http.Request) int {
			if r.Header.Get("Last-Event-ID") == "" {
				return 0
			}
			return lastID(r) + 1
		}})},
		{name: "refuses an unknown ID", want: "problem no-resume", url: serve(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			if _, err := strconv.Atoi("0" + r.Header.Get("Last-Event-ID")); err != nil {
				http.Error(w, "no such ID", http.StatusBadRequest)
				return true
			}
			return false
		}})},
		{name: "silent after an unknown ID", want: "problem no-resume", url: serve(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			if _, err := strconv.Atoi("0" + r.Header.Get("Last-Event-ID")); err != nil {
				_ = http.NewResponseController(w).Flush()
				return pause(r, time.Hour)
			}
			return false
		}})},
		{name: "retry with a unit", want: "problem retry", url: serve(feed{event: data("retry: 3s\ndata: N")})},
		{name: "retry at once", want: "problem retry", url: serve(feed{event: data("retry: 0\ndata: N")})},
		{name: "retry in a day", want: "problem retry", url: serve(feed{event: data("retry: 86400000\ndata: N")})},
		{name: "one client at a time", want: "problem random-cut", url: serve(oneClient())},

		{name: "not flushed", want: "problem not-flushed", also: "header-late", url: serve(feed{unsent: true, every: 100 * time.Millisecond,
			event: func(n int) string { return fmt.Sprintf("id: %d\ndata: %0250d\n\n", n, n) }})},
		{name: "not flushed until the end", want: "problem not-flushed", also: "header-late content-length", url: serve(feed{unsent: true, last: 8})},
		{name: "refused", want: "problem no-stream", url: serve(http.NotFoundHandler()), unverified: "content-type buffered idle-cut retry"},
		{name: "a page", want: "problem content-type", also: "unframed", url: serve(body("text/html", "<html><body>Sign in</body></html>\n"))},
		{name: "204", want: "problem no-stream", url: serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))},
		{name: "nothing but a cut", want: "problem no-stream", url: serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))},
		{name: "for caches", want: "risk cache-control", url: serve(feed{header: func(h http.Header) { h.Set("Cache-Control", "public, max-age=3600") }})},
		{name: "an error outside of the framing", want: "problem unframed", url: serve(feed{last: 5, after: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"error": "out of memory"}`)
		}})},
		{name: "the end inside an event", want: "problem unfinished-event", url: serve(feed{last: 5, after: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "id: 6\ndata: the last")
		}})},
		{name: "BOM", want: "risk bom", url: serve(feed{before: func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "\ufeff")
			return false
		}})},
		{name: "large events", want: "risk event-size", url: serve(feed{event: data("data: " + strings.Repeat("x", 70<<10))})},
		{name: "huge events", want: "risk event-size", url: serve(feed{event: data("data: " + strings.Repeat("x", 1<<20))})},
		{name: "cut at an age", want: "problem age-cut", args: []string{"-for", "15s"}, url: serve(feed{every: 300 * time.Millisecond, before: func(w http.ResponseWriter, _ *http.Request) bool {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(4 * time.Second))
			return false
		}})},
		{name: "cut at random", want: "problem random-cut", args: []string{"-for", "15s"}, url: serve(randomCuts())},
		{name: "CORS forgotten", want: "problem cors", args: []string{"-origin", "https://app.example"}, url: serve(feed{})},
		{name: "CORS twice", want: "problem cors", args: []string{"-origin", "https://app.example"}, url: serve(feed{header: func(h http.Header) {
			h["Access-Control-Allow-Origin"] = []string{"*", "https://app.example"}
		}})},
		{name: "CORS of another origin", want: "problem cors", args: []string{"-origin", "https://app.example"}, url: serve(feed{header: func(h http.Header) {
			h.Set("Access-Control-Allow-Origin", "https://other.example")
		}})},
	})
}

// randomCuts aborts each connection at another age.
func randomCuts() http.Handler {
	var mu sync.Mutex
	ages := []time.Duration{1300, 3100, 700, 2500, 4700, 1900, 5900}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		age := ages[0] * time.Millisecond
		ages = append(ages[1:], ages[0])
		mu.Unlock()
		begin := time.Now()
		feed{event: func(n int) string {
			if time.Since(begin) > age {
				panic(http.ErrAbortHandler)
			}
			return numbered(n)
		}}.ServeHTTP(w, r)
	})
}

// flushed compresses what a handler writes, and flushes it with the handler.
func flushed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		h.ServeHTTP(&compressed{w, gzip.NewWriter(w)}, r)
	})
}

type compressed struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (c *compressed) Write(p []byte) (int, error) { return c.z.Write(p) }

func (c *compressed) Flush() {
	_ = c.z.Flush()
	_ = http.NewResponseController(c.ResponseWriter).Flush()
}

// TestInterrupt: an interrupted check reports what it has seen, and takes its own end for no
// cut.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(command, "check", "-json", serve(feed{})(t))
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	time.Sleep(1500 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	r := new(report)
	require.NoError(t, json.Unmarshal(out.Bytes(), r), out.String())
	require.Empty(t, r.levels(), out.String())
}

// TestGoodHandlers: what is no fault.
func TestGoodHandlers(t *testing.T) {
	secure := func(p wire.Protocol) func(*testing.T) string {
		return func(t *testing.T) string { return p.Serve(t, feed{}).URL() }
	}
	test(t, []row{
		{name: "feed", url: serve(feed{})},
		{name: "as a browser's", args: []string{"-as", "browser", "-skip", "http1-limit"}, url: serve(feed{})},
		{name: "slow", url: serve(feed{every: 3 * time.Second}), unverified: "buffered"},
		{name: "compressed and flushed", url: serve(flushed(feed{}))},
		{name: "compressed and flushed, fast", url: serve(flushed(feed{every: time.Millisecond}))},
		{name: "data made anew", url: serve(feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: %s\n\n", n, time.Now()) }})},
		{name: "fast", url: serve(feed{every: time.Millisecond})},
		{name: "heartbeats only", url: serve(feed{last: -1, after: comments}), unverified: "buffered not-flushed no-ids no-resume"},
		{name: "silent", url: serve(feed{last: -1, after: silent}), unverified: "buffered not-flushed no-ids no-resume idle-cut unframed"},
		{name: "ends", url: serve(feed{last: 5})},
		{name: "ends at once", url: serve(body("text/event-stream", numbered(1)+numbered(2)+numbered(3))), also: "no-resume", unverified: "not-flushed buffered"},
		{name: "CR LF", url: serve(feed{event: func(n int) string { return strings.ReplaceAll(numbered(n), "\n", "\r\n") }})},
		{name: "CR", url: serve(feed{event: func(n int) string { return strings.ReplaceAll(numbered(n), "\n", "\r") }})},
		{name: "heartbeats without a blank line", url: serve(feed{every: 1500 * time.Millisecond, event: func(n int) string { return numbered(n) + ":\n" }})},
		{name: "retry", url: serve(feed{event: data("retry: 3000\ndata: N")})},
		{name: "the same data again and again", url: serve(feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: ping\n\n", n) }})},
		{name: "charset", url: serve(feed{header: func(h http.Header) { h.Set("Content-Type", "text/event-stream;charset=UTF-8") }})},
		{name: "CORS", args: []string{"-origin", "https://app.example"}, url: serve(feed{
			header: func(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") },
			before: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodOptions {
					return false
				}
				w.Header().Set("Access-Control-Allow-Headers", "Last-Event-ID")
				w.WriteHeader(http.StatusNoContent)
				return true
			}})},
		{name: "redirected", url: func(t *testing.T) string {
			return serve(http.RedirectHandler(serve(feed{})(t), http.StatusTemporaryRedirect))(t)
		}},
		{name: "HTTP/2, any certificate", args: []string{"-k"}, url: secure(wire.HTTP2), unverified: "certificate"},
		{name: "watched for longer", args: []string{"-for", "10s"}, url: serve(feed{}), unverified: "idle-cut age-cut"},
	})
}
