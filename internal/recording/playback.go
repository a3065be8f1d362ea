package recording

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// beforeReset is how long a client has to read what was sent before a reset, which may
// otherwise overtake it.
const beforeReset = time.Millisecond

// A playback is an answer that is played.
type playback struct {
	steps  []Step // of a connection
	from   position
	speed  float64
	loop   bool
	w      http.ResponseWriter
	r      *http.Request
	begun  time.Time // when the recording's time was from.at
	opened bool      // the header has been sent
	sent   time.Time // the last part of the response
	close  bool      // the body ends with the connection

	sentAll bool // everything that the connection has was sent
}

// play plays the steps, until the connection or the client's interest in it is over.
func (pb *playback) play() {
	last := 0 // the last step that sends something
	for i := range pb.steps {
		if s := &pb.steps[i]; s.Kind == Status || s.carries() {
			last = i
		}
	}
	for i := range pb.steps {
		pb.sentAll = i > last
		s := &pb.steps[i]
		if i < pb.from.step && s.Kind != Status {
			continue
		}
		switch s.Kind {
		case Connect, Header, Body:
			continue
		case Wait:
			pb.wait(s.At)
			return
		}
		if !pb.until(s.At) {
			return
		}
		switch s.Kind {
		case Status:
			pb.open(s.Code, s.Framing, pb.steps[i+1:])
		case Bytes, Event:
			data := s.Data()
			if i == pb.from.step {
				data = data[pb.from.skip:]
			}
			if !pb.send(data) {
				return
			}
		case End:
			pb.openImplied()
			return
		case Drop:
			pb.drop()
			return
		}
	}
	pb.sentAll = true
	pb.wait(pb.steps[len(pb.steps)-1].At)
}

// until waits until a time of the recording. It reports whether the client is still there.
func (pb *playback) until(at time.Duration) bool {
	d := scale(at-pb.from.at, 1/pb.speed)
	if d = time.Until(pb.begun.Add(d)); d <= 0 {
		return pb.r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-pb.r.Context().Done():
		return false
	}
}

// wait waits until the client leaves; in a loop, until the time at which it left.
func (pb *playback) wait(at time.Duration) {
	if !pb.loop {
		<-pb.r.Context().Done()
	} else if pb.until(at) && !pb.opened {
		pb.drop()
	}
}

// Fields of a header that belong to one connection. The framing has what is played of them.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Trailer", "Transfer-Encoding", "Upgrade"}

// open sends a header; steps are those after the status. A status of 200 without any field
// is that of an event stream.
func (pb *playback) open(code int, framing Framing, steps []Step) {
	header := pb.w.Header()
	header["Date"], header["Content-Type"] = nil, nil // which net/http would otherwise add
	size, fields := 0, false
	for i := range steps {
		s := &steps[i]
		name := http.CanonicalHeaderKey(s.Name)
		fields = fields || s.Kind == Header
		switch {
		case s.carries():
			size += len(s.Data())
		case s.Kind == Header && name == "Location":
			header.Set(name, path(s.Value))
		case s.Kind == Header && !slices.Contains(hopByHop, name):
			header[name] = append(header[name], s.Value)
		}
	}
	if code == http.StatusOK && !fields {
		header.Set("Content-Type", "text/event-stream")
	}
	switch {
	case framing != Length && framing != HTTP2:
		header.Del("Content-Length")
	case header.Get("Content-Length") != "":
		if n, err := strconv.Atoi(header.Get("Content-Length")); err == nil {
			header.Set("Content-Length", strconv.Itoa(n-pb.from.offset))
		}
	case framing == Length:
		header.Set("Content-Length", strconv.Itoa(size-pb.from.offset))
	}
	if framing == Close && pb.r.ProtoMajor == 1 {
		pb.close = true
		header.Set("Transfer-Encoding", "identity") // which net/http takes as this framing
	}
	pb.w.WriteHeader(code)
	pb.opened, pb.sent = true, time.Now()
	_ = http.NewResponseController(pb.w).Flush() // an error comes again from Write
}

// openImplied sends the header of a connection that has no status.
func (pb *playback) openImplied() {
	if !pb.opened {
		pb.open(http.StatusOK, "", nil)
	}
}

// send sends a chunk. It reports whether the client may still read it.
func (pb *playback) send(data []byte) bool {
	pb.openImplied()
	if len(data) == 0 {
		return true
	}
	if _, err := pb.w.Write(data); err != nil {
		return false
	}
	_ = http.NewResponseController(pb.w).Flush()
	pb.sent = time.Now()
	return true
}

// drop cuts the connection. A body that ends with its connection would seem complete if the
// connection were closed: that one is reset.
func (pb *playback) drop() {
	if !pb.close {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(time.Until(pb.sent.Add(beforeReset)))
	conn, _, err := http.NewResponseController(pb.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

func reset(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	switch c := conn.(type) {
	case interface{ Reset() }: // internal/memnet
		c.Reset()
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
