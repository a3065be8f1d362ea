package check

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

// checkHTTP1 opens seven streams where there is no HTTP/2: one more than a browser does.
func (c *checker) checkHTTP1(ctx context.Context, base *stream) {
	const streams = 7
	r, id := c.report, "http1-limit"
	switch {
	case !base.open():
		r.unverified(noStream, id)
		return
	case c.http2:
		r.pass(id)
		return
	case c.kicked:
		return
	case c.as == "llm" || c.as == "mcp" || c.method != http.MethodGet:
		r.unverified("it matters to pages with several streams", id)
		return
	}
	c.progress("opening %d streams …", streams)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	level := Note
	if c.as == "browser" {
		level = Risk
	}
	var xs []*capture.Exchange
	for n := range streams {
		xs = append(xs, c.start(ctx, c.request(fmt.Sprintf("stream %d", n+1))))
	}
	opened := 0
	var others []string
	for _, x := range xs {
		wait(ctx, 3*time.Second, x, func(v capture.View) bool { return v.Response != nil || v.Ended })
		switch v := x.View(); {
		case v.Response != nil && v.Response.StatusCode == http.StatusOK:
			opened++
		case v.Response != nil:
			others = append(others, v.Response.Status)
		case v.Ended:
			others = append(others, errorText(v.Err))
		}
	}
	for _, x := range xs {
		x.Stop()
	}
	text := fmt.Sprintf("%d of %d streams opened here at once over HTTP/1.1. A browser opens six; the seventh waits.", opened, streams)
	if len(others) > 0 {
		level = Problem
		text = fmt.Sprintf("%d of %d streams opened at once; another was answered with: %s.", opened, streams, safe(others[0]))
	}
	f := r.find(id, level, text)
	if len(others) > 0 {
		f.Cause = "The server, or a proxy, limits the connections of a client."
	}
}
