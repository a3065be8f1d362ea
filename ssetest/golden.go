package ssetest

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/recording"
)

// updateVariable is the environment variable that has Golden write its files.
const updateVariable = "SSETEST_UPDATE"

const maxGolden = 10_000 // events

// Golden compares a stream with a recording of it in a file, and fails the test with the
// difference. It reads events until they end, or until nothing comes for ten seconds (in a
// testing/synctest bubble: a week). More than 10,000 events are an
// error of the test: use [sse.Until] to end a stream that does not end by itself.
//
// Each event is passed through the redact functions first, which replace what is different in
// each run, such as a time in its data. In a testing/synctest bubble the times of the events
// are compared; in real time all are 0s. Comments in the file are not compared.
//
// Golden writes the file instead if the environment variable SSETEST_UPDATE is 1. If the test's
// package defines a flag named update, that flag does the same:
//
//	var _ = flag.Bool("update", false, "write golden files")
//
// The file is a recording that [Replay] plays: what the test of a server has written, the
// test of a client can read.
func Golden(t testing.TB, file string, events iter.Seq2[sse.Event, error], redact ...func(sse.Event) sse.Event) {
	t.Helper()
	r := Open(t, events)
	defer r.close()
	rec := NewRecorder()
	rec.timed = inBubble()
	rec.connect("", "")
	var got []sse.Event
	for {
		ev, end := r.pull(wait())
		if end != nil {
			rec.endOf(end)
			break
		}
		if len(got) == maxGolden {
			t.Fatalf("ssetest: more than %d events; use sse.Until to end the stream\n%s", maxGolden, evidence(t, got))
			return
		}
		got = append(got, ev)
		for _, f := range redact {
			ev = f(ev)
		}
		if _, err := ev.AppendText(nil); err != nil {
			t.Fatalf("ssetest: a recording cannot hold the event %q: %v", ev, err)
			return
		}
		rec.event(ev)
	}

	text := rec.String()
	if updating() {
		if err := writeFile(file, text); err != nil {
			t.Fatalf("ssetest: %v", err)
		}
		return
	}
	want, err := recording.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("ssetest: %v; run the test %s to write it", err, howToUpdate())
		return
	}
	if err != nil {
		t.Fatalf("ssetest: %v", err)
		return
	}
	if a, b := canonical(want), canonical(mustRead(text)); !slices.Equal(a, b) {
		t.Errorf("ssetest: the events are not those of %s (- is the file, + is now); run the test %s if that is intended\n%s\n%s",
			file, howToUpdate(), difference(a, b), evidence(t, got))
	}
}

// endOf records how a stream ended.
func (r *Recorder) endOf(end *streamEnd) {
	switch {
	case end.timedOut > 0: // the connection stays open
		r.comment("nothing more for " + end.timedOut.String())
	case end.err != nil:
		r.over(end.err, end.err.Error())
	default:
		r.over(io.EOF, "")
	}
}

// updating reports whether files are to be written.
func updating() bool {
	if f := flag.Lookup("update"); f != nil {
		if on, err := strconv.ParseBool(f.Value.String()); err == nil && on {
			return true
		}
	}
	on, _ := strconv.ParseBool(os.Getenv(updateVariable))
	return on
}

func howToUpdate() string {
	if flag.Lookup("update") != nil {
		return "with -update"
	}
	return "with " + updateVariable + "=1 in its environment"
}

func writeFile(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o666)
}

func mustRead(text string) *recording.Recording {
	r, err := recording.Read(strings.NewReader(text))
	if err != nil {
		panic(err) // which a Recorder has written
	}
	return r
}

// canonical returns the lines of a recording as a Recorder would write them.
func canonical(r *recording.Recording) []string {
	r.Start = time.Time{}
	for i := range r.Steps {
		r.Steps[i].Comment = ""
	}
	var b strings.Builder
	_, _ = r.WriteTo(&b)
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// How much of a difference is shown, in lines.
const (
	maxSame      = 3
	maxDifferent = 20 // of each side
)

// difference shows where a and b differ: between their common beginning and their common end.
func difference(a, b []string) string {
	first := 0
	for first < min(len(a), len(b)) && a[first] == b[first] {
		first++
	}
	last := 0
	for last < min(len(a), len(b))-first && a[len(a)-1-last] == b[len(b)-1-last] {
		last++
	}
	var lines []string
	add := func(mark string, part []string) {
		for _, line := range part {
			lines = append(lines, mark+line)
		}
	}
	part := func(lines []string) []string { return limit(lines[first:len(lines)-last], maxDifferent) }
	if first > maxSame {
		lines = append(lines, fmt.Sprintf("  … %d lines are the same …", first-maxSame))
	}
	add("  ", a[max(0, first-maxSame):first])
	add("- ", part(a))
	add("+ ", part(b))
	add("  ", a[len(a)-last:min(len(a), len(a)-last+maxSame)])
	if last > maxSame {
		lines = append(lines, fmt.Sprintf("  … %d lines are the same …", last-maxSame))
	}
	return strings.Join(shorten(lines), "\n")
}
