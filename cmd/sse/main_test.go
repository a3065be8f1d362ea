package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/cmd/sse/internal/term"
	"github.com/lastevent/sse/internal/memnet"
)

// output is what a run of the command leaves.
type output struct {
	code           int
	stdout, stderr string
	requests       []*http.Request
}

// run runs the command in a bubble, against a server on an in-memory network: a body
// for each request, cut off where it ends in "…", and then 204.
func run(t *testing.T, args []string, bodies ...string) (out output) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := len(out.requests)
			out.requests = append(out.requests, r)
			if n >= len(bodies) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			if bodies[n] == "404" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			body, cut := strings.CutSuffix(bodies[n], "…")
			_, _ = io.WriteString(w, body)
			_ = http.NewResponseController(w).Flush()
			if cut {
				panic(http.ErrAbortHandler)
			}
		})}
		go srv.Serve(l)
		var stdout, stderr bytes.Buffer
		cmd := testCommand(&stdout, &stderr, false)
		cmd.transport.DialContext = l.DialContext
		out.code = cmd.run(t.Context(), args)
		srv.Close()
		synctest.Wait()
		out.stdout, out.stderr = stdout.String(), stderr.String()
	})
	return out
}

// testCommand returns a command with other outputs, which are both terminals or both not.
func testCommand(stdout, stderr io.Writer, terminal bool) *command {
	return &command{
		stdin: strings.NewReader(""), transport: new(http.Transport),
		stdout: term.NewWriter(stdout, terminal, false), stderr: term.NewWriter(stderr, terminal, false),
	}
}

const feed = "http://memnet/feed"

func TestTail(t *testing.T) {
	out := run(t, []string{feed}, "id:1\nevent:e\ndata:a\ndata:b\n\n:c\n\nid:2\ndata: los…", "data:c\n\n")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, "event: e\nid: 1\ndata: a\ndata: b\n\nid: 1\ndata: c\n\n", out.stdout)
	require.Empty(t, out.stderr)
	require.Len(t, out.requests, 3)
	require.Equal(t, "1", out.requests[1].Header.Get("Last-Event-ID"))
}

func TestJSON(t *testing.T) {
	out := run(t, []string{"-json", feed}, "id:1\nevent:e\ndata:<a>\ndata:\"b\"\n\ndata:c\n\n")
	require.Zero(t, out.code, out.stderr)
	// A bubble's time begins at the turn of the year 2000.
	require.Equal(t, `{"type":"e","data":"<a>\n\"b\"","id":"1","time":"2000-01-01T00:00:00Z"}
{"type":"message","data":"c","id":"1","time":"2000-01-01T00:00:00Z"}
`, strings.ReplaceAll(out.stdout, time.Unix(946684800, 0).Format("2006-01-02T15:04:05Z07:00"), "2000-01-01T00:00:00Z"))
}

func TestHeadersAndID(t *testing.T) {
	out := run(t, []string{"-H", "Authorization: Bearer a:b", "-H", "X-Two:1", "-H", "x-two: 2", "-H", "Host: example.com", "-id", "7", feed})
	require.Zero(t, out.code, out.stderr)
	r := out.requests[0]
	require.Equal(t, "Bearer a:b", r.Header.Get("Authorization"))
	require.Equal(t, []string{"1", "2"}, r.Header["X-Two"])
	require.Equal(t, "7", r.Header.Get("Last-Event-ID"))
	require.Equal(t, "example.com", r.Host)
}

func TestNumber(t *testing.T) {
	out := run(t, []string{"-n", "2", feed}, "data:a\n\ndata:b\n\ndata:c\n\n")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, "data: a\n\ndata: b\n\n", out.stdout)
	require.Len(t, out.requests, 1)
}

func TestVerbose(t *testing.T) {
	out := run(t, []string{"-v", "-H", "Authorization: Bearer secret", feed}, "id:1\n: hello\ndata:a\n\nid:2…")
	require.Zero(t, out.code)
	wait := regexp.MustCompile(`in [12](\.\d+)?s`)
	require.Regexp(t, wait, out.stderr)
	date := regexp.MustCompile(`Date: .*`)
	require.Equal(t, `* connect GET http://memnet/feed
> Host: memnet
> User-Agent: Go-http-client/1.1
> Accept: text/event-stream
> Accept-Encoding: identity
> Authorization: (hidden)
> Cache-Control: no-cache
< HTTP/1.1 200 OK
< Content-Type: text/event-stream
< DATE
* open
: hello
! drop: unexpected EOF; again in WAIT after "1"
* connect GET http://memnet/feed after "1"
> Host: memnet
> User-Agent: Go-http-client/1.1
> Accept: text/event-stream
> Accept-Encoding: identity
> Authorization: (hidden)
> Cache-Control: no-cache
> Last-Event-Id: 1
< HTTP/1.1 204 No Content
< DATE
* end
`, date.ReplaceAllString(wait.ReplaceAllString(out.stderr, "in WAIT"), "DATE"))
	require.Equal(t, "id: 1\ndata: a\n\n", out.stdout)
}

func TestRefused(t *testing.T) {
	out := run(t, []string{feed}, "404")
	require.Equal(t, exitBroken, out.code)
	require.Equal(t, "sse: GET http://memnet/feed: 404 Not Found: \"404 page not found\"\n", out.stderr)
	require.Len(t, out.requests, 1)
}

// TestHelp: it fits a screen, and describes each flag.
func TestHelp(t *testing.T) {
	out := run(t, []string{"-h"})
	require.Zero(t, out.code)
	lines := strings.Split(strings.TrimSuffix(out.stdout, "\n"), "\n")
	require.LessOrEqual(t, len(lines), 40)
	for _, line := range lines {
		require.LessOrEqual(t, len(line), 80, line)
	}
	new(options).flags().VisitAll(func(f *flag.Flag) {
		require.Regexp(t, ` -`+f.Name+`\b`, out.stdout)
	})
	for _, name := range subcommandNames() {
		require.Contains(t, out.stdout, "  sse "+name+" ")
	}
}

// TestColors: names of fields recede, types stand out; data is left alone.
func TestColors(t *testing.T) {
	var screen bytes.Buffer
	cmd := &command{stdout: term.NewWriter(&screen, true, true)}
	tl := &tail{command: cmd, options: new(options)}
	_, err := cmd.stdout.Write(tl.appendLines(nil, "feed", "event: e\nid: 1\ndata: a: b\n\n"))
	require.NoError(t, err)
	require.Equal(t, "\x1b[32mfeed\x1b[0m \x1b[2mevent: \x1b[0m\x1b[36me\x1b[0m\n"+
		"\x1b[32mfeed\x1b[0m \x1b[2mid: 1\x1b[0m\n"+
		"\x1b[32mfeed\x1b[0m \x1b[2mdata: \x1b[0ma: b\n\n", screen.String())
}

// TestLive: the line of -stats is drawn again behind what is printed, and gives way to the
// summary.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for n := range 3 {
				fmt.Fprintf(w, "id: %d\ndata: x\n\n", n)
				w.(http.Flusher).Flush()
				time.Sleep(400 * time.Millisecond)
			}
		})}
		go srv.Serve(l)
		var screen bytes.Buffer // both, as a terminal shows them
		cmd := testCommand(&screen, &screen, true)
		cmd.transport.DialContext = l.DialContext
		require.Zero(t, cmd.run(t.Context(), []string{"-stats", "-once", "-data", feed}))
		srv.Close()
		synctest.Wait()
		require.Equal(t, []string{
			"x\n1 event, 15 B, 1/s; 1 connection; open; last ID 0",
			"x\n1 event, 15 B, 1/s; 1 connection; open; last ID 0",
			"2 events, 30 B, 2/s; 1 connection; open; last ID 1",
			"2 events, 30 B, 1/s; 1 connection; open; last ID 1",
			"x\n2 events, 30 B, 1/s; 1 connection; open; last ID 1",
			"3 events, 45 B, 2/s; 1 connection; open; last ID 2",
			"3 events, 45 B in 1.2s, 2.5/s; 1 connection, 0 drops; last ID 2\n",
		}, strings.Split(strings.NewReplacer(wrapOff, "", wrapOn+"\r", "").Replace(screen.String()), erase))
	})
}

// TestLiveMany: of more URLs than there is room for, the rest share a line.
func TestLiveMany(t *testing.T) {
	for n, want := range map[int][]string{
		maxLines:     {"x9   5 events, 0 B, 5/s; 0 connections; open; last ID 1"},
		maxLines + 2: {"x8   5 events, 0 B, 5/s; 0 connections; open; last ID 1", "3 more: 15 events, 0 B, 15/s; 0 connections"},
	} {
		var screen bytes.Buffer
		tl := &tail{command: testCommand(io.Discard, &screen, true), options: new(options)}
		for i := range n {
			src := source{name: fmt.Sprint("x", i), named: true}
			tl.streams = append(tl.streams, &stream{tail: tl, source: src, stats: stats{events: 5, status: "open", lastID: "1"}})
		}
		tl.draw()
		lines := strings.Split(strings.NewReplacer(wrapOff, "", wrapOn+"\r", "").Replace(screen.String()), "\n")
		require.Len(t, lines, maxLines)
		for i, line := range want {
			require.Equal(t, strings.Join(strings.Fields(line), " "), strings.Join(strings.Fields(lines[maxLines-len(want)+i]), " "))
		}
	}
}

func TestInterrupted(t *testing.T) {
	for sig, code := range map[os.Signal]int{os.Interrupt: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&stopped{sig})
		var out bytes.Buffer
		require.Equal(t, code, testCommand(&out, &out, false).run(ctx, []string{feed}))
		require.Empty(t, out.String(), "quietly")
	}
}

type failing struct{ err error }

func (w failing) Write([]byte) (int, error) { return 0, w.err }

func TestOutputFails(t *testing.T) {
	for _, flags := range [][]string{{}, {"-raw"}} {
		for err, code := range map[error]int{
			errors.New("no space left"):                                exitBroken,
			&fs.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}: exitEnded,
		} {
			synctest.Test(t, func(t *testing.T) {
				l := memnet.Listen()
				requests := 0
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests++
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, "data:1\n\n")
				})}
				go srv.Serve(l)
				var stderr bytes.Buffer
				cmd := testCommand(failing{err}, &stderr, false)
				cmd.transport.DialContext = l.DialContext
				require.Equal(t, code, cmd.run(t.Context(), append(flags, feed)))
				require.Equal(t, 1, requests)
				require.Equal(t, code == exitEnded, stderr.Len() == 0, "quietly")
				srv.Close()
			})
		}
	}
}

// TestDemo runs the demo in fake time.
func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		tr := &http.Transport{DialContext: l.DialContext}
		defer tr.CloseIdleConnections()
		var out strings.Builder
		start := time.Now()
		cmd := testCommand(&out, io.Discard, false)
		require.NoError(t, cmd.demo(t.Context(), l, "http://memnet/", &http.Client{Transport: tr}))
		require.Less(t, time.Since(start), 5*time.Second, "as the usage says")
		for _, want := range []string{
			"DROP       unexpected EOF",
			"REFUSED    503 Service Unavailable, Retry-After: 1",
			"DROP       not a byte for 1s",
			"connect    Last-Event-ID: 4",
			"connect    Last-Event-ID: 8",
			"comment    welcome\n",
			"close      the server ended the response\n",
			"\n12 events received, 0 lost, 0 duplicated: 5 connections, 1 cut, 1 refused with 503, 1 idle timeout, resumed 2 times.\n",
		} {
			require.Contains(t, out.String(), want)
		}
	})
}

// TestDemoColors: what goes wrong stands out, events are as they are, and all else recedes.
func TestDemoColors(t *testing.T) {
	for what, color := range map[string]term.Color{"DROP": term.Yellow, "REFUSED": term.Yellow, "event 1": "", "open": term.Faint} {
		var screen bytes.Buffer
		cmd := &command{stdout: term.NewWriter(&screen, true, true)}
		d := demoClient{command: cmd, start: time.Now()}
		d.say(what, "text")
		cmd.stdout.Flush()
		_, line, ok := strings.Cut(screen.String(), "s  \x1b[0m")
		require.True(t, ok, "%q", screen.String())
		want := fmt.Sprintf("%-10s text", what)
		if color != "" {
			want = "\x1b[" + string(color) + "m" + want + "\x1b[0m"
		}
		require.Equal(t, want+"\n", line)
	}
}

// TestDemoFails: a count that is off is an error.
func TestDemoFails(t *testing.T) {
	d := demoClient{command: testCommand(io.Discard, io.Discard, false), received: make(map[string]int)}
	for id := 1; id <= demoEvents; id++ {
		d.received[strconv.Itoa(id)] = 1
	}
	require.NoError(t, d.report())
	d.received["1"] = 2
	require.Error(t, d.report(), "one more")
	d.received["1"] = 0
	require.Error(t, d.report(), "one less")
}

// TestExitCodes: they are what the help page promises to scripts.
func TestExitCodes(t *testing.T) {
	const want = "Exit codes: 0 ended, 1 refused or broken, 2 wrong usage, 28 -max-time is over,\n129 hung up, 130 interrupted, 143 terminated.\n"
	require.Equal(t, want, fmt.Sprintf("Exit codes: %d ended, %d refused or broken, %d wrong usage, %d -max-time is over,\n%d hung up, %d interrupted, %d terminated.\n",
		exitEnded, exitBroken, exitUsage, exitMaxTime, exitHangup, exitInterrupted, exitTerminated))
	require.Contains(t, help, want)
}

// TestVersion: what go install has noted is shown.
func TestVersion(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	require.Equal(t, "sse "+cmp.Or(info.Main.Version, "(unknown)")+" "+runtime.Version()+"\n", version())
}

// TestSize: three digits, and a unit in which they are below a thousand.
func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 999_499: "999 kB", 999_500: "1 MB", 1_234_567: "1.23 MB", 999_500_000: "1 GB", math.MaxInt64: "9.22 EB",
	} {
		require.Equal(t, want, size(n), n)
	}
}
