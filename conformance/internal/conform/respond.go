package conform

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/suite"
)

// pauseMs is the pause at a cut that names none, in milliseconds.
const pauseMs = 5

// A piece is a part of a response that is written at once.
type piece []byte

// pieces returns the response as it goes over the wire: the header, the stream between two
// cuts, each as a chunk, and what ends the body.
func pieces(r *suite.Response, dir string) []piece {
	b := r.Bytes()
	var parts []piece
	from := 0
	for _, cut := range append(slices.Clip(r.Cuts), len(b)) {
		if cut > from {
			parts = append(parts, piece(b[from:cut]))
			from = cut
		}
	}
	if r.Raw != nil {
		return parts
	}
	header := new(bytes.Buffer)
	status := cmp.Or(r.Status, http.StatusOK)
	fmt.Fprintf(header, "HTTP/1.1 %d %s\r\n%s\r\nConnection: close\r\n", status, http.StatusText(status), cross)
	lines := r.Header
	if lines == nil {
		lines = []string{"Content-Type: text/event-stream"}
	}
	for _, line := range lines {
		header.WriteString(strings.ReplaceAll(line, "{base}", dir) + "\r\n")
	}
	bodyless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodyless {
		header.WriteString("Transfer-Encoding: chunked\r\n")
	}
	header.WriteString("\r\n")
	all := []piece{header.Bytes()}
	if bodyless {
		return all
	}
	for _, part := range parts {
		all = append(all, fmt.Appendf(nil, "%x\r\n%s\r\n", len(part), part))
	}
	if r.End != suite.Open {
		all = append(all, piece("0\r\n\r\n"))
	}
	return all
}

// answer plays a response on a connection, with pauses that slow multiplies. It returns when the client has left, or when
// over is closed. Before it writes what ends the response, it calls ended, once.
func answer(w http.ResponseWriter, r *suite.Response, dir string, slow float64, over <-chan struct{}, ended func()) {
	ended = sync.OnceFunc(ended)
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		ended()
		return
	}
	defer nc.Close()
	left := make(chan struct{})
	go func() { // until the client leaves, or nc is closed
		defer close(left)
		_, _ = io.Copy(io.Discard, nc)
	}()
	pause := time.Duration(slow * float64(cmp.Or(r.PauseMs, pauseMs)) * float64(time.Millisecond))
	raw := r.Raw != nil
	all := pieces(r, dir)
	final := len(all) - 1
	for i, p := range all {
		if raw && i > 0 || !raw && i > 1 && i < final {
			sleep(pause, over)
		}
		if i == final && r.End != suite.Open {
			ended()
		}
		if _, err := nc.Write(p); err != nil {
			break
		}
	}
	tcp, _ := nc.(*net.TCPConn)
	switch r.End {
	case suite.Open:
	case suite.Reset:
		sleep(50*time.Millisecond, over) // so that the client reads the bytes before the reset
		ended()
		_ = tcp.SetLinger(0)
		return
	default:
		ended()
		_ = tcp.CloseWrite()
	}
	select {
	case <-left:
	case <-over:
	}
}

// sleep sleeps for d, or until over is closed.
func sleep(d time.Duration, over <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-over:
	}
}
