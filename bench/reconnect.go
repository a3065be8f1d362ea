package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// Reconnect is about connections that a server cut.
type Reconnect struct {
	Retry    time.Duration // the reconnection time that the server gave
	Total    Samples       // milliseconds from each cut to the next event
	Overhead Samples       // the same without the delay that the policy chose
}

// measureReconnect lives through n cuts.
func measureReconnect(url string, n int, retry time.Duration) (Reconnect, error) {
	tr := transports()["HTTP/1.1"]
	defer tr.CloseIdleConnections()
	var delay time.Duration
	c := sse.Client{
		HTTPClient: &http.Client{Transport: tr},
		Trace:      &sse.Trace{Disconnect: func(info sse.DisconnectInfo) { delay = info.Delay }},
	}
	res := Reconnect{Retry: retry}
	for ev, err := range c.Get(context.Background(), fmt.Sprintf("%s/cut?retry=%d", url, retry.Milliseconds())) {
		now := time.Now().UnixNano()
		if err != nil {
			return res, err
		}
		if delay > 0 { // not the first connection
			cut, err := strconv.ParseInt(ev.Data, 10, 64)
			if err != nil {
				return res, err
			}
			took := time.Duration(now - cut)
			res.Total = append(res.Total, took.Seconds()*1e3)
			res.Overhead = append(res.Overhead, (took-delay).Seconds()*1e3)
		}
		if len(res.Total) == n {
			break
		}
	}
	return res, nil
}

// Herd is how the clients of a server come back that has cut them all at once.
type Herd struct {
	Clients int
	Retry   time.Duration
	Busiest Samples // percent of them within one of the 100 ms after the cut, one for each round
	Sliding Samples // the same, within any 100 ms
	First   Samples // milliseconds from the cut to the first of them
}

// measureHerd cuts n clients at once, in each round, whose reconnection time is retry.
func measureHerd(url string, n, rounds int, retry time.Duration) (Herd, error) {
	res := Herd{Clients: n, Retry: retry}
	tr := transports()["HTTP/1.1"]
	tr.MaxIdleConns, tr.MaxIdleConnsPerHost = n, n
	defer tr.CloseIdleConnections()
	c := sse.Client{HTTPClient: &http.Client{Transport: tr}}
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	events := make(chan struct{}, n)
	for i := range n {
		clients.Go(func() {
			for _, err := range c.Get(ctx, fmt.Sprintf("%s/herd?retry=%d", url, retry.Milliseconds())) {
				if err == nil {
					events <- struct{}{}
				}
			}
		})
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	for round := range rounds + 1 {
		for range n {
			select {
			case <-events:
			case <-time.After(10 * time.Second):
				return res, fmt.Errorf("bench: not all of %d clients came back", n)
			}
		}
		if round > 0 {
			var arrivals []time.Duration
			if err := get(url+"/herd/arrivals", &arrivals); err != nil {
				return res, err
			}
			res.add(arrivals)
		}
		if round < rounds {
			if err := get(url+"/herd/cut", nil); err != nil {
				return res, err
			}
		}
	}
	return res, nil
}

// get decodes the JSON at url, unless v is nil.
func get(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// add takes one round's arrivals.
func (h *Herd) add(arrivals []time.Duration) {
	const window = 100 * time.Millisecond
	slices.Sort(arrivals)
	var busiest, sliding int
	bins := make(map[time.Duration]int)
	for i, at := range arrivals {
		bins[at/window]++
		busiest = max(busiest, bins[at/window])
		within, _ := slices.BinarySearch(arrivals[i:], at+window)
		sliding = max(sliding, within)
	}
	percent := func(n int) float64 { return 100 * float64(n) / float64(len(arrivals)) }
	h.Busiest = append(h.Busiest, percent(busiest))
	h.Sliding = append(h.Sliding, percent(sliding))
	h.First = append(h.First, arrivals[0].Seconds()*1e3)
}
