package bench

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// IDs is what events without an ID cost after an event with a large one, which stays in
// force.
type IDs struct {
	Subject string
	Sizes   []string  // of the ID
	First   []Samples // microseconds for the event with the ID, one for each round
	Rest    []Samples // and for the 2000 events of 9 bytes after it
}

// idReader is a Parser or a Stream.
type idReader interface {
	Next() error
	Data() []byte
	LastEventID() string
}

const idEvents = 2000

// measureIDs reads an event with an ID of each size, and 2000 events after it, and looks at
// the ID in force with each of them. The garbage collector runs in between, not meanwhile.
func measureIDs(sizes []int, rounds int) ([]IDs, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	subjects := []struct {
		name string
		read func(r io.Reader) idReader
	}{
		{"sse.Parser", func(r io.Reader) idReader { return newParser(r) }},
		{"sse.Stream", func(r io.Reader) idReader {
			req, _ := http.NewRequest(http.MethodGet, "http://memory/", nil)
			c := once(&http.Client{Transport: transport{r}})
			c.MaxEventSize = maxEvent
			return c.Stream(req)
		}},
	}
	results := make([]IDs, len(subjects))
	streams := make([][]byte, len(sizes))
	for i, size := range sizes {
		streams[i] = []byte("id: " + text(size) + "\ndata: 1\n\n" + strings.Repeat("data: 1\n\n", idEvents))
	}
	for s, subject := range subjects {
		res := IDs{Subject: subject.name, First: make([]Samples, len(sizes)), Rest: make([]Samples, len(sizes))}
		for _, size := range sizes {
			res.Sizes = append(res.Sizes, bytesLabel(size))
		}
		for range rounds {
			for i, size := range sizes {
				runtime.GC()
				r := subject.read(&memory{stream: streams[i], times: 1})
				first, err := idTime(r, 1, size)
				if err != nil {
					return nil, fmt.Errorf("%s, ID of %d bytes: %w", subject.name, size, err)
				}
				rest, err := idTime(r, idEvents, size)
				if err != nil {
					return nil, fmt.Errorf("%s, after an ID of %d bytes: %w", subject.name, size, err)
				}
				if r, ok := r.(io.Closer); ok {
					r.Close()
				}
				res.First[i] = append(res.First[i], first.Seconds()*1e6)
				res.Rest[i] = append(res.Rest[i], rest.Seconds()*1e6)
			}
		}
		results[s] = res
	}
	return results, nil
}

// idTime takes the time of n events while an ID of size bytes is in force.
func idTime(r idReader, n, size int) (time.Duration, error) {
	start := time.Now()
	for range n {
		if err := r.Next(); err != nil {
			return 0, err
		}
		if len(r.Data()) != 1 || len(r.LastEventID()) != size {
			return 0, fmt.Errorf("wrong event: %d bytes of data, an ID of %d bytes", len(r.Data()), len(r.LastEventID()))
		}
	}
	return time.Since(start), nil
}

// idSizes are those that Measure uses.
var idSizes = []int{8, 1 << 20, 8 << 20, 31 << 20}

func bytesLabel(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
