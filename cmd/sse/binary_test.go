package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var binaryDir string // which TestMain makes, and takes away

// binary is the command: this test program under another name, which TestMain looks at.
// Where the name cannot be given, it is built.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(binaryDir, commandName)
	if self, err := os.Executable(); err == nil && os.Link(self, file) == nil {
		return file, nil
	}
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

const commandName = "sse.exe"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == commandName {
		main()
		return
	}
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
			http.Error(w, "data: nobody sent this\n\n", http.StatusServiceUnavailable)
		case bodies[n] == "404":
			http.NotFound(w, r)
		case bodies[n] == "redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
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

// seen returns the requests so far.
func (s *site) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// sent returns the bodies of the requests so far.
func (s *site) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// runBinary runs the binary, and requires its exit code.
func runBinary(t *testing.T, code int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	stdout, stderr, got := runFile(file, stdin, args...)
	require.Equal(t, code, got, "%q\n%s%s", args, stdout, stderr)
	return stdout, stderr
}

func runFile(file, stdin string, args ...string) (stdout, stderr string, code int) {
	cmd := exec.Command(file, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	_ = cmd.Run()
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// A written is the name of a file, whose text has all that a process wrote before it ended.
type written string

func (w written) String() string {
	b, err := os.ReadFile(string(w))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// startBinary starts the binary with standard output in a pipe and standard error in a file.
func startBinary(t *testing.T, args ...string) (cmd *exec.Cmd, stdout io.ReadCloser, stderr written) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	cmd = exec.Command(file, args...)
	stdout, err = cmd.StdoutPipe()
	require.NoError(t, err)
	log, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	return cmd, stdout, written(log.Name())
}

const quick = "retry: 10\n" // the body's reconnection is soon

// TestFlags runs the binary with each flag there is.
func TestFlags(t *testing.T) {
	plainHTTP := (*httptest.Server).Start
	tests := map[string]func(t *testing.T){
		"H": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-H", "X-One: 1", s.URL, "-H", "Host: example.com")
			assert.Equal(t, "1", s.seen()[0].Header.Get("X-One"))
			assert.Equal(t, "example.com", s.seen()[0].Host)
		},
		"X": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-X", "REPORT", s.URL)
			assert.Equal(t, "REPORT", s.seen()[0].Method)
		},
		"d": func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "body")
			require.NoError(t, os.WriteFile(file, []byte(` {"a":1}`), 0o600))
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-d", "a=1", s.URL)
			runBinary(t, 0, "", "-d", "@"+file, s.URL)
			runBinary(t, 0, "[1]", "-d", "-", "-H", "Content-Type: text/plain", "-X", "PUT", s.URL)
			runBinary(t, 0, "b=2", "-d", "a=1", "-d", "@-", "-d", "@"+file, "-d", "", s.URL)
			runBinary(t, 0, "", "-d", "", s.URL)
			assert.Equal(t, []string{"a=1", ` {"a":1}`, "[1]", `a=1&b=2& {"a":1}&`, ""}, s.sent())
			form := "POST application/x-www-form-urlencoded"
			for i, want := range []string{form, "POST application/json", "PUT text/plain", form, form} {
				assert.Equal(t, want, s.seen()[i].Method+" "+s.seen()[i].Header.Get("Content-Type"))
			}
		},
		"u":    func(t *testing.T) { testUser(t, "-u") },
		"user": func(t *testing.T) { testUser(t, "-user") },
		"unix": func(t *testing.T) {}, // TestUnix
		"cert": func(t *testing.T) {}, // TestCertificate
		"key":  func(t *testing.T) {},
		"max-time": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "id: 1\ndata: a\n\n…", "data: a\n\n", "id: 2\ndata: a\n\n…")
			state := filepath.Join(t.TempDir(), "state")
			stdout, stderr := runBinary(t, exitMaxTime, "", "-max-time", "0.3", "-state", state, "-data", s.URL)
			assert.Equal(t, "a\n", stdout)
			assert.Equal(t, "sse: -max-time is over\n", stderr)
			assert.Equal(t, []string{"1"}, values(t, state))
			runBinary(t, exitEnded, "", "-max-time", "1h", "-once", s.URL)
			runBinary(t, exitEnded, "", "-max-time", "1h", "-n", "1", s.URL)
		},
		"version": func(t *testing.T) {
			stdout, _ := runBinary(t, exitEnded, "", "-version")
			assert.Regexp(t, `^sse \S+ `+regexp.QuoteMeta(runtime.Version())+`\n$`, stdout)
		},
		"parse": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "data: {\"a\":\ndata: 12345678901234567890, \"b\": \"<\"}\n\ndata: a\n\ndata: \"b\"\n\ndata\n\ndata: 1 2\n\n")
			stdout, _ := runBinary(t, exitEnded, "", "-once", "-json", "-parse", s.URL)
			stdout = regexp.MustCompile(`,"id":.*`).ReplaceAllString(stdout, "")
			stdout = strings.ReplaceAll(stdout, `{"type":"message","data":`, "")
			assert.Equal(t, "{\"a\":12345678901234567890,\"b\":\"<\"}\n\"a\"\n\"b\"\n\"\"\n\"1 2\"\n", stdout)
		},
		"k": func(t *testing.T) {
			s := serveSite(t, (*httptest.Server).StartTLS)
			_, stderr := runBinary(t, exitBroken, "", s.URL)
			assert.Contains(t, stderr, "certificate")
			runBinary(t, 0, "", "-k", s.URL)
			assert.Len(t, s.seen(), 1)
		},
		"cacert": func(t *testing.T) {
			s := serveSite(t, (*httptest.Server).StartTLS)
			file := filepath.Join(t.TempDir(), "ca.pem")
			require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
			runBinary(t, 0, "", "-cacert", file, s.URL)
			assert.Len(t, s.seen(), 1)
		},
		"http2": func(t *testing.T) {
			s := serveSite(t, func(srv *httptest.Server) {
				srv.Config.Protocols = new(http.Protocols)
				srv.Config.Protocols.SetUnencryptedHTTP2(true)
				srv.Start()
			})
			runBinary(t, 0, "", "-http2", s.URL)
			assert.Equal(t, "HTTP/2.0", s.seen()[0].Proto)
		},
		"id": func(t *testing.T) {
			s := serveSite(t, plainHTTP)
			runBinary(t, 0, "", "-id", "7", s.URL)
			assert.Equal(t, "7", s.seen()[0].Header.Get("Last-Event-ID"))
		},
		"state": func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			s := serveSite(t, plainHTTP, "id: 1\ndata: a\n\nid: 2\ndata: b\n\n…")
			runBinary(t, 0, "", "-state", file, "-n", "2", s.URL)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Regexp(t, "^{\n\t\"GET "+s.URL+"/ [0-9a-f]{32}\": \"2\"\n}\n$", string(b))
			runBinary(t, 0, "", "-state", file, s.URL)
			assert.Equal(t, "2", s.seen()[1].Header.Get("Last-Event-ID"))
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
			s = serveSite(t, plainHTTP, "data: a\n\ndata: STOP", "data: a\n\n", "data: a\n\n")
			stdout, _ = runBinary(t, exitEnded, "", "-d", "x", "-until", "[DONE]", "-until", "STOP", "-data", s.URL)
			assert.Equal(t, "a\n", stdout, "without its blank line")
			_, stderr := runBinary(t, exitBroken, "", "-d", "x", "-until", "[DONE]", "-data", s.URL)
			assert.Equal(t, "sse: the stream ended early\n", stderr, "an answer without its end is not complete")
			_, stderr = runBinary(t, exitBroken, "", "-until", "[DONE]", "-once", "-data", s.URL)
			assert.Contains(t, stderr, "ended early")
		},
		"once": func(t *testing.T) {
			s := serveSite(t, plainHTTP, quick+"data: a\n\n", "data: b\n\n")
			stdout, _ := runBinary(t, 0, "", "-once", "-data", s.URL)
			assert.Equal(t, "a\n", stdout)
			assert.Len(t, s.seen(), 1)
		},
		"retry-forever": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "503", quick+"data: a\n\n")
			_, stderr := runBinary(t, exitBroken, "", "-d", "x", s.URL)
			assert.Contains(t, stderr, "503")
			s = serveSite(t, plainHTTP, "503", quick+"data: a\n\n", "data: b\n\n")
			stdout, _ := runBinary(t, 0, "", "-retry-forever", "-d", "x", "-data", s.URL)
			assert.Equal(t, "a\nb\n", stdout)
			assert.Equal(t, []string{"x", "x", "x", "x"}, s.sent())
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
			stdout, _ := runBinary(t, 0, "", "-n", "1", "-json", s.URL)
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
			// What is no stream is not printed, or it would be read as one.
			s = serveSite(t, plainHTTP, quick+"data: a\n\ndata: ", "503", "redirect", "data: b\n\n…")
			stdout, _ = runBinary(t, 0, "", "-n", "2", "-raw", s.URL)
			assert.Equal(t, quick+"data: a\n\ndata: data: b\n\n", stdout)
			s = serveSite(t, plainHTTP, "503")
			stdout, _ = runBinary(t, exitBroken, "", "-raw", s.URL)
			assert.Empty(t, stdout)
		},
		"format": func(t *testing.T) {
			s := serveSite(t, plainHTTP, "id: 1\nevent: e\ndata: {\"title\":\"T\"}\n\n…")
			stdout, _ := runBinary(t, 0, "", "-n", "1", "-format", `{{.ID}} {{.Type}} {{(parse .Data).title}} {{json .Data}} {{.Time.Year}}`, s.URL)
			assert.Equal(t, fmt.Sprintf("1 e T \"{\\\"title\\\":\\\"T\\\"}\" %d\n", time.Now().Year()), stdout)
			testFormat(t)
		},
		"v": func(t *testing.T) {
			s := serveSite(t, plainHTTP, ": hello\n\n")
			stdout, stderr := runBinary(t, 0, "", "-once", "-v", s.URL)
			assert.Empty(t, stdout)
			for _, line := range []string{"* connect GET " + s.URL + "/", "> Accept: text/event-stream", "> Host: " + s.Listener.Addr().String(), "< HTTP/1.1 200 OK", "* open", "< Content-Type: text/event-stream", ": hello", "* end: EOF"} {
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
	flags := new(options).flags()
	for name := range tests {
		require.NotNil(t, flags.Lookup(name), name)
	}
	flags.VisitAll(func(f *flag.Flag) {
		require.Contains(t, tests, f.Name)
		t.Run(f.Name, func(t *testing.T) { t.Parallel(); tests[f.Name](t) })
	})
}

func testUser(t *testing.T, name string) {
	s := serveSite(t, (*httptest.Server).Start)
	runBinary(t, 0, "", name, "me:a:b", s.URL)
	user, password, _ := s.seen()[0].BasicAuth()
	assert.Equal(t, "me a:b", user+" "+password)
}

// values returns the IDs of a state file, in order.
func values(t *testing.T, file string) []string {
	return slices.Sorted(maps.Values(readState(t, file)))
}

// testFormat: an event that the template does not suit is reported and does not end the
// run; text has escapes; numbers and times are printed as they are.
func testFormat(t *testing.T) {
	for _, test := range []struct{ format, sent, stdout string }{
		{`{{(parse .Data).a}}`, "id: 1\ndata: {\"a\":1}\n\nid: 2\ndata: ping\n\nid: 3\ndata: {\"a\":1} x\n\nid: 4\ndata: {\"a\":2}\n\n", "1\n2\n"},
		{`{{(parse .Data).a}}`, "data: {\"a\":1234567890123}\n\ndata: {\"a\":[0.5,1e3,1000000,-1]}\n\ndata: {\"a\":{\"b\":7}}\n\n", "1234567890123\n[0.5 1000 1000000 -1]\nmap[b:7]\n"},
		{`{{if gt (parse .Data).a 5}}{{.Data}}{{end}}`, "data: {\"a\":6}\n\n", "{\"a\":6}\n"},
		{`a\tb\nc\\t{{"\t\\n"}}{{.Data}}`, "data: x\\ty\n\n", "a\tb\nc\\t\t\\nx\\ty\n"},
		{`{{if .ID}}\t{{else}}{{range parse .Data}}{{.}}\t{{end}}{{with .Type}}\n{{.}}{{end}}{{end}}`, "data: [1,2]\n\n", "1\t2\t\nmessage\n"},
		{`{{define "x"}}\t{{end}}{{template "x"}}.`, "data\n\n", "\t.\n"},
		{``, "data\n\n", "\n"},
	} {
		s := serveSite(t, (*httptest.Server).Start, test.sent)
		stdout, stderr := runBinary(t, exitEnded, "", "-once", "-format", test.format, s.URL)
		assert.Equal(t, test.stdout, stdout, test.format)
		if bad := strings.Contains(test.sent, "ping"); bad {
			assert.Regexp(t, `^sse: the event with the ID "2" is not shown: .*invalid character 'p'.*\nsse: the event with the ID "3" is not shown: .*\n$`, stderr)
		} else {
			assert.Empty(t, stderr)
		}
	}
	s := serveSite(t, (*httptest.Server).Start, "data\n\n", "data: ping\n\ndata: 1\n\ndata: 2\n\n…")
	stdout, _ := runBinary(t, exitEnded, "", "-once", "-format", "{{.Time}}", s.URL)
	assert.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4} \S+\n$`, stdout, "no monotonic part")
	stdout, stderr := runBinary(t, exitEnded, "", "-n", "1", "-format", "{{parse .Data}}", "name="+s.URL)
	assert.Equal(t, "name 1\n", stdout, "-n counts what is printed")
	assert.Contains(t, stderr, "sse: name: an event is not shown: ")
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
	// One that is refused is reported at once, and by the exit code, however the others end.
	for _, code := range []string{"503", "404"} {
		refused := serveSite(t, (*httptest.Server).Start, code)
		three := serveSite(t, (*httptest.Server).Start, "data: a\n\n…")
		file, err := binary()
		require.NoError(t, err)
		cmd := exec.Command(file, "no="+refused.URL, "three="+three.URL, "-type", "x")
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(stderr).ReadString('\n')
		require.NoError(t, err)
		assert.Regexp(t, `^sse: no: GET `+refused.URL+`/: `+code+` `, line)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		three = serveSite(t, (*httptest.Server).Start, "data: a\n\n")
		out, errors := runBinary(t, exitBroken, "", "-once", "-data", "no="+refused.URL, "two="+three.URL, "three=http://127.0.0.1:1/")
		assert.Equal(t, "two a\n", out)
		assert.Contains(t, errors, "sse: three: Get ")
	}
}

// TestNames: a name of the user's stays, and names of the command's differ.
func TestNames(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start, "data: a\n\n", "data: a\n\n", "data: a\n\n", "data: a\n\n", "data: a\n\n")
	stdout, _ := runBinary(t, exitEnded, "", "-once", "mine="+s.URL)
	assert.Equal(t, "mine data: a\n\n", stdout)
	stdout, _ = runBinary(t, exitEnded, "", "-once", "-json", "mine="+s.URL)
	assert.Contains(t, stdout, `"name":"mine"`)
	_, stderr := runBinary(t, exitEnded, "", "-once", "-v", "mine="+s.URL)
	assert.Contains(t, stderr, "mine * open\n")
	stdout, _ = runBinary(t, exitEnded, "", "-once", "-data", s.URL+"/x?token=1", s.URL+"/x?token=2")
	name := strings.TrimPrefix(s.URL, "http://") + "/x"
	assert.ElementsMatch(t, []string{name + " a", name + "#2 a", ""}, strings.Split(stdout, "\n"))
}

// TestCounts: -n counts the events of all URLs together, -until ends the stream of one.
func TestCounts(t *testing.T) {
	one := serveSite(t, (*httptest.Server).Start, "data: a\n\n…", "data: a\n\ndata: STOP\n\ndata: c\n\n…")
	two := serveSite(t, (*httptest.Server).Start, "data: b\n\n…", "data: b\n\ndata: STOP\n\ndata: c\n\n…")
	for _, flags := range [][]string{{"-n", "2"}, {"-until", "STOP"}} {
		stdout, _ := runBinary(t, exitEnded, "", append(flags, "-data", "one="+one.URL, "two="+two.URL)...)
		assert.ElementsMatch(t, []string{"one a", "two b", ""}, strings.Split(stdout, "\n"))
	}
}

// TestCountExactly: -n is exact, however many streams have events at once.
func TestCountExactly(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.Repeat("data: a\n\n", 100))
	})
	args := []string{"-once", "-data", "-n", "7"}
	for range 20 {
		args = append(args, url)
	}
	for range 10 {
		stdout, _ := runBinary(t, exitEnded, "", args...)
		assert.Equal(t, 7, strings.Count(stdout, "\n"))
	}
}

// serve serves a handler, and returns its URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// endless serves events with the IDs 1, 2, …, which the client resumes.
func endless(pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			n++
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
	}
}

// requireClientCertificate has a server ask for a certificate. It takes any.
func requireClientCertificate(srv *httptest.Server) {
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
}

// keyPair returns the certificate and the key of a server, in PEM.
func keyPair(t *testing.T, srv *httptest.Server) (cert, key string) {
	pair := srv.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
