// Package report prints what a client sees, in the protocol of sseconform: one JSON object a
// line.
package report

import (
	"encoding/json"
	"os"
)

// line prints v at once. A client that has no reader any more is of no use.
func line(v any) {
	if json.NewEncoder(os.Stdout).Encode(v) != nil {
		os.Exit(1)
	}
}

// Event prints an event. Its parts are in base64, since a client may give its program bytes
// that are not UTF-8.
func Event(typ, data, id string) {
	line(map[string][]byte{"type_b64": []byte(typ), "data_b64": []byte(data), "id_b64": []byte(id)})
}

// Open prints that a response has opened the stream.
func Open() { print(map[string]bool{"open": true}) }

// Error prints an error, if err is one.
func Error(err error) {
	if err != nil {
		line(map[string]string{"error": err.Error()})
	}
}

// Closed prints that the stream is over, after err if it is not nil.
func Closed(err error) {
	Error(err)
	line(map[string]bool{"closed": true})
}
