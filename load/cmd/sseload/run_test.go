package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/load"
)

func flagNames() (names []string) {
	new(options).flags().VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// TestRun: a run against a good server shows a table, writes each kind of report, and all that is
// asserted holds.
func TestRun(t *testing.T) {
	t.Parallel()
	f := serveFeed(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("page.html"), []byte(strings.Repeat("an older and longer page", 1<<16)), 0o644))
	stdout, stderr := runBinary(t, exitOK, "-n", "20", "-ramp", "200ms", "-for", "2s", "-time", "{{.ts}}", "-seq", "{{.n}}",
		"-json", path("r.json"), "-hdr", path("r.hlog"), "-html", path("page.html"),
		"-assert", "held == 100%", "-assert", "missing == 0", "-assert", "repeated == 0", "-assert", "outOfOrder == 0", "-assert", "storms == 0",
		"-assert", "numbered > 100", "-assert", "p50(event) < 5s", "-assert", "count(skew) > 5", f.URL)
	assert.Empty(t, stderr)
	assert.Regexp(t, `^20 streams of http://127.0.0.1:\d+, for 2\.\d+ s\n`, stdout)
	assert.Regexp(t, `ok   held == 100% \(20 of 20, 100%\)`, stdout)

	r, err := readReport(path("r.json"))
	require.NoError(t, err)
	assert.Equal(t, 20, r.Streams.Held)
	assert.Equal(t, r.Traffic.Events, r.Sequence.Numbered)
	again := path("again.json")
	file, err := os.Create(again)
	require.NoError(t, err)
	require.NoError(t, writeJSON(file, r))
	require.NoError(t, file.Close())
	first, err := os.ReadFile(path("r.json"))
	require.NoError(t, err)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, string(first), string(second), "JSON keeps all of a report")

	log, err := os.Open(path("r.hlog"))
	require.NoError(t, err)
	defer log.Close()
	reader := hdrhistogram.NewHistogramLogReader(log)
	counts := make(map[string]int64)
	for {
		h, err := reader.NextIntervalHistogram()
		require.NoError(t, err)
		if h == nil {
			break
		}
		counts[h.Tag()] = h.TotalCount()
	}
	assert.Equal(t, r.Latency.Header.Count, counts["header"])
	assert.Equal(t, r.Latency.Event.Count, counts["event"])
	assert.Equal(t, r.Latency.Skew.Count, counts["skew"])

	page, err := os.ReadFile(path("page.html"))
	require.NoError(t, err)
	assert.NotContains(t, string(page), "an older")
	_, err = html.Parse(strings.NewReader(string(page)))
	require.NoError(t, err)
	assert.Contains(t, string(page), "</html>")

	stdout, _ = runBinary(t, exitOK, "compare", path("r.json"), again)
	assert.Contains(t, stdout, "streams asked")
	assert.NotRegexp(t, `[-+]\d`, stdout)
}

// TestExitCodes: a run that is not as it should be has a code that shows it.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	f := serveFeed(t)
	f.skip = true
	stdout, stderr := runBinary(t, exitFailed, "-for", "2s", "-q", "-assert", "missing == 0", "-assert", "held == 1", f.URL)
	assert.Empty(t, stderr)
	assert.Equal(t, "FAIL missing == 0 (1)\n", stdout)

	stdout, _ = runBinary(t, exitFailed, "-for", "1s", "-assert", "p99(event) < 1h", f.URL)
	assert.Contains(t, stdout, "FAIL p99(event) < 1h (it was not measured)", "what was not measured does not hold")

	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	stdout, stderr = runBinary(t, exitNoRun, "-n", "3", "-for", "1s", refuses.URL)
	assert.Contains(t, stdout, "404")
	assert.Equal(t, "sseload: no stream was opened\n", stderr)

	stdout, stderr = runBinary(t, exitFailed, "-for", "1s", "-json", "-", "-assert", "opened == 1", "-assert", "storms == 1", f.URL)
	assert.Equal(t, "FAIL storms == 1 (0)\n", stderr)
	var r load.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	assert.Equal(t, 1, r.Streams.Opened)

	if runtime.GOOS == "linux" {
		_, stderr = runBinary(t, exitNoRun, "-for", "1s", "-json", "/dev/full", f.URL)
		assert.Contains(t, stderr, "no space left")
	}
}

// TestSignal: a signal ends a run, which still reports. It is the intended end without -for only.
func TestSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send a signal to another one here")
	}
	t.Parallel()
	file, err := binary()
	require.NoError(t, err)
	for _, test := range []struct {
		signal os.Signal
		args   []string
		code   int
	}{
		{os.Interrupt, nil, exitOK},
		{syscall.SIGTERM, []string{"-assert", "opened == 2"}, exitFailed},
		{os.Interrupt, []string{"-for", "1h"}, exitInterrupted},
		{syscall.SIGTERM, []string{"-for", "1h"}, exitTerminated},
		{syscall.SIGHUP, []string{"-for", "1h"}, exitHangup},
	} {
		f := serveFeed(t)
		cmd := exec.Command(file, append(test.args, f.URL)...)
		var stdout strings.Builder
		cmd.Stdout = &stdout
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.requests) > 0
		}, 10*time.Second, time.Millisecond)
		time.Sleep(500 * time.Millisecond) // for the stream to open, also on a busy machine
		require.NoError(t, cmd.Process.Signal(test.signal))
		_ = cmd.Wait()
		assert.Equal(t, test.code, cmd.ProcessState.ExitCode(), test)
		assert.Contains(t, stdout.String(), "1 stream of http", test)
	}
}

// TestTemplates: each stream sends a request of its own.
func TestTemplates(t *testing.T) {
	t.Parallel()
	f := serveFeed(t)
	tokens := write(t, "tokens", "alpha\n\n beta \n")
	runBinary(t, exitOK, "-n", "3", "-ramp", "0", "-for", "1s", "-token-file", tokens, "-H", "Authorization: Bearer {{.Token}}", "-H", "X-Plain: a{b}c",
		"-d", `{"stream":{{.Stream}}}`, f.URL+"/{{.Stream}}?token={{.Token}}")
	f.mu.Lock()
	defer f.mu.Unlock()
	var seen []string
	for i, r := range f.requests {
		seen = append(seen, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Authorization"), " ", r.Header.Get("X-Plain"), " ", r.Header.Get("Content-Type"), " ", f.bodies[i]))
	}
	slices.Sort(seen)
	assert.Equal(t, []string{
		`POST /0?token=alpha Bearer alpha a{b}c application/json {"stream":0}`,
		`POST /1?token=beta Bearer beta a{b}c application/json {"stream":1}`,
		`POST /2?token=alpha Bearer alpha a{b}c application/json {"stream":2}`,
	}, seen)
}

// TestBody: the body of -d may come from a file or standard input, and -X and -H change what it is.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `GET "" ""`},
		{[]string{"-d", ""}, `POST "application/x-www-form-urlencoded" ""`},
		{[]string{"-d", "a=b"}, `POST "application/x-www-form-urlencoded" "a=b"`},
		{[]string{"-d", "@-"}, `POST "application/json" "{\"from\":\"standard input\"}"`},
		{[]string{"-d", "@" + write(t, "body", " [1]")}, `POST "application/json" " [1]"`},
		{[]string{"-X", "PUT", "-d", "{}", "-H", "content-type: text/x"}, `PUT "text/x" "{}"`},
		{[]string{"-X", "REPORT"}, `REPORT "" ""`},
		{[]string{"-H", "Host: other.example"}, `GET "" "" other.example`},
		{[]string{"-H", "@" + write(t, "header", "Content-Type: text/x\n\n  Host: other.example \n")}, `GET "text/x" "" other.example`},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			f := serveFeed(t)
			runBinary(t, exitOK, append(test.args, "-for", "1s", f.URL)...)
			f.mu.Lock()
			r := f.requests[0]
			got := fmt.Sprintf("%s %q %q", r.Method, r.Header.Get("Content-Type"), f.bodies[0])
			if !strings.HasPrefix(r.Host, "127.0.0.1") {
				got += " " + r.Host
			}
			f.mu.Unlock()
			assert.Equal(t, test.want, got)
		})
	}
}

// TestTLS: a server is trusted by -k or -cacert, and HTTP/2 is spoken where it is asked for.
func TestTLS(t *testing.T) {
	t.Parallel()
	var protocols sync.Map
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols.Store(r.Proto, true)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	defer srv.CloseClientConnections()
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	stdout, _ := runBinary(t, exitNoRun, "-for", "1s", srv.URL)
	assert.Contains(t, stdout, "certificate")
	runBinary(t, exitOK, "-for", "1s", "-k", srv.URL)
	runBinary(t, exitOK, "-for", "1s", "-cacert", ca, srv.URL)
	_, ok := protocols.Load("HTTP/2.0")
	assert.False(t, ok)
	runBinary(t, exitOK, "-for", "1s", "-n", "5", "-cacert", ca, "-http2", srv.URL)
	_, ok = protocols.Load("HTTP/2.0")
	assert.True(t, ok)
}

// TestPublish: events that sseload publishes are found on the streams.
func TestPublish(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	streams := make(map[chan string]bool)
	var published []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			published = append(published, r.Header.Get("X-Key")+" "+r.Header.Get("Content-Type")+" "+string(b))
			for c := range streams {
				c <- string(b)
			}
			return
		}
		c := make(chan string, 1000)
		mu.Lock()
		streams[c] = true
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case text := <-c:
				fmt.Fprintf(w, "data: %s\n\n", text)
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer srv.Close()
	defer srv.CloseClientConnections()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `^ text/plain\S* \S+$`},
		{[]string{"-publish-H", "X-Key: secret"}, `^secret text/plain \S+$`},
		{[]string{"-publish-H", "X-Key: s", "-publish-d", `{"n":{{.Event}},"text":"{{.Text}}"}`}, `^s application/json \{"n":\d+,"text":"\S+"\}$`},
	} {
		published = nil
		runBinary(t, exitOK, append(test.args, "-n", "5", "-ramp", "0", "-for", "2s", "-publish", srv.URL, "-publish-every", "50ms",
			"-assert", "sent > 2", "-assert", "failed == 0", "-assert", "count(event) > 5", "-assert", "p50(event) < 5s", "-assert", "numbered > 5", srv.URL)...)
		mu.Lock()
		for _, p := range published {
			assert.Regexp(t, test.want, p)
		}
		mu.Unlock()
	}
}

// TestKill: connections that sseload cuts are a storm, from which the streams return.
func TestKill(t *testing.T) {
	t.Parallel()
	f := serveFeed(t)
	stdout, _ := runBinary(t, exitOK, "-n", "40", "-ramp", "100ms", "-for", "5s", "-kill", "50%@1500ms",
		"-assert", "dropped(storm) >= 10", "-assert", "dropped(storm) <= 20", "-assert", "back(storm) == 100%", "-assert", "killed >= 10", "-assert", "missing == 0", f.URL)
	assert.Contains(t, stdout, "cut by sseload: ")
}

// TestConfig: each flag sets what it is for.
func TestConfig(t *testing.T) {
	config := func(args ...string) load.Config {
		o, err := (&command{stdin: strings.NewReader("")}).parseArgs(append(args, "localhost:1/feed"))
		require.NoError(t, err)
		cfg, err := o.config()
		require.NoError(t, err)
		return cfg
	}
	cfg := config()
	assert.Equal(t, []string{"http://localhost:1/feed"}, cfg.URLs)
	assert.Equal(t, 1, cfg.Streams)
	assert.Zero(t, cfg.Ramp)
	assert.Zero(t, cfg.Duration)
	assert.Nil(t, cfg.Transport)
	assert.Nil(t, cfg.TLS)
	assert.Nil(t, cfg.Client.Reconnect)
	cfg = config("-n", "1001")
	assert.Equal(t, time.Second, cfg.Ramp, "a millisecond for each stream")
	cfg = config("-n", "2", "-ramp", "3", "-for", "1h", "-open-in", "4s", "-stall", "5s", "-idle", "6s", "-source", "127.0.0.2, 127.0.0.3", "-source", "::1",
		"-kill", "30%@60s", "-kill", "0.5%@1.5", "-expect-restart", "-slow", "10%@1KB/s")
	assert.Equal(t, 3*time.Second, cfg.Ramp)
	assert.Equal(t, time.Hour, cfg.Duration)
	assert.Equal(t, 4*time.Second, cfg.OpenIn)
	assert.Equal(t, 5*time.Second, cfg.Stall)
	assert.Equal(t, 6*time.Second, cfg.Client.IdleTimeout)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("::1")}, cfg.Sources)
	assert.Equal(t, []load.Kill{{Fraction: 0.3, At: time.Minute}, {Fraction: 0.005, At: 1500 * time.Millisecond}}, cfg.Kill)
	assert.True(t, cfg.ExpectRestart)
	assert.Equal(t, load.Slow{Fraction: 0.1, BytesPerSecond: 1000}, cfg.Slow)
	assert.Equal(t, load.Browser().ReconnectionTime, config("-backoff", "browser").Client.ReconnectionTime)
	assert.False(t, config("-backoff", "none").Client.Reconnect(io.EOF))
	assert.True(t, config("-k").TLS.InsecureSkipVerify)
	assert.IsType(t, new(http.Transport), config("-http2").Transport)
}

// TestTopics: the streams of one topic are those that get the same events.
func TestTopics(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"h/a", "h/b?x"}, "http://h/a|http://h/b?x|http://h/a|http://h/b?x"},
		{[]string{"h/a?token={{.Stream}}"}, "0 http://h/a|0 http://h/a|0 http://h/a|0 http://h/a"},
		{[]string{"h/{{.Stream}}", "h/?x={{.Stream}}"}, "0 http://h/0|1 http://h/|0 http://h/2|1 http://h/"},
		{[]string{"h/{{.Stream}}", "-topic", "all"}, "all|all|all|all"},
		{[]string{"h/", "-topic", "{{if lt .Stream 2}}a{{else}}b{{end}}"}, "a|a|b|b"},
	} {
		o, err := new(command).parseArgs(append(test.args, "-n", "4"))
		require.NoError(t, err)
		cfg, err := o.config()
		require.NoError(t, err)
		var topics []string
		for i := range 4 {
			url := cfg.URLs[i%len(cfg.URLs)]
			if cfg.Topic != nil {
				url = cfg.Topic(i, url)
			}
			topics = append(topics, url)
		}
		assert.Equal(t, test.want, strings.Join(topics, "|"))
	}
}

// TestReadings: a time and a number are found in data that is JSON, and only there.
func TestReadings(t *testing.T) {
	want := time.Date(2026, 11, 27, 18, 30, 0, 123456789, time.UTC)
	for data, precision := range map[string]time.Duration{
		`{"a":[{"ts":"2026-11-27T18:30:00.123456789Z"}]}`:      1,
		`{"a":[{"ts":"2026-11-27T19:30:00.123456789+01:00"}]}`: 1,
		`{"a":[{"ts":1795804200123456789}]}`:                   1,
		`{"a":[{"ts":1795804200123456}]}`:                      time.Microsecond,
		`{"a":[{"ts":1795804200123}]}`:                         time.Millisecond,
		`{"a":[{"ts":1795804200}]}`:                            time.Second,
		`{"a":[{"ts":1795804200.123456}]}`:                     time.Microsecond,
		`{"a":[{"ts":1.795804200123e12}]}`:                     time.Millisecond,
		`{"a":[{"ts":"1795804200123"}]}`:                       time.Millisecond,
	} {
		at, err := newReading("{{(index .a 0).ts}}", parseTime)
		require.NoError(t, err)
		for range 2 { // the second time from what it keeps
			got, ok := at.of(data)
			require.True(t, ok, data)
			assert.WithinDuration(t, want, got, precision, data)
		}
	}
	var cfg load.Config
	require.NoError(t, (&options{time: "{{.ts}}", sequence: "{{.n}}"}).setMeasured(&cfg))
	for _, data := range []string{"", "text", "{", "[]", "{}", `{"ts":null,"n":null}`, `{"ts":"","n":"x"}`, `{"ts":-1,"n":1.5}`, `{"ts":1e300,"n":1e300}`, `{"ts":{"a":1},"n":[1]}`,
		strings.Repeat("[", 1<<20), `{"ts":"` + strings.Repeat("x", 1<<20) + `"}`} {
		_, ok := cfg.Time(sse.Event{Data: data})
		assert.False(t, ok, "%.20s", data)
		_, ok = cfg.Sequence(sse.Event{Data: data})
		assert.False(t, ok, "%.20s", data)
	}
	require.NoError(t, (&options{says: "{{.text}}"}).setMeasured(&cfg))
	for data, want := range map[string]bool{`{"text":"x"}`: true, `{"text":0}`: true, `{"text":true}`: true, `{"text":" "}`: false, `{"text":false}`: false, `{"text":null}`: false, `{}`: false, "": false, "x": false} {
		assert.Equal(t, want, cfg.Says(sse.Event{Data: data}), data)
	}
	n, ok := cfg.Sequence(sse.Event{Data: `{"n":9007199254740993}`})
	assert.True(t, ok)
	assert.EqualValues(t, 9007199254740993, n)
}

// TestReadingKeepsLittle: a server that never repeats itself does not fill the memory.
func TestReadingKeepsLittle(t *testing.T) {
	number, err := newReading("{{.n}}", func(s string) (string, bool) { return s, true })
	require.NoError(t, err)
	for i := range 3 * keepReadings {
		v, ok := number.of(fmt.Sprintf(`{"n":%d}`, i))
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(i), v)
		require.LessOrEqual(t, len(number.known), keepReadings)
	}
	before := len(number.known)
	_, ok := number.of(fmt.Sprintf(`{"n":1,"x":%q}`, strings.Repeat("x", keepData)))
	require.True(t, ok)
	require.Len(t, number.known, before)
}

// TestDemo: the demo's restart is a storm, and nothing is lost by it.
func TestDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	cmd := command{stdout: &stdout, stderr: &stderr, columns: func() int { return 0 },
		plan: demoPlan{ramp: 100 * time.Millisecond, hold: 5 * time.Second, restart: 1500 * time.Millisecond, down: 300 * time.Millisecond, every: 20 * time.Millisecond}}
	page := filepath.Join(t.TempDir(), "sseload.html")
	code := cmd.run(context.Background(), []string{"-demo", "-n", "30", "-html", page, "-assert", "missing == 0", "-assert", "repeated == 0",
		"-assert", "dropped(storm) >= 15", "-assert", "back(storm) == 100%", "-assert", "count(event) > 200", "-assert", "count(skew) > 5"})
	require.Equal(t, exitOK, code, stdout.String()+stderr.String())
	assert.Empty(t, stderr.String())
	assert.Regexp(t, `^A server at http://127\.0\.0\.1:\d+/ publishes 50 events a second to 30\s+streams\.`, stdout.String())
	assert.Regexp(t, `(?s)What this shows: the restart dropped [123]\d streams\. .* are\s+missing and 0 came twice`, stdout.String())
	for line := range strings.Lines(stdout.String()) {
		assert.LessOrEqual(t, len([]rune(line)), 80, line)
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(b), "by the server")
}
