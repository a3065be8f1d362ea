package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startTime bounds what must be there at the start: NATS, its answer, the bucket.
const startTime = 10 * time.Second

// openBucket returns the fleet's bucket, made if there is none: at -nats, or at the NATS of
// this machine, which is this process if it is no other.
func openBucket(ctx context.Context, o *options, stderr io.Writer) (kv jetstream.KeyValue, closeAll func(), err error) {
	conn, err := connect(o)
	stop := func() {}
	if err != nil && o.nats == "" {
		if stop, err = startServer(o); err == nil && o.verbose {
			fmt.Fprintf(stderr, "# NATS for the fleet is at %s, and stores in %s\n", o.listen, o.dir)
		}
		// Another member may have been faster.
		if c, err2 := connect(o); err2 == nil {
			conn, err = c, nil
		}
	}
	if err != nil {
		return nil, nil, err
	}
	closeAll = func() {
		conn.Close()
		stop()
	}
	kv, err = bucket(ctx, conn, o)
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return kv, closeAll, nil
}

func connect(o *options) (*nats.Conn, error) {
	url := o.nats
	if url == "" {
		url = "nats://" + o.listen
	}
	conn, err := nats.Connect(url, nats.Name(o.member), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what matters comes back from each call
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return conn, nil
}

func bucket(ctx context.Context, conn *nats.Conn, o *options) (jetstream.KeyValue, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	kv, err := js.KeyValue(ctx, o.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) && !o.status {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: o.bucket, Description: "leases and positions of a fleet of ssefleet", Replicas: o.replicas,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // by now
			kv, err = js.KeyValue(ctx, o.bucket)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", o.bucket, err)
	}
	return kv, nil
}

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
	probe, err := net.Listen("tcp", o.listen)
	if err != nil {
		return stop, err
	}
	probe.Close()
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
