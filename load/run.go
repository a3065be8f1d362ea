package load

import (
	"context"
	"errors"
)

var errNotBuilt = errors.New("load: not built yet")

// Run opens the streams of cfg, holds them, and reports what it measured. It returns an error, with no
// report, if cfg is not valid, and the report with the context's cause if the context ends early.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if _, err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	return nil, errNotBuilt
}
