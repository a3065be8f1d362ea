package ssetest_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

var regexpJitter = regexp.MustCompile(`7(\.\d+)?s`)

// TestScripts plays everything that a Conn can do.
func TestScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Status(http.StatusFound, "/moved?"+c.Request().URL.RawQuery) },
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Type: "e", Data: "1", LastEventID: "1"})
				c.Write("data: lost")
				c.Abort()
			},
			func(c *ssetest.Conn) { c.Header().Set("Retry-After", "7"); c.Status(503, "later") },
			func(c *ssetest.Conn) { c.Write("data:2\r\n\r\n"); c.Wait() },
			func(c *ssetest.Conn) { c.Header().Set("Content-Type", "text/event-stream; charset=utf-8"); c.Write("") },
			func(c *ssetest.Conn) { c.Status(http.StatusNoContent, "") },
			func(c *ssetest.Conn) { panic("nobody comes here") },
		)
		rec := ssetest.NewRecorder()
		client := sse.Client{HTTPClient: srv.Client(), IdleTimeout: time.Minute, Trace: rec.Trace(),
			NewBackoff: func(d time.Duration) sse.Backoff { return backoff.NewConstantBackOff(d) }}
		var got []string
		for ev, err := range rec.Events(client.Get(t.Context(), srv.URL()+"/?a=b")) {
			require.NoError(t, err)
			got = append(got, ev.Data)
		}
		require.Equal(t, []string{"1", "2"}, got)
		wait := regexpJitter.ReplaceAllString(rec.String(), "7.Xs")
		require.Equal(t, "/moved?a=b", srv.Requests()[1].URL.RequestURI())
		require.Contains(t, wait, `sse-recording 1
0s         1 connect GET "/?a=b"
0s         1 status 200
0s         1 event e "1" id "1"
0s         1 drop # unexpected EOF; again in 1s
1s         2 connect GET "/?a=b"
1s         2 header Last-Event-Id "1"
1s         2 status 503
1s         2 header Content-Type "text/plain; charset=utf-8"
1s         2 header Retry-After "7"
1s         2 bytes "later\n"
1s         2 end # sse: GET http://sse.test/: 503 Service Unavailable: "later"; again in 7.Xs
`)
		require.True(t, strings.HasSuffix(rec.String(), " end\n"))
	})
}

// TestStatus: only a redirect's text is a Location.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var scripts []ssetest.Script
		for _, code := range []int{300, 399, 400, 299} {
			scripts = append(scripts, func(c *ssetest.Conn) { c.Status(code, "/text") })
		}
		srv := ssetest.NewScriptedServer(t, scripts...)
		var got []string
		for range scripts {
			resp, err := srv.Client().Get(srv.URL())
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			got = append(got, fmt.Sprintf("%d %q %q", resp.StatusCode, resp.Header.Get("Location"), body))
		}
		require.Equal(t, []string{`300 "/text" ""`, `399 "/text" ""`, `400 "" "/text\n"`, `299 "" "/text\n"`}, got)
	})
}

// TestRecorder records what its consumer does, too.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := ssetest.NewRecorder()
		for range rec.Events(sse.Read(strings.NewReader(":c\ndata:1\n\ndata:2\n\n"))) {
			time.Sleep(1500 * time.Millisecond)
			break
		}
		ssetest.Take(t, rec.Events(sse.Read(strings.NewReader("data:3\n\n"))), 1)
		for range rec.Events(sse.Read(strings.NewReader("data:4\n"))) {
		}
		require.Equal(t, `sse-recording 1
0s         1 connect
0s         1 event message "1" id ""
1.5s       1 wait # left
1.5s       2 connect
1.5s       2 event message "3" id ""
1.5s       2 wait # left
1.5s       3 connect
1.5s       3 end # error: sse: the stream ended inside an event: type "message", ID "", data "4"
`, rec.String())
	})
}

// TestScriptMisuse: what a script cannot do is an error of its test.
func TestScriptMisuse(t *testing.T) {
	for want, script := range map[string]ssetest.Script{
		`ssetest: sse: an event's Data cannot hold '\r'`: func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a\rb"}) },
		`ssetest: Conn.Status(500, "sorry") comes too late: a status has been sent`: func(c *ssetest.Conn) {
			c.Write("")
			c.Status(500, "sorry")
		},
		`ssetest: Conn.Status(200, "") comes too late: a status has been sent`: func(c *ssetest.Conn) {
			c.Status(204, "")
			c.Status(200, "")
		},
		`ssetest: the handler panicked: oh no`: func(*ssetest.Conn) { panic("oh no") },
	} {
		t.Run(want, func(t *testing.T) {
			require.Contains(t, fails(t, func(t testing.TB) {
				srv := ssetest.NewScriptedServer(t, script)
				for range (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()) {
				}
			}), want)
		})
	}
}

// TestAfterTheScripts: a request without a script is answered by 204, which ends a stream.
func TestAfterTheScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t)
		for range 2 {
			resp, err := srv.Client().Get(srv.URL())
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		}
	})
}

// TestScriptsContentType: a script may set another one.
func TestScriptsContentType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) {
			c.Header().Set("Content-Type", "application/json")
			c.Write("{}")
		})
		var last error
		for _, err := range (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()) {
			last = err
		}
		require.ErrorContains(t, last, "application/json")
	})
}
