package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// shown is an event as -json and -format show it.
type shown struct {
	Name string    `json:"name,omitempty"` // of its source, where there are several
	Type string    `json:"type"`
	Data any       `json:"data"` // a string; with -parse, any JSON
	ID   string    `json:"id"`   // the last event ID in force
	Time time.Time `json:"time"` // at which it came
}

// parseFormat reads the template of -format, and tries it: a field that does not exist is
// found now, not at the first event. What stands between the actions is the user's own,
// who may colour it.
func (o *options) parseFormat(own func(string) string) (err error) {
	o.format, err = template.New("-format").Funcs(template.FuncMap{
		"json":  func(v any) (string, error) { b, err := encodeJSON(v); return string(b), err },
		"parse": parseJSON,
	}).Parse(o.text)
	if err != nil {
		return err
	}
	for _, t := range o.format.Templates() {
		eachText(t.Root, func(n *parse.TextNode) { n.Text = []byte(own(unescape.Replace(string(n.Text)))) })
	}
	err = o.format.Execute(io.Discard, shown{Data: "{}"})
	if err != nil && strings.Contains(err.Error(), "can't evaluate field") {
		return err
	}
	return nil
}

var unescape = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\e`, "\x1b")

// eachText calls f for each text of a template.
func eachText(node parse.Node, f func(*parse.TextNode)) {
	branch := func(b *parse.BranchNode) {
		eachText(b.List, f)
		if b.ElseList != nil {
			eachText(b.ElseList, f)
		}
	}
	switch n := node.(type) {
	case *parse.ListNode:
		for _, node := range n.Nodes {
			eachText(node, f)
		}
	case *parse.TextNode:
		f(n)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	}
}

// parseJSON decodes a JSON value. Whole numbers stay whole, so that a template prints them
// as they came.
func parseJSON(s string) (v any, err error) {
	var whole json.RawMessage
	if err := json.Unmarshal([]byte(s), &whole); err != nil { // for what follows the value, too
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	dec.UseNumber()
	err = dec.Decode(&v)
	return wholeNumbers(v), err
}

func wholeNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = wholeNumbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return v
}

// encodeJSON encodes v on one line, with < and > as they are.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// label returns the name that the lines of a source begin with, "" if they need none.
func (o *options) label(src source) string {
	if len(o.sources) > 1 || src.named {
		return src.name
	}
	return ""
}

// appendEvent appends what is printed for ev.
func (t *tail) appendEvent(b []byte, src source, ev sse.Event, at time.Time) ([]byte, error) {
	name := t.label(src)
	show := shown{name, ev.Type, ev.Data, ev.LastEventID, at.Round(0)} // without its monotonic part
	switch {
	case t.json:
		if t.parse && json.Valid([]byte(ev.Data)) {
			show.Data = json.RawMessage(ev.Data)
		}
		line, err := encodeJSON(show)
		return append(append(b, line...), '\n'), err
	case t.format != nil:
		var out bytes.Buffer
		if err := t.format.Execute(&out, show); err != nil {
			return b, &formatError{ev.LastEventID, err}
		}
		return t.appendLines(b, name, out.String()+"\n"), nil
	case t.data:
		return t.appendLines(b, name, ev.Data+"\n"), nil
	}
	text, err := ev.AppendText(nil)
	return t.appendLines(b, name, string(text)), err
}

// A formatError is an event that the template of -format does not suit.
type formatError struct {
	id  string
	err error
}

func (e *formatError) Error() string {
	if e.id == "" {
		return fmt.Sprintf("an event is not shown: %v", e.err)
	}
	return fmt.Sprintf("the event with the ID %q is not shown: %v", e.id, e.err)
}

// appendLines appends text, each of its lines after the name.
func (t *tail) appendLines(b []byte, name, text string) []byte {
	paint := t.stdout.Paint
	for line := range strings.Lines(text) {
		if name != "" && line != "\n" {
			b = append(b, paint(term.Green, name)+" "...)
		}
		field, value, ok := strings.Cut(line, ": ")
		switch {
		case t.data || t.format != nil || !ok:
			b = append(b, line...)
		case field == "data":
			b = append(b, paint(term.Faint, "data: ")+value...)
		case field == "event":
			b = append(b, paint(term.Faint, "event: ")+paint(term.Cyan, strings.TrimSuffix(value, "\n"))+"\n"...)
		default:
			b = append(b, paint(term.Faint, strings.TrimSuffix(line, "\n"))+"\n"...)
		}
	}
	return b
}
