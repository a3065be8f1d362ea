package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lastevent/sse"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// A stream reads the events of one URL.
type stream struct {
	conf   *config
	url    string
	public string // the URL for metadata
	label  string // the URL for logs and metrics
	client sse.Client
	store  *store // nil: positions are not stored
	log    *service.Logger
	meters *meters

	checkpoint *checkpoint
}

// begin finds out where the stream starts.
func (s *stream) begin(ctx context.Context) error {
	id := s.conf.lastEventID
	if s.store == nil {
		s.checkpoint = newCheckpoint(s.conf.limit, id, nil, nil)
		return nil
	}
	stored, ok, err := s.store.load(ctx)
	if err != nil {
		return err
	}
	if ok {
		s.log.Infof("Stream %s starts after its stored position %q", s.label, stored)
		id = stored
	}
	s.checkpoint = newCheckpoint(s.conf.limit, id, s.store.save, func(err error) {
		s.meters.positionErrors.Incr(1, s.label)
		s.log.Errorf("Stream %s: cannot store the position %s in cache %s, trying again: %v", s.label, s.store.key, s.store.cache, err)
	})
	return nil
}

// run reads until the stream is over or ctx is done, and then waits until its events are
// handled.
func (s *stream) run(ctx context.Context, items chan<- item) {
	err := s.read(ctx, items)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.meters.failures.Incr(1, s.label)
		s.log.Errorf("Stream %s has ended with an error: %v", s.label, concealed(err))
	default:
		s.log.Infof("Stream %s has ended", s.label)
	}
	s.checkpoint.drain(ctx)
}

// read returns nil after an end without an error.
func (s *stream) read(ctx context.Context, items chan<- item) error {
	var body io.Reader
	if s.conf.body != "" {
		body = strings.NewReader(s.conf.body)
	}
	req, err := http.NewRequestWithContext(ctx, s.conf.method, s.url, body)
	if err != nil {
		return err
	}
	if id := s.checkpoint.id; id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	events := s.client.Stream(req)
	defer events.Close()
	for {
		if err := events.Next(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		id := events.LastEventID()
		if !s.conf.delivers(events.Type()) {
			s.checkpoint.skip(id)
			continue
		}
		done, err := s.checkpoint.add(ctx, id)
		if err != nil {
			return err
		}
		select {
		case items <- item{s, s.message(events), done, 0}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stream) message(events *sse.Stream) *service.Message {
	m := service.NewMessage(bytes.Clone(events.Data()))
	m.MetaSetMut("sse_type", events.Type())
	m.MetaSetMut("sse_url", s.public)
	if id := events.LastEventID(); id != "" {
		m.MetaSetMut("sse_id", id)
	}
	if d, ok := events.Retry(); ok {
		m.MetaSetMut("sse_retry", strconv.FormatInt(d.Milliseconds(), 10))
	}
	return m
}

// concealed returns err, or one of the same kind without the query of the URL, which
// net/http quotes and which may be secret.
func concealed(err error) error {
	ue := (*url.Error)(nil)
	if !errors.As(err, &ue) {
		return err
	}
	address, query, _ := strings.Cut(ue.URL, "?")
	if query == "" {
		return err
	}
	return &url.Error{Op: ue.Op, URL: address, Err: ue.Err}
}

// trace reports what happens to connections: opened and failed are called, too.
func (s *stream) trace(opened func(), failed func(error)) *sse.Trace {
	return &sse.Trace{
		Open: func(*http.Response) {
			s.meters.open.Set(1, s.label)
			s.log.Debugf("Stream %s is open", s.label)
			opened()
		},
		Disconnect: func(info sse.DisconnectInfo) {
			s.meters.open.Set(0, s.label)
			if info.Err == nil {
				return // the pipeline stops, or 204: run reports it
			}
			s.meters.disconnects.Incr(1, s.label)
			if !info.Reconnect {
				return // run reports it
			}
			if info.Err == io.EOF {
				s.log.Debugf("Stream %s was closed by the server, next connection in %v", s.label, info.Delay)
				return
			}
			err := concealed(info.Err)
			s.log.Warnf("Stream %s lost its connection, next connection in %v: %v", s.label, info.Delay, err)
			failed(fmt.Errorf("%s: %w", s.label, err))
		},
	}
}
