package memnet_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
)

// TestHTTP runs net/http's server and transport, in fake time.
func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan time.Duration, 1)
		start := time.Now()
		l := memnet.Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := range 3 {
				fmt.Fprintln(w, i)
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Hour)
			}
			<-r.Context().Done()
			gone <- time.Since(start)
		})}
		go srv.Serve(l)
		defer srv.Close()
		tr := &http.Transport{DialContext: l.DialContext}
		defer tr.CloseIdleConnections()

		resp, err := (&http.Client{Transport: tr}).Get("http://memnet/")
		require.NoError(t, err)
		lines := bufio.NewScanner(resp.Body)
		for i := range 3 {
			require.True(t, lines.Scan())
			require.Equal(t, fmt.Sprint(i), lines.Text())
			require.Equal(t, time.Duration(i)*time.Hour, time.Since(start))
		}
		time.Sleep(2 * time.Hour)
		resp.Body.Close()
		require.Equal(t, 4*time.Hour, <-gone, "the server sees the client leave at once")
	})
}

func TestWindowHoldsTheWriterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		sent := bytes.Repeat([]byte("0123456789"), 100_000)
		done := make(chan error, 1)
		go func() {
			_, err := a.Write(sent)
			a.Close()
			done <- err
		}()
		synctest.Wait()
		require.Empty(t, done, "a megabyte does not fit the window")
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.Equal(t, sent, got)
		require.NoError(t, <-done)
	})
}

func TestEnds(t *testing.T) {
	buf := make([]byte, 8)
	for name, test := range map[string]struct {
		end         func(*memnet.Conn)
		read        string // what the peer still gets
		readErr     error
		writeErr    error // of the peer
		ownReadErr  error
		ownWriteErr error
	}{
		"close":      {func(c *memnet.Conn) { c.Close() }, "hello", io.EOF, syscall.EPIPE, net.ErrClosed, net.ErrClosed},
		"reset":      {(*memnet.Conn).Reset, "", syscall.ECONNRESET, syscall.ECONNRESET, net.ErrClosed, net.ErrClosed},
		"half close": {func(c *memnet.Conn) { c.CloseWrite() }, "hello", io.EOF, nil, nil, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memnet.Pipe()
			_, err := a.Write([]byte("hello"))
			require.NoError(t, err)
			test.end(a)

			if test.read != "" {
				n, err := b.Read(buf)
				require.NoError(t, err)
				require.Equal(t, test.read, string(buf[:n]))
			}
			_, err = b.Read(buf)
			require.ErrorIs(t, err, test.readErr)
			_, err = b.Write([]byte("world"))
			require.ErrorIs(t, err, test.writeErr)
			_, err = a.Read(buf)
			require.ErrorIs(t, err, test.ownReadErr)
			_, err = a.Write([]byte("more"))
			require.ErrorIs(t, err, test.ownWriteErr)
		})
	}
}

// TestCloseOrder: what a peer answers when it sees the end does not arrive.
func TestCloseOrder(t *testing.T) {
	for _, end := range []func(*memnet.Conn){func(c *memnet.Conn) { c.Close() }, (*memnet.Conn).Reset} {
		for range 2000 {
			a, b := memnet.Pipe()
			go func() {
				_, _ = b.Read(make([]byte, 1))
				_, _ = b.Write([]byte("x"))
			}()
			read := make(chan error)
			go func() {
				_, err := a.Read(make([]byte, 1))
				read <- err
			}()
			runtime.Gosched()
			end(a)
			require.ErrorIs(t, <-read, net.ErrClosed)
		}
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		buf := make([]byte, 1)
		start := time.Now()

		require.NoError(t, a.SetReadDeadline(start.Add(time.Minute)))
		_, err := a.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))

		require.NoError(t, a.SetDeadline(time.Time{}), "a deadline can be lifted")
		_, err = b.Write(buf)
		require.NoError(t, err)
		_, err = a.Read(buf)
		require.NoError(t, err)

		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Minute)))
		_, err = a.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 2*time.Minute, time.Since(start))

		done := make(chan error, 1)
		go func() {
			_, err := a.Read(buf)
			done <- err
		}()
		synctest.Wait()
		require.NoError(t, a.SetReadDeadline(time.Now()), "a deadline in the past wakes the reader")
		require.ErrorIs(t, <-done, os.ErrDeadlineExceeded)
		a.Close()
		b.Close()
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		waiting, err := l.DialContext(t.Context(), "", "")
		require.NoError(t, err)
		accepted, err := l.Accept()
		require.NoError(t, err)
		queued, err := l.DialContext(t.Context(), "", "")
		require.NoError(t, err)

		require.NoError(t, l.Close())
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = l.DialContext(t.Context(), "", "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = queued.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)

		_, err = accepted.Write([]byte("x"))
		require.NoError(t, err, "accepted connections stay")
		_, err = waiting.Read(make([]byte, 1))
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = l.DialContext(ctx, "", "")
		require.ErrorIs(t, err, context.Canceled)
	})
}
