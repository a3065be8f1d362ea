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
	if err := tryLockOpen(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

func tryLockOpen(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return errLocked
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL):
		return errors.ErrUnsupported
	case err != nil:
		return err
	}
	// Whoever had the lock may have put another file in the place of this one.
	now, err := os.Stat(f.Name())
	locked, lockedErr := f.Stat()
	if err != nil || lockedErr != nil || !os.SameFile(now, locked) {
		return errLocked
	}
	return nil
}
