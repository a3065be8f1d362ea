package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	gosse "github.com/tmaxmax/go-sse"

	"github.com/lastevent/sse"
)

// Delay is how long events took from the server's clock to the client's code, each in a
// stream of one event a millisecond.
type Delay struct {
	Subject  string
	P50, P99 Samples // microseconds, one for each round
}

// delayed call got with the data of each event.
var delayed = []struct {
	name string
	run  func(client *http.Client, url string, got func(data []byte)) error
}{
	{"bare Read", func(client *http.Client, url string, got func([]byte)) error {
		return withBody(client, url, func(body io.Reader) error {
			buf := make([]byte, 4<<10)
			var rest []byte // an event that a read has cut: they queue up on a busy machine
			for {
				n, err := body.Read(buf)
				rest = append(rest, buf[:n]...)
				for {
					line, after, found := bytes.Cut(rest, []byte("\n\n"))
					if !found {
						break
					}
					got(bytes.TrimPrefix(line, []byte("data: ")))
					rest = after
				}
				if err != nil {
					return eof(err)
				}
			}
		})
	}},
	{"sse.Parser", func(client *http.Client, url string, got func([]byte)) error {
		return withBody(client, url, func(body io.Reader) error {
			p := sse.NewParser(body)
			for {
				if err := p.Next(); err != nil {
					return eof(err)
				}
				got(p.Data())
			}
		})
	}},
	{"sse.Stream", pull},
	{"sse.Events", rangeOver},
	{"go-sse", func(client *http.Client, url string, got func([]byte)) error {
		return withBody(client, url, func(body io.Reader) error {
			for ev, err := range gosse.Read(body, nil) {
				if err != nil {
					return err
				}
				got([]byte(ev.Data))
			}
			return nil
		})
	}},
}

// rangeOver calls got with the data of each event of Client.Events.
func rangeOver(client *http.Client, url string, got func(data []byte)) error {
	for ev, err := range once(client).Get(context.Background(), url) {
		if err != nil {
			return err
		}
		got([]byte(ev.Data))
	}
	return nil
}

// measureDelay reads so many events in each round by each client.
func measureDelay(url string, events, rounds int) ([]Delay, error) {
	tr := transports()["HTTP/1.1"]
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	url = fmt.Sprintf("%s/ticks?events=%d", url, events)
	results := make([]Delay, len(delayed))
	for range rounds {
		for _, i := range rand.Perm(len(delayed)) {
			subject := delayed[i]
			results[i].Subject = subject.name
			delays := make(Samples, 0, events)
			var bad error
			err := subject.run(client, url, func(data []byte) {
				now := time.Now().UnixNano()
				sent, err := strconv.ParseInt(string(data), 10, 64)
				if err != nil {
					bad = err
				}
				delays = append(delays, float64(now-sent)/1e3)
			})
			if err == nil {
				err = bad
			}
			if err == nil && len(delays) != events {
				err = fmt.Errorf("%d of %d events", len(delays), events)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subject.name, err)
			}
			results[i].P50 = append(results[i].P50, delays.Quantile(0.5))
			results[i].P99 = append(results[i].P99, delays.Quantile(0.99))
		}
	}
	return results, nil
}
