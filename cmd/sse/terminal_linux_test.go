package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	var unlocked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value)))
		require.Zero(t, errno)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}

var lineEnd = regexp.MustCompile(`\r+\n`) // a terminal adds a CR, also to a CRLF

// A screen is what a run of the binary left, of which one or both went to a terminal.
type screen struct {
	code                     int
	terminal, stdout, stderr string // of the last two, what went to a pipe
}

// runTerminal runs the binary with its stdout, its stderr, or both ("12") at a terminal.
func runTerminal(t *testing.T, fds string, env []string, args ...string) (s screen) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	master, slave := openTerminal(t)
	var stdout, stderr, shown bytes.Buffer
	cmd := exec.Command(file, args...)
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR="), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if strings.Contains(fds, "1") {
		cmd.Stdout = slave
	}
	if strings.Contains(fds, "2") {
		cmd.Stderr = slave
	}
	require.NoError(t, cmd.Start())
	require.NoError(t, slave.Close())
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&shown, master) // until all ends of the slave are closed
	}()
	_ = cmd.Wait()
	<-read
	return screen{cmd.ProcessState.ExitCode(), lineEnd.ReplaceAllString(shown.String(), "\n"), stdout.String(), stderr.String()}
}

// serveBytes answers each connection with the next of the responses, byte for byte, and
// the last one for ever.
func serveBytes(t *testing.T, responses ...string) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var n atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				i := min(int(n.Add(1)), len(responses)) - 1
				_, _ = io.WriteString(c, strings.ReplaceAll(responses[i], "$URL", "http://"+l.Addr().String()))
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// evil clears the screen, sets the title, writes the clipboard, draws in a colour by C1,
// turns the text round, deletes, goes back, and hides itself. It is no valid UTF-8.
const evil = "\x1b[2J\x1b]0;t\x07\x1b]52;c;aGk=\x07\u009b35m\u202e\u2066\x7f\x08\u200b\ufeff\u2028\U000e0041\xff\xc3("

// evilStatus and evilHeader have what net/http accepts in these places.
const (
	evilStatus = "\x1b[2J\x1b]0;t\x07\u009b35m\u202e\u2066\x7f\x08\u200b\xff\xc3("
	evilHeader = "\u009b35m\u202e\u2066\u200b\xff\xc3("
)

var ours = regexp.MustCompile(`\x1b\[(0|2|7|27|3[1236])m`)

// requireSafe requires that a terminal got nothing but text, and what is of the command
// itself. The kinds are the escaped forms that it must have got.
func requireSafe(t *testing.T, shown string, kinds ...string) {
	t.Helper()
	text := strings.NewReplacer(wrapOff, "", wrapOn+"\r", "", lineUp, "", erase, "").Replace(shown)
	text = ours.ReplaceAllString(text, "")
	require.True(t, utf8.ValidString(text), "%q", text)
	for _, r := range text {
		require.True(t, r == '\n' || r == '\t' || unicode.IsGraphic(r), "%q in %q", r, text)
	}
	for _, kind := range kinds {
		require.Contains(t, text, kind)
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

// TestTerminalSafe: nothing that a server sends drives the terminal, wherever it is shown.
func TestTerminalSafe(t *testing.T) {
	event := ok + "id: i" + evil + "\nevent: e" + evil + "\ndata: d" + evil + "\n\n"
	shownData := `\x1b[2J\x1b]0;t\x07\x1b]52;c;aGk=\x07\u009b35m\u202e\u2066\x7f\x08\u200b\ufeff\u2028\U000e0041`
	tests := map[string]struct {
		flags []string
		sent  string
		kinds []string
		fds   string
	}{
		"text":   {nil, event, []string{"event: e" + shownData, "id: i" + shownData, "data: d" + shownData}, "1"},
		"data":   {[]string{"-data"}, event, []string{"d" + shownData + "\ufffd\ufffd(\n"}, "1"},
		"json":   {[]string{"-json"}, event, []string{`d\u001b[2J`, `\u009b35m\u202e\u2066\x7f`}, "1"},
		"parse":  {[]string{"-json", "-parse"}, ok + "data: {\"" + "\u202e\x7f\u009b" + "\":1}\n\n", []string{`"data":{"\u202e\x7f\u009b":1}`}, "1"},
		"format": {[]string{"-format", "{{.Type}}|{{.ID}}|{{.Data}}"}, event, []string{"e" + shownData, "|i" + shownData, "|d" + shownData}, "1"},
		"raw":    {[]string{"-raw"}, event + ": \xe2\x82", []string{"d" + shownData + `\xff\xc3(`, `: \xe2\x82`}, "1"},
		"CR":     {[]string{"-raw"}, ok + "data: a\rb\r\rdata: c\r\n\r\n", []string{`data: a\x0db\x0d\x0ddata: c` + "\n\n"}, "1"},
		"comments and unknown lines": {[]string{"-v"}, ok + ": c" + evil + "\nu" + evil + "\n\n",
			[]string{": c" + shownData, "? u" + shownData}, "2"},
		"header": {[]string{"-v"}, "HTTP/1.1 200 Fine" + evilStatus + "\r\nContent-Type: text/event-stream\r\nX-A: v" + evilHeader + "\r\n\r\n",
			[]string{`200 Fine\x1b[2J`, `X-A: v\u009b35m\u202e\u2066\u200b\xff\xc3(`}, "2"},
		"refusal": {[]string{"-v"}, "HTTP/1.1 418 No" + evilStatus + "\r\nX-A: v" + evilHeader + "\r\n\r\nbody " + evil,
			[]string{`418 No\x1b[2J`, `X-A: v\u009b35m`, `| body ` + shownData + `\xff\xc3(`}, "2"},
		"refusal, told by the error": {nil, "HTTP/1.1 418 No" + evilStatus + "\r\n\r\nbody " + evil, []string{`body \x1b[2J`}, "2"},
		"media type":                 {nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html" + evilHeader + "\r\n\r\n", []string{`text/html\u009b35m`}, "2"},
		"redirect":                   {[]string{"-v"}, "HTTP/1.1 302 Found\r\nLocation: $URL/l" + evilHeader + "\r\n\r\n", []string{`Location: http`, `/l\u009b35m`}, "2"},
		"no HTTP":                    {nil, evil + "\r\n\r\n", []string{`\x1b[2J`}, "2"},
		"unfinished":                 {nil, ok + "id: i" + evil + "\ndata: d" + evil, []string{`d\x1b[2J`}, "2"},
		"text that is no event":      {nil, ok + "{" + evil + "}\n", []string{`{\x1b[2J`}, "2"},
		"stats":                      {[]string{"-stats"}, event, []string{`last ID i\x1b[2J`}, "2"},
		"no format":                  {[]string{"-format", "{{(parse .Data).x}}"}, event, []string{`the ID "i\x1b[2J`}, "2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serveBytes(t, test.sent)
			for _, env := range []string{"NO_COLOR=1", "NO_COLOR="} {
				for _, named := range []string{"", "name="} {
					s := runTerminal(t, test.fds, []string{env}, append(test.flags, "-once", named+url)...)
					if env == "NO_COLOR=1" {
						requireSafe(t, s.terminal, test.kinds...)
						require.NotRegexp(t, ours, s.terminal)
						continue
					}
					requireSafe(t, s.terminal)
				}
			}
			both := runTerminal(t, "12", nil, append(test.flags, "-once", url)...)
			requireSafe(t, both.terminal)
		})
	}
}

// TestTerminalEachStream: whether a terminal is there is decided for each stream, and a pipe
// gets the data as it is.
func TestTerminalEachStream(t *testing.T) {
	url := serveBytes(t, ok+": c\x1b[2J\ndata: d\x1b[2J\n\n")
	s := runTerminal(t, "2", nil, "-v", "-once", "-data", url)
	assert.Equal(t, "d\x1b[2J\n", s.stdout)
	assert.Contains(t, s.terminal, "\x1b[2m: c\x1b[7m\\x1b\x1b[27m[2J\x1b[0m\n")
	s = runTerminal(t, "1", nil, "-v", "-once", "-data", url)
	assert.Equal(t, "d\x1b[7m\\x1b\x1b[27m[2J\n", s.terminal)
	assert.Contains(t, s.stderr, "\n: c\x1b[2J\n")
	s = runTerminal(t, "1", nil, "-once", "name="+url)
	assert.Equal(t, "\x1b[32mname\x1b[0m \x1b[2mdata: \x1b[0md\x1b[7m\\x1b\x1b[27m[2J\n\n", s.terminal)
	s = runTerminal(t, "1", []string{"NO_COLOR=1"}, "-once", "name="+url)
	assert.Equal(t, "name data: d\\x1b[2J\n\n", s.terminal)
}

// TestTerminalOwnColors: the codes of the user's own template stay codes, those in what it
// shows do not.
func TestTerminalOwnColors(t *testing.T) {
	url := serveBytes(t, ok+"data: d\x1b[2J\n\n")
	for _, format := range []string{`\e[31m{{.Data}}\e[0m`, "\x1b[31m{{.Data}}\x1b[0m", `{{if true}}\e[31m{{end}}{{with .Data}}{{.}}{{else}}\e[2J{{end}}{{range 1}}\e[0m{{end}}`} {
		s := runTerminal(t, "1", []string{"NO_COLOR=1"}, "-once", "-format", format, url)
		assert.Equal(t, "\x1b[31md\\x1b[2J\x1b[0m\n", s.terminal)
		stdout, _ := runBinary(t, 0, "", "-once", "-format", format, url)
		assert.Equal(t, "\x1b[31md\x1b[2J\x1b[0m\n", stdout)
	}
}

// TestTerminalStats: the figures are drawn live, a line for each URL, each of them narrower
// than the terminal.
func TestTerminalStats(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 8 {
			fmt.Fprintf(w, "id: %s%d\ndata: x\n\n", strings.Repeat("高\u202e", 40), n)
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}
	one, two := serve(t, slow), serve(t, slow)
	s := runTerminal(t, "2", []string{"NO_COLOR=1"}, "-stats", "-once", "one="+one, two)
	requireSafe(t, s.terminal)
	require.Contains(t, s.terminal, lineUp+erase)
	drawn := strings.Split(s.terminal, lineUp+erase)
	require.Greater(t, len(drawn), 1)
	for _, block := range drawn[:len(drawn)-1] {
		i := strings.LastIndex(block, wrapOff)
		require.GreaterOrEqual(t, i, 0)
		lines := strings.Split(strings.TrimSuffix(block[i+len(wrapOff):], wrapOn+"\r"), "\n")
		require.Len(t, lines, 2)
		require.Regexp(t, `^one +\d events?, .*, \d+/s; 1 connection; `, lines[0])
		require.True(t, strings.HasPrefix(lines[1], strings.TrimPrefix(two, "http://")), lines[1])
		for _, line := range lines {
			columns := 0
			for _, r := range line {
				columns++
				if r == '高' {
					columns++
				}
			}
			require.Less(t, columns, 80)
		}
	}
	summary := drawn[len(drawn)-1]
	require.Regexp(t, `(?s)^one: 8 events, .*\n127.0.0.1:\d+: 8 events, .*\nin all: 16 events, .*; 2 connections, 0 drops\n$`, summary)

	// With bytes in the middle of a line there is no place for figures.
	s = runTerminal(t, "12", []string{"NO_COLOR=1"}, "-stats", "-once", "-raw", one)
	require.NotContains(t, s.terminal, erase)
}

// TestTerminalWidth: a terminal that is narrower than the figures is told to cut them.
func TestTerminalWidth(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		time.Sleep(2 * drawEvery)
	})
	s := runTerminal(t, "2", nil, "-stats", "-once", url)
	require.Regexp(t, `\x1b\[\?7l0 events, .*\x1b\[\?7h\r`, s.terminal)
}
