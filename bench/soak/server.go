package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// startServer starts the server in a process of its own: what it takes is not the streams'.
func startServer() (url string, stop func(), err error) {
	exe, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(exe, "-serve")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), func() { in.Close(); _ = cmd.Wait() }, err
}

// runServer streams an event a second to each client, from behind its last event ID on. While
// drops are on, a connection ends within a minute: by a close, or cut inside an event. The
// server ends when its standard input does.
func runServer() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("http://" + l.Addr().String())
	var drops atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("POST /drops", func(_ http.ResponseWriter, r *http.Request) { drops.Store(r.FormValue("on") == "1") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 1000\n\n")
		flush := http.NewResponseController(w).Flush
		for {
			if drops.Load() && rand.IntN(30) == 0 {
				if rand.IntN(2) == 0 {
					return
				}
				fmt.Fprintf(w, "id: %d\ndata: the first half of ", n+1)
				_ = flush()
				panic(http.ErrAbortHandler)
			}
			n++
			fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", n, n)
			if flush() != nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			}
		}
	})
	return http.Serve(l, mux)
}
