package servers

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ginsse "github.com/gin-contrib/sse"
	"github.com/gin-gonic/gin"
	r3labs "github.com/r3labs/sse/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// restartable passes requests on to what serves now.
type restartable struct {
	mu  sync.Mutex
	now http.Handler
}

func (h *restartable) set(now http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = now
}

func (h *restartable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	now := h.now
	h.mu.Unlock()
	now.ServeHTTP(w, r)
}

// TestGoSSE: a server of tmaxmax/go-sse. It replays what follows an ID in its buffer, and
// nothing to a client without an ID.
func TestGoSSE(t *testing.T) { overHTTP1(t, testGoSSE) }

func testGoSSE(t *testing.T, p wire.Protocol) {
	const last = 2000
	if race {
		table.Skip(t, "tmaxmax/go-sse", "its server writes to responses whose handlers have returned, and the race detector ends the test")
	}
	row := table.Start("tmaxmax/go-sse", table.ModuleVersion("github.com/tmaxmax/go-sse"), string(p))
	publish := func(t *testing.T, srv *gosse.Server, from, to int) {
		for n := from; n <= to; n++ {
			m := &gosse.Message{ID: gosse.ID(strconv.Itoa(n)), Retry: retry}
			m.AppendData(numbered.Data(n))
			require.NoError(t, srv.Publish(m))
		}
	}
	start := func(t *testing.T, size, published int) *gosse.Server {
		replayer, err := gosse.NewFiniteReplayer(size, false)
		require.NoError(t, err)
		srv := &gosse.Server{Provider: &gosse.Joe{Replayer: replayer}}
		t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
		publish(t, srv, 0, published)
		return srv
	}
	row.Run(t, "tail", func(t *testing.T) {
		srv := start(t, 5000, 1)
		tail(t, p, p.Serve(t, srv).URL(), "0", last, func(from, to int) { publish(t, srv, from, to) })
	})
	row.Run(t, "resume after drops", func(t *testing.T) {
		dropped(t, p, p.Serve(t, start(t, 5000, last)).Addr, "", "0", last, 5000).ExactlyOnce(t)
	})
	row.Run(t, "restart", func(t *testing.T) {
		h := &restartable{now: start(t, 5000, last/2)}
		srv := p.Serve(t, h)
		restarted(t, p, srv.URL(), "0", last, func() {
			srv.Stop()
			h.set(start(t, 5000, last))
			srv.Start(t)
		}).ExactlyOnce(t)
	})
	row.Run(t, "resume at the newest event", func(t *testing.T) {
		resume := func(size int) (first sse.Event, err error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Serve(t, start(t, size, 3)).URL(), nil)
			require.NoError(t, err)
			req.Header.Set("Last-Event-ID", "3")
			c := client(t, p)
			c.IdleTimeout = 300 * time.Millisecond
			for ev, err := range c.Events(req) {
				return ev, err
			}
			return sse.Event{}, nil
		}
		ev, err := resume(4)
		require.NoError(t, err)
		assert.Equal(t, numbered.Data(0), ev.Data)
		row.Differs("once its buffer has been full, the server sends the whole buffer again to a client that resumes with the newest ID")
		_, err = resume(5000)
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
		row.Differs("it sends no header before the first event, so a quiet stream does not open")
	})
}

// TestR3labs: a server of r3labs/sse, which numbers its events from 0 and replays its log.
func TestR3labs(t *testing.T) { overHTTP1(t, testR3labs) }

func testR3labs(t *testing.T, p wire.Protocol) {
	const last, path = 2000, "/?stream=numbers"
	row := table.Start("r3labs/sse", table.ModuleVersion("github.com/r3labs/sse/v2"), string(p))
	publish := func(srv *r3labs.Server, from, to int) {
		for n := from; n <= to; n++ {
			srv.Publish("numbers", &r3labs.Event{Data: []byte(numbered.Data(n)), Retry: []byte("10")})
		}
	}
	start := func(t *testing.T, from, to int) *r3labs.Server {
		srv := r3labs.New()
		srv.CreateStream("numbers")
		t.Cleanup(srv.Close)
		publish(srv, from, to)
		return srv
	}
	row.Run(t, "tail", func(t *testing.T) {
		srv := start(t, 1, 1)
		tail(t, p, p.Serve(t, srv).URL()+path, "", last, func(from, to int) { publish(srv, from, to) })
	})
	row.Run(t, "resume after drops", func(t *testing.T) {
		count := dropped(t, p, p.Serve(t, start(t, 1, last)).Addr, path, "", last, 5000)
		assert.Empty(t, count.Lost)
		assert.Equal(t, len(count.Drops), count.Repeated, "one at each resumption, by the server's own fault")
		row.Differs("each resumption repeats one event: the server replays from the last ID on, not after it")
	})
	row.Run(t, "restart", func(t *testing.T) {
		const last = 40
		h := &restartable{now: start(t, 1, last/2)}
		srv := p.Serve(t, h)
		count := restarted(t, p, srv.URL()+path, "", last, func() {
			srv.Stop()
			second := start(t, last/2+1, last/2+2)
			h.set(second)
			srv.Start(t)
			time.AfterFunc(500*time.Millisecond, func() { publish(second, last/2+3, last) })
		})
		lostWithin(t, count, last/4+1, last/2+2)
		assert.Contains(t, count.Lost, last/2+1)
		row.Differs("its log and its count of IDs do not survive a restart: the server loses what it had not sent, and what it publishes before the client has reconnected")
	})
}

// TestGin: gin's rendering of events, of a log of our own, which outlives its servers.
func TestGin(t *testing.T) { overHTTP1(t, testGin) }

func testGin(t *testing.T, p wire.Protocol) {
	const last = 2000
	row := table.Start("gin", gin.Version, string(p))
	gin.SetMode(gin.ReleaseMode)
	var published atomic.Int64
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		n, _ := strconv.ParseInt(c.GetHeader("Last-Event-ID"), 10, 64)
		c.Stream(func(io.Writer) bool {
			for to := published.Load(); n < to; n++ {
				c.Render(-1, ginsse.Event{Id: strconv.FormatInt(n+1, 10), Retry: 10, Data: numbered.Data(int(n + 1))})
			}
			time.Sleep(time.Millisecond)
			return true
		})
	})
	row.Run(t, "tail", func(t *testing.T) {
		published.Store(1)
		tail(t, p, p.Serve(t, engine).URL(), "", last, func(_, to int) { published.Store(int64(to)) })
	})
	row.Run(t, "resume after drops", func(t *testing.T) {
		published.Store(last)
		dropped(t, p, p.Serve(t, engine).Addr, "", "", last, 5000).ExactlyOnce(t)
	})
	row.Run(t, "restart", func(t *testing.T) {
		published.Store(last / 2)
		srv := p.Serve(t, engine)
		restarted(t, p, srv.URL(), "", last, func() {
			srv.Stop()
			published.Store(last)
			srv.Start(t)
		}).ExactlyOnce(t)
	})
}
