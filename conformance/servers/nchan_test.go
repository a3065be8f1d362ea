package servers

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/wire"
)

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

func nginxVersion(t *testing.T) string {
	return program.Version(t, func(out string) string { return strings.TrimSpace(strings.TrimPrefix(out, "nginx version: ")) },
		program.Find("nginx"), "-v")
}

// TestNchan: nginx's publish and subscribe module.
func TestNchan(t *testing.T) { overHTTP1(t, testNchan) }

func testNchan(t *testing.T, p wire.Protocol) {
	const suite = "nginx with nchan"
	if program.Find("nginx") == "" {
		table.Skip(t, suite, "nginx is not installed")
	}
	if _, err := os.Stat(nchanModule); err != nil {
		table.Skip(t, suite, "nginx has no nchan module")
	}
	row := table.Start(suite, nginxVersion(t), string(p))
	start := func(t *testing.T) (srv *program.Program, addr string) {
		srv, port := program.Nginx(t, "load_module "+nchanModule+";", "nchan_max_reserved_memory 256M;", `;
		nchan_channel_id numbers;
		nchan_message_buffer_length 20000;
		location /pub { nchan_publisher; }
		location /sub { nchan_subscriber eventsource; }`)
		return srv, fmt.Sprintf("127.0.0.1:%d", port)
	}
	publish := func(t *testing.T, addr string, from, to int) {
		for n := from; n <= to; n++ {
			resp, err := http.Post("http://"+addr+"/pub", "text/plain", strings.NewReader(numbered.Data(n)))
			if !assert.NoError(t, err) {
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			assert.Less(t, resp.StatusCode, 300)
		}
	}

	row.Run(t, "tail", func(t *testing.T) {
		_, addr := start(t)
		publish(t, addr, 1, 1)
		tail(t, p, p.URL(addr)+"/sub", "", 2000, func(from, to int) { publish(t, addr, from, to) })
	})
	row.Run(t, "10 000 events over 200 drops", func(t *testing.T) {
		_, addr := start(t)
		go publish(t, addr, 1, 10_000)
		count := dropped(t, p, addr, "/sub", "", 10_000, 3000)
		count.ExactlyOnce(t)
		assert.GreaterOrEqual(t, len(count.Drops), 200)
	})
	row.Run(t, "restart", func(t *testing.T) {
		const last = 100
		srv, addr := start(t)
		publish(t, addr, 1, last/2)
		count := restarted(t, p, p.URL(addr)+"/sub", "", last, func() {
			srv.Kill()
			srv.Restart(t)
			time.Sleep(1100 * time.Millisecond) // IDs are of the second of publication
			publish(t, addr, last/2+1, last)
		})
		lostWithin(t, count, last/4+1, last/2)
		assert.Equal(t, io.EOF, count.Drops[0].Err)
		row.Differs("it uses no framing: when it is killed, its stream ends as if it were complete")
		row.Differs("it keeps its messages in memory: the server loses those that it had not sent when it was killed")
	})
}
