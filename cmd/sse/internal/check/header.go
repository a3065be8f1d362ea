package check

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

var headerIDs = []string{"content-type", "content-coding", "cache-control", "content-length", "connection-header"}

// checkHeader judges the header of the reference.
func (c *checker) checkHeader(s *stream) {
	r := c.report
	if s.Response == nil {
		reason := "no response header came"
		if s.Ended {
			reason = "the connection ended before a header came: " + safe(errorText(s.Err))
			r.find("no-stream", Problem, "The connection ended before a header came: "+safe(errorText(s.Err))+".")
		}
		r.unverified(reason, "no-stream")
		r.unverified(reason, headerIDs...)
		return
	}
	if s.Response.StatusCode != http.StatusOK {
		text := fmt.Sprintf("%s %s was answered with %s", c.method, safe(c.target.Redacted()), safe(s.Response.Status))
		if begin := beginning(s.Body); begin != "" {
			text += ": " + begin
		}
		f := r.find("no-stream", Problem, text)
		if cause := statusCauses[s.Response.StatusCode]; cause != "" {
			f.Cause = cause
		}
		r.unverified(noStream, headerIDs...)
		return
	}
	h := s.Response.Header
	c.checkType(h, s)
	if s.coding != "" {
		r.find("content-coding", Problem, fmt.Sprintf("The request has Accept-Encoding: identity, and the response Content-Encoding: %s.", safe(h.Get("Content-Encoding"))))
	} else {
		r.pass("content-coding")
	}
	checkCache(r, h)
	if s.Response.ContentLength >= 0 && c.as != "mcp" {
		r.find("content-length", Problem, fmt.Sprintf("Content-Length: %d", s.Response.ContentLength))
	} else {
		r.pass("content-length")
	}
	c.checkConnectionHeader(s)
}

var statusCauses = map[int]string{
	204: "204 ends a browser's EventSource for good: the server has nothing to stream, or says that the client is to stop.",
	401: "Credentials are missing or wrong: -H 'Authorization: Bearer …'.",
	403: "The credentials do not suffice, or the server refuses the Origin, the User-Agent or the Accept header.",
	404: "The path is wrong, or a proxy does not route it.",
	405: "The method is wrong: -X POST, or -d data.",
	406: "The server does not offer text/event-stream here.",
	429: "The server limits requests or streams; the check makes a few beside each other.",
	502: "The server behind the proxy is down, or was restarted.",
	503: "The server behind the proxy is down, or has too many connections.",
	504: "The server behind the proxy sent no header in the proxy's time.",
}

// checkType judges the media type, as browsers do.
func (c *checker) checkType(h http.Header, s *stream) {
	r := c.report
	values := h["Content-Type"]
	value := strings.Join(values, ", ")
	mediaType, params, err := mime.ParseMediaType(value)
	quoted := fmt.Sprintf("Content-Type: %s", safe(value))
	switch {
	case value == "":
		r.find("content-type", Problem, "The response has no Content-Type.")
	case c.as == "mcp" && mediaType == "application/json":
		r.find("content-type", Note, quoted+"; the Model Context Protocol allows a JSON answer in place of a stream.")
	case mediaType != "text/event-stream":
		text := quoted
		if begin := beginning(s.Body); begin != "" {
			text += "; the body begins with " + begin
		}
		r.find("content-type", Problem, text)
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		r.find("content-type", Problem, quoted+"; a stream is always UTF-8, and Chromium rejects another charset.")
	case err != nil || len(values) > 1:
		r.find("content-type", Risk, quoted+" is malformed; some clients reject it.")
	default:
		r.pass("content-type")
	}
	if s.scan.Count > 0 || mediaType == "text/event-stream" || c.as == "mcp" && r.has("content-type") {
		r.pass("no-stream")
	} else {
		r.unverified("nothing in the answer looks like an event; see content-type", "no-stream")
	}
}

func checkCache(r *Report, h http.Header) {
	control := strings.ToLower(strings.Join(h["Cache-Control"], ","))
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(control, w) })
	}
	switch {
	case has("public", "s-maxage", "immutable"), has("max-age") && !has("max-age=0", "no-store", "no-cache"):
		r.find("cache-control", Risk, fmt.Sprintf("Cache-Control: %s", safe(h.Get("Cache-Control"))))
	case !has("no-store", "no-cache", "private", "max-age=0"):
		r.find("cache-control", Note, fmt.Sprintf("Cache-Control is %q; with no-store, or no-cache, no cache keeps the stream.", safe(h.Get("Cache-Control"))))
	case h.Get("ETag") != "":
		r.find("cache-control", Note, "The response has an ETag, which a stream cannot have: a cache may answer with 304.")
	default:
		r.pass("cache-control")
	}
}

// checkConnectionHeader looks for what HTTP/2 forbids. HTTP/1.1 allows it.
func (c *checker) checkConnectionHeader(s *stream) {
	if !c.http2 {
		c.report.unverified("HTTP/2 is not offered, or was not spoken", "connection-header")
		return
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		if v, ok := s.Response.Header[name]; ok {
			c.report.find("connection-header", Problem, fmt.Sprintf("%s: %s, over HTTP/2", name, safe(strings.Join(v, ", "))))
		}
	}
	c.report.pass("connection-header")
}

// lateHeader judges how long the header took, by the median of the connections.
func (c *checker) lateHeader(probes []*probe) {
	r := c.report
	var delays []time.Duration
	var lines []TimeLine
	none, withBody := 0, 0
	for _, p := range probes {
		if p.name == nameDirect || p.name == nameGET || p.name == nameCodings || p.s.Sent == 0 {
			continue
		}
		lines = append(lines, timeLine(p.name, p.s))
		if p.s.Response == nil {
			none++
			delays = append(delays, p.s.Until()-p.s.Sent)
			continue
		}
		delays = append(delays, p.s.Header-p.s.Sent)
		if len(p.s.Bursts) > 0 && p.s.Bursts[0].At-p.s.Header < beside {
			withBody++
		}
	}
	if len(delays) == 0 {
		return
	}
	defer func() {
		for _, p := range probes {
			if p.name == nameDirect && p.s.Response != nil && r.has("header-late") && p.s.Header-p.s.Sent < time.Second {
				f := r.find("header-late", Note, fmt.Sprintf("%s itself sent it after %s.", safe(c.direct.Host), seconds(p.s.Header-p.s.Sent)))
				f.Cause = "A proxy holds it back: see buffered."
			}
		}
	}()
	slices.Sort(delays)
	base := probes[0].s
	delay := delays[(len(delays)-1)/2]
	connect := base.Connected - base.Begin
	limit := max(time.Second, 10*connect)
	switch {
	case none == len(delays) && delay > limit:
		f := r.find("header-late", Problem, fmt.Sprintf("No response header came within %s.", seconds(delay)), lines...)
		f.Cause = "The server sends its header with the first event, and there was none; or a proxy holds header and events back (nginx does with its defaults). -direct ORIGIN shows which."
	case delay <= limit:
		r.pass("header-late")
	case c.as == "llm":
		r.find("header-late", Note, fmt.Sprintf("The header came %s after the request; a model may need that to begin.", seconds(delay)))
	default:
		level := Risk
		if delay >= 5*time.Second {
			level = Problem
		}
		text := fmt.Sprintf("The header came %s after the request, in the median of %s", seconds(delay), plural(len(delays), "connection"))
		if withBody > 0 {
			text += ", together with the first bytes of the stream"
		}
		r.find("header-late", level, text+".", lines...)
	}
}
