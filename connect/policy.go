package connect

import (
	"io"
	"net/http"

	"github.com/lastevent/sse"
)

// policy returns what an [sse.Client] asks after each connection: whether there is to be
// another one. A clean end between events is [io.EOF]; an end inside of something is an
// error.
func (c *config) policy() func(error) bool {
	onEnd, onError := c.onEnd, c.onError
	if onEnd == onAuto {
		onEnd = onNever
		if c.method == "" || c.method == http.MethodGet || c.method == http.MethodHead {
			onEnd = onAlways
		}
	}
	if onError == onAuto {
		onError = onNever
		if c.repeatable() {
			onError = onAlways
		}
	}
	return func(err error) bool {
		if err == io.EOF {
			return onEnd == onAlways
		}
		switch onError {
		case onAlways:
			return true
		case onTransient:
			return sse.Transient(err)
		case onStandard:
			return sse.Standard(err)
		}
		return false
	}
}
