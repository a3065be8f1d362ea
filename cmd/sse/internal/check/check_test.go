package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// pipe returns standard output as it is in a pipe.
func pipe(w io.Writer) *term.Writer { return term.NewWriter(w, false, false) }

func runMain(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(args, pipe(&out), pipe(&errs))
	return code, out.String(), errs.String()
}

// TestUsage: it fits a screen, and names each flag.
func TestUsage(t *testing.T) {
	code, out, errs := runMain("-h")
	assert.Equal(t, 0, code)
	assert.Empty(t, errs)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	assert.LessOrEqual(t, len(lines), 23, "a prompt is below it")
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 80, line)
	}
	for _, name := range []string{"X", "d", "H", "cacert", "k", "as", "direct", "origin", "for", "json", "skip"} {
		assert.Contains(t, out, " -"+name+" ", name)
	}
}

// TestWrongUsage: it is found before a request is made, and gives 2.
func TestWrongUsage(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was made") }))
	defer srv.Close()
	for _, args := range [][]string{
		{}, {srv.URL, srv.URL}, {"-nonsense", srv.URL}, {"ftp://host/"}, {"http://"}, {"://"}, {"no such file"},
		{"-as", "cat", srv.URL}, {"-as", "llm", srv.URL}, {"-skip", "nothing", srv.URL}, {"-for", "-1s", srv.URL}, {"-for", "x", srv.URL},
		{"-H", "no colon", srv.URL}, {"-H", "na me: x", srv.URL}, {"-H", "a: b\x1b", srv.URL}, {"-X", "G T", srv.URL},
		{"-d", "@no such file", srv.URL}, {"-cacert", "no such file", srv.URL}, {"-cacert", "check_test.go", srv.URL},
		{"-direct", "http://host/path", srv.URL}, {"-direct", "ftp://host", srv.URL}, {"-origin", "app.example", srv.URL},
		{"-for", "1s", "check_test.go"}, {"-d", "x", "check_test.go"},
	} {
		code, out, errs := runMain(args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, out, args)
		assert.Contains(t, errs, "sse check: ", args)
	}
}

// TestNothingReached gives 2.
func TestNothingReached(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	ln.Close()
	for _, url := range []string{"http://" + addr, "https://" + addr, addr, "http://no-such-host.invalid/"} {
		code, out, errs := runMain(url)
		assert.Equal(t, 2, code, url)
		assert.Empty(t, out)
		assert.NotEmpty(t, errs)
	}
}

// TestCatalogue: each finding has its texts, and its heading in the documentation.
func TestCatalogue(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/check.md")
	require.NoError(t, err)
	headings := regexp.MustCompile(`(?m)^## ([a-z0-9-]+)$`).FindAllStringSubmatch(string(doc), -1)
	var documented []string
	for _, h := range headings {
		documented = append(documented, h[1])
	}
	assert.Equal(t, ids, documented)
	assert.Len(t, catalogue, len(ids))
	for _, id := range ids {
		e := catalogue[id]
		assert.NotEmpty(t, e.title, id)
		assert.NotEmpty(t, e.cause, id)
		assert.NotEmpty(t, e.fixes, id)
		section := string(doc)[strings.Index(string(doc), "\n## "+id+"\n"):]
		for _, word := range []string{"**Seen:**", "**Cause:**", "**Cure:**"} {
			at := strings.Index(section, word)
			next := strings.Index(section[1:], "\n## ")
			assert.True(t, at > 0 && (next < 0 || at < next), "%s of %s", word, id)
		}
	}
}

// TestReadme: the report in the README is one that the command writes.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../../README.md")
	require.NoError(t, err)
	_, block, ok := strings.Cut(string(readme), "```\nPROBLEM")
	require.True(t, ok)
	block, _, _ = strings.Cut(block, "```")
	ref, other := made(500, 500), made(500, 0)
	other.Response, other.scan.Events, other.complete = nil, nil, nil
	r := &Report{servers: []string{"nginx"}}
	lag := compare(ref, other)
	require.True(t, lag.held)
	lag.lags, lag.never = lag.lags[:16], 16
	r.find("compressed-buffering", Problem, lag.text("with Accept-Encoding: "+browserCodings, "with identity"))
	r.finish()
	var out bytes.Buffer
	require.NoError(t, r.writeText(pipe(&out)))
	for _, line := range strings.Split(block, "\n") {
		if strings.HasPrefix(line, "  Seen") || strings.HasPrefix(line, "  Cause") || strings.HasPrefix(line, "  Fix") || strings.HasPrefix(line, "         ") && !strings.Contains(line, "8.0 s") {
			assert.Contains(t, out.String(), line+"\n")
		}
	}
}

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü 日本": "plain ü 日本", "\x1b[2J": `\x1b[2J`, "a\nb\rc\td": `a\nb\rc\td`, "\x9b\u009b": `\x9b\x9b`,
		"\u202e": `\u202e`, "\x00\x7f\xff": `\x00\x7f\xff`, "\u2028": `\u2028`,
	} {
		assert.Equal(t, want, safe(in))
	}
	assert.LessOrEqual(t, len(safe(strings.Repeat("x", 1e6))), maxQuoted+len("…")+10)
}

// TestHostile: whatever a server sends, no control character is in the report.
func TestHostile(t *testing.T) {
	const evil = "\x1b]52;c;eA==\x07\x9b2J\u202e"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK"+evil+"\r\nServer: nginx"+evil+"\r\nContent-Type: text/event-stream"+evil+"\r\nCache-Control: public"+evil+
				"\r\nVia: x"+evil+"\r\n\r\nid: a"+evil+"\ndata: x\n\nretry: "+evil+"\nfoo"+evil+"\n{"+evil+"\ndata: "+evil+"\r"+evil)
			conn.Close()
		}
	}()
	for _, args := range [][]string{nil, {"-json"}} {
		code, out, _ := runMain(append(args, "http://"+ln.Addr().String())...)
		assert.Equal(t, 1, code)
		for _, r := range out {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e') {
				t.Fatalf("%q in %s", r, out)
			}
		}
	}
}

// TestColours: none without a terminal; with colours the text is the same.
func TestColours(t *testing.T) {
	r := &Report{Target: "x"}
	r.find("buffered", Problem, "evidence", TimeLine{Name: "one", Header: 5, Events: []int64{10, 12, 504, 506}, What: "events", Until: 1000, Ended: true})
	r.find("bom", Risk, "evidence")
	r.find("cors", Note, "evidence")
	r.finish()
	var without, with bytes.Buffer
	require.NoError(t, r.writeText(pipe(&without)))
	require.NoError(t, r.writeText(term.NewWriter(&with, true, true)))
	assert.NotContains(t, without.String(), "\x1b")
	assert.Contains(t, with.String(), "\x1b[1;31m")
	assert.Equal(t, without.String(), regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(with.String(), ""))
	for _, line := range strings.Split(without.String(), "\n") {
		assert.LessOrEqual(t, len([]rune(line)), width, line)
	}
	assert.Contains(t, without.String(), "2.............................2............................x")
}

// TestJSON: a stable form, in which everything is accounted for.
func TestJSON(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stream")
	require.NoError(t, os.WriteFile(name, []byte("data: 1\n\n"), 0o600))
	code, out, _ := runMain("-json", "-skip", "bom", name)
	assert.Equal(t, 0, code)
	var r struct {
		Findings    []struct{ ID, Level, Doc string }
		NotVerified []struct{ ID, Reason string }
		Passed      []string
		Skipped     []string
		Risks       int
	}
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	seen := make(map[string]int)
	for _, f := range r.Findings {
		seen[f.ID]++
	}
	for _, n := range r.NotVerified {
		seen[n.ID]++
		assert.NotEmpty(t, n.Reason)
	}
	for _, id := range append(r.Passed, r.Skipped...) {
		seen[id]++
	}
	for _, id := range ids {
		assert.Equal(t, 1, seen[id], id)
	}
	assert.Equal(t, 1, r.Risks)
	assert.Equal(t, "no-ids", r.Findings[0].ID)
	assert.Equal(t, docs+"#no-ids", r.Findings[0].Doc)
}

// TestCertificate: with one that is not valid, no request is made.
func TestCertificate(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was made") }))
	defer srv.Close()
	code, out, _ := runMain("-H", "Authorization: secret", srv.URL)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "certificate")
	assert.NotContains(t, out, "secret")
}

// TestRedirect: credentials stay with their host.
func TestRedirect(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("X-Other"))
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
	}))
	defer target.Close()
	from := httptest.NewServer(http.RedirectHandler(strings.Replace(target.URL, "127.0.0.1", "localhost", 1), http.StatusFound))
	defer from.Close()
	_, out, errs := runMain("-H", "Authorization: secret", "-H", "Cookie: secret", "-H", "X-Other: x", from.URL)
	assert.Empty(t, errs)
	assert.Contains(t, out, "302 to http://localhost")
	require.NotEmpty(t, seen)
	for _, s := range seen {
		assert.Equal(t, "x", s)
	}
	loop := httptest.NewServer(nil)
	defer loop.Close()
	loop.Config.Handler = http.RedirectHandler(loop.URL, http.StatusFound)
	code, out, _ := runMain(loop.URL)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "redirects")
}
