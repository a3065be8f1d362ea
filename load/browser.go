package load

import (
	"time"

	"github.com/lastevent/sse"
)

// chromiumRetry is the wait of Chromium between connections where no retry field says
// otherwise: see the table of conformance/README.md, where it is compared.
const chromiumRetry = 3 * time.Second

// Browser returns a client that reconnects as EventSource does in Chromium: after 3 s, or what the
// server's last retry field says, always the same and without a random part, and never after a
// response that is no event stream. All the streams that a server drops at once are back at once.
func Browser() sse.Client {
	return sse.Client{
		ReconnectionTime: chromiumRetry,
		Reconnect:        sse.Standard,
		NewBackoff:       func(initial time.Duration) sse.Backoff { return fixed(initial) },
	}
}

// fixed is a wait that never changes.
type fixed time.Duration

func (f fixed) NextBackOff() time.Duration { return time.Duration(f) }
