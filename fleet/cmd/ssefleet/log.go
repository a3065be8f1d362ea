package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"time"
)

// maxLogged is how much of a text of others a log line takes.
const maxLogged = 1000

// newLogger logs to w: with -v all, else only what goes wrong. Nothing that a server wrote
// reaches w unescaped: slog's text quotes it, and its JSON is escaped here.
func newLogger(w io.Writer, format string, verbose bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		var text string
		switch v := a.Value.Any().(type) {
		case time.Duration:
			text = v.Round(time.Millisecond).String()
		case error:
			text = v.Error()
		case string:
			text = v
		default:
			return a
		}
		if len(text) > maxLogged {
			text = strings.ToValidUTF8(text[:maxLogged], "") + "…"
		}
		a.Value = slog.StringValue(text)
		return a
	}}
	if verbose {
		opts.Level = slog.LevelInfo
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(escaper{w}, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// escaper escapes lines of JSON, each of which is one Write.
type escaper struct{ io.Writer }

func (e escaper) Write(line []byte) (int, error) {
	out := append(escapeJSON(bytes.TrimSuffix(line, []byte("\n"))), '\n')
	if _, err := e.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}
