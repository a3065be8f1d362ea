package load

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"
)

const (
	spareFiles    = 64 // that this process needs for other things than streams
	lookupTimeout = 5 * time.Second
)

// Limits are what this machine allows a run.
type Limits struct {
	Files   uint64 // that this process may have open, after its limit was raised; 0: unknown
	Ports   int    // of one source address to one destination; 0: unknown
	Streams int    // that can be open at the same time, by these two
	Why     string // what limits Streams; empty if all of Config.Streams are possible
}

// Preflight returns how many of the streams of cfg this machine can have open, and why not more. It raises the
// limit of open files of this process to the one that it may not exceed. Run calls it, too.
func Preflight(ctx context.Context, cfg Config) Limits {
	l := Limits{Files: fileLimit(), Ports: portRange(), Streams: cfg.Streams}
	if l.Files > 0 {
		if n := max(0, int(min(l.Files, 1<<40))-spareFiles); n < l.Streams {
			l.Streams = n
			l.Why = fmt.Sprintf("this process may open %d files, which is enough for %d streams: raise its hard limit (ulimit -Hn), or use several processes", l.Files, n)
		}
	}
	// A caller's transport may share connections, or not use TCP.
	if l.Ports > 0 && cfg.Transport == nil {
		sources, destinations := max(1, len(cfg.Sources)), countDestinations(ctx, cfg.URLs)
		if n := l.Ports * sources * destinations; n < l.Streams {
			l.Streams = n
			l.Why = fmt.Sprintf("%d ports of %d source address(es) to %d destination(s) are enough for %d streams: add Sources, or addresses of the server, or widen net.ipv4.ip_local_port_range",
				l.Ports, sources, destinations, n)
		}
	}
	return l
}

// countDestinations returns how many pairs of address and port the URLs lead to, at least one.
func countDestinations(ctx context.Context, urls []string) int {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	all := make(map[string]bool)
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		port := u.Port()
		if port == "" {
			port = u.Scheme
		}
		// The dialer takes the first address that answers. So a name counts once, whatever its addresses.
		host := u.Hostname()
		if addrs, err := net.DefaultResolver.LookupHost(ctx, host); err == nil && len(addrs) > 0 {
			host = addrs[0]
		}
		all[net.JoinHostPort(host, port)] = true
	}
	return max(1, len(all))
}

// portRange returns how many ports the kernel gives to connections; 0 if it is not known.
func portRange() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) != 2 {
		return 0
	}
	from, err1 := strconv.Atoi(string(fields[0]))
	to, err2 := strconv.Atoi(string(fields[1]))
	if err1 != nil || err2 != nil || to < from {
		return 0
	}
	return to - from + 1
}
