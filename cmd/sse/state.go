package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// saveEvery is the time from one save to the next. A crash repeats what came meanwhile.
const saveEvery = 100 * time.Millisecond

// state keeps the last event ID of each stream in a file: a JSON object, by stateKey. An ID
// gets there after its event is out: a crash repeats events, and never loses one. Several
// processes may share the file: each changes only the entries of its own streams.
type state struct {
	file string               // its real name; "": there is none
	sync func(*os.File) error // to the disk

	mu    sync.Mutex // of what follows
	ids   map[string]string
	noted map[string]string // of ids: what is still to be saved
	wake  chan struct{}     // something was noted
}

// openState reads the file, which need not exist yet, and makes sure that it can be
// written.
func openState(file string) (*state, error) {
	s := &state{sync: (*os.File).Sync, ids: make(map[string]string), noted: make(map[string]string), wake: make(chan struct{}, 1)}
	if file == "" {
		return s, nil
	}
	err := func() (err error) {
		if s.file, err = realName(file); err != nil {
			return err
		}
		return s.update(func(ids map[string]string) bool { s.ids = ids; return false })
	}()
	if err != nil {
		return nil, fmt.Errorf("-state %s: %w", file, err)
	}
	return s, nil
}

func (s *state) id(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[key]
}

// note takes down the ID that a stream resumes after, "" for none. All events up to it are
// out. An ID that no header can carry is not noted: the stream resumes a little early.
func (s *state) note(key, id string) {
	if s.file == "" || !sse.Resumable(id) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[key] == id {
		return
	}
	s.ids[key], s.noted[key] = id, id
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keep saves what is noted, at once and then at intervals, until the function that it
// returns is called, which saves the rest. If it cannot, it calls fail.
func (s *state) keep(fail func(error)) (end func()) {
	stop := make(chan struct{})
	var saving sync.WaitGroup
	saving.Go(func() {
		for {
			select {
			case <-s.wake:
			case <-stop:
				return
			}
			if err := s.save(); err != nil {
				fail(err)
				return
			}
			select {
			case <-time.After(saveEvery):
			case <-stop:
				return
			}
		}
	})
	return func() {
		close(stop)
		saving.Wait()
		if err := s.save(); err != nil {
			fail(err)
		}
	}
}

// save writes what was noted to the file.
func (s *state) save() error {
	s.mu.Lock()
	noted := s.noted
	s.noted = make(map[string]string)
	s.mu.Unlock()
	if len(noted) == 0 {
		return nil
	}
	err := s.update(func(ids map[string]string) bool {
		maps.Copy(ids, noted)
		maps.DeleteFunc(ids, func(_, id string) bool { return id == "" })
		return true
	})
	if err != nil {
		return fmt.Errorf("-state %s: %w", s.file, err)
	}
	return nil
}

// update calls change with what the file has, and replaces the file if change returns
// true. No other process has the file meanwhile, and at any moment the file is whole, even
// after a crash of the machine.
func (s *state) update(change func(ids map[string]string) bool) error {
	unlock, err := lock(s.file)
	if err != nil {
		return err
	}
	defer unlock()
	b, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	ids := make(map[string]string)
	if len(bytes.TrimSpace(b)) > 0 {
		if err := json.Unmarshal(b, &ids); err != nil {
			return err
		}
	}
	if ids == nil { // it was null
		ids = make(map[string]string)
	}
	// A name that is the same each time leaves one file, however many crashes there are. The
	// lock protects it. What has the name may be a link, so it is not opened but replaced.
	temp := filepath.Join(filepath.Dir(s.file), "."+filepath.Base(s.file)+".sse.tmp")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err // now, rather than after the first event
	}
	if !change(ids) {
		return errors.Join(f.Close(), os.Remove(temp))
	}
	text, err := encodeState(ids)
	if err == nil {
		_, err = f.Write(text)
	}
	err = errors.Join(err, s.sync(f), f.Close())
	if err == nil {
		err = os.Rename(temp, s.file)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	// From here on the lock is another process's, and so is the temporary name.
	if dir, err := os.Open(filepath.Dir(s.file)); err == nil { // where a directory can be opened
		_ = s.sync(dir)
		_ = dir.Close()
	}
	return nil
}

func encodeState(ids map[string]string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	err := enc.Encode(ids)
	return b.Bytes(), err
}

// realName returns the file that a name stands for, which need not exist: links are
// followed, so that the file is replaced rather than a link to it.
func realName(name string) (string, error) {
	for range 40 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, filepath.Base(name))
		info, err := os.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Abs(name)
		case err != nil:
			return "", err
		case info.Mode().IsRegular():
			return filepath.Abs(name)
		case info.Mode().Type() != fs.ModeSymlink:
			return "", errors.New("it is no regular file")
		}
		target, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		name = target
	}
	return "", errors.New("too many links")
}
