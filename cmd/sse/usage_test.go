package main

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write writes a file of a test's own, and returns its name.
func write(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestUsage: wrong usage of every kind is found before any request is made.
func TestUsage(t *testing.T) {
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	u := srv.URL
	dir := t.TempDir()
	for _, args := range [][]string{
		{}, {"-demo", u}, {"-demo", "-v"}, {"-version", u}, {"-version", "-v"}, {"-nonsense", u},
		{"-n", "x", u}, {"-n", "-1", u}, {"-n", "0", u}, {"-max-event", "-1", u}, {"-max-event", "0", u},
		{"-idle", "-1s", u}, {"-idle", "x", u}, {"-max-time", "-1", u}, {"-max-time", "x", u}, {"-max-time", "nan", u},
		{"-json", "-data", u}, {"-raw", "-format", "x", u}, {"-parse", u}, {"-parse", "-data", u},
		{"-once", "-retry-forever", u}, {"-raw", u, u}, {"-id", "1", u, u},
		{"-id", "a\x01", u}, {"-id", strings.Repeat("x", 8<<10+1), u},
		// The URL.
		{"ftp://127.0.0.1/"}, {"x=ftp://127.0.0.1/"}, {u, "ftp://127.0.0.1/"}, {"http://this is invalid/"}, {"http:///x"}, {""}, {"x="},
		{"http://127.0.0.1:99999/"}, {"http://127.0.0.1:0/"}, {"http://127.0.0.1:x/"}, {"http://%zz/"}, {"http://[::1/"}, {"http://h/\x01"},
		// The request.
		{"-X", "A B", u}, {"-X", "é", u}, {"-H", "no colon", u}, {"-H", ": no name", u}, {"-H", "a b: c", u}, {"-H", "é: c", u}, {"-H", "a\x7f: c", u}, {"-H", "", u},
		{"-H", "A: b\nC: d", u}, {"-H", "A: \x01", u}, {"-H", "A: \x7f", u}, {"-H", "Host: a b", u}, {"-H", "Host: a/b", u}, {"-H", "Host:", u},
		{"-H", "Last-Event-ID: " + strings.Repeat("x", 8<<10+1), u},
		{"-H", "@no/such/file", u}, {"-H", "@" + write(t, "h", "A: b\n\nnothing\n"), u}, {"-H", "@-", "-d", "@-", u},
		{"-d", "@no/such/file", u}, {"-d", "a", "-d", "@no/such/file", u}, {"-d", "@-", "-d", "-", u}, {"-u", "nopassword", u},
		{"-cacert", "no/such/file", u}, {"-cacert", write(t, "ca", "nothing"), u}, {"-cert", "no/such/file", u}, {"-key", "no/such/file", u},
		{"-cert", write(t, "cert", "nothing"), u}, {"-unix", "", u},
		// The output.
		{"-format", "{{", u}, {"-format", "{{.Nonsense}}", u}, {"-format", "{{nonsense .Data}}", u}, {"-format", "{{.Data.x}}", u},
		// The state.
		{"-state", "", u}, {"-state", dir, u}, {"-state", os.DevNull, u}, {"-state", "no/such/directory/file", u},
		{"-state", write(t, "half", "{"), u}, {"-state", write(t, "list", "[]"), u}, {"-state", write(t, "number", `{"a":1}`), u},
		// The subcommands.
		{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"},
	} {
		stdout, stderr := runBinary(t, exitUsage, "", args...)
		assert.Empty(t, stdout)
		assert.Regexp(t, `^sse: .+\nRun 'sse -h' for usage.\n$`, stderr, args)
		assert.Zero(t, requests.Load(), args)
		if args := strings.Join(args, " "); args == "-state "+dir+" "+u || args == "-state "+os.DevNull+" "+u {
			assert.Contains(t, stderr, "no regular file")
		}
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestSeconds: a time may be zero, which is that of no flag, and not less.
func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0s": 0, "1.5": 1500 * time.Millisecond, "2m": 2 * time.Minute} {
		s := seconds(time.Hour)
		require.NoError(t, s.Set(text))
		assert.Equal(t, seconds(want), s)
	}
	for _, text := range []string{"-1ns", "", "1x", "nan", "inf"} {
		require.Error(t, new(seconds).Set(text), text)
	}
}

// TestBareURL: a URL without a scheme is http, as with curl.
func TestBareURL(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start)
	host := s.Listener.Addr().String()
	for _, arg := range []string{host, host + "/x", host + "/x?a=b://c", "name=" + host + "/x", "HTTP://" + host + "/x"} {
		runBinary(t, exitEnded, "", arg)
	}
	var paths []string
	for _, r := range s.seen() {
		paths = append(paths, r.RequestURI)
	}
	assert.Equal(t, []string{"/", "/x", "/x?a=b://c", "/x", "/x"}, paths)
	_, stderr := runBinary(t, exitBroken, "", "localhost:1/x")
	assert.Contains(t, stderr, `Get "http://localhost:1/x": dial tcp`)
}

// TestCredentials: they need not be in the arguments, which everyone on the machine sees.
func TestCredentials(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start)
	t.Setenv("SSE_PASSWORD", "a:b")
	runBinary(t, 0, "", "-u", "me", s.URL)
	file := write(t, "header", "X-Api-Key: secret\r\n\n  Authorization: Bearer t:u \nX-Api-Key: two")
	runBinary(t, 0, "", "-H", "@"+file, "-H", "X-Three: 3", s.URL)
	runBinary(t, 0, "X-Stdin: in", "-H", "@-", s.URL)
	runBinary(t, 0, "", "-u", "me:", s.URL)

	name, password, _ := s.seen()[0].BasicAuth()
	assert.Equal(t, "me a:b", name+" "+password)
	assert.Equal(t, []string{"secret", "two"}, s.seen()[1].Header["X-Api-Key"])
	assert.Equal(t, "Bearer t:u", s.seen()[1].Header.Get("Authorization"))
	assert.Equal(t, "3", s.seen()[1].Header.Get("X-Three"))
	assert.Equal(t, "in", s.seen()[2].Header.Get("X-Stdin"))
	name, password, _ = s.seen()[3].BasicAuth()
	assert.Equal(t, "me ", name+" "+password)
}

// TestNoSecrets: neither what -v shows nor an error has a password or a token.
func TestNoSecrets(t *testing.T) {
	const secret = "hunter2"
	host := strings.TrimPrefix(serve(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Set-Cookie", "session="+secret)
		h.Set("X-Csrf-Token", secret)
		h.Set("X-Two-At", "http://u:1@"+secret+"@h/")
		h.Set("X-Shown", "http://u:"+secret+"@h/?a=1&access_token="+secret+"&b=2#jwt="+secret)
		switch r.URL.Path {
		case "/redirect":
			h.Set("Location", "http://u:"+secret+"@"+r.Host+"/stream?access_token="+secret+"&x=shown")
			w.WriteHeader(http.StatusFound)
		case "/bad-redirect":
			h.Set("Location", "http://u:"+secret+" 1@h:x/")
			w.WriteHeader(http.StatusFound)
		case "/refuse":
			w.WriteHeader(http.StatusTeapot)
		default:
			h.Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte(": see http://h/?token=" + secret + "\n\n"))
		}
	}), "http://")
	query := "?max=shown&access_token=" + secret + "&api_key=" + secret + "&API%5Fkey=" + secret + "&sig=" + secret + "&X-Amz-Signature=" + secret +
		"&key=" + secret + "&token=" + secret + "&password=" + secret + "&client_secret=" + secret + "&code=" + secret + "&auth=" + secret
	headers := []string{"-u", "me:" + secret}
	for _, name := range []string{"Cookie", "X-Api-Key", "Proxy-Authorization", "X-Auth-Token", "Api-Key", "X-Goog-Api-Key", "X-Amz-Security-Token",
		"Private-Token", "Ocp-Apim-Subscription-Key", "X-Functions-Key", "X-Session-Id", "X-Client-Secret", "X-Auth", "X-Hub-Signature"} {
		headers = append(headers, "-H", name+": "+secret)
	}
	for _, path := range []string{"/stream", "/redirect", "/bad-redirect", "/refuse"} {
		args := append([]string{"-v", "-once"}, headers...)
		code := exitEnded
		if path == "/bad-redirect" || path == "/refuse" {
			code = exitBroken
		}
		_, stderr := runBinary(t, code, "", append(args, "u:"+secret+"@"+host+path+query)...)
		assert.NotContains(t, stderr, secret)
		for _, shown := range []string{"> Host: " + host, "> User-Agent: ", "> X-Api-Key: (hidden)\n", "> Authorization: (hidden)\n", "< Set-Cookie: (hidden)\n",
			"?max=shown&access_token=(hidden)&api_key=(hidden)", "< X-Shown: http://(hidden)@h/?a=1&access_token=(hidden)&b=2#jwt=(hidden)\n"} {
			assert.Contains(t, stderr, shown)
		}
	}
	_, stderr := runBinary(t, exitBroken, "", "-v", "http://u:"+secret+"@127.0.0.1:1/p"+query) // nobody listens
	assert.NotContains(t, stderr, secret)
	assert.Contains(t, stderr, "127.0.0.1:1/p?max=shown")

	for _, url := range []string{
		"http://u:hunter2@h:x/", "http://u:hunter2 1@h/", "http://u:%zzhunter2@h/", "http://u:x/hunter2@h/", "http://u:x?hunter2@h/",
		"http://u:x#hunter2@h/", "u:hunter2@h:x", "http://u:hunter2@[::1/", "ftp://u:hunter2@h/", "n=http://u:hunter2 @h/", "//u:hunter2@h/ x",
		"http://u:hunter2@h:99999/", "http://u:hunter2@/", "-http://u:hunter2@h/", "http://h\x01/?token=hunter2", "http://h:x/?token=hunter2",
		"http://u:1\"hunter2@h:x/", "http://u:<hunter2>@h:x/", "http://h:x/?any=hunter2",
	} {
		for _, args := range [][]string{{url}, {"-v", "-X", "A B", url}, {"-max-time", "5", "-once", url, url}} {
			file, err := binary()
			require.NoError(t, err)
			stdout, stderr, code := runFile(file, "", args...)
			assert.NotZero(t, code)
			assert.NotContains(t, stdout+stderr, secret, url)
		}
	}
	for _, args := range [][]string{{"-H", "Authorization hunter2", host}, {"-H", "A B: hunter2", host}, {"-H", "A: hunter2\x01", host}, {"-u", "", "-d", "@-", "-d", "@-", host},
		{"-H", "@" + write(t, "h", "hunter2\n"), host}, {"-H", "Host: hunter2 2", host}} {
		_, stderr := runBinary(t, exitUsage, "", args...)
		assert.NotContains(t, stderr, secret)
	}
}

// TestRefusalVerbose: -v shows all of a refusal.
func TestRefusalVerbose(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Reason", "closed")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<html>\nGo away\n</html>"))
	})
	stdout, stderr := runBinary(t, exitBroken, "", "-v", url)
	assert.Empty(t, stdout)
	for _, line := range []string{"< HTTP/1.1 403 Forbidden", "< X-Reason: closed", "| <html>", "| Go away", "| </html>"} {
		assert.Contains(t, stderr, line+"\n")
	}
	_, stderr = runBinary(t, exitBroken, "", url)
	assert.Regexp(t, `^sse: GET http://[\d.:]+/: 403 Forbidden: "<html>\\nGo away\\n</html>"\n$`, stderr)
}

func TestCertificate(t *testing.T) {
	// That of httptest's server serves as the client's, too.
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("data: " + r.TLS.PeerCertificates[0].Issuer.Organization[0] + "\n\n"))
	}))
	requireClientCertificate(server)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	cert, key := keyPair(t, server)
	ca := write(t, "ca", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	runBinary(t, exitBroken, "", "-cacert", ca, server.URL)
	both := write(t, "both", cert+key)
	for _, args := range [][]string{{"-cert", write(t, "cert", cert), "-key", write(t, "key", key)}, {"-cert", both}} {
		stdout, _ := runBinary(t, exitEnded, "", append(args, "-cacert", ca, "-once", "-data", server.URL)...)
		assert.Equal(t, "Acme Co\n", stdout)
	}
}

// TestUnix: requests go through a socket, whatever proxy there is.
func TestUnix(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	s := serveSite(t, func(srv *httptest.Server) { srv.Listener = l; srv.Start() }, "data: a\n\n", "id: 1\ndata: b\n\n")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	stdout, _ := runBinary(t, 0, "", "-once", "-unix", socket, "-data", "http://example.com/x")
	assert.Equal(t, "a\n", stdout)
	assert.Equal(t, "example.com/x", s.seen()[0].Host+s.seen()[0].RequestURI)
	// Each socket has a position of its own.
	state := filepath.Join(t.TempDir(), "state")
	runBinary(t, 0, "", "-once", "-unix", socket, "-state", state, "http://example.com/x")
	require.NoError(t, os.Symlink(socket, socket+"2"))
	runBinary(t, 0, "", "-once", "-unix", socket+"2", "-state", state, "http://example.com/x")
	assert.Empty(t, s.seen()[2].Header.Get("Last-Event-ID"))
}
