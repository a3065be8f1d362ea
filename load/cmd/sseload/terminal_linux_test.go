package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// openTerminal returns both ends of a pseudo-terminal of some width.
func openTerminal(t *testing.T, columns uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	control := func(request uintptr, value unsafe.Pointer) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(value))
		require.Zero(t, errno)
	}
	var unlocked, number int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{24, columns}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}

var lineEnd = regexp.MustCompile(`\r+\n`) // a terminal adds a CR

// runTerminal runs the binary with its stdout, its stderr, or both ("12") at a terminal, and returns what
// that got, and what a pipe got in place of the other.
func runTerminal(t *testing.T, fds string, columns uint16, args ...string) (terminal, pipe string, code int) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	master, slave := openTerminal(t, columns)
	var other, shown bytes.Buffer
	cmd := exec.Command(file, args...)
	cmd.Stdout, cmd.Stderr = &other, &other
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
	return lineEnd.ReplaceAllString(shown.String(), "\n"), other.String(), cmd.ProcessState.ExitCode()
}

// TestLiveLine: a terminal shows a line that fits, and is gone at the end; a pipe gets nothing of it.
func TestLiveLine(t *testing.T) {
	t.Parallel()
	f := serveFeed(t)
	args := []string{"-n", "3", "-ramp", "0", "-for", "2500ms", "-seq", "{{.n}}", f.URL}
	for _, columns := range []uint16{120, 40, 12} {
		terminal, table, code := runTerminal(t, "2", columns, args...)
		require.Equal(t, exitOK, code)
		assert.Contains(t, table, "3 streams of http")
		assert.NotContains(t, table, "\x1b")
		lines := strings.Split(terminal, eraseLine)
		require.GreaterOrEqual(t, len(lines), 3, terminal)
		assert.Empty(t, lines[0])
		assert.Empty(t, lines[len(lines)-1], "the line is gone at the end")
		for _, line := range lines[1 : len(lines)-1] {
			assert.Regexp(t, `^\d/3 open(  \d\.00 s of 2\.50 s(  \d+ events/s.*)?)?$`, line)
			assert.Less(t, utf8.RuneCountInString(line), int(columns))
		}
		if columns == 120 {
			assert.Contains(t, terminal, " events/s")
		}
	}
	_, output, code := runTerminal(t, "", 80, args...)
	require.Equal(t, exitOK, code)
	assert.NotContains(t, output, "\x1b")
	assert.NotContains(t, output, " open  ")
	terminal, _, code := runTerminal(t, "2", 80, append(args, "-q")...)
	require.Equal(t, exitOK, code)
	assert.Empty(t, terminal)
}

// evil clears the screen, sets the title, draws in a colour by C1, turns the text round, deletes and hides.
const evil = "\x1b[2J\x1b]0;t\x07\u009b35m\u202e\u2066\x7f\x08\u200b\xff\xc3("

// TestTerminalSafe: nothing that a server sends drives the terminal, wherever it is shown.
func TestTerminalSafe(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	for name, sent := range map[string]string{
		"events":     ok + "id: 1" + evil + "\nevent: e" + evil + "\ndata: d" + evil + "\n\n: c" + evil + "\nu" + evil + "\n",
		"status":     "HTTP/1.1 418 No" + evil + "\r\n\r\nbody " + evil,
		"media type": "HTTP/1.1 200 OK\r\nContent-Type: text/\u009b35m\u202e\r\n\r\n",
		"redirect":   "HTTP/1.1 302 Found\r\nLocation: http://[" + "\u009b35m\u202e\r\n\r\n",
		"no HTTP":    evil + "\r\n\r\n",
		"chunk":      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + evil + "\r\n",
		"text":       ok + "{" + evil + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, sent)
					time.AfterFunc(50*time.Millisecond, func() { c.Close() })
				}
			}()
			terminal, _, _ := runTerminal(t, "12", 100, "-n", "2", "-ramp", "0", "-for", "1200ms", "-backoff", "none", "-publish", "http://"+l.Addr().String(), "http://"+l.Addr().String())
			text := strings.ReplaceAll(terminal, eraseLine, "")
			require.True(t, utf8.ValidString(text), "%q", text)
			for _, r := range text {
				require.True(t, r == '\n' || unicode.IsGraphic(r), "%q in %q", r, text)
			}
			require.Contains(t, text, "2 streams of http")
		})
	}
}
