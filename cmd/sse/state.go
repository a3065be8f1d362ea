package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// state keeps the last event ID of each URL in a file: a JSON object, written anew after
// each event that is out. A crash repeats that event at most, and never loses one.
type state struct {
	file string // "": none
	ids  map[string]string
}

// loadState reads the file, which need not be there yet.
func loadState(file string) (*state, error) {
	s := &state{file: file, ids: make(map[string]string)}
	if file == "" {
		return s, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s.ids)
	}
	if err != nil {
		return nil, fmt.Errorf("sse: -state %s: %w", file, err)
	}
	return s, nil
}

func (s *state) id(url string) string { return s.ids[url] }

// save notes the last event ID of a URL, so that it is there after a crash of the machine,
// too. An ID that no header can carry is not noted: the stream resumes a little early.
func (s *state) save(url, id string) error {
	if s.file == "" || s.ids[url] == id || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil
	}
	s.ids[url] = id
	text, err := json.MarshalIndent(s.ids, "", "\t")
	if err != nil {
		return err
	}
	// A name that is the same each time leaves one file behind, however many crashes there are.
	temp := s.file + ".tmp"
	if err := writeSynced(temp, append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(temp, s.file); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(s.file)); err == nil { // where a directory can be opened
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

func writeSynced(file string, text []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
