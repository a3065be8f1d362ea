package main

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

const (
	lockPoll    = 5 * time.Millisecond
	lockTimeout = 10 * time.Second // for another process to save
	lockStale   = 5 * time.Second  // a lock that is older was left by a crash
)

var errLocked = errors.New("another process has locked it for too long")

// lock locks a file against other processes, and makes the file if it does not exist.
func lock(file string) (unlock func(), err error) {
	for start := time.Now(); ; time.Sleep(lockPoll) {
		unlock, err := tryLock(file)
		if errors.Is(err, errors.ErrUnsupported) {
			unlock, err = tryLockByName(file)
		}
		if !errors.Is(err, errLocked) || time.Since(start) > lockTimeout {
			return unlock, err
		}
	}
}

// tryLockByName locks a file by another one beside it, where the system has no other way.
func tryLockByName(file string) (unlock func(), err error) {
	name := file + ".lock"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > lockStale {
			_ = os.Remove(name)
		}
		return nil, errLocked
	case err != nil:
		return nil, err
	}
	_ = f.Close()
	unlock = func() { _ = os.Remove(name) }
	f, err = os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, f.Close()
}
