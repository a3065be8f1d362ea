//go:build !race

package lean_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/lean"
)

// TestSize is what an idle stream takes. A server without goroutines makes it the client's.
// The limits leave room for other releases of Go; bench/ has the figures.
func TestSize(t *testing.T) {
	const n = 200
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var served []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for range n + 1 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served = append(served, conn)
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, ok+"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
		}
	})
	hc := &http.Client{Transport: new(lean.Transport)}
	var opened, ended sync.WaitGroup
	open := func() {
		opened.Add(1)
		ended.Go(func() {
			resp, err := hc.Get("http://" + l.Addr().String())
			if err != nil {
				t.Error(err)
				opened.Done()
				return
			}
			defer resp.Body.Close()
			buf := make([]byte, 16)
			_, _ = resp.Body.Read(buf)
			opened.Done()
			_, _ = resp.Body.Read(buf)
		})
	}
	measure := func() (m runtime.MemStats) {
		opened.Wait()
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m
	}
	open() // what is made once
	before := measure()
	for range n {
		open()
	}
	after := measure()
	heap, stack := (float64(after.HeapAlloc)-float64(before.HeapAlloc))/n, (float64(after.StackInuse)-float64(before.StackInuse))/n
	t.Logf("%.0f bytes of heap and %.0f of stack for each stream, of both ends' connections too", heap, stack)
	assert.Less(t, heap, 5000.0)  // and go on, so that the streams end
	assert.Less(t, stack, 8000.0) // one of 8 KiB each would be more
	serving.Wait()
	for _, conn := range served {
		conn.Close()
	}
	ended.Wait()
}
