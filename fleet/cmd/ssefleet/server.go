package main

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer makes this process the NATS of this machine.
func startServer(o *options) (stop func(), err error) {
	stop = func() {}
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return stop, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return stop, fmt.Errorf("-listen %s: %w", o.listen, err)
	}
	// The server does not say why it cannot listen.
	probe, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.listen)
	if err != nil {
		return stop, err
	}
	_ = probe.Close() // it was never used
	srv, err := server.NewServer(&server.Options{
		ServerName: "ssefleet", Host: host, Port: n, JetStream: true, StoreDir: o.dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return stop, err
	}
	srv.Start()
	stop = func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
	if !srv.ReadyForConnections(startTime) {
		stop()
		return func() {}, fmt.Errorf("NATS does not start at %s", o.listen)
	}
	return stop, nil
}
