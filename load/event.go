package load

import (
	"bytes"
	"strconv"
	"time"

	"github.com/lastevent/sse"
)

// read notes the event that s has read.
func (st *stream) read(s *sse.Stream) {
	r, now := st.run, st.run.now()
	if r.stopped.Load() {
		return
	}
	st.events.Add(1)
	data := s.Data()
	var ev sse.Event
	if r.wantsEvents {
		ev = s.Event()
	}
	if !st.begun {
		st.begun = true
		r.firstEvent.record(now - st.due)
	}
	if !st.said {
		if r.cfg.Says != nil {
			st.said = r.cfg.Says(ev)
		} else {
			st.said = len(bytes.TrimSpace(data)) > 0
		}
		if st.said {
			r.firstSays.record(now - st.due)
		}
	}
	var (
		n, published int64
		numbered     bool
		sent         time.Duration
		timed        bool
	)
	if r.publisher != nil {
		if published, sent, timed = r.publisher.find(data); published > 0 {
			n, numbered = published, true
		}
	}
	switch {
	case r.cfg.Sequence != nil:
		n, numbered = r.cfg.Sequence(ev)
	case !numbered && r.publisher == nil:
		n, numbered = number(s.LastEventID())
	}
	if r.cfg.Time != nil {
		var at time.Time
		if at, timed = r.cfg.Time(ev); timed {
			sent = at.Sub(r.start)
		}
	}
	st.measure(s, now, n, numbered, sent, timed, data)
}

// measure notes when an event came, and whether it was to come.
func (st *stream) measure(s *sse.Stream, now time.Duration, n int64, numbered bool, sent time.Duration, timed bool, data []byte) {
	r := st.run
	isNew := true
	if numbered {
		st.numbered++
		last := st.sequence.last
		what := st.sequence.read(n)
		isNew = what != again
		if what != inOrder {
			r.examples.note(st.i, what, last, n)
		}
		st.greatest.Store(st.sequence.last)
		if !st.slow {
			raise(&st.topic.greatest, n)
		}
	}
	if st.slow || !isNew {
		return
	}
	if timed && sent >= st.firstOpen {
		r.event.record(st.i, now-sent)
	}
	if st.topic.streams < 2 {
		return
	}
	key := eventKey{topic: st.topic.index, number: n}
	if !numbered {
		id := s.LastEventID()
		if id == "" {
			return
		}
		key.number, key.hashed = r.skew.hash(id, data), true
	}
	if late, ok := r.skew.read(st.topic, key, time.Duration(st.openSince.Load()), now); ok {
		r.late.record(st.i, late)
	}
}

// number returns an ID that is a decimal number.
func number(id string) (int64, bool) {
	if id == "" || id[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil
}
