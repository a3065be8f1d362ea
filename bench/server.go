package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// handler serves the streams that clients are measured with:
//
//	/bulk?events=N     the llm corpus, 28 KiB in a Write
//	/writes?events=N   the same, each event in a Write of its own
//	/flush?events=N    the same, and each flushed
//	/unflushed?events=N&every=D   events of 900 bytes at the interval D, none of them flushed
//	/onechunk?events=N&every=D    events of 1 KiB at the interval D, all in one chunk
//	/busy?every=D      an llm event at each interval D, flushed, for ever
//	/idle              one event, then silence
//	/ticks?events=N    an event each millisecond, with the time in nanoseconds as its data
//	/cut?retry=MS      an event with the time of the cut before it, then a cut
//	/herd?retry=MS     one event, then silence until /herd/cut, which cuts all;
//	                   /herd/arrivals lists the nanoseconds from the cut to each request
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/bulk", bulk)
	mux.HandleFunc("/writes", writes)
	mux.HandleFunc("/flush", flush)
	mux.HandleFunc("/unflushed", unflushed)
	mux.HandleFunc("/onechunk", oneChunk)
	mux.HandleFunc("/busy", busy)
	mux.HandleFunc("/idle", idle)
	mux.HandleFunc("/ticks", ticks)
	mux.HandleFunc("/cut", new(cutter).serve)
	h := &herd{cut: make(chan struct{})}
	mux.HandleFunc("/herd", h.serve)
	mux.HandleFunc("/herd/cut", h.serveCut)
	mux.HandleFunc("/herd/arrivals", h.serveArrivals)
	return mux
}

var llmEvent = []byte(Corpora()[0].Wire(0))

func open(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
}

func send(w http.ResponseWriter, format string, args ...any) {
	fmt.Fprintf(w, format, args...)
	http.NewResponseController(w).Flush()
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

func bulk(w http.ResponseWriter, r *http.Request) {
	open(w)
	const batch = 128 // events, 28 KiB
	var block []byte
	for range batch {
		block = append(block, llmEvent...)
	}
	for n := number(r, "events"); n > 0; n -= batch {
		if _, err := w.Write(block[:min(n, batch)*len(llmEvent)]); err != nil {
			return
		}
	}
}

func writes(w http.ResponseWriter, r *http.Request) {
	open(w)
	for range number(r, "events") {
		if _, err := w.Write(llmEvent); err != nil {
			return
		}
	}
}

func flush(w http.ResponseWriter, r *http.Request) {
	open(w)
	rc := http.NewResponseController(w)
	for range number(r, "events") {
		if _, err := w.Write(llmEvent); err != nil {
			return
		}
		if rc.Flush() != nil {
			return
		}
	}
}

func idle(w http.ResponseWriter, r *http.Request) {
	open(w)
	send(w, "data: 1\n\n")
	<-r.Context().Done()
}

// interval returns the ticks of the interval that the request asks for.
func interval(r *http.Request) *time.Ticker {
	every, _ := time.ParseDuration(r.FormValue("every"))
	return time.NewTicker(max(every, time.Microsecond))
}

// pieces writes numbered events of size bytes at an interval.
func pieces(w io.Writer, r *http.Request, size int) {
	tick := interval(r)
	defer tick.Stop()
	for i := range number(r, "events") {
		if _, err := io.WriteString(w, numbered(i, size)); err != nil {
			return
		}
		<-tick.C
	}
}

// numbered returns an event of size bytes whose data begins with six digits.
func numbered(i, size int) string {
	const rest = len("data: 012345\n\n")
	return fmt.Sprintf("data: %06d%s\n\n", i, strings.Repeat("x", size-rest))
}

const unflushedSize, oneChunkSize = 900, 1 << 10

func unflushed(w http.ResponseWriter, r *http.Request) {
	open(w)
	pieces(w, r, unflushedSize)
}

func oneChunk(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", number(r, "events")*oneChunkSize)
	pieces(conn, r, oneChunkSize)
	_, _ = io.WriteString(conn, "\r\n0\r\n\r\n")
}

// busy starts each stream at a moment of its own within the interval.
func busy(w http.ResponseWriter, r *http.Request) {
	every, err := time.ParseDuration(r.FormValue("every"))
	if err != nil || every <= 0 {
		http.Error(w, "every is not an interval", http.StatusBadRequest)
		return
	}
	open(w)
	time.Sleep(rand.N(every))
	tick := interval(r)
	defer tick.Stop()
	rc := http.NewResponseController(w)
	for {
		if _, err := w.Write(llmEvent); err != nil {
			return
		}
		if rc.Flush() != nil {
			return
		}
		<-tick.C
	}
}

func ticks(w http.ResponseWriter, r *http.Request) {
	open(w)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range number(r, "events") {
		<-tick.C
		send(w, "data: %d\n\n", time.Now().UnixNano())
	}
}

// cutter cuts each stream after its first event.
type cutter struct{ last atomic.Int64 }

func (c *cutter) serve(w http.ResponseWriter, r *http.Request) {
	open(w)
	send(w, "retry: %d\ndata: %d\n\n", number(r, "retry"), c.last.Load())
	c.last.Store(time.Now().UnixNano())
	panic(http.ErrAbortHandler)
}

// herd cuts all of its streams at once.
type herd struct {
	mu       sync.Mutex
	cut      chan struct{}
	last     time.Time // of the cut
	arrivals []time.Duration
}

func (h *herd) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.arrivals = append(h.arrivals, time.Since(h.last))
	cut := h.cut
	h.mu.Unlock()
	open(w)
	send(w, "retry: %d\ndata: 1\n\n", number(r, "retry"))
	select {
	case <-cut:
	case <-r.Context().Done():
	}
}

func (h *herd) serveCut(http.ResponseWriter, *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.arrivals = time.Now(), nil
	close(h.cut)
	h.cut = make(chan struct{})
}

func (h *herd) serveArrivals(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = json.NewEncoder(w).Encode(h.arrivals)
}
