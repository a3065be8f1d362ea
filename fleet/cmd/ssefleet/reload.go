package main

import (
	"context"
	"errors"
	"os"
	"reflect"
)

// reloads reads FILE again at each SIGHUP, until ctx is done. A file that is wrong changes nothing.
func (m *member) reloads(ctx context.Context, hup <-chan os.Signal, update chan []string) {
	for {
		select {
		case <-hup:
		case <-ctx.Done():
			return
		}
		names, err := m.reload(ctx)
		if err != nil {
			m.log.Error("the streams stay as they are", "err", err)
			continue
		}
		select {
		case <-update: // the list before it has not been taken yet
		default:
		}
		update <- names
		m.log.Warn("the streams were read again", "file", m.file, "streams", len(names))
	}
}

// reload returns the names of the streams in FILE, which from now on are requested as it says.
func (m *member) reload(ctx context.Context) ([]string, error) {
	if m.file == "-" || m.demo {
		return nil, errors.New("they are not from a file")
	}
	cfg, err := awaitConfig(ctx, m.file, nil)
	if err != nil {
		return nil, err
	}
	if err := m.out.check(ctx, cfg); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(cfg.output, m.streams.current.Load().output) {
		m.log.Warn("another output needs a restart")
	}
	m.streams.set(cfg)
	return cfg.names(), nil
}
