package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"
)

// A secret is a value of the configuration file, in one of three forms:
//
//	X-Tenant: acme
//	X-Key: {file: /run/secrets/key}
//	Cookie: {env: SESSION, prefix: "session="}
//
// A file is read again for each request, so that its owner can replace it at any time.
// A secret is never printed, and no error contains one.
type secret struct {
	text, env, file, prefix string
}

const maxSecret = 64 << 10

// UnmarshalYAML does by hand what a struct's fields cannot: a scalar or a mapping,
// and an error for an unknown key, which node.Decode does not report.
func (s *secret) UnmarshalYAML(node *yaml.Node) error {
	fail := func(at *yaml.Node, what string) error { return fmt.Errorf("line %d: %s", at.Line, what) }
	switch node.Kind {
	case yaml.ScalarNode:
		s.text = node.Value
		return nil
	case yaml.MappingNode:
	default:
		return fail(node, "expected a value, or one of {env: NAME} and {file: NAME}")
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field := map[string]*string{"env": &s.env, "file": &s.file, "prefix": &s.prefix}[key.Value]
		switch {
		case field == nil:
			return fail(key, "unknown key "+printable(key.Value, 64))
		case *field != "":
			return fail(key, "the key "+key.Value+" is given twice")
		case value.Kind != yaml.ScalarNode || value.Value == "":
			return fail(value, key.Value+" needs a value")
		}
		*field = value.Value
	}
	if (s.env == "") == (s.file == "") {
		return fail(node, "one of env and file is needed")
	}
	return nil
}

// plain reports whether the file itself has the value, which is no secret then.
func (s *secret) plain() bool { return s.env == "" && s.file == "" }

// in makes a relative file name relative to a directory.
func (s *secret) in(dir string) {
	if s.file != "" && !filepath.IsAbs(s.file) {
		s.file = filepath.Join(dir, s.file)
	}
}

// value returns what a header or a query carries.
func (s *secret) value() (string, error) {
	text, from := s.text, "the value"
	switch {
	case s.env != "":
		text, from = strings.TrimSpace(os.Getenv(s.env)), "the environment's "+s.env
	case s.file != "":
		b, err := readFile(s.file)
		if err != nil {
			return "", err
		}
		text, from = strings.TrimSpace(string(b)), s.file
	}
	switch {
	case text == "":
		return "", errors.New(from + " is empty")
	case !httpguts.ValidHeaderFieldValue(s.prefix + text):
		return "", errors.New(from + " has a control character in it")
	}
	return s.prefix + text, nil
}

// readFile reads a small file.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(b) > maxSecret {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxSecret)
	}
	return b, err
}
