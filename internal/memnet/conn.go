package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const window = 64 << 10 // bytes that one direction buffers before a Write waits

// A Conn is one end of a connection.
type Conn struct {
	in, out *direction
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of a connection.
func Pipe() (*Conn, *Conn) {
	a, b := newDirection(), newDirection()
	return &Conn{in: a, out: b}, &Conn{in: b, out: a}
}

func (c *Conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *Conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions. The peer reads what was written, then io.EOF. When it does, this
// end reads no more: nothing that it answers arrives.
func (c *Conn) Close() error {
	c.in.end(net.ErrClosed, syscall.EPIPE)
	c.out.end(io.EOF, net.ErrClosed)
	return nil
}

// CloseWrite ends only the direction away from this end.
func (c *Conn) CloseWrite() error {
	c.out.end(io.EOF, net.ErrClosed)
	return nil
}

// Reset ends both directions as a TCP RST does: what was written and not read is lost.
func (c *Conn) Reset() {
	c.in.end(net.ErrClosed, syscall.ECONNRESET)
	c.out.drop()
	c.out.end(syscall.ECONNRESET, net.ErrClosed)
}

// LocalAddr returns an [Addr].
func (c *Conn) LocalAddr() net.Addr { return Addr{} }

// RemoteAddr returns an [Addr].
func (c *Conn) RemoteAddr() net.Addr { return Addr{} }

// SetDeadline is as [net.Conn] says.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.readBy.set(c.in, t)
	c.out.writeBy.set(c.out, t)
	return nil
}

// SetReadDeadline is as [net.Conn] says.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.readBy.set(c.in, t)
	return nil
}

// SetWriteDeadline is as [net.Conn] says.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.writeBy.set(c.out, t)
	return nil
}

// A direction carries bytes from one end to the other.
type direction struct {
	mu       sync.Mutex
	wake     sync.Cond
	buf      []byte
	readErr  error // once buf is empty; nil: open
	writeErr error
	readBy   deadline
	writeBy  deadline
}

func newDirection() *direction {
	d := new(direction)
	d.wake.L = &d.mu
	return d
}

func (d *direction) read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.readErr == net.ErrClosed:
			return 0, opError("read", net.ErrClosed)
		case d.readBy.passed:
			return 0, opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case len(d.buf) > 0:
			n := copy(b, d.buf)
			d.buf = d.buf[n:]
			d.wake.Broadcast()
			return n, nil
		case d.readErr == io.EOF:
			return 0, io.EOF
		case d.readErr != nil:
			return 0, opError("read", d.readErr)
		}
		d.wake.Wait()
	}
}

func (d *direction) write(b []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.writeErr != nil:
			return n, opError("write", d.writeErr)
		case d.writeBy.passed:
			return n, opError("write", os.ErrDeadlineExceeded)
		}
		room := b[:min(len(b), window-len(d.buf))]
		d.buf = append(d.buf, room...)
		n += len(room)
		b = b[len(room):]
		d.wake.Broadcast()
		if len(b) == 0 {
			return n, nil
		}
		d.wake.Wait()
	}
}

// end closes the direction, each side with its error, unless that side is closed already.
func (d *direction) end(readErr, writeErr error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readErr == nil || readErr == net.ErrClosed {
		d.readErr = readErr
	}
	if d.writeErr == nil || writeErr == net.ErrClosed {
		d.writeErr = writeErr
	}
	if readErr == net.ErrClosed {
		d.buf = nil
		d.readBy.stop()
	}
	if writeErr == net.ErrClosed {
		d.writeBy.stop()
	}
	d.wake.Broadcast()
}

func (d *direction) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buf = nil
}

// A deadline wakes the direction's waiters when it passes. The direction's mutex guards it.
type deadline struct {
	timer  *time.Timer
	passed bool
}

func (dl *deadline) set(d *direction, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl.stop()
	dl.passed = !t.IsZero() && !t.After(time.Now())
	switch {
	case dl.passed:
		d.wake.Broadcast()
	case !t.IsZero():
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if dl.timer == timer { // not one that was replaced meanwhile
				dl.passed = true
				d.wake.Broadcast()
			}
		})
		dl.timer = timer
	}
}

func (dl *deadline) stop() {
	if dl.timer != nil {
		dl.timer.Stop()
		dl.timer = nil
	}
}
