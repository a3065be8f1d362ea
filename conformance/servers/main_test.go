package servers

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/toxic"
	"github.com/lastevent/sse/conformance/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(table.Main(m, "servers")) }

const retry = 10 * time.Millisecond

// client returns a client over p with short waits and connections of its own.
func client(t *testing.T, p wire.Protocol) sse.Client {
	return sse.Client{HTTPClient: &http.Client{Transport: p.Transport(t)}, ReconnectionTime: retry}
}

// overHTTP1 runs a test over both transports for HTTP/1.1.
func overHTTP1(t *testing.T, test func(t *testing.T, p wire.Protocol)) {
	for _, p := range []wire.Protocol{wire.HTTP1, wire.Lean} {
		t.Run(string(p), func(t *testing.T) { test(t, p) })
	}
}

// tail follows a stream of which the first event has been published. The others are published
// while it is read. Nothing is lost, nothing is repeated, and the connection lasts.
func tail(t *testing.T, p wire.Protocol, url, id string, last int, publish func(from, to int)) {
	t.Helper()
	count := numbered.FollowAfter(t, client(t, p), url, id, last, func(n int) {
		if n%100 == 1 {
			publish(n+1, min(n+100, last))
		}
	})
	t.Log(count)
	count.ExactlyOnce(t)
	assert.Empty(t, count.Drops)
}

// restarted follows a stream of which half has been published, and calls restart at a quarter
// of it, which has the server publish the rest.
func restarted(t *testing.T, p wire.Protocol, url, id string, last int, restart func()) numbered.Count {
	t.Helper()
	count := numbered.FollowAfter(t, client(t, p), url, id, last, func(n int) {
		if n == last/4 {
			restart()
		}
	})
	t.Log(count)
	assert.NotEmpty(t, count.Drops)
	return count
}

// lostWithin requires that no event was repeated, and that those lost are within [from, to].
func lostWithin(t *testing.T, count numbered.Count, from, to int) {
	t.Helper()
	assert.Zero(t, count.Repeated)
	for _, n := range count.Lost {
		assert.True(t, from <= n && n <= to, "event %d is lost", n)
	}
}

// dropped follows the stream at path of the server at addr, from after the event with an ID to
// the event of number last. Each connection is cut after some bytes.
func dropped(t *testing.T, p wire.Protocol, addr, path, id string, last, bytes int) numbered.Count {
	t.Helper()
	proxy := toxic.Between(t, addr)
	proxy.Add(t, "limit_data", map[string]int{"bytes": bytes})
	count := numbered.FollowAfter(t, client(t, p), p.URL(proxy.Addr)+path, id, last, nil)
	t.Log(count)
	assert.GreaterOrEqual(t, len(count.Drops), 20)
	return count
}
