package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/lean"
)

// transports are the ways to a server that differ for streams. A new one each time: they
// keep connections.
func transports() map[string]*http.Transport {
	h1 := http.DefaultTransport.(*http.Transport).Clone()
	busy := h1.Clone()
	busy.ReadBufferSize = 64 << 10
	idle := h1.Clone()
	idle.ReadBufferSize, idle.WriteBufferSize = 1<<10, 1<<10
	h2 := h1.Clone()
	h2.Protocols = new(http.Protocols)
	h2.Protocols.SetUnencryptedHTTP2(true)
	return map[string]*http.Transport{
		"HTTP/1.1":                h1,
		"HTTP/1.1, 64 KiB buffer": busy,
		"HTTP/1.1, 1 KiB buffers": idle,
		"HTTP/2":                  h2,
	}
}

// roundTripper returns one of transports, or lean's.
func roundTripper(name string) http.RoundTripper {
	if name == Lean {
		return new(lean.Transport)
	}
	return transports()[name]
}

// Lean is the name of the transport of package lean.
const Lean = "lean"

// TransportsForTransfers are the names of those that matter to busy streams, and
// TransportsForIdle to idle ones.
var (
	TransportsForTransfers = []string{"HTTP/1.1", "HTTP/1.1, 64 KiB buffer", "HTTP/2"}
	TransportsForIdle      = []string{"HTTP/1.1", "HTTP/1.1, 1 KiB buffers", "HTTP/2", Lean}
)

// A transfer reads the stream at url to its end and returns the bytes that it saw.
type transfer struct {
	name string
	run  func(client *http.Client, url string) (int, error)
}

func transfers() []transfer {
	ts := []transfer{
		{"io.Copy", overBody(func(r io.Reader) (int, error) {
			n, err := io.Copy(io.Discard, r)
			return int(n), err
		})},
		{readSliceString, overBody(drainReadSliceString)},
		{"sse.Stream", streamTransfer},
		{"sse.Events", eventsTransfer},
	}
	for _, s := range append(Ours(), Peers()...) {
		if s.Name != "jetify/sse" { // it decodes the JSON of this corpus
			ts = append(ts, transfer{s.Name, overBody(s.Drain)})
		}
	}
	return ts
}

// overBody reads the body of one response.
func overBody(drain func(io.Reader) (int, error)) func(*http.Client, string) (int, error) {
	return func(client *http.Client, url string) (n int, err error) {
		err = withBody(client, url, func(body io.Reader) (err error) {
			n, err = drain(body)
			return err
		})
		return n, err
	}
}

// withBody has f read the body of the response at url.
func withBody(client *http.Client, url string, f func(body io.Reader) error) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return f(resp.Body)
}

// once returns a client of package sse that does all that it does around the parser, except
// to reconnect at the end.
func once(client *http.Client) *sse.Client {
	return &sse.Client{HTTPClient: client, Reconnect: func(error) bool { return false }}
}

// streamTransfer pulls from a Stream, and borrows the data.
func streamTransfer(client *http.Client, url string) (n int, err error) {
	err = pull(client, url, func(data []byte) { n += len(data) })
	return n, err
}

// pull calls got with the data of each event of a Stream.
func pull(client *http.Client, url string, got func(data []byte)) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	s := once(client).Stream(req)
	defer s.Close()
	for {
		if err := s.Next(); err != nil {
			return eof(err)
		}
		got(s.Data())
	}
}

// eventsTransfer ranges over Client.Events, and owns the events.
func eventsTransfer(client *http.Client, url string) (n int, err error) {
	for ev, err := range once(client).Get(context.Background(), url) {
		if err != nil {
			return n, err
		}
		n += len(ev.Data)
	}
	return n, nil
}

// Transfer is what one client took for a stream over a network.
type Transfer struct {
	Mode      string // bulk, writes or flush
	Transport string
	Subject   string
	Wall, CPU Samples // nanoseconds per event, one for each round
	Allocs    Samples // the client's allocations per event, net/http's included
}

// measureTransfers reads a stream of so many llm events by each client, in rounds in
// which each has a turn, in random order. CPU is the client's: the server is another process.
func measureTransfers(url, mode, transport string, events, rounds int) (_ []Transfer, err error) {
	tr := transports()[transport]
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	url = fmt.Sprintf("%s/%s?events=%d", url, mode, events)
	subjects := transfers()
	results := make([]Transfer, len(subjects))
	order := make([]int, len(subjects))
	for i, s := range subjects {
		results[i] = Transfer{Mode: mode, Transport: transport, Subject: s.name}
		order[i] = i
	}
	for range rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			var n int
			var wall, cpu time.Duration
			allocated := allocs(func() {
				start, before := time.Now(), cpuTime()
				n, err = subjects[i].run(client, url)
				wall, cpu = time.Since(start), cpuTime()-before
			})
			if err == nil && n < events*len(Corpora()[0].Event(0).Data) {
				err = errors.New("not all of the data")
			}
			if err != nil {
				return nil, fmt.Errorf("%s, %s, %s: %w", subjects[i].name, mode, transport, err)
			}
			results[i].Allocs = append(results[i].Allocs, allocated/float64(events))
			results[i].Wall = append(results[i].Wall, float64(wall.Nanoseconds())/float64(events))
			if cpu > 0 {
				results[i].CPU = append(results[i].CPU, float64(cpu.Nanoseconds())/float64(events))
			}
		}
	}
	return results, nil
}
