package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

// checkCORS asks as a page of another origin does: for the stream, for leave to send what
// needs leave, and for a path that is not there.
func (c *checker) checkCORS(ctx context.Context, base *stream) {
	r, id := c.report, "cors"
	switch {
	case c.origin == "":
		r.unverified("no page's origin was given: -origin https://app.example", id)
		return
	case !base.open():
		r.unverified(noStream, id)
		return
	}
	c.progress("asking as a page of %s …", safe(c.origin))
	get := c.request("a page")
	get.Header.Set("Origin", c.origin)

	preflight := c.request("preflight")
	preflight.Method, preflight.Body = http.MethodOptions, nil
	preflight.Header = http.Header{
		"Origin": {c.origin}, "Access-Control-Request-Method": {c.method}, "Access-Control-Request-Headers": {c.unsafeHeaders()},
		"User-Agent": preflight.Header["User-Agent"],
	}
	missing := c.request("error")
	u := *missing.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/sse-check-no-such-path", ""
	missing.URL, missing.Method, missing.Body = &u, http.MethodGet, nil
	missing.Header.Set("Origin", c.origin)

	var views []capture.View
	for _, req := range []capture.Request{get, preflight, missing} {
		x := c.start(ctx, req)
		wait(ctx, 5*time.Second, x, func(v capture.View) bool { return v.Response != nil || v.Ended })
		x.Stop()
		views = append(views, x.View())
	}
	if views[0].Response == nil {
		r.unverified("the request with an Origin was not answered", id)
		return
	}
	if why := c.forbids(views[0].Response.Header); why != "" {
		r.find(id, Problem, "The stream, for a page of "+safe(c.origin)+": "+why)
		return
	}
	r.pass(id)
	c.judgePreflight(views[1])
	if resp := views[2].Response; resp != nil && resp.StatusCode >= 400 {
		if why := c.forbids(resp.Header); why != "" {
			r.find(id, Note, fmt.Sprintf("Errors, here %s: %s; a page sees no status, only a network error.", safe(resp.Status), strings.TrimSuffix(why, ".")))
		}
	}
}

// unsafeHeaders are those of the request that need a preflight. Last-Event-ID does where a
// page uses fetch, and not with EventSource.
func (c *checker) unsafeHeaders() string {
	names := []string{"last-event-id"}
	for name := range c.header {
		switch name = strings.ToLower(name); name {
		case "accept", "accept-language", "content-language", "origin", "cookie", "user-agent", "host":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// forbids says why a response cannot be read by a page of the origin; "": it can.
func (c *checker) forbids(h http.Header) string {
	values := h["Access-Control-Allow-Origin"]
	switch {
	case len(values) == 0:
		return "there is no Access-Control-Allow-Origin."
	case len(values) > 1 || strings.Contains(values[0], ","):
		return fmt.Sprintf("Access-Control-Allow-Origin is there more than once (%s); two layers add it.", safe(strings.Join(values, ", ")))
	case values[0] != "*" && values[0] != c.origin:
		return fmt.Sprintf("Access-Control-Allow-Origin is %s.", safe(values[0]))
	}
	return ""
}

func (c *checker) judgePreflight(v capture.View) {
	if v.Response == nil {
		return
	}
	h := v.Response.Header
	// EventSource needs none; what it cannot send does, and fetch that resumes.
	level := Note
	if c.method != http.MethodGet || len(c.header) > 0 {
		level = Problem
	}
	why := c.forbids(h)
	allowed := strings.ToLower(strings.Join(h["Access-Control-Allow-Headers"], ","))
	switch {
	case v.Response.StatusCode < 200 || v.Response.StatusCode > 299:
		why = "the answer is " + safe(v.Response.Status) + "."
	case why != "":
	case !strings.Contains(allowed, "*"):
		for _, name := range strings.Split(c.unsafeHeaders(), ",") {
			if !slices.Contains(strings.FieldsFunc(allowed, func(r rune) bool { return r == ',' || r == ' ' }), name) {
				why = "Access-Control-Allow-Headers does not name " + name + "."
			}
		}
	}
	if why != "" {
		text := "Preflight (OPTIONS): " + why
		if level == Note {
			text += " EventSource makes none; fetch with a Last-Event-ID header does."
		}
		c.report.find("cors", level, text)
	}
}
