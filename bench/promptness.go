package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Promptness is how long a client takes to deliver an event after the event's last byte has
// arrived on the client's own TCP connection, where chunks do not end with events.
type Promptness struct {
	Server, Subject string
	Fails           string    // why there are no figures
	All             Quantiles // milliseconds
	Late            Quantiles // the same, only of events after the first 16 KiB
}

// Quantiles describe many measurements of one stream.
type Quantiles struct{ P25, P50, P75, P99 float64 }

func quantiles(s Samples) Quantiles {
	return Quantiles{s.Quantile(0.25), s.Quantile(0.5), s.Quantile(0.75), s.Quantile(0.99)}
}

// lateFrom is the number of bytes after which an event counts as late in its stream.
const lateFrom = 16 << 10

// A slowServer sends numbered events at an interval, in chunks that hold some of them back
// from a client that waits for a buffer to fill.
type slowServer struct {
	name   string
	path   string
	size   int // bytes of each event
	events int
	every  time.Duration
}

// slowServers are those that Measure uses.
func slowServers() []slowServer {
	return []slowServer{
		{"no flush", "/unflushed", unflushedSize, 680, 30 * time.Millisecond},
		{"one chunk", "/onechunk", oneChunkSize, 1024, 20 * time.Millisecond},
	}
}

// PromptnessServers are the names of the servers, each with what it does.
func PromptnessServers() [][2]string {
	about := []string{
		"A handler that never flushes writes an event of %d bytes every %v: %d events.",
		"A connection carries one chunk, into which an event of %d bytes is written every %v: %d events.",
	}
	var named [][2]string
	for i, s := range slowServers() {
		named = append(named, [2]string{s.name, fmt.Sprintf(about[i], s.size, s.every, s.events)})
	}
	return named
}

// A prompter calls got with the data of each event at url.
type prompter struct {
	name string
	run  func(client *http.Client, url string, got func(data []byte)) error
}

func prompters() []prompter {
	ps := []prompter{{"sse.Stream", pull}, {"sse.Events", rangeOver}}
	for _, s := range append(Ours(), Peers()...) {
		ps = append(ps, prompter{s.Name, func(client *http.Client, url string, got func([]byte)) error {
			return withBody(client, url, func(body io.Reader) error {
				for ev, err := range s.Events(body) {
					if err != nil {
						return err
					}
					got([]byte(ev.Data))
				}
				return nil
			})
		}})
	}
	return ps
}

// measurePromptness has every client read from every server, all at the same time: there are
// few events, and nearly all of the time is spent waiting.
func measurePromptness(url string, servers []slowServer) ([]Promptness, error) {
	var results []*Promptness
	var all sync.WaitGroup
	start := func(server slowServer, subject string, read func(got func(data []byte)) (*tap, error)) {
		res := &Promptness{Server: server.name, Subject: subject}
		results = append(results, res)
		all.Go(func() {
			if err := res.measure(server, read); err != nil {
				res.Fails = err.Error()
			}
		})
	}
	for _, server := range servers {
		url := fmt.Sprintf("%s%s?events=%d&every=%v", url, server.path, server.events, server.every)
		for _, p := range prompters() {
			start(server, p.name, func(got func([]byte)) (*tap, error) { return tapped(p, url, got) })
		}
		start(server, "curl", func(got func([]byte)) (*tap, error) { return curl(url, server.size, got) })
	}
	all.Wait()
	var list []Promptness
	for _, res := range results {
		if res.Fails != "" && (res.Subject == "sse.Stream" || res.Subject == "sse.Events") {
			return nil, fmt.Errorf("%s, %s: %s", res.Subject, res.Server, res.Fails)
		}
		list = append(list, *res)
	}
	return list, nil
}

// measure compares when the events were delivered with when they had arrived.
func (res *Promptness) measure(server slowServer, read func(got func(data []byte)) (*tap, error)) error {
	var delivered []time.Time
	var wrong error
	t, err := read(func(data []byte) {
		delivered = append(delivered, time.Now())
		if i, err := strconv.Atoi(string(data[:min(len(data), 6)])); err != nil || i != len(delivered)-1 {
			wrong = errors.New("not the events that were sent")
		}
	})
	switch {
	case err != nil:
		return err
	case wrong != nil:
		return wrong
	case len(delivered) != server.events:
		return fmt.Errorf("%d of %d events", len(delivered), server.events)
	}
	arrived, err := t.arrivals(server.size)
	if err != nil {
		return err
	}
	if len(arrived) != server.events {
		return fmt.Errorf("saw the arrival of %d of %d events", len(arrived), server.events)
	}
	var delays, late Samples
	for i, at := range delivered {
		delay := at.Sub(arrived[i]).Seconds() * 1e3
		delays = append(delays, delay)
		if i*server.size >= lateFrom {
			late = append(late, delay)
		}
	}
	if len(late) == 0 {
		return errors.New("the stream is too short")
	}
	res.All, res.Late = quantiles(delays), quantiles(late)
	return nil
}

// tapped reads the stream at url by a connection that records what arrives.
func tapped(p prompter, url string, got func(data []byte)) (*tap, error) {
	var t *tap
	tr := transports()["HTTP/1.1"]
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if t != nil {
			conn.Close()
			return nil, errors.New("a second connection")
		}
		t = &tap{Conn: conn}
		return t, nil
	}
	defer tr.CloseIdleConnections()
	err := p.run(&http.Client{Transport: tr}, url, got)
	return t, err
}

// A tap is a connection that records when its bytes arrived.
type tap struct {
	net.Conn
	mu    sync.Mutex
	bytes []byte
	ends  []int // after each Read that returned something, how many bytes there were
	times []time.Time
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if n > 0 {
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.bytes = append(t.bytes, b[:n]...)
		t.ends, t.times = append(t.ends, len(t.bytes)), append(t.times, now)
	}
	return n, err
}

var errFraming = errors.New("not a chunked response")

// arrivals returns when each size bytes of the chunked body had arrived.
func (t *tap) arrivals(size int) ([]time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	header := bytes.Index(t.bytes, []byte("\r\n\r\n"))
	if header < 0 {
		return nil, errFraming
	}
	var arrived []time.Time
	body, next := 0, size // bytes of the body before the chunk, and where an event ends
	for at := header + len("\r\n\r\n"); ; {
		line, _, ok := bytes.Cut(t.bytes[at:], []byte("\r\n"))
		if !ok {
			return nil, errFraming
		}
		length, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return nil, errFraming
		}
		if length == 0 {
			return arrived, nil
		}
		at += len(line) + len("\r\n")
		for ; next <= body+int(length); next += size {
			end := at + next - body
			i := sort.SearchInts(t.ends, end)
			if i == len(t.ends) {
				return nil, errFraming
			}
			arrived = append(arrived, t.times[i])
		}
		body += int(length)
		at = min(at+int(length)+len("\r\n"), len(t.bytes))
	}
}

// curl reads the stream at url by curl, through a relay that records what arrives. What the
// relay takes to pass the bytes on counts as curl's.
func curl(url string, size int, got func(data []byte)) (*tap, error) {
	path, err := exec.LookPath("curl")
	if err != nil {
		return nil, errors.New("is not installed")
	}
	addr, rest, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer relay.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	t := &tap{Conn: server}
	go func() {
		conn, err := relay.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(server, conn) }()
		_, _ = io.Copy(conn, t)
	}()
	cmd := exec.Command(path, "--silent", "--show-error", "--no-buffer", "--noproxy", "*", fmt.Sprintf("http://%s/%s", relay.Addr(), rest))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var unread []byte
	buf := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = out.Read(buf)
		unread = append(unread, buf[:n]...)
		for len(unread) >= size {
			got(bytes.TrimPrefix(unread[:size], []byte("data: ")))
			unread = slices.Delete(unread, 0, size)
		}
	}
	return t, cmd.Wait()
}
