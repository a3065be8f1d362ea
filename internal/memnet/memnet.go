// Package memnet is a network in memory: connections with buffers, deadlines, half
// close, close and reset, as TCP has them, made of nothing but mutexes and condition
// variables. A goroutine that waits on it is durably blocked, so that a real
// http.Server and a real http.Transport run on it inside a testing/synctest bubble.
//
// What it leaves out: latency, loss, and the full listen queue. A dial is accepted at
// once or refused.
package memnet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Addr is the address of everything on the network.
type Addr struct{}

// Network returns "memnet".
func (Addr) Network() string { return "memnet" }

func (Addr) String() string { return "memnet" }

// A Listener is a network with one server on it. It must be made in the bubble that uses it.
type Listener struct {
	mu     sync.Mutex
	wake   sync.Cond
	queue  []*Conn
	closed bool
}

// Listen returns a listening Listener.
func Listen() *Listener {
	l := new(Listener)
	l.wake.L = &l.mu
	return l
}

// Accept waits for the next connection. After Close it returns [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.wake.Wait()
	}
	if l.closed {
		return nil, opError("accept", net.ErrClosed)
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

// Close refuses new connections, and resets those that nobody accepted.
// Accepted ones stay.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.queue {
		c.Reset()
	}
	l.queue, l.closed = nil, true
	l.wake.Broadcast()
	return nil
}

// Addr returns an [Addr].
func (l *Listener) Addr() net.Addr { return Addr{} }

// DialContext connects to the Listener, whatever the network and address. It has the
// shape of http.Transport's field. After Close it fails with ECONNREFUSED.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, opError("dial", syscall.ECONNREFUSED)
	}
	client, server := Pipe()
	l.queue = append(l.queue, server)
	l.wake.Signal()
	return client, nil
}

func opError(op string, err error) error {
	return &net.OpError{Op: op, Net: Addr{}.Network(), Addr: Addr{}, Err: err}
}
