//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file, which it makes if it does not exist. Its error is errLocked if
// another process has the lock, and errors.ErrUnsupported if the file system has no locks.
func tryLock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// Whoever had the lock has put another file in its place.
		now, statErr := os.Stat(file)
		locked, fstatErr := f.Stat()
		if statErr == nil && fstatErr == nil && os.SameFile(now, locked) {
			return func() { f.Close() }, nil
		}
		err = errLocked
	}
	f.Close()
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		err = errLocked
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL):
		err = errors.ErrUnsupported
	}
	return nil, err
}
