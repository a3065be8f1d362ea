package fleet

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"
)

// A list is the streams that a member was given. It is in the bucket, too, for the members
// whose lists are others, and for Status: once for all members that have it.
type list struct {
	streams map[string]string // names, by the keys of their leases
	hash    string
	parts   int
}

const (
	maxPart = 64 << 10 // bytes of names in a part of a list, before it is compressed
	listAge = time.Hour
)

func newList(names []string) *list {
	l := &list{streams: make(map[string]string, len(names))}
	for _, name := range names {
		l.streams[leaseKey(name)] = name
	}
	l.hash = hashKeys(slices.Sorted(maps.Keys(l.streams)))
	for range l.partition() {
		l.parts++
	}
	return l
}

func (l *list) has(key string) bool {
	_, ok := l.streams[key]
	return ok
}

// hashKeys returns the hash of a list whose keys are sorted.
func hashKeys(keys []string) string {
	sum := sha256.New()
	for _, key := range keys {
		sum.Write([]byte(key))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:18])
}

// partition yields the names in parts, in the order of their keys.
func (l *list) partition() func(yield func(part []string) bool) {
	return func(yield func([]string) bool) {
		var part []string
		size := 0
		for _, key := range slices.Sorted(maps.Keys(l.streams)) {
			name := l.streams[key]
			if len(name) > maxPart/2 || !utf8.ValidString(name) || strings.HasPrefix(name, keyMark) {
				name = keyMark + key
			}
			if size+len(name) > maxPart && len(part) > 0 {
				if !yield(part) {
					return
				}
				part, size = nil, 0
			}
			part = append(part, name)
			size += len(name) + 3
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// keyMark begins what stands for a name that is too long, or that JSON cannot carry.
const keyMark = "\x00"

func listedKey(name string) string {
	if key, ok := strings.CutPrefix(name, keyMark); ok {
		return key
	}
	return leaseKey(name)
}

func partKey(hash string, n int) string { return listPrefix + hash + "." + strconv.Itoa(n) }

func encodePart(names []string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(encode(names)) // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func decodePart(value []byte) (names []string, err error) {
	r, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, 8*maxPart)) // JSON may take six bytes for one
	if err != nil {
		return nil, err
	}
	return names, json.Unmarshal(text, &names)
}

// publish writes the list, unless it is there. The last part is written last.
func (s store) publish(ctx context.Context, l *list) error {
	if l.parts == 0 {
		return nil
	}
	found, err := s.get(ctx, partKey(l.hash, l.parts-1))
	if err == nil && !found.deleted {
		return nil
	}
	n := 0
	for part := range l.partition() {
		if _, err := s.put(ctx, op{name: "list"}, partKey(l.hash, n), encodePart(part), 0); err != nil && err != errTaken {
			return err
		}
		n++
	}
	return nil
}

// fetch returns the keys of a list.
func (s store) fetch(ctx context.Context, hash string, parts int) (map[string]bool, error) {
	keys := make(map[string]bool)
	for n := range parts {
		e, err := s.get(ctx, partKey(hash, n))
		if err != nil {
			return nil, err
		}
		if e.deleted {
			return nil, errors.New("fleet: the list of another member is not in the bucket yet")
		}
		names, err := decodePart(e.value)
		if err != nil {
			return nil, fmt.Errorf("fleet: %s is no part of a list: %w", e.key, err)
		}
		for _, name := range names {
			keys[listedKey(name)] = true
		}
	}
	if hashKeys(slices.Sorted(maps.Keys(keys))) != hash {
		return nil, fmt.Errorf("fleet: the list %s is another one", hash)
	}
	return keys, nil
}

// sweep deletes old lists that no member has.
func (s store) sweep(ctx context.Context, used map[string]bool) error {
	watcher, err := s.WatchFiltered(ctx, []string{listPrefix + "*.*"}, jetstream.IgnoreDeletes(), jetstream.MetaOnly())
	if err != nil {
		return err
	}
	defer drain(watcher)
	var old []string
	for {
		select {
		case e, ok := <-watcher.Updates():
			if !ok {
				return errWatchEnded
			}
			if e == nil {
				slices.SortFunc(old, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(b, a)) }) // the last part first
				for _, key := range old {
					if err := s.Purge(ctx, key); err != nil {
						return err
					}
				}
				return nil
			}
			hash, _, _ := strings.Cut(strings.TrimPrefix(e.Key(), listPrefix), ".")
			if !used[hash] && time.Since(e.Created()) > listAge {
				old = append(old, e.Key())
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
