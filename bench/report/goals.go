package main

import (
	"fmt"
	"math"

	"github.com/lastevent/sse/bench"
)

// A goal is a figure that package sse is held to.
type goal struct {
	what   string
	got    float64
	unit   string
	least  bool // got must be at least want, not at most
	want   float64
	spread string
}

func (g goal) met() bool {
	if g.least {
		return g.got >= g.want
	}
	return g.got <= g.want
}

func (g goal) wanted() string {
	if g.least {
		return fmt.Sprintf("≥ %g%s", g.want, g.unit)
	}
	return fmt.Sprintf("≤ %g%s", g.want, g.unit)
}

type goals struct {
	r    *bench.Results
	list []goal
}

func (gs *goals) atLeast(want float64, got bench.Samples, what string, args ...any) {
	gs.list = append(gs.list, goal{fmt.Sprintf(what, args...), got.Median(), "", true, want, spread(got)})
}

func (gs *goals) atMost(want float64, unit string, got bench.Samples, what string, args ...any) {
	gs.list = append(gs.list, goal{fmt.Sprintf(what, args...), got.Median(), unit, false, want, spread(got)})
}

// times returns a subject's times on a corpus, nil if it was not timed.
func (gs *goals) times(corpus, subject string) bench.Samples {
	for _, t := range gs.r.Throughput {
		if t.Corpus == corpus && t.Subject == subject {
			return t.Times
		}
	}
	return nil
}

// speed returns how many times as fast a is as b.
func (gs *goals) speed(corpus, a, b string) bench.Samples {
	return gs.times(corpus, b).Over(gs.times(corpus, a))
}

// bestPeer returns the fastest peer on a corpus, even one that gives no IDs.
func (gs *goals) bestPeer(corpus string) string {
	best, least := "", math.Inf(1)
	for _, p := range bench.Peers() {
		if m := gs.times(corpus, p.Name).Median(); m < least {
			best, least = p.Name, m
		}
	}
	return best
}

func (gs *goals) transfer(mode, transport, subject string) bench.Transfer {
	for _, t := range gs.r.Transfers {
		if t.Mode == mode && t.Transport == transport && t.Subject == subject {
			return t
		}
	}
	return bench.Transfer{}
}

func (gs *goals) idle(subject, transport string) bench.Idle {
	for _, i := range gs.r.Idle {
		if i.Subject == subject && i.Transport == transport {
			return i
		}
	}
	return bench.Idle{Heap: math.NaN(), Goroutines: math.NaN()}
}

func (gs *goals) delay(subject string) bench.Delay {
	for _, d := range gs.r.Delays {
		if d.Subject == subject {
			return d
		}
	}
	return bench.Delay{}
}

func (gs *goals) allocs(corpus, subject string) bench.Samples {
	for _, t := range gs.r.Throughput {
		if t.Corpus == corpus && t.Subject == subject {
			return bench.Samples{math.Round(t.Allocs*100) / 100}
		}
	}
	return nil
}

// quantiles adds a goal for the median of many measurements of one stream.
func (gs *goals) quantiles(want float64, unit string, q bench.Quantiles, what string, args ...any) {
	gs.list = append(gs.list, goal{fmt.Sprintf(what, args...), q.P50, unit, false, want, quartiles(q.P25, q.P75)})
}

func (gs *goals) promptness(server, subject string) bench.Promptness {
	for _, p := range gs.r.Promptness {
		if p.Server == server && p.Subject == subject {
			return p
		}
	}
	nan := bench.Quantiles{P50: math.NaN()}
	return bench.Promptness{All: nan, Late: nan}
}

func (gs *goals) busy(subject string) bench.Samples {
	for _, b := range gs.r.Busy {
		if b.Subject == subject {
			return b.CPU
		}
	}
	return nil
}

// wireSize returns how many bytes an event of a corpus has on the wire.
func wireSize(corpus string) float64 {
	for _, c := range bench.Corpora() {
		if c.Name == corpus {
			return float64(len(c.Wire(0)))
		}
	}
	return math.NaN()
}

// check returns the goals with what was measured.
func check(r *bench.Results) []goal {
	const parser, read, stream, events = "sse.Parser", "sse.Read", "sse.Stream", "sse.Events"
	const lines = "ReadSlice + string" // of a program that keeps them
	gs := &goals{r: r}
	for _, g := range []struct {
		corpus string
		want   float64
	}{{"llm", 0.75}, {"feed", 0.6}, {"multiline", 0.6}, {"tiny", 1}, {"heartbeats", 1}} {
		gs.atLeast(g.want, gs.speed(g.corpus, parser, "ReadSlice"), "Parser against ReadSlice, %s", g.corpus)
	}
	for _, corpus := range []string{"llm-crlf", "llm-cr"} {
		gs.atLeast(0.65, bench.Samples{gs.times("llm", parser).Median() / gs.times(corpus, parser).Median()}, "Parser, %s against llm", corpus)
	}
	for _, corpus := range []string{"llm", "llm-crlf", "llm-cr", "llm-chinese", "llm-russian", "llm-emoji", "tiny", "feed", "multiline", "heartbeats"} {
		gs.atMost(0, "", gs.allocs(corpus, parser), "Parser's allocations per event, %s", corpus)
	}
	for _, g := range []struct {
		corpus string
		want   float64
	}{{"llm", 3}, {"feed", 2.5}} {
		best := gs.bestPeer(g.corpus)
		gs.atLeast(g.want, gs.speed(g.corpus, parser, best), "Parser against the best peer (%s), %s", best, g.corpus)
		gs.atLeast(10, gs.speed(g.corpus, parser, "go-sse"), "Parser against go-sse, %s", g.corpus)
		gs.atLeast(4, gs.speed(g.corpus, read, "go-sse"), "Read against go-sse, %s", g.corpus)
	}
	best := gs.bestPeer("llm")
	gs.atLeast(1.3, gs.speed("llm", read, best), "Read against the best peer (%s), llm", best)
	gs.atLeast(0.85, gs.speed("llm", read, lines), "Read against %s, llm", lines)
	gs.atLeast(0.5, scaled(gs.times("llm", parser).Over(gs.times("llm-chinese", parser)), wireSize("llm-chinese")/wireSize("llm")), "Parser, llm-chinese against llm, by bytes")
	for _, corpus := range []string{"llm-chinese", "llm-russian", "llm-emoji"} {
		gs.atLeast(1.3, gs.speed(corpus, read, "openai-go"), "Read against openai-go, %s", corpus)
	}
	gs.atMost(1, "", gs.allocs("llm", read), "Read's allocations per event, llm")
	gs.atMost(2, "", gs.allocs("feed", read), "Read's allocations per event, feed (the ID changes)")

	line := gs.times("one-line", parser)
	gs.atMost(15, " ms", scaled(line, 1e-6), "Parser, a line of 16 MiB in reads of 1400 bytes")
	gs.atMost(3, "", bench.Samples{line.Median() / gs.times("one-line, whole", parser).Median()}, "the same, against one read")
	for _, s := range r.Scaling {
		for i, ratio := range s.Ratios() {
			gs.list = append(gs.list, goal{
				fmt.Sprintf("Parser, %s: %s against %s, distance from 2", s.What, s.Sizes[i+1], s.Sizes[i]),
				math.Abs(ratio.Median() - 2), "", false, 0.3, spread(ratio),
			})
		}
	}
	for _, transport := range bench.TransportsForTransfers {
		of := func(subject string) bench.Transfer { return gs.transfer("bulk", transport, subject) }
		gs.atLeast(0.75, of("io.Copy").Wall.Over(of(parser).Wall), "Parser against io.Copy, %s, wall", transport)
		gs.atLeast(0.85, of(lines).Wall.Over(of(events).Wall), "Client.Events against %s, %s, wall", lines, transport)
		for _, subject := range []string{stream, parser} {
			over := of(subject).Allocs.Median() - of("io.Copy").Allocs.Median()
			gs.atMost(0, "", bench.Samples{math.Round(100*over) / 100}, "%s's allocations per event over io.Copy's, %s", subject, transport)
		}
		for _, subject := range []string{parser, events} {
			for _, g := range []struct {
				peer string
				want float64
			}{{"openai-go", 1.7}, {"go-sse", 3}} {
				gs.atLeast(g.want, of(g.peer).Wall.Over(of(subject).Wall), "%s against %s, %s, wall", subject, g.peer, transport)
				gs.atLeast(g.want, of(g.peer).CPU.Over(of(subject).CPU), "%s against %s, %s, CPU", subject, g.peer, transport)
			}
		}
	}
	busyStream := func(subject string) bench.Transfer { return gs.transfer("bulk", "HTTP/1.1, 64 KiB buffer", subject) }
	gs.atLeast(0.75, busyStream("io.Copy").Wall.Over(busyStream(stream).Wall), "Stream against io.Copy, HTTP/1.1, 64 KiB buffer, wall")
	gs.atLeast(2, busyStream("openai-go").Wall.Over(busyStream(stream).Wall), "Stream against openai-go, HTTP/1.1, 64 KiB buffer, wall")
	gs.atLeast(2, busyStream("openai-go").CPU.Over(busyStream(stream).CPU), "Stream against openai-go, HTTP/1.1, 64 KiB buffer, CPU")
	for _, transport := range bench.TransportsForIdle {
		plain, ours := gs.idle("net/http", transport), gs.idle(events, transport)
		gs.atMost(1.5, " KiB", bench.Samples{(ours.Heap - plain.Heap) / 1024}, "heap of an idle stream over net/http's, %s", transport)
		gs.atMost(0, "", bench.Samples{math.Round(100*(ours.Goroutines-plain.Goroutines)) / 100}, "goroutines of an idle stream over net/http's, %s", transport)
	}
	for _, subject := range []string{parser, stream, events} {
		gs.atMost(1.1, "", gs.delay(subject).P50.Over(gs.delay("bare Read").P50), "%s's delay of delivery against a bare Read, p50", subject)
	}
	for _, server := range bench.PromptnessServers() {
		for _, subject := range []string{stream, events} {
			p := gs.promptness(server[0], subject)
			gs.quantiles(5, " ms", p.All, "%s, %s: delay after an event's last byte arrived, p50", subject, server[0])
			gs.quantiles(1, " ms", p.Late, "the same, after the first 16 KiB")
		}
	}
	for _, pair := range bench.BusyPairs {
		gs.atMost(1.05, "", gs.busy(pair[1]).Over(gs.busy(pair[0])), "CPU time of %d busy streams, %s: times as much as a loop around %s", r.Busies, pair[1], pair[0])
	}
	for _, ids := range r.IDs {
		last := len(ids.Sizes) - 1
		gs.atMost(5, "", ids.Rest[last].Over(ids.Rest[0]), "%s, 2000 events after an ID of %s: times as long as after one of %s", ids.Subject, ids.Sizes[last], ids.Sizes[0])
	}
	gs.atMost(2, " ms", r.Reconnect.Overhead, "from a cut to the next event, over the policy's delay")
	gs.atLeast(r.Reconnect.Retry.Seconds()*1e3, bench.Samples{r.Reconnect.Total.Quantile(0)}, "the soonest event after a cut, in ms, with `retry` in ms")
	gs.atMost(12, " %", r.Herd.Busiest, "the busiest 100 ms of a herd of %d, R = %v", r.Herd.Clients, r.Herd.Retry)
	return gs.list
}

func scaled(s bench.Samples, by float64) bench.Samples {
	scaled := make(bench.Samples, len(s))
	for i, v := range s {
		scaled[i] = v * by
	}
	return scaled
}

// spread returns the quartiles of s, empty where there is one sample only.
func spread(s bench.Samples) string {
	if len(s) < 2 {
		return ""
	}
	return quartiles(s.Quantile(0.25), s.Quantile(0.75))
}

func quartiles(low, high float64) string { return fmt.Sprintf("%s – %s", figure(low), figure(high)) }

// figure prints v with three significant digits.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a < 0.1:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
