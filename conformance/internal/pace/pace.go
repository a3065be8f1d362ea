// Package pace gives a client a reconnection time before its server has sent one. Package
// sse waits a second then, and at least as long as the server asks from there on; for a
// test of hundreds of drops, and for a caller who names the time, a second is not it.
package pace

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const bom = "\ufeff"

// Transport returns base with a retry field put before the first event stream that it
// brings, behind a byte order mark if there is one. All else of the stream is as it came;
// a retry field of the server's own counts from where it stands.
func Transport(base http.RoundTripper, reconnectionTime time.Duration) http.RoundTripper {
	return &transport{base: base, field: fmt.Sprintf("retry:%d\n", reconnectionTime.Milliseconds())}
}

type transport struct {
	base  http.RoundTripper
	field string
	done  atomic.Bool
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusOK && !t.done.Swap(true) {
		resp.Body = &body{ReadCloser: resp.Body, field: t.field}
	}
	return resp, err
}

type body struct {
	io.ReadCloser
	field   string // until it has been put in
	pending string // to be read before the rest
}

func (b *body) Read(p []byte) (int, error) {
	if b.field != "" {
		// No more is read than tells whether there is a mark: the rest may be long in coming.
		var head []byte
		for len(head) < len(bom) && strings.HasPrefix(bom, string(head)) {
			var one [1]byte
			n, err := b.ReadCloser.Read(one[:])
			head = append(head, one[:n]...)
			if err != nil {
				break // it comes again with the next Read
			}
		}
		if string(head) == bom {
			b.pending = bom + b.field
		} else {
			b.pending = b.field + string(head)
		}
		b.field = ""
	}
	if b.pending != "" {
		n := copy(p, b.pending)
		b.pending = b.pending[n:]
		return n, nil
	}
	return b.ReadCloser.Read(p)
}
