package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

const (
	window       = 8 * time.Second  // how long the streams are watched beside each other
	headerWindow = 30 * time.Second // the same, while there is no header
	answerWindow = time.Minute      // the same, for an answer that has an end
	afterHeader  = 3 * time.Second  // how long they are watched on, where the header was late
	enoughEvents = 6                // events, apart from each other, after which the watch ends early
	enoughTime   = 3 * time.Second
	step         = 100 * time.Millisecond
	maxRedirects = 10
)

// browserCodings are what browsers ask for.
const browserCodings = "gzip, deflate, br, zstd"

// noStream is why most things are not verified where there is none.
const noStream = "there is no stream to look at"

// A checker is one run of the command.
type checker struct {
	*options
	epoch    time.Time
	report   *Report
	progress func(format string, args ...any)

	tls      *tls.Config // for requests, once the certificate was looked at
	http2    bool        // HTTP/2 is offered
	requests int
	ends     []ending // of connections that were watched
	kicked   bool     // a stream ends when another one opens: what runs side by side proves nothing
}

// A probe is one of the connections that are compared.
type probe struct {
	name string
	x    *capture.Exchange
	s    *stream // once the watch is over
}

// run checks the target. Its error means that nothing was reached.
func (c *checker) run(ctx context.Context) error {
	defer c.progress("")
	if c.file != "" {
		return c.checkFile()
	}
	c.report.Target = c.target.Redacted()
	base, err := c.reference(ctx)
	if base == nil {
		return err
	}
	defer base.x.Stop()
	probes := c.beside(ctx, base)
	defer func() {
		for _, p := range probes {
			p.x.Stop()
		}
	}()
	c.watchAll(ctx, probes)
	for _, p := range probes {
		p.s = readStream(p.x.View())
	}
	c.describe(base, probes)
	c.checkHeader(base.s)
	c.checkArrival(base, probes)
	c.checkAnswer(base.s)
	c.checkWire(base.s, nil)
	for _, p := range probes {
		p.x.Stop()
	}
	c.noteEnds(ctx, probes)
	if c.kicked {
		c.report.unverified("streams end when another one opens", append([]string{"http1-limit"}, resumeIDs...)...)
	}
	c.checkResumption(ctx, base.s)
	c.checkHTTP1(ctx, base.s)
	c.checkCORS(ctx, base.s)
	c.checkCuts(ctx, base.s)
	c.closeSession()
	c.report.fact("requests", "%d", c.requests)
	return nil
}

// request returns the request for the target.
func (c *checker) request(name string) capture.Request {
	header := c.header.Clone()
	set := func(name, value string) {
		if _, ok := header[http.CanonicalHeaderKey(name)]; !ok {
			header.Set(name, value)
		}
	}
	set("Accept", "text/event-stream")
	if c.as == "mcp" && c.method == http.MethodPost {
		header.Set("Accept", "application/json, text/event-stream")
	}
	set("Cache-Control", "no-cache")
	set("Accept-Encoding", "identity")
	set("User-Agent", "sse-check")
	return capture.Request{Name: name, URL: c.target, Method: c.method, Header: header, Body: c.body, HTTP2: c.http2, TLS: c.tls}
}

// start makes a request.
func (c *checker) start(ctx context.Context, req capture.Request) *capture.Exchange {
	c.requests++
	return capture.Start(ctx, c.epoch, req)
}

// reference opens the connection that the others are compared with, and follows redirects.
// It returns nil where there is nothing to watch.
func (c *checker) reference(ctx context.Context) (*probe, error) {
	c.progress("connecting to %s …", safe(c.target.Host))
	for range maxRedirects {
		ok, err := c.checkCertificate(ctx)
		if err != nil || !ok {
			return nil, err
		}
		if c.as == "mcp" {
			if err := c.openSession(ctx); err != nil {
				return nil, err
			}
		}
		x := c.start(ctx, c.request("identity"))
		wait(ctx, 2*time.Second, x, func(v capture.View) bool { return v.Response != nil || v.Ended })
		v := x.View()
		if v.Response == nil && v.Ended && v.Err != nil && ctx.Err() == nil && v.Sent == 0 {
			return nil, v.Err
		}
		target := redirect(v)
		if target == nil {
			return &probe{name: "identity", x: x}, nil
		}
		x.Stop()
		c.follow(target, v.Response.StatusCode)
	}
	c.report.find("no-stream", Problem, fmt.Sprintf("More than %d redirects.", maxRedirects))
	return nil, nil
}

// redirect returns where a response sends its client; nil: nowhere.
func redirect(v capture.View) *url.URL {
	if v.Response == nil {
		return nil
	}
	switch v.Response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		u, err := v.Request.URL.Parse(v.Response.Header.Get("Location"))
		if err == nil && v.Response.Header.Get("Location") != "" && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
			return u
		}
	}
	return nil
}

// follow makes the target of a redirect the target. Credentials stay with their host.
func (c *checker) follow(target *url.URL, status int) {
	c.report.fact("redirect", "%d to %s", status, safe(target.Redacted()))
	if target.Host != c.target.Host || target.Scheme != c.target.Scheme {
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Host"} {
			c.header.Del(name)
		}
	}
	target.User = nil
	c.target = target
	if status <= 303 && c.method == http.MethodPost {
		c.method, c.body = http.MethodGet, nil
		c.header.Del("Content-Type")
	}
}

// beside opens the connections that differ from the reference in one thing each. The
// reference is opened again with them, so that all begin at one time, unless it has no
// header yet, or is a request that is not lightly repeated.
func (c *checker) beside(ctx context.Context, base *probe) []*probe {
	probes := []*probe{base}
	v := base.x.View()
	if v.Response != nil && v.Response.StatusCode != http.StatusOK || v.Ended && v.Response == nil {
		return probes
	}
	if c.as == "mcp" && c.method == http.MethodGet {
		return probes // a session has only one such stream at a time
	}
	if v.Response != nil && c.method == http.MethodGet {
		base.x.Stop()
		base.x = c.start(ctx, c.request(base.name))
	}
	add := func(name string, change func(r *capture.Request)) {
		r := c.request(name)
		change(&r)
		probes = append(probes, &probe{name: name, x: c.start(ctx, r)})
	}
	add(nameCodings, func(r *capture.Request) { r.Header.Set("Accept-Encoding", browserCodings) })
	if c.http2 {
		add(nameHTTP1, func(r *capture.Request) { r.HTTP2 = false })
	}
	if c.direct != nil {
		add(nameDirect, func(r *capture.Request) {
			u := *r.URL
			u.Scheme, u.Host = c.direct.Scheme, c.direct.Host
			r.URL, r.HTTP2 = &u, false
			r.TLS = &tls.Config{InsecureSkipVerify: c.insecure, RootCAs: c.roots}
		})
	}
	if c.method != http.MethodGet && c.as == "" {
		add(nameGET, func(r *capture.Request) {
			r.Method, r.Body = http.MethodGet, nil
			r.Header.Del("Content-Type")
		})
	}
	return probes
}

// The names of the connections beside the reference.
const (
	nameCodings = "codings"
	nameHTTP1   = "HTTP/1.1"
	nameDirect  = "direct"
	nameGET     = "GET"
)

// watchAll waits until enough has been seen of all connections, or for as long as it takes
// to say that there is nothing to see.
func (c *checker) watchAll(ctx context.Context, probes []*probe) {
	begin, lastHeader := time.Now(), time.Now()
	waiting := len(probes)
	for ; ctx.Err() == nil; time.Sleep(step) {
		ended, without, enough := 0, 0, 0
		for _, p := range probes {
			v := p.x.View()
			switch {
			case v.Ended:
				ended++
			case v.Response == nil:
				without++
			}
			if v.Response != nil && isEnough(v) {
				enough++
			}
		}
		if without < waiting {
			waiting, lastHeader = without, time.Now()
		}
		watched := time.Since(begin)
		least := window
		if c.as == "llm" { // its end is what matters
			enough, least = 0, answerWindow
		}
		c.progress("watching %d connections for %s …", len(probes), seconds(watched))
		switch {
		case ended == len(probes), enough == len(probes) && watched > enoughTime:
			return
		case watched < least:
		case without > 0 && without == len(probes)-ended && watched < headerWindow: // none has one
		case time.Since(lastHeader) > afterHeader:
			return
		}
	}
}

// isEnough reports whether events came often enough to compare.
func isEnough(v capture.View) bool {
	if !v.Ended && v.Size > 1<<20 {
		return true
	}
	if len(v.Bursts) > 2*maxPoints {
		return v.Now-v.Header > enoughTime
	}
	s := readStream(v)
	apart := moments(s.arrivals())
	return v.Ended || s.readable && len(apart) >= enoughEvents && apart[len(apart)-1]-apart[0] > enoughTime-time.Second
}

// wait waits until an exchange is as wanted, for at most d.
func wait(ctx context.Context, d time.Duration, x *capture.Exchange, wanted func(capture.View) bool) {
	for until := time.Now().Add(d); time.Now().Before(until) && ctx.Err() == nil && !wanted(x.View()); {
		time.Sleep(10 * time.Millisecond)
	}
}
