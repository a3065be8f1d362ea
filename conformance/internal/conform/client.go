package conform

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lastevent/sse/internal/suite"
)

// Limits for what a client under test may print.
const (
	maxLine    = 4 << 20  // bytes of one line
	maxOutput  = 64 << 20 // bytes for one scenario
	maxRecords = 20_000   // lines for one scenario
	maxTail    = 2 << 10  // bytes of its standard error that are kept
)

// A Client is what the scenarios are played to.
type Client interface {
	// Start lets the client open url. It calls see for what the client reports, from one
	// goroutine at a time, until stop has returned. Types are those of the scenario's events.
	Start(url string, types []string, see func(Record)) (stop func(), err error)
	// Close ends the client.
	Close()
}

// A Record is something that a client under test reports.
type Record struct {
	Event  *suite.Event
	NoID   bool // the event has no ID: the client does not know it
	Open   bool
	Closed bool
	Error  bool
	Exit   string // it has ended, and how
	Bad    string // it has broken the protocol, and how
}

// parseRecord reads a line of the protocol. URL is what the line names, if anything.
func parseRecord(line []byte) (r Record, url string, err error) {
	var v struct {
		Type    *string          `json:"type"`
		Data    *string          `json:"data"`
		ID      *string          `json:"id"`
		TypeB64 *string          `json:"type_b64"`
		DataB64 *string          `json:"data_b64"`
		IDB64   *string          `json:"id_b64"`
		Open    bool             `json:"open"`
		Closed  bool             `json:"closed"`
		Error   *json.RawMessage `json:"error"`
		URL     string           `json:"url"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return r, "", fmt.Errorf("it is no JSON object of the protocol: %w", err)
	}
	text := func(s, b64 *string) (string, bool) {
		if b64 != nil {
			b, bad := base64.StdEncoding.DecodeString(*b64)
			err = errors.Join(err, bad)
			return string(b), true
		}
		if s == nil {
			return "", false
		}
		return *s, true
	}
	typ, hasType := text(v.Type, v.TypeB64)
	data, hasData := text(v.Data, v.DataB64)
	id, hasID := text(v.ID, v.IDB64)
	switch {
	case err != nil:
		err = fmt.Errorf("it is no base64: %w", err)
	case hasType || hasData || hasID:
		if typ == "" {
			typ = "message"
		}
		r.Event, r.NoID = &suite.Event{Type: typ, Data: data, LastEventID: id}, !hasID
	case v.Closed:
		r.Closed = true
	case v.Error != nil:
		r.Error = true
	case v.Open:
		r.Open = true
	default:
		err = errors.New(`it is no event, and has none of "open", "error" and "closed"`)
	}
	return r, v.URL, err
}
