package bench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// Results are all that one run measured.
type Results struct {
	Date       time.Time
	Go         string
	Platform   string
	CPUs       int
	Took       time.Duration
	Throughput []Throughput // by corpus and subject
	Sizes      []Throughput // of EventSizes
	Scaling    []Scaling
	Transfers  []Transfer
	Idle       []Idle
	Streams    int // of Idle
	Delays     []Delay
	Promptness []Promptness
	Busy       []Busy
	Busies     int           // the streams of each subject of Busy
	BusyEvery  time.Duration // the interval of their events
	IDs        []IDs
	Reconnect  Reconnect
	Herd       Herd
}

// steps returns a function that tells log what a run is at.
func steps(log io.Writer, start time.Time) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(log, "%4.0fs  "+format+"\n", append([]any{time.Since(start).Seconds()}, args...)...)
	}
}

// MeasureIdle measures the idle streams of r again, and nothing else. They are sizes, which
// do not depend on what else the machine does.
func (r *Results) MeasureIdle(log io.Writer) error {
	url, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	r.Idle, err = measureIdles(url, r.Streams, steps(log, time.Now()))
	return err
}

// Measure runs all measurements, in under ten minutes, and tells log what it is at.
func Measure(log io.Writer) (*Results, error) {
	start := time.Now()
	r := &Results{Date: start, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Streams: 2000, Busies: 500, BusyEvery: 50 * time.Millisecond}
	step := steps(log, start)
	url, stop, err := startServer()
	if err != nil {
		return nil, err
	}
	defer stop()

	step("parsing in memory")
	clients := slices.Concat(Ours(), Peers())
	r.Throughput = measureThroughput(append(Corpora(), OneRead()), slices.Concat(Limits(), clients), 21, 20*time.Millisecond)
	step("events of 64 B to 16 MiB")
	r.Sizes = measureThroughput(EventSizes(), clients, 3, 10*time.Millisecond)
	step("growth of the time with the size")
	r.Scaling = measureScaling(11)
	for _, transport := range TransportsForTransfers {
		for _, m := range []struct {
			mode   string
			events int
		}{{"bulk", 150_000}, {"writes", 100_000}, {"flush", 20_000}} {
			step("%s over %s", m.mode, transport)
			ts, err := measureTransfers(url, m.mode, transport, m.events, 9)
			if err != nil {
				return nil, err
			}
			r.Transfers = append(r.Transfers, ts...)
		}
	}
	if r.Idle, err = measureIdles(url, r.Streams, step); err != nil {
		return nil, err
	}
	step("delay of delivery")
	if r.Delays, err = measureDelay(url, 500, 9); err != nil {
		return nil, err
	}
	step("promptness")
	if r.Promptness, err = measurePromptness(url, slowServers()); err != nil {
		return nil, err
	}
	step("%d busy streams", r.Busies)
	if r.Busy, err = measureBusy(url, r.Busies, r.BusyEvery, 2*time.Second, 11); err != nil {
		return nil, err
	}
	step("large IDs in force")
	if r.IDs, err = measureIDs(idSizes, 9); err != nil {
		return nil, err
	}
	step("reconnections")
	if r.Reconnect, err = measureReconnect(url, 100, 20*time.Millisecond); err != nil {
		return nil, err
	}
	step("a herd")
	if r.Herd, err = measureHerd(url, 1000, 7, time.Second); err != nil {
		return nil, err
	}
	r.Took = time.Since(start)
	step("measured")
	return r, nil
}
