package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/load"
)

// setMeasured sets what -time, -seq and -says say.
func (o *options) setMeasured(cfg *load.Config) error {
	if o.time != "" {
		at, err := newReading(o.time, parseTime)
		if err != nil {
			return fmt.Errorf("-time: %w", err)
		}
		cfg.Time = func(ev sse.Event) (time.Time, bool) { return at.of(ev.Data) }
	}
	if o.says != "" {
		says, err := newReading(o.says, func(s string) (bool, bool) {
			return s != "" && s != "false" && s != "<no value>", true // which null is
		})
		if err != nil {
			return fmt.Errorf("-says: %w", err)
		}
		cfg.Says = func(ev sse.Event) bool {
			something, ok := says.of(ev.Data)
			return ok && something
		}
	}
	if o.sequence != "" {
		number, err := newReading(o.sequence, func(s string) (int64, bool) {
			n, err := strconv.ParseInt(s, 10, 64)
			return n, err == nil
		})
		if err != nil {
			return fmt.Errorf("-seq: %w", err)
		}
		cfg.Sequence = func(ev sse.Event) (int64, bool) { return number.of(ev.Data) }
	}
	return nil
}

// A reading is something that stands in the data of events, which are JSON.
//
// Each event comes on all streams, so that a reading keeps what it found in the last few events: data
// that came already is not parsed again.
type reading[T any] struct {
	tmpl  *template.Template
	parse func(string) (T, bool)

	mu    sync.RWMutex
	known map[string]found[T]
}

type found[T any] struct {
	v  T
	ok bool
}

const (
	keepReadings = 1024
	keepData     = 4 << 10 // bytes; larger data is parsed each time
)

func newReading[T any](arg string, parse func(string) (T, bool)) (*reading[T], error) {
	if !strings.Contains(arg, "{{") {
		return nil, errors.New("want a template over the event's data, such as '{{.ts}}'")
	}
	tmpl, err := template.New("").Option("missingkey=error").Parse(arg)
	if err != nil {
		return nil, templateError(err)
	}
	return &reading[T]{tmpl: tmpl, parse: parse, known: make(map[string]found[T])}, nil
}

// of returns what stands in data, and false if it has nothing of the kind. Safe for concurrent use.
func (r *reading[T]) of(data string) (T, bool) {
	if len(data) > keepData {
		return r.read(data)
	}
	r.mu.RLock()
	f, ok := r.known[data]
	r.mu.RUnlock()
	if ok {
		return f.v, f.ok
	}
	f.v, f.ok = r.read(data)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= keepReadings {
		clear(r.known)
	}
	r.known[data] = f
	return f.v, f.ok
}

func (r *reading[T]) read(data string) (v T, ok bool) {
	d := json.NewDecoder(strings.NewReader(data))
	d.UseNumber() // a time in nanoseconds has more digits than a float64
	var value any
	if d.Decode(&value) != nil {
		return v, false
	}
	var b bytes.Buffer
	if r.tmpl.Execute(&b, value) != nil {
		return v, false
	}
	return r.parse(strings.TrimSpace(b.String()))
}

// parseTime reads a time: as RFC 3339 has it, or as a number of seconds, milliseconds, microseconds or
// nanoseconds since 1970, of which the size of the number shows which it is.
func parseTime(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		switch {
		case n < 1e11:
			return time.Unix(n, 0), true
		case n < 1e14:
			return time.UnixMilli(n), true
		case n < 1e17:
			return time.UnixMicro(n), true
		}
		return time.Unix(0, n), true
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || !(v > 0) || v >= 1e14:
		return time.Time{}, false
	case v < 1e11:
		return time.UnixMicro(int64(v * 1e6)), true
	}
	return time.UnixMicro(int64(v * 1e3)), true
}
