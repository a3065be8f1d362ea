package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
)

// Busy is what many streams of few events a second take of the processors.
type Busy struct {
	Subject string
	CPU     Samples // microseconds per event, one for each window of time
}

// BusyPairs are compared with each other: a loop around a Parser or around Read does the same
// work as a Stream or Client.Events, but reads the body as it is. What the second takes more
// is the price of prompt delivery, Close, Restart and reconnecting.
var BusyPairs = [][2]string{{"sse.Parser", "sse.Stream"}, {"sse.Read", "sse.Events"}}

// busySubjects read the streams.
var busySubjects = map[string]func(client *http.Client, url string, got func(data []byte)) error{
	"sse.Parser": func(client *http.Client, url string, got func([]byte)) error {
		return withBody(client, url, func(body io.Reader) error {
			for p := sse.NewParser(body); ; {
				if err := p.Next(); err != nil {
					return err
				}
				got(p.Data())
			}
		})
	},
	"sse.Stream": pull,
	"sse.Read": func(client *http.Client, url string, got func([]byte)) error {
		return withBody(client, url, func(body io.Reader) error {
			for ev, err := range sse.Read(body) {
				if err != nil {
					return err
				}
				got([]byte(ev.Data))
			}
			return nil
		})
	},
	"sse.Events": rangeOver,
}

// busySnapshot is what a process of measureBusy has done so far.
type busySnapshot struct {
	CPU    time.Duration
	Events int64
}

// measureBusy measures each pair in turn. Each subject has a process of its own, with n
// streams, and the CPU time of a pair is taken in the same windows: what slows one down
// slows both.
func measureBusy(url string, n int, every, window time.Duration, windows int) ([]Busy, error) {
	var results []Busy
	for _, pair := range BusyPairs {
		busy, err := measurePair(url, pair, n, every, window, windows)
		if err != nil {
			return nil, err
		}
		results = append(results, busy...)
	}
	return results, nil
}

func measurePair(url string, pair [2]string, n int, every, window time.Duration, windows int) ([]Busy, error) {
	results := make([]Busy, len(pair))
	ask := make([]func() (busySnapshot, error), len(pair))
	for i, subject := range pair {
		results[i].Subject = subject
		cmd, stdin, stdout, err := startRole(fmt.Sprintf("busy %d %s/busy?every=%v %s", n, url, every, subject))
		if err != nil {
			return nil, err
		}
		defer func() { _ = cmd.Wait() }()
		defer stdin.Close()
		answers := json.NewDecoder(stdout)
		ask[i] = func() (s busySnapshot, err error) {
			if _, err = io.WriteString(stdin, "\n"); err == nil {
				err = answers.Decode(&s)
			}
			if err != nil {
				err = fmt.Errorf("%s, %d busy streams: %w", subject, n, err)
			}
			return s, err
		}
		if _, err := ask[i](); err != nil { // which waits until all streams are open
			return nil, err
		}
	}
	before := make([]busySnapshot, len(ask))
	for w := range windows + 1 {
		for i := range ask {
			now, err := ask[i]()
			if err != nil {
				return nil, err
			}
			if w > 0 {
				results[i].CPU = append(results[i].CPU, (now.CPU-before[i].CPU).Seconds()*1e6/float64(max(1, now.Events-before[i].Events)))
			}
			before[i] = now
		}
		if w < windows {
			time.Sleep(window)
		}
	}
	return results, nil
}

// runBusy is the process that measureBusy starts. It answers each line with a snapshot once
// all streams are open.
func runBusy(arg string) error {
	args := strings.SplitN(arg, " ", 3)
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	read := busySubjects[args[2]]
	client := &http.Client{Transport: transports()["HTTP/1.1"]}
	var events, opened atomic.Int64
	errs := make(chan error, 1)
	for i := range n {
		go func() {
			first := true
			err := read(client, args[1], func([]byte) {
				events.Add(1)
				if first {
					first = false
					opened.Add(1)
				}
			})
			select {
			case errs <- fmt.Errorf("a stream ended: %v", err):
			default:
			}
		}()
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond) // or the listener's queue overflows
		}
	}
	for end := time.Now().Add(time.Minute); opened.Load() < int64(n); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-errs:
			return err
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: not all of %d streams opened in a minute", args[2], n)
		}
	}
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		select {
		case err := <-errs:
			return err
		default:
		}
		if err := answers.Encode(busySnapshot{cpuTime(), events.Load()}); err != nil {
			return err
		}
	}
	return nil
}
