package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/recording"
)

// Tests that send signals.

// TestRecordSignals: they end a recording quietly, and what is in the file is whole.
func TestRecordSignals(t *testing.T) {
	u := serve(t, endless(time.Millisecond))
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		file := filepath.Join(t.TempDir(), "rec")
		cmd, stdout, stderr := startBinary(t, "record", "-o", file, u)
		require.Eventually(t, func() bool {
			info, err := os.Stat(file)
			return err == nil && info.Size() > 1000
		}, time.Minute, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(sig))
		b, err := io.ReadAll(stdout)
		require.NoError(t, err)
		_ = cmd.Wait()
		require.Equal(t, code, cmd.ProcessState.ExitCode())
		require.Empty(t, string(b)+stderr.String())
		r, err := recording.ReadFile(file)
		require.NoError(t, err)
		require.False(t, r.Truncated)
		require.Equal(t, recording.Wait, r.Steps[len(r.Steps)-1].Kind)
	}
}

// TestRecordProxy: what passes a recording proxy is what the server sent, as it sends it, to
// several clients at once; the streams are in the file, each with its number.
func TestRecordProxy(t *testing.T) {
	next := make(chan struct{})
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("X-Forwarded", fmt.Sprintf("%s|%s|%s|%s", r.Header["X-Forwarded-For"], r.Header.Get("Connection"), r.Header.Get("X-Gone"), r.Header.Get("Accept-Encoding")))
		if r.URL.Path != "/feed" {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.Copy(w, r.Body)
			return
		}
		w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
		fmt.Fprintf(w, "data: %s\n\n", r.URL.RawQuery)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-next:
		case <-r.Context().Done():
		}
		fmt.Fprintf(w, "data: last %s\n\n", r.Header.Get("Authorization"))
		if r.URL.RawQuery == "cut" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	file := filepath.Join(t.TempDir(), "rec")
	cmd, stdout, stderr := startBinary(t, "record", "-listen", ":0", "-to", origin, "-o", file)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "%s", stderr)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/\n$`, line)
	proxy := strings.TrimSuffix(line, "/\n")

	resp, err := http.Post(proxy+"/other", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "418 hello", fmt.Sprint(resp.StatusCode, " ", string(b)))
	require.Equal(t, strings.TrimPrefix(origin, "http://"), resp.Header.Get("X-Host"))

	var streams []*bufio.Reader
	for _, query := range []string{"one", "two", "cut"} {
		req, err := http.NewRequest(http.MethodGet, proxy+"/feed?"+query, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer hunter2")
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		req.Header.Set("Connection", "X-Gone")
		req.Header.Set("X-Gone", "x")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, "[192.0.2.1]|||identity", resp.Header.Get("X-Forwarded"))
		r := bufio.NewReader(resp.Body)
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: "+query+"\n", line, "while the stream is open")
		streams = append(streams, r)
	}
	close(next)
	for i, r := range streams {
		b, err := io.ReadAll(r)
		require.Equal(t, "\ndata: last Bearer hunter2\n\n", string(b))
		if i == 2 {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	require.Empty(t, stderr.String())

	rec, err := recording.ReadFile(file)
	require.NoError(t, err)
	require.Len(t, rec.Connections(), 3)
	text := strings.Join(shape(rec), "\n")
	for i, query := range []string{"one", "two", "cut"} {
		require.Contains(t, text, fmt.Sprintf(`%d connect GET "/feed?%s"`, i+1, query))
		end := "end"
		if query == "cut" {
			end = "drop"
		}
		require.Contains(t, text, fmt.Sprintf(`%d bytes  "data: %s\n\n" 0 %s%d bytes  "data: last **************\n\n" 0 %s%d %s`, i+1, query, "\n", i+1, "\n", i+1, end))
	}
	require.NotContains(t, text, "hunter2")
}

// TestRecordProxyWithoutOrigin: the client gets 502, and the user the reason.
func TestRecordProxyWithoutOrigin(t *testing.T) {
	cmd, stdout, stderr := startBinary(t, "record", "-listen", "localhost:0", "-to", "http://127.0.0.1:1", "-o", filepath.Join(t.TempDir(), "rec"), "-max-time", "1h")
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "%s", stderr)
	resp, err := http.Get(strings.TrimSuffix(line, "\n"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Regexp(t, `^sse: dial tcp 127\.0\.0\.1:1: .*refused\n$`, stderr.String())
}

// TestReplayEnds: signals end it, whoever is connected.
func TestReplayEnds(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		url, cmd := startReplay(t, write(t, "rec", "sse-recording 1\n0s connect\n0s event message a id 1\n"))
		resp, err := http.Get(url)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.NoError(t, cmd.Process.Signal(sig))
		_ = cmd.Wait()
		require.Equal(t, code, cmd.ProcessState.ExitCode())
	}
}
