package load

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	skewShards = 64
	skewEvents = 1024             // that a shard remembers
	skewWindow = 30 * time.Second // after which an event is complete
)

// skew measures when the streams of a topic read the same event. It remembers the events of a
// window, with the time at which the first stream read each. An event that leaves the window, because it
// is old or because there are many, is complete.
type skew struct {
	seed   maphash.Seed
	shards [skewShards]struct {
		mu     sync.Mutex
		at     map[eventKey]int // its place in the ring
		ring   []seenEvent
		oldest int // the place of the oldest
		n      int
	}

	mu        sync.Mutex
	all       histogram
	perSecond map[int64]*hdrhistogram.Histogram // of complete events, by the second of their first reading
}

// An eventKey identifies an event: a number, or a hash of its ID and data.
type eventKey struct {
	topic  int
	number int64
	hashed bool
}

type seenEvent struct {
	key         eventKey
	topic       *topic
	first, last time.Duration
	readers     int
}

func newSkew() *skew {
	s := &skew{seed: maphash.MakeSeed(), perSecond: make(map[int64]*hdrhistogram.Histogram)}
	for i := range s.shards {
		s.shards[i].at = make(map[eventKey]int)
	}
	return s
}

func (s *skew) hash(id string, data []byte) int64 {
	return int64(maphash.String(s.seed, id) ^ 31*maphash.Bytes(s.seed, data))
}

// read notes that a stream of t, which has been open since some time, read an event at now. It
// returns how long after the first stream that was, and false if this was the first one, or if the
// stream was not open yet when the first one read it: then it was sent again, or late for that reason.
func (s *skew) read(t *topic, key eventKey, openSince, now time.Duration) (late time.Duration, ok bool) {
	shard := &s.shards[uint64(key.number+int64(key.topic)*7)%skewShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if i, found := shard.at[key]; found {
		ev := &shard.ring[i]
		if openSince > ev.first {
			return 0, false
		}
		ev.last = max(ev.last, now)
		ev.readers++
		return now - ev.first, true
	}
	if !key.hashed && key.number <= t.forgotten.Load() {
		return 0, false // it has left the window
	}
	if shard.n == skewEvents {
		s.complete(&shard.ring[shard.oldest])
		delete(shard.at, shard.ring[shard.oldest].key)
		shard.oldest, shard.n = (shard.oldest+1)%skewEvents, shard.n-1
	}
	i := (shard.oldest + shard.n) % skewEvents
	ev := seenEvent{key, t, now, now, 1}
	if i == len(shard.ring) {
		shard.ring = append(shard.ring, ev)
	} else {
		shard.ring[i] = ev
	}
	shard.at[key] = i
	shard.n++
	return 0, false
}

// complete records an event that leaves the window.
func (s *skew) complete(ev *seenEvent) {
	if !ev.key.hashed {
		raise(&ev.topic.forgotten, ev.key.number)
	}
	if ev.readers < 2 {
		return
	}
	s.all.record(ev.last - ev.first)
	s.mu.Lock()
	defer s.mu.Unlock()
	second := int64(ev.first / time.Second)
	h := s.perSecond[second]
	if h == nil {
		h = newHistogram(2)
		s.perSecond[second] = h
	}
	note(h, ev.last-ev.first)
}

// expire completes the events that were first read before some time. It calls second with the
// percentiles of each second that is complete by that.
func (s *skew) expire(before time.Duration, second func(second int64, p50, p99 time.Duration)) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for shard.n > 0 && shard.ring[shard.oldest].first < before {
			s.complete(&shard.ring[shard.oldest])
			delete(shard.at, shard.ring[shard.oldest].key)
			shard.oldest, shard.n = (shard.oldest+1)%skewEvents, shard.n-1
		}
		shard.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for sec, h := range s.perSecond {
		if time.Duration(sec+1)*time.Second <= before {
			p50, p99 := percentiles(h)
			second(sec, p50, p99)
			delete(s.perSecond, sec)
		}
	}
}

// lately returns percentiles of the events that were first read since some time, whether or not all
// streams have read them.
func (s *skew) lately(since time.Duration) (p50, p99 time.Duration) {
	var skews []time.Duration
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for n := shard.n - 1; n >= 0; n-- {
			ev := &shard.ring[(shard.oldest+n)%skewEvents]
			if ev.first < since {
				break
			}
			if ev.readers > 1 {
				skews = append(skews, ev.last-ev.first)
			}
		}
		shard.mu.Unlock()
	}
	if len(skews) == 0 {
		return 0, 0
	}
	slices.Sort(skews)
	return skews[len(skews)/2], skews[len(skews)*99/100]
}
