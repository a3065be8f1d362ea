package check

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// describe states what was reached, for the head of the report.
func (c *checker) describe(base *probe, probes []*probe) {
	s := base.s
	if s.Response == nil {
		c.report.fact("answer", "none within %s", seconds(s.Until()-s.Sent))
		return
	}
	protocol := s.Response.Proto
	switch {
	case c.http2:
		protocol = "HTTP/2"
	case c.target.Scheme == "https":
		protocol += ", HTTP/2 is not offered"
	}
	c.report.fact("answer", "%s over %s after %s", safe(s.Response.Status), protocol, seconds(s.Header-s.Sent))
	c.report.servers = serversOf(probes)
	if via := serverText(s.Response.Header); via != "" {
		c.report.fact("server", "%s", safe(via))
	}
	var names []string
	for _, p := range probes {
		names = append(names, p.name)
	}
	c.report.fact("watched", "%s, connections: %s", seconds(s.Until()-s.Begin), strings.Join(names, ", "))
	comments := ""
	if n := len(s.scan.Comments); n > 0 {
		comments = fmt.Sprintf(", %d comments", n)
	}
	c.report.fact("stream", "%d events, %d bytes%s%s%s", s.scan.Count, s.Size, comments, typical(s), endText(s))
}

// typical says how far events came apart.
func typical(s *stream) string {
	apart := moments(s.complete)
	if len(apart) < 3 {
		return ""
	}
	return ", one each " + seconds((apart[len(apart)-1]-apart[0])/time.Duration(len(apart)-1)) + " on average"
}

func endText(s *stream) string {
	switch {
	case !s.Ended:
		return ""
	case s.Err == nil:
		return ", ended by the server"
	}
	return ", broken off: " + safe(errorText(s.Err))
}

// errorText leaves out what net/http and net put before the reason.
func errorText(err error) string {
	if err == nil {
		return "the server ended it"
	}
	text := err.Error()
	if i := strings.LastIndex(text, "->"); i >= 0 {
		if _, reason, ok := strings.Cut(text[i:], ": "); ok {
			return reason
		}
	}
	return text
}

// beginning returns the first line of a body, for a report.
func beginning(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	return safe(string(line))
}
