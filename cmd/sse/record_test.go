package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/recording"
)

// startReplay starts sse replay, and returns the URL that it prints.
func startReplay(t *testing.T, args ...string) (url string, cmd *exec.Cmd) {
	t.Helper()
	cmd, stdout, stderr := startBinary(t, append([]string{"replay"}, args...)...)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "%s", stderr)
	return strings.TrimSuffix(line, "\n"), cmd
}

// recordOf runs sse record, and returns the recording.
func recordOf(t *testing.T, args ...string) *recording.Recording {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rec")
	stdout, stderr := runBinary(t, exitEnded, "", append([]string{"record", "-o", file}, args...)...)
	require.Empty(t, stdout)
	require.Empty(t, stderr)
	r, err := recording.ReadFile(file)
	require.NoError(t, err)
	require.False(t, r.Truncated)
	return r
}

// shape returns the steps of a recording without their times. Pieces are joined unless each
// is a chunk: a busy machine reads two of them at once. A Date is a time, too.
func shape(r *recording.Recording) (lines []string) {
	for _, c := range r.Connections() {
		var framing recording.Framing
		var body strings.Builder
		for _, s := range c.Steps {
			switch {
			case s.Kind == recording.Header && s.Name == "Date":
				continue
			case s.Kind == recording.Status:
				framing = s.Framing
			case s.Kind == recording.Bytes && framing != recording.Chunked:
				body.WriteString(s.Value)
				continue
			}
			if body.Len() > 0 {
				lines = append(lines, fmt.Sprintf("%d bytes %q", s.Conn, body.String()))
				body.Reset()
			}
			lines = append(lines, fmt.Sprintf("%d %s %s %q %d %s", s.Conn, s.Kind, s.Name, s.Value, s.Code, s.Framing))
		}
	}
	return lines
}

// fourConnections is a stream that is dropped, resumed, ended, refused and ended for good.
func fourConnections(framing string) string {
	length := ""
	if framing == "length" {
		length = "1ms header Content-Length 38\n"
	}
	return `sse-recording 1
0s     connect GET /feed
1ms    status 200 ` + framing + `
1ms    header Content-Type text/event-stream
` + length + `20ms   bytes "retry: 10\nid: 1\ndata: a\n\n"
60ms   bytes "id: 2\ndat"
90ms   drop
100ms  connect GET /feed
100ms  header Last-Event-ID 1
120ms  status 200 ` + framing + `
120ms  header Content-Type text/event-stream
120ms  header X-Two b
120ms  header X-Two a
140ms  bytes "id: 2\ndata: b\n\nid: 3\n"
170ms  bytes "data: c\n\n"
200ms  end
210ms  connect GET /feed
210ms  header Last-Event-ID 3
220ms  status 503 length
220ms  header Retry-After 0
220ms  bytes "later\n"
220ms  end
230ms  connect GET /feed
230ms  header Last-Event-ID 3
230ms  status 204
230ms  end
`
}

// TestRecordAgain: what is recorded of a replayed recording is that recording, over drops and
// resumptions. Times are compared in fake time, in package record.
func TestRecordAgain(t *testing.T) {
	for framing, flags := range map[string][2][]string{
		"chunked": {}, "length": {}, "close": {},
		"HTTP/2":           {nil, {"-http2"}},
		"HTTP/2, TLS":      {{"-tls"}, {"-k", "-http2"}},
		"negotiated, TLS":  {{"-tls"}, {"-k"}},
		"chunked, unwoven": {{"-split", "1000"}, nil},
	} {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			framing := strings.Split(framing, ",")[0]
			if framing == "negotiated" {
				framing = "HTTP/2"
			}
			file := write(t, "0", fourConnections(framing))
			var recs []*recording.Recording
			for range 2 {
				url, _ := startReplay(t, append(flags[0], file)...)
				r := recordOf(t, append(flags[1], url)...)
				require.False(t, r.Start.IsZero())
				recs = append(recs, r)
				var b bytes.Buffer
				_, err := r.WriteTo(&b)
				require.NoError(t, err)
				file = write(t, "1", b.String())
			}
			require.Equal(t, shape(recs[0]), shape(recs[1]))
			require.Len(t, recs[0].Connections(), 4)
			text := strings.Join(shape(recs[0]), "\n")
			for _, want := range []string{"1 status  \"\" 200 " + framing, "1 drop", "2 header Last-Event-Id \"1\"", "2 header X-Two \"b\" 0 \n2 header X-Two \"a\"", "2 end",
				"3 header Last-Event-Id \"3\"", "3 status  \"\" 503 ", "later", "3 end", "4 status  \"\" 204 \n4 end"} {
				require.Contains(t, text, want)
			}
			if framing == "chunked" {
				require.Contains(t, text, `2 bytes  "id: 2\ndata: b\n\nid: 3\n" 0 `+"\n"+`2 bytes  "data: c\n\n"`)
			}
		})
	}
}

// echo answers with all that it was sent, in the header and in the body, byte by byte.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var all strings.Builder
	fmt.Fprintf(&all, "data: %s\n", r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			fmt.Fprintf(&all, "data: %s: %s\n", name, value)
			w.Header().Add("X-Echo", value)
		}
	}
	name, password, _ := r.BasicAuth()
	unescaped, _ := url.QueryUnescape(r.URL.RawQuery)
	fmt.Fprintf(&all, "data: %s %s %s\ndata: %s\ndata: %q\n\n", name, password, unescaped, bytes.ReplaceAll(body, []byte("\n"), nil), body)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Location", "http://u:"+password+"@h"+r.RequestURI)
	w.Header().Set("Link", "<"+r.RequestURI+">; rel=next")
	w.Header().Set("Set-Cookie", "sid=hunter2-of-the-server; Path=/")
	all.WriteString("data: hunter2-of-the-server\n\n")
	for _, b := range []byte(all.String()) {
		_, _ = w.Write([]byte{b})
		_ = http.NewResponseController(w).Flush()
	}
}

// TestRecordRedacts: a credential of any kind is nowhere in the recording, also where the
// server repeats it, unless that is asked for.
func TestRecordRedacts(t *testing.T) {
	const secret = "hunter2/+ü%"
	basic := base64.StdEncoding.EncodeToString([]byte("me:" + secret))
	forms := []string{"hunter2", basic, "aHVudGVy"}
	for name, args := range map[string][]string{
		"Authorization":       {"-H", "Authorization: Bearer " + secret},
		"Basic":               {"-u", "me:" + secret},
		"Digest":              {"-H", `Authorization: Digest username="u", response="` + secret + `"`},
		"Proxy-Authorization": {"-H", "Proxy-Authorization: Basic " + basic},
		"Cookie":              {"-H", "Cookie: a=b; session=hunter2; c=hunter2-too"},
		"X-Api-Key":           {"-H", "X-Api-Key: " + secret},
		"Api-Key":             {"-H", "api-key: " + secret},
		"X-Goog-Api-Key":      {"-H", "X-Goog-Api-Key: " + secret},
		"X-Auth-Token":        {"-H", "X-Auth-Token: " + secret},
		"X-Amz-Signature":     {"-H", "X-Amz-Signature: " + secret},
		"Private-Token":       {"-H", "PRIVATE-TOKEN: " + secret},
		"X-Csrf":              {"-H", "X-CSRF: " + secret},
		"userinfo":            {"me:" + url.PathEscape(secret) + "@"},
		"a token as userinfo": {url.PathEscape(secret) + "@"},
		"token":               {"?token=" + url.QueryEscape(secret)},
		"key":                 {"?a=1&key=" + url.QueryEscape(secret) + "&b=2"},
		"access_token":        {"?access_token=" + url.QueryEscape(secret)},
		"sig":                 {"?se=1&sig=" + url.QueryEscape(secret)},
		"an escaped name":     {"?api%5Fkey=" + url.QueryEscape(secret)},
		"Referer":             {"-H", "Referer: https://u:hunter2@h/?token=hunter2-too&x=1#jwt=hunter2"},
		"JSON":                {"-d", `{"model":"m","api_key":"` + secret + `","auth":{"password":"hunter2\nhunter2"}}`},
		"a form":              {"-d", "q=1&client_secret=" + url.QueryEscape(secret), "-d", "pin=hunter2"},
		"nothing but a token": {"-H", "Content-Type: text/plain", "-d", "see http://u:hunter2@h/?token=hunter2"},
		"a coding":            {"-H", "X-Encode: hunter2", "-H", "X-Secret: hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := strings.TrimPrefix(serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Encode") != "" {
					w.Header().Set("Content-Encoding", "rot0")
					w.Header().Set("Content-Type", "text/event-stream")
				}
				echo(w, r)
			}), "http://")
			args := slices.Clone(args)
			last := args[len(args)-1]
			switch {
			case strings.HasSuffix(last, "@"):
				args = []string{"http://" + last + u + "/"}
			case strings.HasPrefix(last, "?"):
				args = []string{u + "/" + last}
			default:
				args = append(args, u)
			}
			args = append(args, "-once")
			file := filepath.Join(t.TempDir(), "rec")
			_, stderr := runBinary(t, exitEnded, "", append([]string{"record", "-o", file}, args...)...)
			require.Empty(t, stderr)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, form := range forms {
				assert.NotContains(t, string(b), form)
			}
			// Also not over pieces: the pieces are as many as there were, each of its size.
			body := bodyOf(t, file)
			plain := filepath.Join(t.TempDir(), "plain")
			runBinary(t, exitEnded, "", append([]string{"record", "-no-redact", "-o", plain}, args...)...)
			want := bodyOf(t, plain)
			assert.Len(t, body, len(want))
			assert.Contains(t, strings.Join(want, ""), "hunter2")
			for _, form := range forms {
				assert.NotContains(t, strings.Join(body, ""), form)
			}
			if runtime.GOOS != "windows" { // which has no such modes
				info, err := os.Stat(plain)
				require.NoError(t, err)
				assert.Zero(t, info.Mode()&0o077, "a file with secrets is the user's only")
			}
		})
	}
}

// bodyOf returns the pieces of the responses in a file.
func bodyOf(t *testing.T, file string) (pieces []string) {
	r, err := recording.ReadFile(file)
	require.NoError(t, err)
	for _, s := range r.Steps {
		if s.Kind == recording.Bytes {
			pieces = append(pieces, s.Value)
		}
	}
	return pieces
}

// TestRecordPattern: what changes from run to run can be left out, so that recordings differ
// only where the server does.
func TestRecordPattern(t *testing.T) {
	n := 0
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Request", fmt.Sprintf("req_%d7", n))
		fmt.Fprintf(w, "data: {\"id\":\"req_%d7\",\"n\":5}\n\n", n)
	})
	var shapes [][]string
	for range 2 {
		shapes = append(shapes, shape(recordOf(t, "-once", "-redact-pattern", `req_(\w+)`, u)))
	}
	require.Equal(t, shapes[0], shapes[1])
	require.Contains(t, strings.Join(shapes[0], "\n"), `data: {\"id\":\"req_00\",\"n\":5}`)
	require.Contains(t, strings.Join(shapes[0], "\n"), `X-Request "req_00"`)
}

// TestRecordKilled kills sse record at random moments. What is left can be played, and is the
// beginning of the stream.
func TestRecordKilled(t *testing.T) {
	u := serve(t, endless(time.Millisecond))
	for range 10 {
		file := filepath.Join(t.TempDir(), "rec")
		cmd, _, _ := startBinary(t, "record", "-o", file, u)
		require.Eventually(t, func() bool {
			info, err := os.Stat(file)
			return err == nil && info.Size() > 1000
		}, time.Minute, time.Millisecond)
		time.Sleep(rand.N(30 * time.Millisecond))
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		replayed, server := startReplay(t, "-speed", "max", file)
		body := strings.Join(bodyOf(t, file), "")
		events := strings.Count(body, "\n\n")
		require.Positive(t, events)
		stdout, _ := runBinary(t, exitEnded, "", "-n", fmt.Sprint(events), "-raw", replayed)
		require.True(t, strings.HasPrefix(body, stdout) && strings.Count(stdout, "\n\n") == events, "%q\n%q", body, stdout)
		require.True(t, strings.HasPrefix(stdout, "id: 1\ndata: 1\n\nid: 2\n"))
		_ = server.Process.Kill()
	}
}

// TestRecordEnds: how a recording ends that is ended.
func TestRecordEnds(t *testing.T) {
	s := func(t *testing.T) string { return serve(t, endless(10*time.Millisecond)) }
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"-n", []string{"-n", "2"}, exitEnded, ""},
		{"-until", []string{"-until", "2"}, exitEnded, ""},
		{"-max-time", []string{"-max-time", "0.2"}, exitMaxTime, "sse: -max-time is over\n"},
		{"-max-size", []string{"-max-size", "1500"}, exitBroken, "sse: the recording is full\n"},
	} {
		file := filepath.Join(t.TempDir(), "rec")
		stdout, stderr := runBinary(t, test.code, "", append([]string{"record", "-o", file, s(t)}, test.args...)...)
		assert.Empty(t, stdout)
		assert.Equal(t, test.stderr, stderr, test.name)
		r, err := recording.ReadFile(file)
		require.NoError(t, err)
		if test.code == exitBroken {
			info, err := os.Stat(file)
			require.NoError(t, err)
			assert.InDelta(t, 1500, info.Size(), 100)
			continue
		}
		assert.Equal(t, recording.Wait, r.Steps[len(r.Steps)-1].Kind, test.name)
	}
	// What the server refuses is recorded, too.
	refusal := httptest.NewServer(http.NotFoundHandler())
	defer refusal.Close()
	file := filepath.Join(t.TempDir(), "rec")
	_, stderr := runBinary(t, exitBroken, "", "record", "-o", file, refusal.URL)
	assert.Contains(t, stderr, "404 Not Found")
	assert.Equal(t, []string{"404 page not found\n"}, bodyOf(t, file))
	// So is that nobody listens.
	_, stderr = runBinary(t, exitBroken, "", "record", "-o", file, "http://127.0.0.1:1/")
	assert.Contains(t, stderr, "refused")
	r, err := recording.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, recording.Drop, r.Steps[len(r.Steps)-1].Kind)
	// The recording may go to standard output.
	stdout, stderr := runBinary(t, exitEnded, "", "record", "-o", "-", "-n", "1", s(t))
	assert.Empty(t, stderr)
	_, err = recording.Read(strings.NewReader(stdout))
	require.NoError(t, err)
}

// TestRecordFails: a recording that cannot be written is an error, and ends the command.
func TestRecordFails(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	_, stderr := runBinary(t, exitBroken, "", "record", "-o", "/dev/full", serve(t, endless(10*time.Millisecond)))
	require.Contains(t, stderr, "sse: writing the recording: ")
}
