package check

import (
	"fmt"
	"slices"
	"time"
)

// A Level is how much a finding matters.
type Level int

// The levels. Only a Problem makes the exit code 1.
const (
	Note Level = iota + 1
	Risk
	Problem
)

func (l Level) String() string {
	return [...]string{"", "note", "risk", "problem"}[l]
}

// MarshalText serves JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A Finding is one thing that is wrong, or may be.
type Finding struct {
	ID       string     `json:"id"`
	Level    Level      `json:"level"`
	Title    string     `json:"title"`
	Evidence []string   `json:"evidence"`
	Lines    []TimeLine `json:"timeLines,omitempty"`
	Cause    string     `json:"cause"`
	Fixes    []Fix      `json:"fixes,omitempty"`
	Doc      string     `json:"doc"`
}

// A TimeLine is when something came on one connection, in milliseconds since the check began.
type TimeLine struct {
	Name   string  `json:"name"`
	Header int64   `json:"headerMs"` // -1: it did not come
	Events []int64 `json:"eventsMs"` // the first 1000
	What   string  `json:"what"`     // events or bytes
	Until  int64   `json:"untilMs"`
	Ended  bool    `json:"ended"` // by the server or on the way
}

// A Fix is what to change in a server.
type Fix struct {
	Server string `json:"server"`
	Text   string `json:"text"`
}

// A Reason says why something was not verified.
type Reason struct {
	ID   string `json:"id"`
	Text string `json:"reason"`
}

// A Fact is something about the target, for the head of the report.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// A Report is the outcome of a check.
type Report struct {
	Target       string    `json:"target"`
	Facts        []Fact    `json:"facts"`
	Findings     []Finding `json:"findings"`
	NotVerified  []Reason  `json:"notVerified"`
	Passed       []string  `json:"passed"`
	Skipped      []string  `json:"skipped"`
	Interrupted  bool      `json:"interrupted"`
	Milliseconds int64     `json:"milliseconds"`

	servers []string // names of the catalogue, as the responses gave them away
}

func (r *Report) fact(name, format string, args ...any) {
	r.Facts = append(r.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

// find adds a finding. Where one with its identifier is there, the graver stays, with the
// evidence of both.
func (r *Report) find(id string, level Level, evidence string, lines ...TimeLine) *Finding {
	if slices.Contains(r.Skipped, id) {
		return new(Finding)
	}
	r.forget(id)
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.ID == id {
			f.Level = max(f.Level, level)
			if !slices.Contains(f.Evidence, evidence) {
				f.Evidence = append(f.Evidence, evidence)
			}
			if len(f.Lines) == 0 {
				f.Lines = lines
			}
			return f
		}
	}
	entry := catalogue[id]
	r.Findings = append(r.Findings, Finding{
		ID: id, Level: level, Title: entry.title, Evidence: []string{evidence}, Lines: lines,
		Cause: entry.cause, Fixes: entry.fixes, Doc: docs + "#" + id,
	})
	return &r.Findings[len(r.Findings)-1]
}

// pass notes that something was verified, and is as it should be.
func (r *Report) pass(ids ...string) {
	for _, id := range ids {
		if !r.known(id) {
			r.Passed = append(r.Passed, id)
		}
	}
}

// unverified notes that something could not be verified. What was found anyway stays.
func (r *Report) unverified(reason string, ids ...string) {
	for _, id := range ids {
		if !r.known(id) {
			r.NotVerified = append(r.NotVerified, Reason{id, reason})
		}
	}
}

func (r *Report) known(id string) bool {
	return slices.Contains(r.Skipped, id) || slices.Contains(r.Passed, id) ||
		slices.ContainsFunc(r.NotVerified, func(n Reason) bool { return n.ID == id }) || r.has(id)
}

func (r *Report) has(id string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == id })
}

// forget drops what was said of an identifier before there was a finding.
func (r *Report) forget(id string) {
	r.Passed = slices.DeleteFunc(r.Passed, func(p string) bool { return p == id })
	r.NotVerified = slices.DeleteFunc(r.NotVerified, func(n Reason) bool { return n.ID == id })
}

// count returns how many findings are of a level.
func (r *Report) count(level Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// finish orders the findings, the gravest first, and accounts for every identifier.
func (r *Report) finish() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Level != b.Level {
			return int(b.Level - a.Level)
		}
		return slices.Index(ids, a.ID) - slices.Index(ids, b.ID)
	})
	for i, f := range r.Findings {
		r.Findings[i].Fixes = order(f.Fixes, r.servers)
	}
	r.unverified("the check did not get that far", ids...)
	r.Findings, r.NotVerified = append([]Finding{}, r.Findings...), append([]Reason{}, r.NotVerified...) // arrays in JSON, not null
	r.Passed, r.Skipped = append([]string{}, r.Passed...), append([]string{}, r.Skipped...)
	byID := func(a, b string) int { return slices.Index(ids, a) - slices.Index(ids, b) }
	slices.SortFunc(r.Passed, byID)
	slices.SortFunc(r.NotVerified, func(a, b Reason) int { return byID(a.ID, b.ID) })
}

// order puts the fixes of the servers that were recognised first.
func order(fixes []Fix, servers []string) []Fix {
	fixes = slices.Clone(fixes)
	slices.SortStableFunc(fixes, func(a, b Fix) int {
		in := func(f Fix) int {
			if slices.Contains(servers, f.Server) {
				return 0
			}
			return 1
		}
		return in(a) - in(b)
	})
	return fixes
}

// timeLine returns the time line of a stream.
func timeLine(name string, s *stream) TimeLine {
	line := TimeLine{Name: name, Header: -1, What: "events", Until: s.Until().Milliseconds(), Ended: s.Ended}
	if !s.readable {
		line.What = "bytes"
	}
	if s.Response != nil {
		line.Header = s.Header.Milliseconds()
	}
	times := s.arrivals()
	line.Events = make([]int64, 0, min(len(times), 1000))
	for _, at := range times[:cap(line.Events)] {
		line.Events = append(line.Events, at.Milliseconds())
	}
	return line
}

// seconds writes a duration as people compare them.
func seconds(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
