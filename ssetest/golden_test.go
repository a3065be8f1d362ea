package ssetest_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// three is a handler that sends three events, an hour apart, with the time in them.
func three(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := range 3 {
		if n > 0 && time.Now().Year() < 2020 { // in a bubble
			time.Sleep(time.Hour)
		}
		fmt.Fprintf(w, "id: %d\ndata: %q at %s\n\n", n, "x", time.Now().Format(time.RFC3339Nano))
		_ = http.NewResponseController(w).Flush()
	}
}

// withoutTime removes the time from an event of three.
func withoutTime(ev sse.Event) sse.Event {
	ev.Data, _, _ = strings.Cut(ev.Data, " at ")
	return ev
}

// once returns the events of one connection to a handler.
func once(t testing.TB, h http.HandlerFunc) func(func(sse.Event, error) bool) {
	srv := ssetest.NewServer(t, h)
	client := sse.Client{HTTPClient: srv.Client(), Reconnect: func(error) bool { return false }}
	return client.Get(t.Context(), srv.URL())
}

// runs runs a test with a FakeTB, and returns what it failed with.
func runs(t *testing.T, test func(t testing.TB)) []string {
	f := ssetest.NewFakeTB(t)
	f.Run(func() {
		defer f.End()
		test(f)
	})
	return f.Messages()
}

// TestGolden writes a file, compares with it, and shows a difference.
func TestGolden(t *testing.T) {
	files := map[bool]string{true: `sse-recording 1
0s         1 connect
0s         1 event message ` + "`\"x\"`" + ` id "0"
1h0m0s     1 event message ` + "`\"x\"`" + ` id "1"
2h0m0s     1 event message ` + "`\"x\"`" + ` id "2"
2h0m0s     1 end
`, false: `sse-recording 1
0s         1 connect
0s         1 event message ` + "`\"x\"`" + ` id "0"
0s         1 event message ` + "`\"x\"`" + ` id "1"
0s         1 event message ` + "`\"x\"`" + ` id "2"
0s         1 end
`}
	for bubble, want := range files {
		in := synctest.Test
		if !bubble {
			in = func(t *testing.T, f func(*testing.T)) { f(t) }
		}
		file := filepath.Join(t.TempDir(), "new", "golden.txt")
		test := func(t testing.TB) { ssetest.Golden(t, file, once(t, three), withoutTime) }
		in(t, func(t *testing.T) {
			require.Equal(t, []string{"ssetest: open " + file + ": no such file or directory; run the test with SSETEST_UPDATE=1 in its environment to write it"}, runs(t, test))
		})

		t.Setenv("SSETEST_UPDATE", "1")
		in(t, func(t *testing.T) { require.Empty(t, runs(t, test)) })
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
		t.Setenv("SSETEST_UPDATE", "")
		in(t, func(t *testing.T) { require.Empty(t, runs(t, test)) })

		// As a person may write it.
		byHand := strings.Replace(want, "0s         1 connect\n", "\n# how it begins\n0s connect # a comment\n", 1)
		require.NoError(t, os.WriteFile(file, []byte(byHand), 0o666))
		in(t, func(t *testing.T) { require.Empty(t, runs(t, test)) })

		other := strings.Replace(want, `id "1"`, `id "7"`, 1)
		require.NoError(t, os.WriteFile(file, []byte(other), 0o666))
		in(t, func(t *testing.T) {
			messages := runs(t, test)
			require.Len(t, messages, 1)
			at := map[bool]string{true: "1h0m0s", false: "0s    "}[bubble]
			require.True(t, strings.HasPrefix(messages[0], "ssetest: the events are not those of "+file+" (- is the file, + is now); run the test with SSETEST_UPDATE=1 in its environment if that is intended\n"+
				"  sse-recording 1\n  0s         1 connect\n  0s         1 event message `\"x\"` id \"0\"\n"+
				"- "+at+"     1 event message `\"x\"` id \"7\"\n+ "+at+"     1 event message `\"x\"` id \"1\"\n  "), messages[0])
			require.Contains(t, messages[0], "connections:\n  0s: GET /: 200 OK\n")
		})
	}
}

// TestGoldenFlag: a flag named update of the test's package is used.
func TestGoldenFlag(t *testing.T) {
	all := flag.CommandLine
	flag.CommandLine = flag.NewFlagSet("", flag.ContinueOnError)
	defer func() { flag.CommandLine = all }()
	update := flag.Bool("update", false, "")
	file := filepath.Join(t.TempDir(), "golden.txt")
	test := func(t testing.TB) {
		ssetest.Golden(t, file, sse.Read(strings.NewReader("data: a\n\n")))
	}
	require.Equal(t, []string{"ssetest: open " + file + ": no such file or directory; run the test with -update to write it"}, runs(t, test))
	*update = true
	require.Empty(t, runs(t, test))
	*update = false
	require.Empty(t, runs(t, test))
	require.NoError(t, os.WriteFile(file, []byte("sse-recording 1\n0s connect\n0s end\n"), 0o666))
	require.Contains(t, runs(t, test)[0], "run the test with -update if that is intended\n  sse-recording 1\n  0s         1 connect\n+ 0s         1 event message \"a\" id \"\"\n  0s         1 end\n")
}

// TestGoldenEnds: how a stream ended is recorded, too, and the file is one that Replay plays.
func TestGoldenEnds(t *testing.T) {
	for name, test := range map[string]struct {
		script ssetest.Script
		want   string // after the first two lines
	}{
		"cut": {
			func(c *ssetest.Conn) { c.Write("data: a\n\ndata: b"); c.Abort() },
			"0s         1 event message \"a\" id \"\"\n0s         1 drop # unexpected EOF\n",
		},
		"open": {
			func(c *ssetest.Conn) { c.Write("data: a\n\n"); c.Wait() },
			"0s         1 event message \"a\" id \"\"\n# nothing more for 168h0m0s\n",
		},
		"refused": {
			func(c *ssetest.Conn) { c.Header().Set("Retry-After", "20"); c.Status(503, "later") },
			"0s         1 status 503\n0s         1 header Content-Type \"text/plain; charset=utf-8\"\n0s         1 header Retry-After \"20\"\n" +
				"0s         1 bytes \"later\\n\"\n0s         1 end # sse: GET http://sse.test: 503 Service Unavailable: \"later\"\n",
		},
		"no content": {
			func(c *ssetest.Conn) { c.Status(204, "") },
			"0s         1 end\n",
		},
		"silent": {(*ssetest.Conn).Wait, "# nothing more for 168h0m0s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "golden.txt")
			t.Setenv("SSETEST_UPDATE", "true")
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewScriptedServer(t, test.script)
				client := sse.Client{HTTPClient: srv.Client(), Reconnect: func(error) bool { return false }}
				ssetest.Golden(t, file, client.Get(t.Context(), srv.URL()))
			})
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "sse-recording 1\n0s         1 connect\n"+test.want, string(text))

			t.Setenv("SSETEST_UPDATE", "")
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.Replay(t, file)
				client := sse.Client{HTTPClient: srv.Client(), Reconnect: func(error) bool { return false }}
				ssetest.Golden(t, file, client.Get(t.Context(), srv.URL()))
			})
		})
	}
}

// TestGoldenFails where it cannot record.
func TestGoldenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "golden.txt")
	endless := func(yield func(sse.Event, error) bool) {
		for yield(sse.Event{Type: "message"}, nil) {
		}
	}
	messages := runs(t, func(t testing.TB) { ssetest.Golden(t, file, endless) })
	require.Contains(t, messages[0], "ssetest: more than 10000 events; use sse.Until to end the stream\n")
	bad := func(ev sse.Event) sse.Event { ev.LastEventID = "\n"; return ev }
	messages = runs(t, func(t testing.TB) { ssetest.Golden(t, file, sse.Read(strings.NewReader("data: a\n\n")), bad) })
	require.Contains(t, messages[0], `ssetest: a recording cannot hold the event`)
	require.NoError(t, os.WriteFile(file, []byte("sse-recording 1\n0s byte\n"), 0o666))
	messages = runs(t, func(t testing.TB) { ssetest.Golden(t, file, sse.Read(strings.NewReader(""))) })
	require.Equal(t, []string{"ssetest: " + file + `: recording: line 2, column 4: "byte" is no kind of step`}, messages)
	t.Setenv("SSETEST_UPDATE", "1")
	messages = runs(t, func(t testing.TB) { ssetest.Golden(t, filepath.Join(file, "x"), sse.Read(strings.NewReader(""))) })
	require.Contains(t, messages[0], "not a directory")
}
