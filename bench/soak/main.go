// Command soak holds many streams for some minutes while their connections drop, and tells
// what they have cost at the end, against the start: heap, goroutines, sockets, and every
// event. It fails if one is lost or repeated, or if the cost has grown by more than a twentieth.
//
//	cd bench && go run ./soak -streams 2000 -for 10m
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	streams := flag.Int("streams", 2000, "`number` of streams")
	length := flag.Duration("for", 10*time.Minute, "how long connections drop")
	settle := flag.Duration("settle", 10*time.Second, "how long all streams are open before they are measured")
	serve := flag.Bool("serve", false, "be the server, which the command starts")
	flag.Parse()
	var err error
	if *serve {
		err = runServer()
	} else {
		err = soak(*streams, *length, *settle)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

var errGrown = errors.New("the cost has grown by more than 5 %")

// counts are of all streams together.
type counts struct{ events, drops, open, lost, repeated atomic.Int64 }

func soak(streams int, length, settle time.Duration) error {
	url, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	var c counts
	var running sync.WaitGroup
	for i := range streams {
		running.Go(func() { follow(ctx, &http.Client{Transport: tr}, url, &c) })
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond) // or the listener's queue overflows
		}
	}
	start, err := settled(&c, streams, settle)
	if err != nil {
		return err
	}
	fmt.Println("start:", start)
	if err := post(url + "/drops?on=1"); err != nil {
		return err
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		time.Sleep(min(time.Minute, time.Until(end)))
		fmt.Printf("       %d of %d streams open, %d events, %d drops\n", c.open.Load(), streams, c.events.Load(), c.drops.Load())
	}
	if err := post(url + "/drops?on=0"); err != nil {
		return err
	}
	end, err := settled(&c, streams, settle)
	if err != nil {
		return err
	}
	fmt.Println("end:  ", end)
	cancel()
	running.Wait()
	fmt.Printf("%d streams, %v: %d events, %d drops, %d lost, %d repeated\n",
		streams, length, c.events.Load(), c.drops.Load(), c.lost.Load(), c.repeated.Load())
	switch {
	case c.lost.Load()+c.repeated.Load() > 0:
		return errors.New("events were lost or repeated")
	case end.grown(start):
		return errGrown
	}
	return nil
}

// follow counts the events of one stream, whose IDs follow each other.
func follow(ctx context.Context, hc *http.Client, url string, c *counts) {
	opened := false
	client := sse.Client{HTTPClient: hc, Reconnect: sse.Transient, IdleTimeout: time.Minute, Trace: &sse.Trace{
		Connect: func(*http.Request) { opened = false },
		Open:    func(*http.Response) { opened = true; c.open.Add(1) },
		Disconnect: func(info sse.DisconnectInfo) {
			if opened {
				c.open.Add(-1)
			}
			if info.Reconnect {
				c.drops.Add(1)
			}
		},
	}}
	last := 0
	for ev, err := range client.Get(ctx, url+"/") {
		if err != nil {
			return // the end of ctx; settled sees a stream that is missing
		}
		n, _ := strconv.Atoi(ev.LastEventID)
		switch {
		case n > last+1:
			c.lost.Add(int64(n - last - 1))
		case n <= last:
			c.repeated.Add(1)
		}
		last = max(last, n)
		c.events.Add(1)
	}
}

// footprint is what the process takes.
type footprint struct{ heap, goroutines, sockets int }

func (f footprint) String() string {
	return fmt.Sprintf("heap %.2f MiB, %d goroutines, %d sockets", float64(f.heap)/(1<<20), f.goroutines, f.sockets)
}

func (f footprint) grown(since footprint) bool {
	more := func(now, then int) bool { return float64(now) > 1.05*float64(then) }
	return more(f.heap, since.heap) || more(f.goroutines, since.goroutines) || more(f.sockets, since.sockets)
}

// settled waits until all streams have been open for so long, and measures.
func settled(c *counts, streams int, settle time.Duration) (footprint, error) {
	since := time.Now()
	for deadline := since.Add(3 * time.Minute); time.Since(since) < settle; time.Sleep(100 * time.Millisecond) {
		if int(c.open.Load()) != streams {
			since = time.Now()
		}
		if time.Now().After(deadline) {
			return footprint{}, fmt.Errorf("%d of %d streams are open", c.open.Load(), streams)
		}
	}
	runtime.GC()
	runtime.GC() // what the first has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{heap: int(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.sockets = len(fds)
	}
	return f, nil
}

func post(url string) error {
	resp, err := http.Post(url, "text/plain", nil)
	if err == nil {
		resp.Body.Close()
	}
	return err
}
