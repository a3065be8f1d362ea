package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var binaryDir string // which TestMain makes, and takes away

// binary is the command, built once.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(binaryDir, "sse.exe")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "sse"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(binaryDir)
	os.Exit(code)
}

// A site is a server for the binary, which notes its requests.
type site struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

// serveSite serves the bodies in turn, each to one request, and then 204.
func serveSite(t *testing.T, start func(*httptest.Server), bodies ...string) *site {
	s := new(site)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, r)
		s.bodies = append(s.bodies, string(b))
		s.mu.Unlock()
		switch {
		case n >= len(bodies):
			w.WriteHeader(http.StatusNoContent)
		case bodies[n] == "503":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			body, hold := strings.CutSuffix(bodies[n], "…")
			_, _ = io.WriteString(w, body)
			w.(http.Flusher).Flush()
			if hold {
				<-r.Context().Done()
			}
		}
	}))
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

// runBinary runs the binary, and requires its exit code.
func runBinary(t *testing.T, code int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(file, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	_ = cmd.Run()
	require.Equal(t, code, cmd.ProcessState.ExitCode(), "%s%s", &o, &e)
	return o.String(), e.String()
}

const quick = "retry: 10\n" // the body's reconnection is soon

// TestFlags runs the binary with each flag there is.
func TestFlags(t *testing.T) {
	plainHTTP := (*httptest.Server).Start
	tests := map[string]func(t *testing.T){
		"H": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-H", "X-One: 1", s.URL, "-H", "Host: example.com")
			assert.Equal(t, "1", s.requests[0].Header.Get("X-One"))
			assert.Equal(t, "example.com", s.requests[0].Host)
		},
		"X": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-X", "REPORT", s.URL)
			assert.Equal(t, "REPORT", s.requests[0].Method)
		},
		"d": func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "body")
			require.NoError(t, os.WriteFile(file, []byte(` {"a":1}`), 0o600))
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-d", "a=1", s.URL)
			runBinary(t, 0, "", "-d", "@"+file, s.URL)
			runBinary(t, 0, "[1]", "-d", "-", "-H", "Content-Type: text/plain", "-X", "PUT", s.URL)
			assert.Equal(t, []string{"a=1", ` {"a":1}`, "[1]"}, s.bodies)
			for i, want := range []string{"POST application/x-www-form-urlencoded", "POST application/json", "PUT text/plain"} {
				assert.Equal(t, want, s.requests[i].Method+" "+s.requests[i].Header.Get("Content-Type"))
			}
		},
		"user": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-user", "me:a:b", s.URL)
			name, password, _ := s.requests[0].BasicAuth()
			assert.Equal(t, "me a:b", name+" "+password)
		},
		"k": func(t *testing.T) {
			s := serveSite(t, (*httptest.Server).StartTLS)
			_, stderr := runBinary(t, exitBroken, "", s.URL)
			assert.Contains(t, stderr, "certificate")
			runBinary(t, 0, "", "-k", s.URL)
			assert.Len(t, s.requests, 1)
		},
		"cacert": func(t *testing.T) {
			s := serveSite(t, (*httptest.Server).StartTLS)
			file := filepath.Join(t.TempDir(), "ca.pem")
			require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
			runBinary(t, 0, "", "-cacert", file, s.URL)
			require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o600))
			_, stderr := runBinary(t, exitBroken, "", "-cacert", file, s.URL)
			assert.Contains(t, stderr, "no certificate in")
		},
		"http2": func(t *testing.T) {
			s := serveSite(t, func(srv *httptest.Server) {
				srv.Config.Protocols = new(http.Protocols)
				srv.Config.Protocols.SetUnencryptedHTTP2(true)
				srv.Start()
			})
			runBinary(t, 0, "", "-http2", s.URL)
			assert.Equal(t, "HTTP/2.0", s.requests[0].Proto)
		},
		"id": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-id", "7", s.URL)
			assert.Equal(t, "7", s.requests[0].Header.Get("Last-Event-ID"))
		},
		"state": func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			s := serveSite(t, plainHTTP, "id: 1\ndata: a\n\nid: 2\ndata: b\n\n…")
			runBinary(t, 0, "", "-state", file, "-n", "2", s.URL)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("{\n\t%q: \"2\"\n}\n", s.URL), string(b))
			runBinary(t, 0, "", "-state", file, s.URL)
			assert.Equal(t, "2", s.requests[1].Header.Get("Last-Event-ID"))
			require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
			_, stderr := runBinary(t, exitBroken, "", "-state", file, s.URL)
			assert.Contains(t, stderr, "unexpected end of JSON")
			assert.Len(t, s.requests, 2)
		},
		"n": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "data: a\n\ndata: b\n\ndata: c\n\n…")
			stdout, _ := runBinary(t, 0, "", "-n", "2", s.URL)
			assert.Equal(t, "data: a\n\ndata: b\n\n", stdout)
		},
		"type": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "event: a\ndata: 1\n\nevent: b\ndata: 2\n\ndata: 3\n\nevent: b\ndata: 4\n\n…")
			stdout, _ := runBinary(t, 0, "", "-type", "b", "-type", "message", "-n", "3", "-data", s.URL)
			assert.Equal(t, "2\n3\n4\n", stdout)
		},
		"until": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "data: a\n\ndata: [DONE]\n\ndata: b\n\n…")
			stdout, _ := runBinary(t, 0, "", "-until", "[DONE]", "-data", s.URL)
			assert.Equal(t, "a\n", stdout)
		},
		"once": func(t *testing.T) {
			s := serveSite(t, plainHTTP, quick+"data: a\n\n", "data: b\n\n")
			stdout, _ := runBinary(t, 0, "", "-once", "-data", s.URL)
			assert.Equal(t, "a\n", stdout)
			assert.Len(t, s.requests, 1)
		},
		"retry-forever": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "503", quick+"data: a\n\n")
			_, stderr := runBinary(t, exitBroken, "", "-d", "x", s.URL)
			assert.Contains(t, stderr, "503")
			s = serveSite(t, plainHTTP, "503", quick+"data: a\n\n", "data: b\n\n")
			stdout, _ := runBinary(t, 0, "", "-retry-forever", "-d", "x", "-data", s.URL)
			assert.Equal(t, "a\nb\n", stdout)
			assert.Equal(t, []string{"x", "x", "x", "x"}, s.bodies)
		},
		"idle": func(t *testing.T) {
			s := serveSite(t, plainHTTP, quick+"data: a\n\n…")
			_, stderr := runBinary(t, 0, "", "-idle", "100ms", "-v", s.URL)
			assert.Contains(t, stderr, "silent for too long; again in")
		},
		"max-event": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "data: 12345678\n\n")
			_, stderr := runBinary(t, exitBroken, "", "-max-event", "10", s.URL)
			assert.Contains(t, stderr, "size limit")
		},
		"data": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "id: 1\ndata: a\ndata: b\n\ndata: c\n\n…")
			stdout, _ := runBinary(t, 0, "", "-n", "2", "-data", s.URL)
			assert.Equal(t, "a\nb\nc\n", stdout)
		},
		"json": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "id: 1\nevent: e\ndata: <a>\n\n…")
			before := time.Now()
			stdout, _ := runBinary(t, 0, "", "-n", "1", "-json", "x="+s.URL)
			var got shown
			require.NoError(t, json.Unmarshal([]byte(stdout), &got))
			assert.WithinRange(t, got.Time, before, time.Now())
			got.Time = time.Time{}
			assert.Equal(t, shown{Type: "e", Data: "<a>", ID: "1"}, got)
			assert.Contains(t, stdout, "<a>")
		},
		"raw": func(t *testing.T) {
			const stream = "\ufeff:c\r\ndata:a\r\rdata:b\n\n"
			s := serveSite(t, plainHTTP, stream+"…")
			stdout, _ := runBinary(t, 0, "", "-n", "2", "-raw", s.URL)
			assert.Equal(t, stream, stdout)
		},
		"format": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "id: 1\nevent: e\ndata: {\"title\":\"T\"}\n\n…")
			stdout, _ := runBinary(t, 0, "", "-n", "1", "-format", `{{.ID}} {{.Type}} {{(parse .Data).title}} {{json .Data}} {{.Time.Year}}`, s.URL)
			assert.Equal(t, fmt.Sprintf("1 e T \"{\\\"title\\\":\\\"T\\\"}\" %d\n", time.Now().Year()), stdout)
		},
		"v": func(t *testing.T) {
			s := serveSite(t, plainHTTP, ": hello\n\n")
			stdout, stderr := runBinary(t, 0, "", "-once", "-v", s.URL)
			assert.Empty(t, stdout)
			for _, line := range []string{"* connect GET " + s.URL, "> Accept: text/event-stream", "* open, HTTP/1.1 200 OK", "< Content-Type: text/event-stream", ": hello", "* end: EOF"} {
				assert.Contains(t, stderr, line+"\n")
			}
		},
		"stats": func(t *testing.T) {
			s := serveSite(t, plainHTTP, quick+"id: 1\ndata: a\n\n", "data: b\n\n")
			_, stderr := runBinary(t, 0, "", "-stats", s.URL)
			assert.Regexp(t, `^2 events, 34 B in \d+ms, [\d.]+/s; 3 connections, 2 drops; last ID 1\n$`, stderr)
		},
		"demo": func(t *testing.T) {
			stdout, _ := runBinary(t, 0, "", "-demo")
			assert.Contains(t, stdout, "12 events received, 0 lost, 0 duplicated")
		},
	}
	new(options).flags().VisitAll(func(f *flag.Flag) {
		require.Contains(t, tests, f.Name)
		t.Run(f.Name, func(t *testing.T) { t.Parallel(); tests[f.Name](t) })
	})
}

// TestSeveral: several streams at once, each line with its name.
func TestSeveral(t *testing.T) {
	one := serveSite(t, (*httptest.Server).Start, "data: a\ndata: b\n\n")
	two := serveSite(t, (*httptest.Server).Start, "id: 7\ndata: c\n\n")
	stdout, _ := runBinary(t, 0, "", "-once", "one="+one.URL, two.URL+"/feed")
	name := strings.TrimPrefix(two.URL, "http://") + "/feed"
	for _, lines := range []string{"one data: a\none data: b\n\n", name + " id: 7\n" + name + " data: c\n\n"} {
		assert.Contains(t, stdout, lines)
	}
	stdout, stderr := runBinary(t, exitBroken, "", "-once", "-json", "one="+one.URL, "two=http://127.0.0.1:1/")
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "two: ")
}
