package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// A position is what a cache keeps of a stream. It has two entries, which are written in
// turn: a cache such as file writes in place, so a crash may leave one of them cut short,
// and never both.
type position struct {
	N  uint64 `json:"n"`  // counts the writes: the entry with the larger one is valid
	ID string `json:"id"` // the Last-Event-ID
}

// A store keeps the position of one stream in a cache.
type store struct {
	resources *service.Resources
	cache     string
	key       string
	n         uint64 // of the last write
}

func (s *store) entry(n uint64) string { return fmt.Sprintf("%s.%d", s.key, n%2) }

// load returns the stored position. It returns false if there is none. One damaged entry
// does not matter: it is the next to be written.
func (s *store) load(ctx context.Context) (id string, ok bool, err error) {
	var damaged []error
	torn := false
	for i := range uint64(2) {
		p, err := s.read(ctx, s.entry(i))
		switch {
		case errors.Is(err, service.ErrKeyNotFound):
		case errors.Is(err, errDamaged):
			damaged = append(damaged, fmt.Errorf("%s: %w", s.entry(i), err))
			torn = err == errTorn
		case err != nil:
			return "", false, fmt.Errorf("cannot read the position %s from cache %s: %w", s.entry(i), s.cache, err)
		case p.N >= s.n:
			s.n, id, ok = p.N, p.ID, true
		}
	}
	// One entry that is cut short and no other: the first write of all was not completed.
	if !ok && (len(damaged) > 1 || len(damaged) == 1 && !torn) {
		return "", false, fmt.Errorf("cache %s has no valid position: delete the entries to start without one: %w", s.cache, errors.Join(damaged...))
	}
	return id, ok, nil
}

var (
	errDamaged = errors.New("it is no position")
	errTorn    = fmt.Errorf("%w: its write was cut short", errDamaged)
)

func (s *store) read(ctx context.Context, entry string) (p position, err error) {
	var b []byte
	err2 := s.resources.AccessCache(ctx, s.cache, func(c service.Cache) { b, err = c.Get(ctx, entry) })
	if err = errors.Join(err2, err); err != nil {
		return p, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return p, errTorn
	}
	if err != nil || p.N == 0 {
		return p, fmt.Errorf("%w: %.64q", errDamaged, b)
	}
	return p, nil
}

// save stores id.
func (s *store) save(ctx context.Context, id string) (err error) {
	p := position{s.n + 1, id}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	err2 := s.resources.AccessCache(ctx, s.cache, func(c service.Cache) { err = c.Set(ctx, s.entry(p.N), b, nil) })
	if err = errors.Join(err2, err); err == nil {
		s.n = p.N
	}
	return err
}
