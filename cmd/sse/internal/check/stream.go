package check

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
)

// A stream is what one connection has brought, up to what cannot be read.
type stream struct {
	capture.View
	coding   string // of the response; "": none
	readable bool   // whether its events could be read
	scan     *wire.Scanner
	begun    []time.Duration // when the first byte of each event had arrived,
	complete []time.Duration // and the last
}

// seed makes the keys of events comparable among streams.
var seed = maphash.MakeSeed()

func readStream(v capture.View) *stream {
	s := &stream{View: v, scan: wire.NewScanner(seed), readable: true}
	if v.Response != nil {
		s.coding = coding(v.Response.Header["Content-Encoding"])
	}
	plain := v
	if s.coding != "" {
		plain.Body, plain.Bursts, s.readable = decode(s.coding, v)
	}
	_, _ = s.scan.Write(plain.Body)
	if v.Ended && v.Err == nil && int(v.Size) == len(v.Body) {
		s.scan.Close()
	}
	for _, ev := range s.scan.Events {
		s.begun = append(s.begun, plain.At(int(ev.First)))
		s.complete = append(s.complete, plain.At(int(ev.Last)))
	}
	return s
}

// coding returns the last content coding that means something, in lower case.
func coding(values []string) string {
	found := ""
	for _, token := range strings.Split(strings.ToLower(strings.Join(values, ",")), ",") {
		switch token = strings.TrimSpace(token); token {
		case "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz":
			found = strings.TrimPrefix(token, "x-")
		}
	}
	return found
}

const (
	maxDecoded = 4 << 20  // bytes that are decoded
	maxPoints  = 200      // times for which they are, and fewer if there are many bytes
	maxWork    = 16 << 20 // bytes, over all of these times
)

// points returns some of the bursts, spread evenly, and the last.
func points(v capture.View) (some []capture.Burst) {
	n := len(v.Bursts)
	apart := 1 + n/min(maxPoints, max(20, maxWork/(len(v.Body)+1)))
	for i := (n - 1) % apart; i >= 0 && i < n; i += apart {
		some = append(some, v.Bursts[i])
	}
	return some
}

// decode undoes a content coding: at each arrival, what can be made of the bytes up to then,
// as a browser would. It starts from the first byte each time, since compress/flate holds
// back what comes before a flush, except at the end of its input.
func decode(coding string, v capture.View) (plain []byte, bursts []capture.Burst, ok bool) {
	for _, burst := range points(v) {
		in := bytes.NewReader(v.Body[:burst.End])
		var r io.Reader
		var err error
		switch coding {
		case "gzip":
			r, err = gzip.NewReader(in)
		case "deflate":
			if r, err = zlib.NewReader(in); err == zlib.ErrHeader { // some servers send it bare
				in.Reset(v.Body[:burst.End])
				r, err = flate.NewReader(in), nil
			}
		default:
			return nil, nil, false
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			continue // not even its header is complete
		}
		if err != nil {
			return nil, nil, false
		}
		plain, err = io.ReadAll(io.LimitReader(r, maxDecoded))
		if err != nil && err != io.ErrUnexpectedEOF || len(plain) == maxDecoded {
			return nil, nil, false
		}
		bursts = append(bursts, capture.Burst{At: burst.At, End: len(plain)})
	}
	return plain, bursts, true
}

// open reports whether the response is one in which events can be looked for.
func (s *stream) open() bool { return s.Response != nil && s.Response.StatusCode == http.StatusOK }

// moments returns the times at which something arrived, those less than a tenth of a second
// apart as one.
func moments(times []time.Duration) (apart []time.Duration) {
	for _, t := range times {
		if len(apart) == 0 || t-apart[len(apart)-1] > 100*time.Millisecond {
			apart = append(apart, t)
		}
	}
	return apart
}

// arrivals returns when events became complete or, where they cannot be read, when bytes of
// the body came.
func (s *stream) arrivals() []time.Duration {
	if s.readable {
		return s.complete
	}
	times := make([]time.Duration, 0, len(s.Bursts))
	for _, b := range s.Bursts {
		times = append(times, b.At)
	}
	return times
}
