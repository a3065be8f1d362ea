package main

import (
	"os"
	"sync"
	"time"
)

// deadLetters are the events that the output has refused too often, in a file.
type deadLetters struct {
	mu   sync.Mutex
	file *os.File
}

func openDeadLetters(name string) (*deadLetters, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &deadLetters{file: f}, nil
}

func (d *deadLetters) close() { _ = d.file.Close() } // each letter was synced

// write returns once the event is on disk.
func (d *deadLetters) write(event record, cause error) error {
	letter, err := encodeJSON(struct {
		record
		Time  time.Time `json:"time"`
		Error string    `json:"error"`
	}{event, time.Now().UTC(), cause.Error()})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.file.Write(append(letter, '\n')); err != nil {
		return err
	}
	return d.file.Sync()
}
