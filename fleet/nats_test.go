package fleet

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// startNode starts a NATS server in this process.
func startNode(t testing.TB, opts server.Options) *server.Server {
	opts.Host, opts.JetStream, opts.NoLog, opts.NoSigs = "127.0.0.1", true, true, true
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if opts.StoreDir == "" {
		opts.StoreDir = t.TempDir()
	}
	node, err := server.NewServer(&opts)
	require.NoError(t, err)
	node.Start()
	t.Cleanup(func() {
		node.Shutdown()
		node.WaitForShutdown()
	})
	require.True(t, node.ReadyForConnections(10*time.Second))
	return node
}

// newBucket makes a bucket of so many replicas.
func newBucket(t testing.TB, url string, replicas int) jetstream.KeyValue {
	kv, _, _ := makeBucket(t, url, jetstream.KeyValueConfig{Bucket: "fleet", Replicas: replicas})
	return kv
}

// makeBucket makes a bucket, as a program that runs a fleet would.
func makeBucket(t testing.TB, url string, cfg jetstream.KeyValueConfig) (kv jetstream.KeyValue, js jetstream.JetStream, conn *nats.Conn) {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err = jetstream.New(conn)
	require.NoError(t, err)
	eventually(t, 30*time.Second, "a bucket", func() bool { // a cluster needs a moment
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		kv, err = js.CreateOrUpdateKeyValue(ctx, cfg)
		return err == nil
	})
	return kv, js, conn
}

// nodeProcess is a node of a cluster, until it is killed.
func nodeProcess() int {
	opts := server.Options{
		Host: "127.0.0.1", JetStream: true, NoLog: true, NoSigs: true,
		ServerName: os.Getenv("FLEET_NAME"),
		StoreDir:   os.Getenv("FLEET_DIR"),
		Routes:     server.RoutesFromStr(os.Getenv("FLEET_ROUTES")),
	}
	opts.Cluster.Name, opts.Cluster.Host = "fleet", "127.0.0.1"
	if _, err := fmt.Sscanf(os.Getenv("FLEET_PORTS"), "%d,%d", &opts.Port, &opts.Cluster.Port); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	node, err := server.NewServer(&opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	node.Start()
	node.WaitForShutdown()
	return 0
}

// bucketNamed makes one of several buckets of a node.
func bucketNamed(t testing.TB, node *server.Server, name string) jetstream.KeyValue {
	kv, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: name})
	return kv
}
