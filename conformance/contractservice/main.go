// Command contractservice is the test service of the SSE contract tests: an HTTP server
// that the public harness drives, to judge the client of package sse. Start it, and give the
// harness its address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"

	"github.com/lastevent/sse/lean"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "loopback `address` to listen on")
	transport := flag.String("transport", "net/http", "the client's `transport`: net/http or lean")
	flag.Parse()
	rt, ok := transports[*transport]
	if !ok {
		fmt.Fprintf(os.Stderr, "contractservice: no transport %q\n", *transport)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := serve(ctx, *addr, rt, func(url string) { fmt.Println("listening on", url) })
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "contractservice:", err)
		os.Exit(1)
	}
}

// transports are those that the streams can use.
var transports = map[string]http.RoundTripper{"net/http": http.DefaultTransport, "lean": new(lean.Transport)}

// serve runs the service on addr, with streams over rt, until ctx is done or the harness stops it.
func serve(ctx context.Context, addr string, rt http.RoundTripper, listening func(url string)) error {
	ln, err := listen(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	svc := newService(ctx, cancel, rt)
	srv := &http.Server{Handler: svc}
	defer context.AfterFunc(ctx, func() { _ = srv.Shutdown(context.Background()) })()
	listening("http://" + ln.Addr().String())
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	cancel()
	svc.wait()
	return nil
}

// listen listens on a loopback address only: the service connects to whatever it is told.
func listen(addr string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	return net.ListenTCP("tcp", a)
}
