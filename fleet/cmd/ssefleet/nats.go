package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startTime bounds what must be available at the start: NATS, its answer, the bucket.
const startTime = 10 * time.Second

// A cluster is what a member or a command uses of NATS.
type cluster struct {
	conn *nats.Conn
	js   jetstream.JetStream
	kv   jetstream.KeyValue
	stop func()
}

func (c *cluster) close() {
	c.conn.Close()
	c.stop()
}

// openCluster connects to -nats, or to the NATS of this machine, which a member is if no
// other one is yet. It opens the bucket, which a member makes if there is none.
func openCluster(ctx context.Context, o *options, log *slog.Logger) (*cluster, error) {
	c := &cluster{stop: func() {}}
	var err error
	c.conn, err = connect(o, log)
	if err != nil && o.nats == "" && o.command == "" {
		if c.stop, err = startServer(ctx, o); err == nil {
			log.Info("this member is NATS for the fleet", "address", o.listen, "dir", o.dir)
		}
		// Another member may have been faster.
		if conn, err2 := connect(o, log); err2 == nil {
			c.conn, err = conn, nil
		}
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	c.js, err = jetstream.New(c.conn)
	if o.domain != "" {
		c.js, err = jetstream.NewWithDomain(c.conn, o.domain)
	}
	if err == nil {
		c.kv, err = bucket(ctx, c.js, o)
	}
	if err == nil && o.command == "" {
		err = checkBucket(ctx, c.kv, o, log)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func connect(o *options, log *slog.Logger) (*nats.Conn, error) {
	servers := o.nats
	if servers == "" {
		servers = "nats://" + o.listen
	}
	opts, err := o.natsOptions()
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect(servers, append(opts,
		nats.Name("ssefleet "+o.member), nats.MaxReconnects(-1), nats.ReconnectWait(500*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // credentials are renewed, servers come back
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				log.Warn("NATS is disconnected", "err", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { log.Warn("NATS is connected again", "server", c.ConnectedUrlRedacted()) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { log.Info("NATS cannot be reached", "err", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports an error", "err", err) }),
	)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", redactNATS(servers), err)
	}
	return conn, nil
}

// natsOptions are how the connection is secured, and who this is.
func (o *options) natsOptions() (opts []nats.Option, err error) {
	if o.nats == "" {
		return nil, nil
	}
	if o.ca != "" {
		opts = append(opts, nats.RootCAs(o.ca))
	}
	if o.cert != "" {
		opts = append(opts, nats.ClientCert(o.cert, o.key))
	}
	switch {
	case o.creds != "":
		opts = append(opts, nats.UserCredentials(o.creds))
	case o.jwt != "":
		opts = append(opts, nats.UserCredentials(o.jwt, o.nkey))
	case o.nkey != "":
		opt, err := nats.NkeyOptionFromSeed(o.nkey)
		if err != nil {
			return nil, fmt.Errorf("-nkey: %w", err)
		}
		opts = append(opts, opt)
	case o.token != "":
		opts = append(opts, nats.Token(o.token))
	case o.user != "":
		opts = append(opts, nats.UserInfo(o.user, o.pass))
	}
	return opts, nil
}

func bucket(ctx context.Context, js jetstream.JetStream, o *options) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	kv, err := js.KeyValue(ctx, o.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) && o.command == "" {
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

// checkBucket returns an error for a bucket that would lose positions by itself, and warns
// of one that would lose them with a machine, or fill up.
func checkBucket(ctx context.Context, kv jetstream.KeyValue, o *options, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	status, err := kv.Status(ctx)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", o.bucket, err)
	}
	cfg := status.Config()
	if cfg.TTL != 0 {
		return fmt.Errorf("bucket %s: it forgets positions after %v: make it without a TTL", o.bucket, cfg.TTL)
	}
	warn := func(problem string, args ...any) {
		log.Warn("the bucket "+problem, append([]any{"bucket", o.bucket}, args...)...)
	}
	if cfg.Storage == jetstream.MemoryStorage {
		warn("is in memory: positions are lost when NATS restarts")
	}
	if cfg.Replicas < o.replicas {
		warn("has fewer replicas than -replicas", "replicas", cfg.Replicas, "wanted", o.replicas)
	}
	if cfg.History > 1 {
		warn("keeps a history, which the fleet does not use", "history", cfg.History)
	}
	if cfg.MaxBytes > 0 && status.Bytes() > uint64(cfg.MaxBytes)/5*4 {
		warn("is nearly full", "bytes", status.Bytes(), "max", cfg.MaxBytes)
	}
	return nil
}

func validNATS(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return false
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return true
	}
	return false
}

// redactNATS removes the names, passwords and tokens of a list of URLs.
func redactNATS(servers string) string {
	var redacted []string
	for text := range strings.SplitSeq(servers, ",") {
		u, err := url.Parse(text)
		if err != nil {
			return "NATS"
		}
		if u.User != nil {
			u.User = url.User("xxxxx")
		}
		redacted = append(redacted, u.String())
	}
	return strings.Join(redacted, ",")
}
