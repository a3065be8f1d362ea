package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"
)

// A config is what FILE says: the streams, by name, and where their events go.
type config struct {
	streams map[string]*stream
	output  *outputConfig // nil: the file does not say
}

// names returns the names of the streams, which is what the members of a fleet share.
func (c *config) names() []string {
	names := make([]string, 0, len(c.streams))
	for name := range c.streams {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A stream is what to request, and what to say about it.
type stream struct {
	name    string
	url     *url.URL
	subject string // of its events, where the output is NATS and the stream has its own
	secrets
}

// secrets are what a request carries and nobody sees.
type secrets struct {
	Headers map[string]secret `yaml:"headers"`
	Query   map[string]secret `yaml:"query"`
	Token   *secret           `yaml:"token"` // Authorization: Bearer …
}

// outputConfig says where events go.
type outputConfig struct {
	NATS    string        `yaml:"nats"`    // a subject
	Webhook string        `yaml:"webhook"` // a URL
	Timeout time.Duration `yaml:"timeout"` // of one request
	secrets `yaml:",inline"`
}

// fileConfig is the file itself.
type fileConfig struct {
	Streams []fileStream  `yaml:"streams"`
	Output  *outputConfig `yaml:"output"`
}

type fileStream struct {
	URL     string `yaml:"url"`
	Name    string `yaml:"name"`
	Subject string `yaml:"subject"`
	secrets `yaml:",inline"`
}

// maxConfig is the largest configuration or list that is read: some 100 000 streams.
const maxConfig = 64 << 20

// readConfig reads FILE: a configuration if its name ends in .yaml or .yml, else a list; a
// list from standard input for "-".
func readConfig(name string, stdin io.Reader) (*config, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(b) > maxConfig:
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxConfig>>20)
	}
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		return parseConfig(name, b)
	}
	return readList(name, bytes.NewReader(b))
}

// loadConfig returns what a member begins with.
func loadConfig(ctx context.Context, o *options, stdin io.Reader) (*config, error) {
	if o.demo {
		return demoConfig(o), nil
	}
	return awaitConfig(ctx, o.file, stdin)
}

// awaitConfig is readConfig, for a file that may be a pipe that nobody writes to.
func awaitConfig(ctx context.Context, name string, stdin io.Reader) (*config, error) {
	var cfg *config
	var err error
	read := make(chan struct{})
	go func() {
		defer close(read)
		cfg, err = readConfig(name, stdin)
	}()
	select {
	case <-read:
		return cfg, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// parseConfig reads a configuration. Whatever it does not know is an error, with its line.
func parseConfig(name string, b []byte) (*config, error) {
	fail := func(line int, err error) (*config, error) { return nil, fmt.Errorf("%s:%d: %w", name, line, err) }
	var file fileConfig
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && err != io.EOF {
		return nil, yamlError(name, err)
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return nil, fmt.Errorf("%s: more than one document", name)
	}
	if len(file.Streams) == 0 {
		return nil, fmt.Errorf("%s: no streams in it", name)
	}
	streamLines, outputLine := lines(b)
	cfg := &config{streams: make(map[string]*stream, len(file.Streams)), output: file.Output}
	dir := filepath.Dir(name)
	first := make(map[string]int)
	for i, s := range file.Streams {
		line := streamLines[i]
		u, err := parseURL(s.URL)
		if err != nil {
			return fail(line, err)
		}
		if err := s.check(dir); err != nil {
			return fail(line, err)
		}
		if s.Subject != "" && !validSubject(s.Subject) {
			return fail(line, errors.New("subject: not a subject to publish to"))
		}
		s.Name = cmp.Or(s.Name, s.URL)
		if printable(s.Name, len(s.Name)) != s.Name {
			return fail(line, errors.New("name: it has a control character in it"))
		}
		if before, ok := first[s.Name]; ok {
			return fail(line, fmt.Errorf("the stream of line %d again: give one of them a name", before))
		}
		first[s.Name] = line
		cfg.streams[s.Name] = &stream{s.Name, u, s.Subject, s.secrets}
	}
	if cfg.output != nil {
		if err := cfg.output.check(dir); err != nil {
			return fail(outputLine, fmt.Errorf("output: %w", err))
		}
	}
	return cfg, nil
}

// check reports values that cannot be sent, and those that are not there.
func (s *secrets) check(dir string) error {
	reserved := []string{"Host", "Last-Event-Id", "Content-Length", "Transfer-Encoding", "Connection"}
	if s.Token != nil {
		s.Token.in(dir)
		if s.Token.plain() {
			return errors.New("token: give it as {env: NAME} or {file: NAME}")
		}
		s.Token.prefix = cmp.Or(s.Token.prefix, "Bearer ")
		if _, err := s.Token.value(); err != nil {
			return fmt.Errorf("token: %w", err)
		}
		reserved = append(reserved, "Authorization")
	}
	for what, values := range map[string]map[string]secret{"headers": s.Headers, "query": s.Query} {
		for key, value := range values {
			value.in(dir)
			values[key] = value
			shown := printable(key, 64)
			if what == "headers" && !httpguts.ValidHeaderFieldName(key) {
				return fmt.Errorf("headers: %s is not the name of a header", shown)
			}
			if what == "headers" && slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, key) }) {
				return fmt.Errorf("headers: %s is set by ssefleet", shown)
			}
			if _, err := value.value(); err != nil {
				return fmt.Errorf("%s: %s: %w", what, shown, err)
			}
		}
	}
	return nil
}

func (o *outputConfig) check(dir string) error {
	if (o.NATS == "") == (o.Webhook == "") {
		return errors.New("one of nats and webhook is needed")
	}
	if o.NATS != "" {
		switch {
		case !validSubject(o.NATS):
			return errors.New("nats: not a subject to publish to")
		case o.Timeout != 0 || o.Headers != nil || o.Query != nil || o.Token != nil:
			return errors.New("timeout, headers, query and token are for a webhook")
		}
		return nil
	}
	if _, err := parseURL(o.Webhook); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if o.Timeout < 0 {
		return errors.New("timeout cannot be negative")
	}
	return o.secrets.check(dir)
}

// validSubject reports whether events can be published to a subject of NATS.
func validSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == '*' || r == '>' || obeyed(r) }) {
			return false
		}
	}
	return !strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "_INBOX.")
}

// lines returns where each stream and the output begin.
func lines(b []byte) (streams []int, output int) {
	var doc yaml.Node
	if yaml.Unmarshal(b, &doc) != nil || len(doc.Content) == 0 {
		return nil, 0 // it was read before
	}
	root := doc.Content[0].Content
	for i := 0; i < len(root); i += 2 {
		value := root[i+1]
		for value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		switch root[i].Value {
		case "streams":
			for _, s := range value.Content {
				streams = append(streams, s.Line)
			}
		case "output":
			output = root[i].Line
		}
	}
	return streams, output
}

var (
	unknownKey = regexp.MustCompile(`^line (\d+): field (.*) not found in type .*$`)
	wrongKind  = regexp.MustCompile(`(?s)^line (\d+): cannot unmarshal !!(\w+).* into .*$`)
	otherLine  = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)
)

// yamlError puts the errors of package yaml in terms of the file, without its values and
// without names of Go types.
func yamlError(name string, err error) error {
	texts := []string{err.Error()}
	if te := (*yaml.TypeError)(nil); errors.As(err, &te) {
		texts = te.Errors
	}
	var all []error
	for _, text := range texts[:min(len(texts), 10)] {
		text = unknownKey.ReplaceAllString(text, "line $1: unknown key $2")
		text = wrongKind.ReplaceAllString(text, "line $1: no place for a value of this kind ($2)")
		text = otherLine.ReplaceAllString(text, name+":$1: $2")
		if !strings.HasPrefix(text, name) {
			text = name + ": " + text
		}
		all = append(all, errors.New(printable(text, 300)))
	}
	return errors.Join(all...)
}
