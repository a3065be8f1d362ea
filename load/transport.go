package load

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lastevent/sse/lean"
)

// keepAlive is how TCP notices that a server is gone, on connections that are silent. Go's default is a probe every
// 15 s, which for a hundred thousand streams is 6,667 packets a second that no browser would send.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 9}

const slowBuffer = 4 << 10 // bytes that the kernel takes for a slow stream before the server has to wait

// newTransport returns the transport of a run without one.
func (r *run) newTransport() http.RoundTripper {
	d := &dialer{run: r}
	return &lean.Transport{DialContext: d.dial, TLSClientConfig: r.cfg.TLS}
}

// dialing is what the dialer must know about a request. It is in the request's context if it is not zero.
type dialing struct{ secure, slow bool }

type dialingKey struct{}

// A dialer makes the connections of a run, from its source addresses in turn.
type dialer struct {
	run  *run
	next atomic.Uint64
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	start := d.run.now()
	nd := net.Dialer{KeepAliveConfig: keepAlive} // OpenIn limits the time
	how, _ := ctx.Value(dialingKey{}).(dialing)
	if sources := d.run.cfg.Sources; len(sources) > 0 {
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(sources[(d.next.Add(1)-1)%uint64(len(sources))], 0))
	}
	nd.Control = func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = prepareSocket(fd, nd.LocalAddr != nil, how.slow) }); e != nil {
			return e
		}
		return err
	}
	conn, err := nd.DialContext(ctx, network, addr)
	if err == nil && !how.secure { // else TLS follows, and traceConnect measures both
		d.run.connect.record(d.run.now() - start)
	}
	return conn, err
}
