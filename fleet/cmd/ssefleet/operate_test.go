package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

func readFileText(t testing.TB, name string) string {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// TestHTTP: metrics, and how the member is, while NATS comes and goes.
func TestHTTP(t *testing.T) {
	feed := newFeed(t)
	feed.publish(2)
	opts := server.Options{StoreDir: t.TempDir()}
	srv, nats := startNATS(t, opts)
	address := freePort(t)
	site := "http://" + address
	list := t.TempDir() + "/list"
	writeFile(t, list, feed.URL+"/a\nhttp://"+freePort(t)+"/away\n")
	p := start(t, "-nats", nats, "-ttl", "1s", "-http", address, list)
	p.next()
	p.next()
	for _, want := range []string{
		"ssefleet_events_total 2\n", "ssefleet_commits_total 2\n", "ssefleet_output_seconds_count 2\n",
		"ssefleet_members 1\n", "ssefleet_streams 2\n", "ssefleet_share 2\n", "ssefleet_held_streams 2\n", "ssefleet_lists 1\n",
		"ssefleet_connected_streams 1\n", "ssefleet_nats_connected 1\n",
		`ssefleet_stream_connected{stream="` + feed.URL + `/a"} 1` + "\n",
		`/away"} 0` + "\n",
		`ssefleet_stream_events_total{stream="` + feed.URL + `/a"} 2` + "\n",
		`ssefleet_stream_last_event_timestamp_seconds{stream="` + feed.URL + `/a"} 1.`,
		"go_goroutines ", "process_cpu_seconds_total ",
	} {
		page := ""
		eventually(t, want, func() bool {
			_, page = get(t, site+"/metrics")
			return strings.Contains(page, want)
		})
	}
	eventually(t, "disconnects are counted", func() bool {
		_, page := get(t, site+"/metrics")
		return strings.Contains(page, "ssefleet_disconnects_total ") && !strings.Contains(page, "ssefleet_disconnects_total 0\n")
	})
	p.logs(`level=WARN msg="not open" stream=http://`)
	is := func(path string, code int, text string) {
		t.Helper()
		eventually(t, path+" "+text, func() bool {
			gotCode, got := get(t, site+path)
			return gotCode == code && got == text+"\n"
		})
	}
	is("/healthz", 200, "alive")
	is("/readyz", 200, "ready")
	code, _ := get(t, site+"/debug/pprof/")
	require.Equal(t, 404, code, "without -pprof")

	opts.Port = srv.Addr().(*net.TCPAddr).Port
	srv.Shutdown()
	srv.WaitForShutdown()
	is("/readyz", 503, "NATS is not connected")
	is("/healthz", 200, "alive")
	p.logs(`level=WARN msg="NATS is disconnected"`)
	p.logs(`level=WARN msg="the bucket fails" op=renew`)
	startNATS(t, opts)
	is("/readyz", 200, "ready")
	feed.publish(1)
	require.Equal(t, "3", p.next().ID)
	p.stop()

	address = freePort(t)
	p = start(t, "-nats", nats, "-http", address, "-pprof", list)
	eventually(t, "a profile", func() bool {
		code, page := get(t, "http://"+address+"/debug/pprof/goroutine?debug=1")
		return code == 200 && strings.Contains(page, "goroutine profile:")
	})
	p2 := start(t, "-nats", nats, "-http", address, list)
	require.Equal(t, exitBroken, p2.end())
	require.Contains(t, p2.stderr.String(), "ssefleet: -http: listen tcp "+address+": bind: address already in use\n")
	p.stop()
}

// TestSecrets: tokens reach the servers that they are for, each time as they are then, and
// nobody else: no other host, no log, no status, no metric, not the disk of NATS.
func TestSecrets(t *testing.T) {
	const fromEnv, fromFile, webhookToken = "hunter2-env", "hunter2-file", "hunter2-hook"
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	writeFile(t, key, fromFile+"-1\n")
	writeFile(t, filepath.Join(dir, "hook"), webhookToken)

	var strangers atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), "hunter2") {
			t.Errorf("a stranger gets %v %v", r.URL, r.Header)
		}
		strangers.Add(1)
		http.Error(w, "who are you?", http.StatusForbidden)
	}))
	t.Cleanup(stranger.Close)
	var opened, refused atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := fmt.Sprintf("%s-%d", fromFile, opened.Load()+1)
		switch {
		case r.URL.Path == "/redirects":
			http.Redirect(w, r, stranger.URL+"/elsewhere", http.StatusTemporaryRedirect)
		case r.URL.Path == "/dead":
			panic(http.ErrAbortHandler)
		case r.Header.Get("Authorization") != "Bearer "+fromEnv || r.Header.Get("X-Key") != want || r.URL.Query().Get("apikey") != want:
			refused.Add(1)
			http.Error(w, "unauthorized: "+r.Header.Get("X-Key"), http.StatusUnauthorized)
		default:
			opened.Add(1)
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "retry: 10\n\nid: %d\ndata: x\n\n", opened.Load())
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	var failed atomic.Bool
	h := newHook(t, func(w http.ResponseWriter, r *http.Request, _ record) {
		if !failed.Swap(true) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
		}
	})
	config := filepath.Join(dir, "c.yaml")
	with := "    token: {env: SSEFLEET_TEST_TOKEN}\n    headers: {X-Key: {file: key}}\n    query: {apikey: {file: key}}\n"
	writeFile(t, config, "streams:\n"+
		"  - url: "+srv.URL+"/ok\n"+with+
		"  - url: "+srv.URL+"/redirects\n"+with+
		"  - url: "+srv.URL+"/dead\n"+with+
		"output:\n  webhook: "+h.URL+"\n  token: {file: hook}\n")
	t.Setenv("SSEFLEET_TEST_TOKEN", fromEnv)
	opts := server.Options{StoreDir: t.TempDir(), Username: "me", Password: "hunter2-nats"}
	_, nats := startNATS(t, opts)
	t.Setenv("NATS_USER", "me")
	t.Setenv("NATS_PASSWORD", "hunter2-nats")
	address := freePort(t)
	p := start(t, "-nats", nats, "-v", "-log", "json", "-http", address, "-pprof", config)

	eventually(t, "a refusal of the old key", func() bool { return opened.Load() == 1 && refused.Load() > 0 })
	writeFile(t, key, fromFile+"-2\n")
	eventually(t, "the renewed key is used", func() bool { return opened.Load() == 2 })
	eventually(t, "both events, and the stranger", func() bool { return len(h.all()) == 3 && strangers.Load() > 0 })
	require.Equal(t, "Bearer "+webhookToken, h.all()[0].header.Get("Authorization"))
	p.logs(stranger.URL + "/elsewhere")
	p.logs(`/dead"`)
	p.logs("webhook: 403 Forbidden: Bearer xxxxx")
	p.logs(`unauthorized: xxxxx`)

	seen := map[string]string{"the log": p.stderr.String()}
	_, seen["status"], _ = outputOf(t, "status", "-nats", nats)
	_, seen["status -json"], _ = outputOf(t, "status", "-json", "-nats", nats)
	_, seen["metrics"] = get(t, "http://"+address+"/metrics")
	_, seen["pprof"] = get(t, "http://"+address+"/debug/pprof/cmdline")
	for what, text := range seen {
		require.NotContains(t, text, "hunter2", what)
		require.NotEmpty(t, text, what)
	}
	require.Contains(t, seen["status -json"], "/redirects")
	p.stop()
	require.NoError(t, filepath.WalkDir(opts.StoreDir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			require.NotContains(t, readFileText(t, name), "hunter2", name)
		}
		return err
	}))
}

// TestControlCharacters: what a server writes cannot move the cursor of whoever looks at the
// events, the log, or the status.
func TestControlCharacters(t *testing.T) {
	const evil = "\x1b[2J\u009b2J\x7f\u202e"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuses" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, evil)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Header.Get("Last-Event-ID") == "" {
			fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s<&>\n\n", "\u009b2J\u202e", evil, evil)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	h := newHook(t, func(w http.ResponseWriter, _ *http.Request, _ record) {
		http.Error(w, evil, http.StatusInternalServerError)
	})
	dir := t.TempDir()
	writeFile(t, dir+"/list", srv.URL+"/a\n"+srv.URL+"/refuses\n")
	for _, format := range []string{"text", "json"} {
		_, nats := startNATS(t, server.Options{})
		p := start(t, "-nats", nats, "-v", "-log", format, "-output", h.URL, dir+"/list")
		p.logs("/refuses")
		p.logs("the output fails")
		p.stop()
		requirePlain(t, p.stderr.String())

		out, err := os.Create(dir + "/out")
		require.NoError(t, err)
		p = startOnto(t, out, "-nats", nats, "-log", format, "-v", dir+"/list")
		eventually(t, "an event", func() bool { return strings.Contains(readFileText(t, dir+"/out"), "\n") })
		eventually(t, "a commit", func() bool {
			_, status, _ := outputOf(t, "status", "-nats", nats)
			requirePlain(t, status)
			return strings.Contains(status, `\u009b2J\u202e`)
		})
		_, position, _ := outputOf(t, "position", "get", "-nats", nats, srv.URL+"/a")
		requirePlain(t, position)
		require.Contains(t, position, `"\u009b2J\u202e"`)
		p.stop()
		require.NoError(t, out.Close())
		event := readFileText(t, dir+"/out")
		requirePlain(t, event)
		require.Contains(t, event, `"type":"\u001b[2J\u009b2J\u007f\u202e","id":"\u009b2J\u202e","data":"\u001b[2J\u009b2J\u007f\u202e<&>"`)
		requirePlain(t, p.stderr.String())
	}
}

// requirePlain requires that a text has no control character but line feeds.
func requirePlain(t testing.TB, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for _, line := range strings.Split(text, "\n") {
		require.Equal(t, -1, strings.IndexFunc(line, obeyed), "%q", line)
	}
}
