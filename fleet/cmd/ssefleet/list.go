package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readList reads a plain list: a URL a line. Blank lines and those that begin with # are
// left out. A URL that is given twice counts once.
func readList(name string, in io.Reader) (*config, error) {
	cfg := &config{streams: make(map[string]*stream)}
	lines := bufio.NewScanner(in)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || cfg.streams[line] != nil {
			continue
		}
		u, err := parseURL(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		cfg.streams[line] = &stream{name: line, url: u}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	if len(cfg.streams) == 0 {
		return nil, fmt.Errorf("%s: no URL in it", name)
	}
	return cfg, nil
}

// parseURL checks a URL that is to be requested. Its errors do not contain the URL, which may
// have a secret in it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	var port uint64
	if err == nil && u.Port() != "" {
		port, err = strconv.ParseUint(u.Port(), 10, 16)
		if port == 0 {
			err = errors.New("port 0")
		}
	}
	switch {
	case err != nil || !utf8.ValidString(text):
		return nil, errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("a URL begins with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("a URL without a host")
	case u.User != nil:
		return nil, errors.New("a URL with a password, which would be stored and shown: use a configuration file with a header for it")
	case u.Fragment != "":
		return nil, errors.New("a URL with a fragment, which is never sent")
	}
	return u, nil
}
