package servers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/toxic"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// nodeVersion returns the version of an installed package of node/, or skips the test.
func nodeVersion(t *testing.T, name string) string {
	t.Helper()
	if program.Find("node") == "" {
		table.Skip(t, name, "node is not installed")
	}
	b, err := os.ReadFile("node/node_modules/" + name + "/package.json")
	if err != nil {
		table.Skip(t, name, "npm ci has not been run in conformance/servers/node")
	}
	var p struct{ Version string }
	require.NoError(t, json.Unmarshal(b, &p))
	return p.Version
}

// startNode starts a server of node/, with a log of so many events.
func startNode(t *testing.T, script string, length int) (srv *program.Program, addr string) {
	t.Helper()
	port := program.FreePort(t)
	srv = program.Start(t, port, program.Find("node"), "node/"+script, strconv.Itoa(port), strconv.Itoa(length))
	return srv, fmt.Sprintf("127.0.0.1:%d", port)
}

// publishNode lengthens the log of the server at addr.
func publishNode(t *testing.T, addr string, to int) {
	t.Helper()
	resp, err := http.Post(fmt.Sprintf("http://%s/publish?to=%d", addr, to), "text/plain", nil)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// TestNode: two servers of Node.js that know the last event ID, and tell it to a program.
func TestNode(t *testing.T) { overHTTP1(t, testNode) }

func testNode(t *testing.T, p wire.Protocol) {
	const last, path = 2000, "/sse"
	for name, script := range map[string]string{"better-sse": "better-sse.mjs", "@fastify/sse": "fastify-sse.mjs"} {
		t.Run(name, func(t *testing.T) {
			row := table.Start(name, nodeVersion(t, name), string(p))
			row.Run(t, "tail", func(t *testing.T) {
				_, addr := startNode(t, script, 1)
				tail(t, p, p.URL(addr)+path, "", last, func(_, to int) { publishNode(t, addr, to) })
			})
			row.Run(t, "resume after drops", func(t *testing.T) {
				_, addr := startNode(t, script, last)
				dropped(t, p, addr, path, "", last, 5000).ExactlyOnce(t)
			})
			row.Run(t, "restart", func(t *testing.T) {
				srv, addr := startNode(t, script, last/2)
				restarted(t, p, p.URL(addr)+path, "", last, func() {
					srv.Restart(t)
					publishNode(t, addr, last)
				}).ExactlyOnce(t)
			})
		})
	}
}

// TestExpressSSE: express-sse does not know the last event ID. It numbers the events of each
// connection from 0, and begins each with all that there has been.
func TestExpressSSE(t *testing.T) { overHTTP1(t, testExpressSSE) }

func testExpressSSE(t *testing.T, p wire.Protocol) {
	const last, path, name = 40, "/sse", "express-sse"
	row := table.Start(name, nodeVersion(t, name), string(p))
	repeats := func(t *testing.T, count numbered.Count, n int) {
		assert.Empty(t, count.Lost)
		assert.Equal(t, n, count.Repeated, "by the server's own fault")
		row.Differs("it ignores the last event ID: each resumption repeats every event, with IDs from 0 on")
	}
	row.Run(t, "tail", func(t *testing.T) {
		_, addr := startNode(t, "express-sse.mjs", 1)
		tail(t, p, p.URL(addr)+path, "", 2000, func(_, to int) { publishNode(t, addr, to) })
	})
	row.Run(t, "resume after a drop", func(t *testing.T) {
		_, addr := startNode(t, "express-sse.mjs", last/2)
		proxy := toxic.Between(t, addr)
		count := numbered.Follow(t, client(t, p), p.URL(proxy.Addr)+path, last, func(n int) {
			if n == last/2 {
				proxy.Cut(t)
				publishNode(t, addr, last)
			}
		})
		t.Log(count)
		repeats(t, count, last/2)
	})
	row.Run(t, "restart", func(t *testing.T) {
		srv, addr := startNode(t, "express-sse.mjs", last/2)
		repeats(t, restarted(t, p, p.URL(addr)+path, "", last, func() {
			srv.Restart(t)
			publishNode(t, addr, last)
		}), last/2)
	})
}
