package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/lastevent/sse"
)

// errKilled is what the reader of a connection that Kill cut gets.
var errKilled = errors.New("load: the connection was cut by Kill")

// maxCauses is how many causes a report distinguishes. All are from a fixed set, but for the status
// of a response.
const maxCauses = 64

// A cause is why a connection ended, or an attempt failed.
type cause struct {
	what  string
	limit string // whose limit that is, where it is one: of a stream that was never opened
}

const server, client = "the server", "this machine"

var causesByErrno = []struct {
	err error
	cause
}{
	{syscall.ECONNREFUSED, cause{"connection refused", server}},
	{syscall.EMFILE, cause{"too many open files", client}},
	{syscall.ENFILE, cause{"too many open files", client}},
	{syscall.EADDRNOTAVAIL, cause{"no free port", client}},
	{syscall.EADDRINUSE, cause{"no free port", client}},
	{syscall.ENOBUFS, cause{"no buffer space", client}},
	{syscall.ENOMEM, cause{"no memory", client}},
	{syscall.ECONNRESET, cause{"connection reset", server}},
	{syscall.EPIPE, cause{"connection reset", server}},
	{syscall.ECONNABORTED, cause{"connection reset", server}},
	{syscall.ETIMEDOUT, cause{"no answer from TCP", server}},
	{syscall.EHOSTUNREACH, cause{"host unreachable", ""}},
	{syscall.ENETUNREACH, cause{"network unreachable", ""}},
}

// causeOf returns what kind of error ended a connection or an attempt.
func causeOf(err error) cause {
	if err == nil {
		return cause{"ended without an error", ""}
	}
	if errors.Is(err, errKilled) {
		return cause{"cut by Kill", ""}
	}
	if re := (*sse.ResponseError)(nil); errors.As(err, &re) {
		if re.StatusCode == http.StatusOK {
			return cause{"200 without an event stream", server}
		}
		return cause{fmt.Sprintf("status %03d", re.StatusCode), server}
	}
	for _, known := range causesByErrno {
		if errors.Is(err, known.err) {
			return known.cause
		}
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return cause{"name not resolved", ""}
	}
	if ce := (*tls.CertificateVerificationError)(nil); errors.As(err, &ce) {
		return cause{"invalid certificate", ""}
	}
	var (
		unfinished *sse.UnfinishedError
		alert      tls.AlertError
		record     tls.RecordHeaderError
		netErr     net.Error
	)
	switch {
	case errors.Is(err, sse.ErrIdleTimeout):
		return cause{"no answer in time", server}
	case errors.Is(err, sse.ErrEventTooLarge):
		return cause{"event too large", ""}
	case errors.As(err, &unfinished):
		return cause{"closed inside an event", ""}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return cause{"cut", ""}
	case errors.Is(err, io.EOF):
		return cause{"closed by the server", server}
	case errors.As(err, &alert), errors.As(err, &record):
		return cause{"TLS failed", ""}
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return cause{"no answer in time", server}
	case strings.Contains(err.Error(), "GOAWAY"):
		return cause{"GOAWAY of HTTP/2", server}
	case strings.Contains(err.Error(), "stream error:"):
		return cause{"RST_STREAM of HTTP/2", server}
	case errors.Is(err, net.ErrClosed):
		return cause{"connection closed", ""}
	}
	return cause{"other", ""}
}

// causes counts causes.
type causes struct {
	mu sync.Mutex
	m  map[string]*Count
	of map[string]string // whose limit a cause is
}

func (c *causes) count(what cause, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m, c.of = make(map[string]*Count), make(map[string]string)
	}
	known := c.m[what.what]
	if known == nil {
		if len(c.m) >= maxCauses {
			what.what = "other"
		}
		if known = c.m[what.what]; known == nil {
			known = &Count{What: what.what}
			c.m[what.what], c.of[what.what] = known, what.limit
		}
	}
	if known.N++; known.Example == "" && err != nil {
		known.Example = example(err)
	}
}

// limit returns whose limit a cause is, empty if it is nobody's.
func (c *causes) limit(what string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[what]
}

// example returns the text of an error, without the request's URL.
func example(err error) string {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err
	}
	if err == nil {
		return ""
	}
	return cleanText(err.Error())
}

// counts returns the causes, the most frequent first.
func (c *causes) counts() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Count, 0, len(c.m))
	for _, n := range c.m {
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.What, b.What)) })
	return all
}
