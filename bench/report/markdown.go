package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/lastevent/sse/bench"
)

const intro = `# Measured

Written by ` + "`go run ./report`" + ` in bench/ (` + "`make bench`" + `): %s, %s on %s with %d processors, %.0f s.
Clients that are timed against each other took turns, in one run. A figure is the median of the rounds, ± half the distance between
their quartiles; a ratio is the median of the rounds' own ratios, with their quartiles. What the words mean is in
[docs/performance.md](../docs/performance.md).

`

// writeMarkdown writes all results as tables.
func writeMarkdown(w io.Writer, r *bench.Results) {
	fmt.Fprintf(w, intro, r.Date.Format("2 January 2006"), r.Go, r.Platform, r.CPUs, r.Took.Seconds())
	writeGoals(w, check(r))
	writeThroughput(w, r)
	writeSizes(w, r)
	writeScaling(w, r)
	writeTransfers(w, r)
	writeIdle(w, r)
	writeDelays(w, r)
	writePromptness(w, r)
	writeBusy(w, r)
	writeIDs(w, r)
	writeReconnect(w, r)
}

func table(w io.Writer, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(w, "|---%s|\n", strings.Repeat("|--:", len(row)-1))
		}
	}
	fmt.Fprintln(w)
}

// cell prints samples as a figure with its spread.
func cell(s bench.Samples) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s ± %s", figure(s.Median()), figure((s.Quantile(0.75)-s.Quantile(0.25))/2))
}

func writeGoals(w io.Writer, list []goal) {
	missed := 0
	rows := [][]string{{"Goal", "Wanted", "Measured", "Quartiles", ""}}
	for _, g := range list {
		mark := "met"
		if !g.met() {
			mark = "**missed**"
			missed++
		}
		rows = append(rows, []string{g.what, g.wanted(), figure(g.got) + g.unit, g.spread, mark})
	}
	fmt.Fprintf(w, "## Goals\n\n%d of %d are met. Unless a unit or the text says otherwise, a figure is how many times as fast the first is as the second.\n\n", len(list)-missed, len(list))
	table(w, rows)
}

func writeThroughput(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## Parsing in memory\n\nNanoseconds per event (heartbeats: per comment). A client that fails a corpus has no figure for it; if all that it fails to give is the IDs, its figure is in parentheses.\n\n")
	var corpora, subjects []string
	cells := make(map[[2]string]bench.Throughput)
	for _, t := range r.Throughput {
		if _, ok := cells[[2]string{t.Corpus, bench.Limits()[0].Name}]; !ok {
			corpora = append(corpora, t.Corpus)
		}
		if t.Corpus == r.Throughput[0].Corpus {
			subjects = append(subjects, t.Subject)
		}
		cells[[2]string{t.Corpus, t.Subject}] = t
	}
	for _, some := range [][]string{corpora[:6], corpora[6:10], corpora[10:]} {
		times := [][]string{append([]string{""}, some...)}
		for _, subject := range subjects {
			row := []string{subject}
			for _, corpus := range some {
				t := cells[[2]string{corpus, subject}]
				text := cell(t.Times)
				switch {
				case t.Fails != "" && len(t.Times) > 0:
					text = "(" + text + ")"
				case t.Fails != "":
					text = "fails"
				}
				row = append(row, text)
			}
			times = append(times, row)
		}
		table(w, times)
	}
	fmt.Fprint(w, "Allocations per event:\n\n")
	rows := [][]string{append([]string{""}, corpora...)}
	for _, subject := range subjects {
		row := []string{subject}
		for _, corpus := range corpora {
			if t := cells[[2]string{corpus, subject}]; len(t.Times) > 0 {
				row = append(row, fmt.Sprintf("%.2f", t.Allocs))
			} else {
				row = append(row, "–")
			}
		}
		rows = append(rows, row)
	}
	table(w, rows)
	fmt.Fprint(w, "The corpora:\n\n")
	for _, c := range append(bench.Corpora(), bench.OneRead()) {
		fmt.Fprintf(w, "- %s: %s\n", c.Name, c.About)
	}
	fmt.Fprint(w, "\nWhat fails:\n\n")
	for _, t := range r.Throughput {
		if t.Fails != "" {
			fmt.Fprintf(w, "- %s, %s: %s\n", t.Corpus, t.Subject, t.Fails)
		}
	}
	fmt.Fprintln(w)
}

func writeSizes(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## Time against event size\n\nMicroseconds per event of one line, in reads of 1400 bytes.\n\n")
	rows := [][]string{{"Bytes"}}
	for _, t := range r.Sizes {
		if t.Corpus == r.Sizes[0].Corpus {
			rows[0] = append(rows[0], t.Subject)
		}
		if len(rows) == 1 || rows[len(rows)-1][0] != t.Corpus {
			rows = append(rows, []string{t.Corpus})
		}
		text := "fails"
		if len(t.Times) > 0 {
			text = cell(scaled(t.Times, 1e-3))
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], text)
	}
	table(w, rows)
}

func writeScaling(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## Growth\n\nMilliseconds of the Parser for one event. Each size is twice the one before it.\n\n")
	for _, s := range r.Scaling {
		rows := [][]string{append([]string{s.What}, s.Sizes...), {"ms"}, {"times the size before"}}
		for i, t := range s.Times {
			rows[1] = append(rows[1], cell(t))
			ratio := ""
			if i > 0 {
				ratio = cell(s.Ratios()[i-1])
			}
			rows[2] = append(rows[2], ratio)
		}
		table(w, rows)
	}
}

func writeTransfers(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## End to end\n\nThe llm corpus over loopback from a server in another process, in nanoseconds per event. The server writes 28 KiB at once (bulk), each event on its own, of which net/http makes chunks of 2 KiB (writes), or flushes each event too (flush). In the last two, the server takes most of the time, and a slower client finds more at each Read. CPU time and allocations are the client's, with those of net/http, per event. sse.Stream and sse.Events are Client.Stream and Client.Events; all others read the body of a response of net/http.\n\n")
	for _, mode := range []string{"bulk", "writes", "flush"} {
		header := []string{mode}
		rows := [][]string{nil}
		at := make(map[string]int)
		for _, transport := range bench.TransportsForTransfers {
			header = append(header, transport+", wall", "CPU", "allocations")
			for _, t := range r.Transfers {
				if t.Mode != mode || t.Transport != transport {
					continue
				}
				if at[t.Subject] == 0 {
					at[t.Subject] = len(rows)
					rows = append(rows, []string{t.Subject})
				}
				rows[at[t.Subject]] = append(rows[at[t.Subject]], cell(t.Wall), cell(t.CPU), fmt.Sprintf("%.2f", t.Allocs.Median()))
			}
		}
		rows[0] = header
		table(w, rows)
	}
}

func writeIdle(w io.Writer, r *bench.Results) {
	fmt.Fprintf(w, "## Idle streams\n\nWhat each of %d streams takes after one event, while it is silent. Each client has a process to itself, and the server another. net/http is a plain client that waits in a Read of 4 KiB.\n\n", r.Streams)
	rows := [][]string{{"", "Heap, KiB", "Stack, KiB", "Goroutines"}}
	for _, i := range r.Idle {
		rows = append(rows, []string{i.Subject + ", " + i.Transport, figure(i.Heap / 1024), figure(i.Stack / 1024), figure(i.Goroutines)})
	}
	table(w, rows)
}

func writeDelays(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## Delay of delivery\n\nMicroseconds from the server's write to the client's code, one event a millisecond, over loopback.\n\n")
	rows := [][]string{{"", "p50", "p99"}}
	for _, d := range r.Delays {
		rows = append(rows, []string{d.Subject, cell(d.P50), cell(d.P99)})
	}
	table(w, rows)
}

func writePromptness(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## Promptness\n\nMilliseconds from the arrival of an event's last byte on the client's own TCP connection until the program has the event, over HTTP/1.1, where chunks do not end with events. All clients read at the same time. curl is measured through a relay, whose time counts as curl's.\n\n")
	for _, server := range bench.PromptnessServers() {
		fmt.Fprintf(w, "%s\n\n", server[1])
		rows := [][]string{{server[0], "p50", "p99", "p50 after 16 KiB", "p99 after 16 KiB"}}
		for _, p := range r.Promptness {
			switch {
			case p.Server != server[0]:
			case p.Fails != "":
				rows = append(rows, []string{p.Subject, p.Fails, "–", "–", "–"})
			default:
				rows = append(rows, []string{p.Subject, figure(p.All.P50), figure(p.All.P99), figure(p.Late.P50), figure(p.Late.P99)})
			}
		}
		table(w, rows)
	}
}

func writeBusy(w io.Writer, r *bench.Results) {
	fmt.Fprintf(w, "## Busy streams\n\nMicroseconds of CPU time per event in a process with %d streams over HTTP/1.1, each with an event of the llm corpus every %v, flushed. The first two ran at the same time, and so did the last two. The loops around Parser and Read read the body of a response of net/http; Stream and Events add prompt delivery, Close, Restart and reconnecting.\n\n", r.Busies, r.BusyEvery)
	rows := [][]string{{"", "CPU, µs"}}
	for _, b := range r.Busy {
		rows = append(rows, []string{b.Subject, cell(b.CPU)})
	}
	table(w, rows)
}

func writeIDs(w io.Writer, r *bench.Results) {
	fmt.Fprint(w, "## A large ID in force\n\nMicroseconds for an event with an ID, and for the 2000 events of 9 bytes after it, which have none, in memory. The program asks for the ID in force at each event.\n\n")
	for _, ids := range r.IDs {
		rows := [][]string{append([]string{ids.Subject}, ids.Sizes...), {"the event with the ID"}, {"the 2000 events after it"}}
		for i := range ids.Sizes {
			rows[1] = append(rows[1], cell(ids.First[i]))
			rows[2] = append(rows[2], cell(ids.Rest[i]))
		}
		table(w, rows)
	}
}

func writeReconnect(w io.Writer, r *bench.Results) {
	o := r.Reconnect.Overhead
	fmt.Fprintf(w, "## Reconnection\n\n%d cuts with retry: %d. From the cut to the next event, beyond the delay that the policy chose: p50 %s ms, p99 %s ms, at most %s ms. The soonest event came %s ms after its cut.\n\n",
		len(o), r.Reconnect.Retry.Milliseconds(), figure(o.Median()), figure(o.Quantile(0.99)), figure(o.Quantile(1)), figure(r.Reconnect.Total.Quantile(0)))
	fmt.Fprintf(w, "A herd of %d clients cut at once, R = %v, %d rounds: the busiest of the 100 ms since the cut sees %s %% of them, any 100 ms at most %s %%; the first reconnects after %s ms.\n",
		r.Herd.Clients, r.Herd.Retry, len(r.Herd.Busiest), cell(r.Herd.Busiest), cell(r.Herd.Sliding), cell(r.Herd.First))
}
