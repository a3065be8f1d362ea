package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
	"github.com/lastevent/sse/load/internal/report"
)

// files are those that a report is written to. They are opened before the run, since an hour is too
// long to find out that a directory does not exist.
type files struct {
	open []*file
}

type file struct {
	*os.File
	created bool
	text    func(w io.Writer, r *load.Report, results []assertion.Result) error
	written bool
}

// openFiles opens the files of -json, -hdr and -html, and leaves what is in them for now.
func (o *options) openFiles() (*files, error) {
	fs := new(files)
	for _, out := range []struct {
		flag, name string
		text       func(w io.Writer, r *load.Report, results []assertion.Result) error
	}{
		{"json", o.json, func(w io.Writer, r *load.Report, _ []assertion.Result) error { return writeJSON(w, r) }},
		{"hdr", o.hdr, func(w io.Writer, r *load.Report, _ []assertion.Result) error { return report.HDR(w, r) }},
		{"html", o.html, report.HTML},
	} {
		if out.name == "" || out.flag == "json" && out.name == "-" {
			continue
		}
		f, err := os.OpenFile(out.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		created := err == nil
		if errors.Is(err, os.ErrExist) {
			f, err = os.OpenFile(out.name, os.O_WRONLY, 0)
		}
		if err != nil {
			fs.close()
			return nil, fmt.Errorf("-%s: %w", out.flag, err)
		}
		fs.open = append(fs.open, &file{File: f, created: created, text: out.text})
	}
	return fs, nil
}

// write writes the report to each of the files.
func (fs *files) write(r *load.Report, results []assertion.Result) error {
	for _, f := range fs.open {
		var b bytes.Buffer
		if err := f.text(&b, r, results); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.Truncate(0); err != nil {
				return err
			}
		}
		if _, err := f.Write(b.Bytes()); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		f.written = true
	}
	return nil
}

// close closes the files, and removes those that would be left empty.
func (fs *files) close() {
	for _, f := range fs.open {
		if f.written {
			continue
		}
		_ = f.Close()
		if f.created {
			_ = os.Remove(f.Name())
		}
	}
}

func writeJSON(w io.Writer, r *load.Report) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// readReport reads a report that -json wrote.
func readReport(name string) (*load.Report, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(load.Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: it is no report of sseload: %w", name, err)
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("%s: it is no report of version 1, which is the one that this sseload reads", name)
	}
	return r, nil
}
