package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/internal/recording"
)

const sixEvents = `sse-recording 1
0s     connect GET "/feed?key=[redacted]"
0s     status 200 chunked
0s     header Content-Type text/event-stream
0s     bytes "retry: 10\nid: 1\ndata: a\n\nid: 2\ndata: b\n\n"
0s     bytes "id: 3\ndata: c\n\n"
0s     end
0s     connect GET /feed
0s     header Last-Event-ID 3
0s     status 200 chunked
0s     header Content-Type text/event-stream
0s     bytes "id: 4\ndata: d\n\nid: 5\ndata: e\n\nid: 6\ndata: f\n\n"
0s     end
`

// TestReplay plays a recording with each fault. The client loses nothing, whatever happens.
func TestReplay(t *testing.T) {
	file := write(t, "rec", sixEvents)
	for _, test := range []struct {
		args []string
		log  string // what the client sees of connections
	}{
		{nil, `200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-speed", "max"}, `200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-cut", "1"}, `200 unexpected EOF "1" 200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-cut", "2@2"}, `200 EOF "3" 200 unexpected EOF "5" 200 EOF "6" 204`},
		{[]string{"-cut", "1", "-cut", "1@2", "-cut", "3@4"}, `200 unexpected EOF "1" 200 unexpected EOF "2" 200 EOF "3" 200 unexpected EOF "6" 200 EOF "6" 204`},
		{[]string{"-status", "503@2", "-status", "500@4"}, `200 EOF "3" 503 "3" 200 EOF "6" 500 "6" 204`},
		{[]string{"-cut", "2", "-status", "429@2"}, `200 unexpected EOF "2" 429 "2" 200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-split", "1"}, `200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-split", "7", "-cut", "2"}, `200 unexpected EOF "2" 200 EOF "3" 200 EOF "6" 204`},
		{[]string{"-listen", "localhost:0", "-q"}, `200 EOF "3" 200 EOF "6" 204`},
	} {
		url, _ := startReplay(t, append(test.args, file)...)
		require.Regexp(t, `^http://127\.0\.0\.1:\d+/feed$`, url)
		stdout, stderr := runBinary(t, exitEnded, "", "-v", "-data", url)
		require.Equal(t, "a\nb\nc\nd\ne\nf\n", stdout, test.args)
		require.Equal(t, test.log, connections(stderr), test.args)
	}
}

// connections returns what -v has shown of connections: statuses, errors and resumptions.
func connections(verbose string) string {
	var b strings.Builder
	for line := range strings.Lines(verbose) {
		line = strings.TrimSpace(line)
		if code, ok := strings.CutPrefix(line, "< HTTP/1.1 "); ok {
			b.WriteString(code[:3] + " ")
		}
		if drop, ok := strings.CutPrefix(line, "! drop: "); ok {
			err, rest, _ := strings.Cut(drop, "; ")
			if !strings.HasPrefix(err, "refused") {
				b.WriteString(err + " ")
			}
			_, id, _ := strings.Cut(rest, " after ")
			b.WriteString(id + " ")
		}
	}
	return strings.TrimSpace(b.String())
}

// TestReplayStdin: a recording may come from standard input, and one that a crash has cut off
// is played up to there.
func TestReplayStdin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errors bytes.Buffer
		cmd := testCommand(&out, &errors, false)
		cmd.stdin = strings.NewReader(sixEvents + `0s 2 by`)
		o, rec, err := cmd.parseReplay([]string{"-"})
		require.NoError(t, err)
		require.True(t, rec.Truncated)
		l := memnet.Listen()
		srv := &http.Server{Handler: cmd.player(o, rec)}
		go srv.Serve(l)
		defer srv.Close()
		cmd.transport.DialContext = l.DialContext
		require.Equal(t, exitEnded, cmd.run(t.Context(), []string{"-data", "http://memnet/feed"}))
		require.Equal(t, "a\nb\nc\nd\ne\nf\n", out.String())
	})
}

// TestReplayTiming plays an hour: as it was, ten times as fast, and at once.
func TestReplayTiming(t *testing.T) {
	const hour = `sse-recording 1
0s     connect GET /
1h     event message a id 1
2h     event message b id 2
2h     drop
`
	for speed, want := range map[string]time.Duration{"1": time.Hour, "10": 6 * time.Minute, "0.5": 2 * time.Hour, "max": 0} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			cmd := testCommand(&out, &out, false)
			o, rec, err := cmd.parseReplay([]string{"-speed", speed, write(t, "rec", hour)})
			require.NoError(t, err)
			l := memnet.Listen()
			srv := &http.Server{Handler: cmd.player(o, rec)}
			go srv.Serve(l)
			defer srv.Close()
			cmd.transport.DialContext = l.DialContext
			start := time.Now()
			require.Equal(t, exitEnded, cmd.run(t.Context(), []string{"-json", "-n", "2", "http://memnet/"}))
			dec := json.NewDecoder(&out)
			for i := range 2 {
				var ev shown
				require.NoError(t, dec.Decode(&ev))
				require.Equal(t, time.Duration(i+1)*want, ev.Time.Sub(start), speed)
			}
		})
	}
}

// TestReplayLoop: without an end, and with times that are moved to now.
func TestReplayLoop(t *testing.T) {
	const stamped = `sse-recording 1 2020-02-02T20:20:20Z
0s     connect GET /
0s     status 200 chunked
0s     header Content-Type text/event-stream
0s     header Date "Sun, 02 Feb 2020 20:20:20 GMT"
0s     bytes "retry: 10\ndata: 2020-02-02T2"
1ms    bytes "0:20:21Z\n\n"
1ms    end
`
	url, _ := startReplay(t, "-loop", "-restamp", write(t, "rec", stamped))
	stdout, stderr := runBinary(t, exitEnded, "", "-v", "-n", "3", "-data", url)
	lines := strings.Split(stdout, "\n")
	require.Len(t, lines, 4)
	require.Equal(t, lines[0], lines[1])
	at, err := time.Parse(time.RFC3339, lines[0])
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.Contains(t, stderr, at.Add(-time.Second).UTC().Format("< Date: Mon, 02 Jan 2006 15:04:05 GMT"))
}

// TestReplayTLS: https, HTTP/2 where the client speaks it, and a certificate that nobody else
// trusts.
func TestReplayTLS(t *testing.T) {
	file := write(t, "rec", sixEvents)
	url, _ := startReplay(t, "-tls", "-loop", file)
	require.True(t, strings.HasPrefix(url, "https://127.0.0.1:"), url)
	_, stderr := runBinary(t, exitBroken, "", "-once", url)
	require.Contains(t, stderr, "certificate")
	_, stderr = runBinary(t, exitEnded, "", "-k", "-v", "-n", "6", url)
	require.Contains(t, stderr, "< HTTP/2.0 200")
	url, _ = startReplay(t, file)
	_, stderr = runBinary(t, exitEnded, "", "-http2", "-v", "-n", "6", url) // without TLS
	require.Contains(t, stderr, "< HTTP/2.0 200")
}

// TestReplayCheck: sse check finds no fault in a good stream, and names the one that is played.
func TestReplayCheck(t *testing.T) {
	var good strings.Builder
	good.WriteString("sse-recording 1\n0s connect GET /feed\n1ms status 200 chunked\n1ms header Content-Type text/event-stream\n1ms header Cache-Control no-cache\n")
	for i := range 40 {
		fmt.Fprintf(&good, "%dms event message %d id %d\n", 250*(i+1), i, i+1)
	}
	t.Parallel()
	for typ, want := range map[string]string{"text/event-stream": "", "text/plain": "content-type"} {
		text := strings.Replace(good.String(), "text/event-stream", typ, 1)
		url, _ := startReplay(t, "-loop", write(t, "rec", text))
		code := exitEnded
		if want != "" {
			code = exitBroken
		}
		stdout, _ := runBinary(t, code, "", "check", "-json", url)
		var report struct {
			Findings []struct{ ID, Level string }
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &report))
		var problems []string
		for _, f := range report.Findings {
			if f.Level == "problem" {
				problems = append(problems, f.ID)
			}
		}
		assert.Equal(t, want, strings.Join(problems, " "), stdout)
	}
}

// TestSubcommandHelp: it has all flags, and fits a screen.
func TestSubcommandHelp(t *testing.T) {
	for name, flags := range map[string]*flag.FlagSet{"record": new(recordOptions).flags(), "replay": new(replayOptions).flags()} {
		stdout, stderr := runBinary(t, exitEnded, "", name, "-h")
		require.Empty(t, stderr)
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		require.LessOrEqual(t, len(lines), 25)
		for _, line := range lines {
			require.LessOrEqual(t, len(line), 80, line)
		}
		flags.VisitAll(func(f *flag.Flag) {
			switch f.Name {
			case "user", "redact": // others, or the default
			default:
				require.Regexp(t, `[( ]-`+f.Name+`\b`, stdout)
			}
		})
	}
}

// TestSubcommandUsage: wrong usage of every kind is found before a file or a request is made.
func TestSubcommandUsage(t *testing.T) {
	rec := write(t, "rec", sixEvents)
	u := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request") })
	out := t.TempDir() + "/out"
	record := func(args ...string) []string { return append([]string{"record", "-o", out}, args...) }
	replay := func(args ...string) []string { return append([]string{"replay", rec}, args...) }
	for _, args := range [][]string{
		{"record"}, {"record", u}, record(), record(u, u), record("-nonsense", u), record("ftp://h/"), {"record", "-o", "", u},
		{"record", "-o", "no/such/directory/file", u}, {"record", "-o", t.TempDir(), u},
		record("-H", "x", u), record("-d", "@no/such/file", u), record("-X", "A B", u), record("-n", "0", u), record("-id", "a\x01", u), record("-u", "x", u),
		record("-once", "-retry-forever", u), record("-key", "x", u), record("-cacert", "no/such/file", u), record("-unix", "", u), record("-max-event", "0", u),
		record("-max-size", "0", u), record("-max-size", "x", u), record("-max-size", fmt.Sprint(recording.MaxSize+1), u),
		record("-redact-pattern", "(", u), record("-redact", "-no-redact", u), record("-state", "x", u), record("-json", u),
		record("-listen", ":0"), record("-to", u), record("-listen", "0", "-to", u), record("-listen", "h:x", "-to", u), record("-listen", ":0", "-to", u, u),
		record("-listen", ":0", "-to", u+"/path"), record("-listen", ":0", "-to", "ftp://h"), record("-listen", ":0", "-to", "http://u:p@h"),
		record("-listen", ":0", "-to", "http://h?a=b"), record("-listen", ":0", "-to", u, "-H", "A: b"), record("-listen", ":0", "-to", u, "-d", "x"),
		record("-listen", ":0", "-to", u, "-once"), record("-listen", "192.0.2.1:0", "-to", u),
		{"replay"}, replay(rec), replay("-nonsense"), {"replay", "no/such/file"}, {"replay", t.TempDir()}, {"replay", write(t, "bad", "sse-recording 1\nx\n")},
		{"replay", write(t, "empty", "")}, {"replay", write(t, "other", "data: a\n\n")},
		replay("-speed", "0"), replay("-speed", "-1"), replay("-speed", "x"), replay("-speed", "nan"), replay("-speed", "inf"),
		replay("-cut", "0"), replay("-cut", "x"), replay("-cut", "4"), replay("-cut", "1@3"), replay("-cut", "1@0"), replay("-cut", "1@"), replay("-cut", "1@x"),
		replay("-status", "199"), replay("-status", "600"), replay("-status", "503@0"), replay("-status", "x"), replay("-split", "0"), replay("-split", "-1"),
		replay("-restamp"), replay("-listen", "0"), replay("-listen", "192.0.2.1:0"),
	} {
		stdout, stderr := runBinary(t, exitUsage, "", args...)
		assert.Empty(t, stdout)
		assert.Regexp(t, `^sse: .+\nRun 'sse `+args[0]+` -h' for usage.\n$`, stderr, args)
	}
	_, err := os.Stat(out)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, stderr := runBinary(t, exitUsage, "", "replay", write(t, "bad", "sse-recording 1\n0s connect\n0s nonsense\n"))
	assert.Contains(t, stderr, "line 3, column 4: ")
}
