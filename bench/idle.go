package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
	"github.com/valyala/fasthttp"

	"github.com/lastevent/sse"
)

// idlers open a stream, call seen at its first event, and stay.
var idlers = map[string]func(client *http.Client, url string, seen func()) error{
	"net/http": func(client *http.Client, url string, seen func()) error {
		return withBody(client, url, func(body io.Reader) error {
			for buf := make([]byte, 4<<10); ; seen() {
				if _, err := body.Read(buf); err != nil {
					return err
				}
			}
		})
	},
	"sse.Parser": func(client *http.Client, url string, seen func()) error {
		return withBody(client, url, func(body io.Reader) error {
			for p := sse.NewParser(body); ; seen() {
				if err := p.Next(); err != nil {
					return err
				}
			}
		})
	},
	"sse.Events": func(client *http.Client, url string, seen func()) error {
		c := sse.Client{HTTPClient: client}
		for _, err := range c.Get(context.Background(), url) {
			if err != nil {
				return err
			}
			seen()
		}
		return nil
	},
	"fasthttp": func(_ *http.Client, url string, seen func()) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		req.SetRequestURI(url)
		if err := fastClient.Do(req, resp); err != nil {
			return err
		}
		for buf := make([]byte, 4<<10); ; seen() {
			if _, err := resp.BodyStream().Read(buf); err != nil {
				return err
			}
		}
	},
	"go-sse": func(client *http.Client, url string, seen func()) error {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		conn := (&gosse.Client{HTTPClient: client}).NewConnection(req)
		conn.SubscribeToAll(func(gosse.Event) { seen() })
		return conn.Connect()
	},
	"r3labs/sse": func(client *http.Client, url string, seen func()) error {
		c := r3labs.NewClient(url)
		c.Connection = client
		return c.SubscribeRaw(func(*r3labs.Event) { seen() })
	},
	"donovanhide": func(client *http.Client, url string, seen func()) error {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		s, err := donovanhide.SubscribeWith("", client, req)
		if err != nil {
			return err
		}
		for range s.Events {
			seen()
		}
		return nil
	},
	"launchdarkly": func(client *http.Client, url string, seen func()) error {
		s, err := launchdarkly.SubscribeWithURL(url, launchdarkly.StreamOptionHTTPClient(client))
		if err != nil {
			return err
		}
		for range s.Events {
			seen()
		}
		return nil
	},
}

// fastClient is what all of fasthttp's streams share. It is a transport of its own.
var fastClient = &fasthttp.Client{StreamResponseBody: true, MaxConnsPerHost: math.MaxInt}

// IdleSubjects are the clients that can hold an idle stream. They are compared with
// net/http and a Read of 4 KiB.
var IdleSubjects = []string{"net/http", "fasthttp", "sse.Parser", "sse.Events", "go-sse", "r3labs/sse", "donovanhide", "launchdarkly"}

// Idle is what a client takes for each of many idle streams.
type Idle struct {
	Subject, Transport string
	Heap, Stack        float64 // bytes per stream
	Goroutines         float64 // per stream
}

// measureIdles measures each client over HTTP/1.1, and net/http's and ours over every transport.
func measureIdles(url string, n int, step func(format string, args ...any)) (idles []Idle, err error) {
	for _, subject := range IdleSubjects {
		for _, transport := range TransportsForIdle {
			if peer := subject != "net/http" && subject != "sse.Parser" && subject != "sse.Events"; peer && transport != TransportsForIdle[0] {
				continue
			}
			step("%d idle streams: %s over %s", n, subject, transport)
			idle, err := measureIdle(url, subject, transport, n)
			if err != nil {
				return nil, err
			}
			idles = append(idles, idle)
		}
	}
	return idles, nil
}

// measureIdle opens n streams in a process of its own, each on a goroutine of its own,
// and measures it when all have had their first event.
func measureIdle(url, subject, transport string, n int) (Idle, error) {
	cmd, stdin, stdout, err := startRole(strings.Join([]string{"idle", strconv.Itoa(n), url, subject, transport}, " "))
	if err != nil {
		return Idle{}, err
	}
	defer func() { _ = cmd.Wait() }()
	defer stdin.Close()
	res := Idle{Subject: subject, Transport: transport}
	if err := json.NewDecoder(stdout).Decode(&res); err != nil {
		return Idle{}, fmt.Errorf("%s, %s: %w", subject, transport, err)
	}
	return res, nil
}

// runIdle is the process that measureIdle starts.
func runIdle(arg string) error {
	args := strings.SplitN(arg, " ", 4)
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	url, subject, transport := args[1], args[2], args[3]
	client := &http.Client{Transport: roundTripper(transport)}
	open := idlers[subject]

	// Whatever is made once, for all streams together, is there before.
	first := make(chan struct{}, 1)
	errs := make(chan error, 1)
	start := func(seen func()) {
		go func() {
			err := open(client, url+"/idle", seen)
			select {
			case errs <- fmt.Errorf("a stream ended: %v", err):
			default:
			}
		}()
	}
	start(func() { first <- struct{}{} })
	select {
	case <-first:
	case err := <-errs:
		return err
	}
	before := footprintNow()
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		start(all.Done)
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond) // or the listener's queue overflows
		}
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case err := <-errs:
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("%s: not all of %d streams opened in a minute", subject, n)
	}
	time.Sleep(100*time.Millisecond + time.Duration(n)*time.Millisecond/2) // goroutines that dialled end
	after := footprintNow()
	return json.NewEncoder(os.Stdout).Encode(Idle{
		Subject:    subject,
		Transport:  transport,
		Heap:       (after.heap - before.heap) / float64(n),
		Stack:      (after.stack - before.stack) / float64(n),
		Goroutines: (after.goroutines - before.goroutines) / float64(n),
	})
}

type footprint struct{ heap, stack, goroutines float64 }

func footprintNow() footprint {
	for range 3 {
		runtime.GC() // twice for pools, and once for what they held
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{float64(m.HeapAlloc), float64(m.StackInuse), float64(runtime.NumGoroutine())}
}
