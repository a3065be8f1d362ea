package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	demoEvents = 40 // of each stream
	demoCut    = 15 // events on a connection, which is then cut inside the next event
	demoPace   = 50 * time.Millisecond
	demoStream = "DEMO" // of JetStream, for the subjects demo.>
	demoWait   = 10 * time.Second
)

var demoTopics = []string{"orders", "prices"}

// A demo is what demo.yaml runs against: a server of finite event streams that cuts its
// connections, and a NATS server. They start when the configuration asks for their addresses:
// ${DEMO_SSE_URL}, ${DEMO_NATS_URL}, and ${DEMO_DIR} for a directory of files. A variable of
// the environment has priority. With DEMO_DIR set, a demo that was stopped continues.
type demo struct {
	once sync.Once
	err  error

	url         string
	dir         string
	nats        *server.Server
	http        *http.Server
	connections atomic.Int64
	ended       atomic.Int64 // streams
}

// lookup returns the value of a variable in the configuration.
func (d *demo) lookup(ctx context.Context, name string) (string, bool) {
	if v, ok := os.LookupEnv(name); ok {
		return v, true
	}
	switch name {
	case "DEMO_SSE_URL", "DEMO_NATS_URL", "DEMO_DIR":
	default:
		return "", false
	}
	d.once.Do(func() { d.err = d.start(ctx) })
	if d.err != nil {
		fmt.Fprintln(os.Stderr, "sseconnect: the demo:", d.err)
		return "", false
	}
	return map[string]string{"DEMO_SSE_URL": d.url, "DEMO_NATS_URL": d.nats.ClientURL(), "DEMO_DIR": d.dir}[name], true
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.dir = os.Getenv("DEMO_DIR"); d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "sseconnect-demo-"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "positions"), 0o755); err != nil {
		return err
	}
	if d.nats, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: d.dir, NoSigs: true,
	}); err != nil {
		return err
	}
	d.nats.Start()
	if !d.nats.ReadyForConnections(demoWait) {
		return errors.New("the NATS server does not start")
	}
	if err := d.withStream(func(context.Context, jetstream.Stream) error { return nil }); err != nil {
		return err
	}
	listener, err := d.listen(ctx)
	if err != nil {
		return err
	}
	d.url = "http://" + listener.Addr().String()
	d.http = &http.Server{Handler: http.HandlerFunc(d.serve), ReadHeaderTimeout: time.Minute}
	go d.http.Serve(listener)
	return nil
}

// listen returns a listener at the address of the last demo in the directory, if there was
// one: the positions belong to the URLs.
func (d *demo) listen(ctx context.Context) (net.Listener, error) {
	var conf net.ListenConfig
	file := filepath.Join(d.dir, "address")
	if last, err := os.ReadFile(file); err == nil {
		return conf.Listen(ctx, "tcp", string(last))
	}
	l, err := conf.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return l, os.WriteFile(file, []byte(l.Addr().String()), 0o600)
}

// withStream calls f with the stream of JetStream, which it creates if there is none.
func (d *demo) withStream(f func(context.Context, jetstream.Stream) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), demoWait)
	defer cancel()
	conn, err := nats.Connect(d.nats.ClientURL())
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: demoStream, Subjects: []string{"demo.>"}})
	if err != nil {
		return err
	}
	return f(ctx, stream)
}

// serve streams the events of a topic after the Last-Event-ID, and answers 204 after the last.
func (d *demo) serve(w http.ResponseWriter, r *http.Request) {
	topic := strings.TrimPrefix(r.URL.Path, "/")
	if !slices.Contains(demoTopics, topic) {
		http.NotFound(w, r)
		return
	}
	_, number, _ := strings.Cut(r.Header.Get("Last-Event-ID"), "-")
	last, _ := strconv.Atoi(number)
	if last >= demoEvents {
		d.ended.Add(1)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	d.connections.Add(1)
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 100\n\n")
	for n := last + 1; n <= demoEvents; n++ {
		if n > last+demoCut {
			fmt.Fprintf(w, "event: change\nid: %s-%d\ndata: {", topic, n)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "event: change\nid: %s-%d\ndata: {\"topic\":%q,\"n\":%d}\n\n", topic, n, topic, n)
		w.(http.Flusher).Flush()
		select {
		case <-time.After(demoPace):
		case <-r.Context().Done():
			return
		}
	}
}

// summary prints what has arrived.
func (d *demo) summary(w io.Writer) error {
	if d.connections.Load() == 0 {
		return nil // there was no demo, or its configuration was only looked at
	}
	var inFiles []string
	for _, topic := range demoTopics {
		b, err := os.ReadFile(filepath.Join(d.dir, topic+".jsonl"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		inFiles = append(inFiles, strings.Fields(string(b))...)
	}
	all := len(demoTopics) * demoEvents
	if int(d.ended.Load()) < len(demoTopics) {
		_, err := fmt.Fprintf(w, "stopped after %d of %d events; continue with DEMO_DIR=%s\n", len(inFiles), all, d.dir)
		return err
	}
	var inNATS uint64
	err := d.withStream(func(ctx context.Context, s jetstream.Stream) error {
		info, err := s.Info(ctx)
		if err == nil {
			inNATS = info.State.Msgs
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(inFiles)
	distinct := len(slices.Compact(slices.Clone(inFiles)))
	_, err = fmt.Fprintf(w, "%d events over %d connections: %d lost and %d repeated in the files, %d lost in NATS JetStream; see %s\n",
		all, d.connections.Load(), all-distinct, len(inFiles)-distinct, all-int(inNATS), d.dir)
	return err
}

func (d *demo) close() {
	if d.http != nil {
		_ = d.http.Close()
	}
	if d.nats != nil {
		d.nats.Shutdown()
		d.nats.WaitForShutdown()
	}
}
