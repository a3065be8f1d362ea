package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/lastevent/sse"
)

// options are what the arguments say.
type options struct {
	sources []source
	demo    bool
	version bool

	header   http.Header
	lines    list // -H, which readHeader reads
	method   string
	user     string
	content  list // -d, which readBody reads
	body     []byte
	insecure bool
	cacert   string
	cert     string
	key      string
	http2    bool
	unix     string

	id       string
	state    string
	max      int
	types    list
	until    list
	once     bool
	forever  bool
	idle     seconds
	maxTime  seconds
	maxEvent int

	data, json, raw bool
	parse           bool
	text            string // -format, which parseFormat parses
	format          *template.Template
	verbose, stats  bool
}

// parseArgs reads the arguments: flags and URLs in any order. Its error is flag.ErrHelp for -h.
// All that can be wrong with the arguments is found here or by newTail, before any request.
func (cmd *command) parseArgs(args []string) (*options, error) {
	o := new(options)
	urls, given, err := parseFlags(o.flags(), args)
	if err != nil {
		return nil, err
	}
	if err := o.check(given, len(urls)); err != nil || o.demo || o.version {
		return o, err
	}
	if given["format"] {
		if err := o.parseFormat(cmd.stdout.Own); err != nil {
			return nil, err
		}
	}
	return o, o.readRequest(cmd.stdin, given, urls)
}

// readRequest reads what the flags of a request name, and the URLs.
func (o *options) readRequest(stdin io.Reader, given map[string]bool, urls []string) error {
	o.header = make(http.Header)
	in := &input{Reader: stdin}
	if err := o.readHeader(in); err != nil {
		return err
	}
	if given["u"] || given["user"] {
		if err := o.setUser(); err != nil {
			return err
		}
	}
	if given["d"] {
		if err := o.readBody(in); err != nil {
			return err
		}
	}
	o.method = cmp.Or(o.method, http.MethodGet)
	return o.parseURLs(urls)
}

// check refuses what makes no sense together.
func (o *options) check(given map[string]bool, urls int) error {
	outputs := 0
	for _, name := range []string{"data", "json", "raw", "format"} {
		if given[name] {
			outputs++
		}
	}
	switch {
	case (o.demo || o.version) && (len(given) > 1 || urls > 0):
		return errors.New("-demo and -version go with nothing else")
	case o.demo, o.version:
		return nil
	case urls == 0:
		return errors.New("a URL is missing")
	case outputs > 1:
		return errors.New("-data, -json, -raw and -format exclude each other")
	case o.parse && !o.json:
		return errors.New("-parse goes with -json")
	case o.raw && urls > 1:
		return errors.New("-raw goes with one URL")
	case o.id != "" && urls > 1:
		return errors.New("-id goes with one URL")
	case given["state"] && o.state == "":
		return errors.New("-state: the name of a file is missing")
	}
	return o.checkStream(given)
}

// checkStream is check for the flags of the transport and the stream.
func (o *options) checkStream(given map[string]bool) error {
	switch {
	case !sse.Resumable(o.id):
		return errors.New("-id: no header can carry this ID")
	case given["unix"] && o.unix == "":
		return errors.New("-unix: the path of a socket is missing")
	case o.key != "" && o.cert == "":
		return errors.New("-key goes with -cert")
	case o.once && o.forever:
		return errors.New("-once and -retry-forever exclude each other")
	case given["n"] && o.max < 1, given["max-event"] && o.maxEvent < 1:
		return errors.New("-n and -max-event must be positive")
	}
	return nil
}

// An input is standard input, which can be read once.
type input struct {
	io.Reader
	used bool
}

// read returns what an argument stands for: the content of file for @file, and that of
// standard input for @-.
func (in *input) read(file string) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	if in.used {
		return nil, errors.New("standard input is used twice")
	}
	in.used = true
	return io.ReadAll(in)
}

// readHeader reads what -H names. Its errors do not quote a line, which may be a secret.
func (o *options) readHeader(in *input) error {
	for _, arg := range o.lines {
		file, isFile := strings.CutPrefix(arg, "@")
		if !isFile {
			if err := o.addHeader(arg); err != nil {
				return fmt.Errorf("-H: %w", err)
			}
			continue
		}
		b, err := in.read(file)
		if err != nil {
			return fmt.Errorf("-H: %w", err)
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if err := o.addHeader(line); err != nil {
				return fmt.Errorf("-H %s: line %d: %w", arg, n, err)
			}
		}
	}
	return nil
}

func (o *options) addHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || !isToken(name):
		return errors.New("want 'Name: value'")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("%s has a control character", name)
	case strings.EqualFold(name, "Host") && !isHost(value):
		return errors.New("this Host is no host")
	case strings.EqualFold(name, "Last-Event-ID") && !sse.Resumable(value):
		return errors.New("the Last-Event-ID is too long")
	}
	o.header.Add(name, value)
	return nil
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// setUser sets the credentials of -u. A password in the arguments can be seen by everyone
// on the machine, so that it may be in the environment instead.
func (o *options) setUser() error {
	name, password, ok := strings.Cut(o.user, ":")
	if !ok {
		if password, ok = os.LookupEnv("SSE_PASSWORD"); !ok {
			return errors.New("-u: the password is missing: neither name:password nor $SSE_PASSWORD is set")
		}
	}
	o.user = name
	r := http.Request{Header: o.header}
	r.SetBasicAuth(name, password)
	return nil
}

// readBody reads what each -d names and joins it by & as curl does. Without a Content-Type
// of its own, it is JSON if it begins like that, else a form, as with curl.
func (o *options) readBody(in *input) error {
	for i, arg := range o.content {
		b := []byte(arg)
		file, isFile := strings.CutPrefix(arg, "@")
		if isFile || arg == "-" {
			var err error
			if b, err = in.read(file); err != nil {
				return fmt.Errorf("-d: %w", err)
			}
		}
		if i > 0 {
			o.body = append(o.body, '&')
		}
		o.body = append(o.body, b...)
	}
	o.method = cmp.Or(o.method, http.MethodPost)
	if _, ok := o.header["Content-Type"]; !ok {
		typ := "application/x-www-form-urlencoded"
		if first := strings.TrimSpace(string(o.body[:min(len(o.body), 64)])); first != "" && slices.Contains([]byte("{["), first[0]) {
			typ = "application/json"
		}
		o.header.Set("Content-Type", typ)
	}
	return nil
}
