package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// readFiles reads what -H, -publish-H, -d and -token-file name.
func (o *options) readFiles(stdin io.Reader) error {
	in := &input{Reader: stdin}
	for _, f := range []struct {
		flag  string
		lines *list
	}{{"-H", &o.lines}, {"-publish-H", &o.publishLines}} {
		lines, err := in.expand(*f.lines)
		if err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
		*f.lines = lines
	}
	if name, isFile := strings.CutPrefix(o.content, "@"); isFile {
		b, err := in.read(name)
		if err != nil {
			return fmt.Errorf("-d: %w", err)
		}
		o.content = string(b)
	}
	if o.tokenFile == "" {
		return nil
	}
	b, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return fmt.Errorf("-token-file: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.ContainsFunc(line, isControl):
			return fmt.Errorf("-token-file: line %d has a control character", n)
		default:
			o.tokens = append(o.tokens, line)
		}
	}
	if len(o.tokens) == 0 {
		return errors.New("-token-file: it has no token")
	}
	return nil
}

// An input is standard input, which can be read once.
type input struct {
	io.Reader
	used bool
}

// read returns the content of a file, or that of standard input for "-".
func (in *input) read(name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	if in.used {
		return nil, errors.New("standard input is used twice")
	}
	in.used = true
	return io.ReadAll(in)
}

// expand returns lines with those of the file in place of each @file.
func (in *input) expand(args []string) (lines []string, err error) {
	for _, arg := range args {
		name, isFile := strings.CutPrefix(arg, "@")
		if !isFile {
			lines = append(lines, arg)
			continue
		}
		b, err := in.read(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines, nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
