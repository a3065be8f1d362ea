package check

import (
	"fmt"
	"strings"
	"time"
)

// checkArrival judges when things came: of each connection, and of those beside each other.
func (c *checker) checkArrival(base *probe, probes []*probe) {
	c.lateHeader(probes)
	r := c.report
	var direct *probe
	for _, p := range probes[1:] {
		switch p.name {
		case nameCodings:
			c.checkCompression(base, p)
		case nameHTTP1:
			c.checkHeld(compare(p.s, base.s), p, base, "over HTTP/2", "over HTTP/1.1")
			c.checkHeld(compare(base.s, p.s), base, p, "over HTTP/1.1", "over HTTP/2")
		case nameGET:
			c.checkHeld(compare(p.s, base.s), p, base, "by "+c.method, "by GET")
		case nameDirect:
			direct = p
			lag := compare(p.s, base.s)
			c.checkHeld(lag, p, base, "by this URL", "from "+safe(c.direct.Host)+" itself")
			if !lag.known {
				r.unverified("compared with "+safe(c.direct.Host)+": "+lag.why, "buffered")
			} else if !lag.held {
				r.pass("buffered")
			}
		}
	}
	c.checkFlushes(base, direct)
	if len(probes) == 1 && c.as == "mcp" {
		r.unverified("a session has only one such stream at a time", "compressed-buffering", "buffered")
	}
	if moments := len(moments(base.s.complete)); moments > 1 {
		r.unverified(fmt.Sprintf("events came at %d different times, but whether a proxy delays them only a second way to the server can show: -direct ORIGIN", moments), "buffered")
	} else {
		r.unverified("no two events came apart while it was watched; -direct ORIGIN compares with the server behind the proxies", "buffered")
	}
}

// checkHeld reports a lag that a proxy causes.
func (c *checker) checkHeld(lag comparison, first, second *probe, inSecond, inFirst string) {
	if lag.held {
		c.report.find("buffered", Problem, lag.text(inSecond, inFirst), timeLine(first.name, first.s), timeLine(second.name, second.s))
	}
}

// checkCompression compares the connection that asks for a browser's codings with the one
// that asks for none.
func (c *checker) checkCompression(base, p *probe) {
	r, id := c.report, "compressed-buffering"
	lag := compare(base.s, p.s)
	name := p.s.coding
	switch {
	case p.s.Response != nil && p.s.coding == "" && base.s.open() && p.s.open():
		r.pass(id) // nothing is compressed
		return
	case !lag.known:
		r.unverified("identity compared with "+browserCodings+": "+lag.why, id)
		return
	case !lag.held && lag.bytes:
		r.unverified(fmt.Sprintf("%s cannot be decoded here; its bytes came as often as the events of the other connection", name), id)
		return
	case !lag.held:
		r.pass(id)
		return
	}
	label := name
	if name == "" {
		label = "codings"
	}
	f := r.find(id, Problem, lag.text("with Accept-Encoding: "+browserCodings, "with identity"),
		timeLine("identity", base.s), timeLine(label, p.s))
	if lag.bytes {
		f.Evidence = append(f.Evidence, name+" cannot be decoded here: these are the times of its bytes.")
	}
	if p.s.Response == nil {
		f.Evidence = append(f.Evidence, "With codings not even the response's header came.")
		return
	}
	f.Evidence = append(f.Evidence, "Content-Encoding: "+safe(p.s.Response.Header.Get("Content-Encoding")))
	if strings.Contains(p.s.Response.Header.Get("Cache-Control"), "no-transform") {
		f.Evidence = append(f.Evidence, "It is compressed in spite of Cache-Control: no-transform.")
	}
}

// stalls returns how often a stream paused for long, how often it did so inside an event,
// and how often of these at the end of a line.
func (s *stream) stalls() (all, inside, atLine int) {
	if !s.readable || s.coding != "" {
		return 0, 0, 0
	}
	event := 0
	for i, b := range s.Bursts {
		next := s.Until()
		if i+1 < len(s.Bursts) {
			next = s.Bursts[i+1].At
		} else if s.Ended {
			break // what is unfinished then is the business of unfinished-event
		}
		if next-b.At <= tooLate {
			continue
		}
		all++
		for event < len(s.scan.Events) && int(s.scan.Events[event].Last) < b.End {
			event++
		}
		first := s.scan.Open()
		if event < len(s.scan.Events) {
			first = s.scan.Events[event].First
		}
		if first < 0 || int(first) >= b.End {
			continue
		}
		inside++
		if s.Body[b.End-1] == '\n' {
			atLine++
		}
	}
	return all, inside, atLine
}

// checkFlushes judges one connection by itself: pauses inside of events, and a stream that
// comes all at once.
func (c *checker) checkFlushes(base, direct *probe) {
	r, s, id := c.report, base.s, "not-flushed"
	if !s.open() || !s.readable {
		r.unverified(noStream, id)
		return
	}
	all, inside, atLine := s.stalls()
	behind := len(proxies(r.servers)) > 0
	if direct != nil && direct.s.open() {
		dAll, dInside, _ := direct.s.stalls()
		behind = dInside < 2 || dInside*2 < dAll // the server itself does not pause so
	}
	delay := s.Header - s.Sent
	switch {
	case inside >= 2 && inside*2 >= all:
		text := fmt.Sprintf("%d of %d pauses of more than %s lie inside an event: its beginning came, and its end only with what followed", inside, all, seconds(tooLate))
		if atLine*2 <= inside {
			text += ". They are not at line ends, so that a buffer is filled before it is sent on"
			if behind {
				id = "buffered"
			}
		}
		r.find(id, Problem, text+".", timeLine(base.name, s))
	case s.Ended && s.Err == nil && s.scan.Count >= 3 && len(moments(s.complete)) == 1 &&
		delay >= 2*time.Second && delay > 10*(s.Connected-s.Begin) && s.End-s.Header < time.Second:
		if behind {
			id = "buffered"
		}
		r.find(id, Problem, fmt.Sprintf("The header, all %d events and the end came at once, %s after the request.", s.scan.Count, seconds(delay)), timeLine(base.name, s))
	case len(moments(s.complete)) > 2:
		r.pass(id)
	default:
		r.unverified("too few events came apart from each other while it was watched", id)
	}
	r.unverified("see buffered", "not-flushed")
}
