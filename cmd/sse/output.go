package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/lastevent/sse"
)

// shown is an event as -json and -format show it.
type shown struct {
	Name string    `json:"name,omitempty"` // of its source, where there are several
	Type string    `json:"type"`
	Data string    `json:"data"`
	ID   string    `json:"id"`   // the last event ID in force
	Time time.Time `json:"time"` // at which it came
}

// parseFormat reads the template of -format, and tries it: a field that does not exist is
// found now, not at the first event.
func (o *options) parseFormat() (err error) {
	o.format, err = template.New("-format").Funcs(template.FuncMap{
		"json":  func(v any) (string, error) { b, err := encodeJSON(v); return string(b), err },
		"parse": func(s string) (v any, err error) { return v, json.Unmarshal([]byte(s), &v) },
	}).Parse(o.text)
	if err != nil {
		return err
	}
	err = o.format.Execute(new(bytes.Buffer), shown{Data: "{}"})
	if err != nil && strings.Contains(err.Error(), "can't evaluate field") {
		return err
	}
	return nil
}

// encodeJSON encodes v on one line, with < and > as they are.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// appendEvent appends what is printed for ev.
func (t *tail) appendEvent(b []byte, src source, ev sse.Event, at time.Time) ([]byte, error) {
	name := ""
	if len(t.sources) > 1 {
		name = src.name
	}
	show := shown{name, ev.Type, ev.Data, ev.LastEventID, at}
	switch {
	case t.json:
		line, err := encodeJSON(show)
		return append(append(b, line...), '\n'), err
	case t.format != nil:
		var out bytes.Buffer
		if err := t.format.Execute(&out, show); err != nil {
			return nil, fmt.Errorf("sse: event %q: %w", ev.LastEventID, err)
		}
		return t.appendLines(b, name, out.String()+"\n"), nil
	case t.data:
		return t.appendLines(b, name, ev.Data+"\n"), nil
	}
	text, err := ev.AppendText(nil)
	return t.appendLines(b, name, string(text)), err
}

// appendLines appends text, each of its lines behind the name.
func (t *tail) appendLines(b []byte, name, text string) []byte {
	for line := range strings.Lines(text) {
		if name != "" && line != "\n" {
			b = append(b, t.color(green, name)+" "...)
		}
		field, value, ok := strings.Cut(line, ": ")
		switch {
		case t.data || t.format != nil || !ok:
			b = append(b, line...)
		case field == "data":
			b = append(b, t.color(faint, "data: ")+value...)
		case field == "event":
			b = append(b, t.color(faint, "event: ")+t.color(cyan, strings.TrimSuffix(value, "\n"))+"\n"...)
		default:
			b = append(b, t.color(faint, strings.TrimSuffix(line, "\n"))+"\n"...)
		}
	}
	return b
}

// color returns text in a colour, if stdout has any.
func (cmd *command) color(color, text string) string {
	if !cmd.colors {
		return text
	}
	return color + text + plain
}
