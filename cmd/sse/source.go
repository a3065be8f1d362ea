package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A source is a stream and what to call it.
type source struct {
	name  string
	named bool // by the user
	url   *url.URL
}

func (o *options) parseURLs(args []string) error {
	used := make(map[string]int)
	for i, arg := range args {
		src, err := newSource(arg)
		if err != nil {
			return fmt.Errorf("URL %d: %w", i+1, err)
		}
		if used[src.name]++; used[src.name] > 1 && !src.named {
			src.name += "#" + strconv.Itoa(used[src.name]) // they differ in the query, which may be a secret
		}
		o.sources = append(o.sources, src)
	}
	return nil
}

// newSource reads an argument: a URL, or one after a name. Its errors do not quote the URL,
// which may have a password in it.
func newSource(arg string) (source, error) {
	var src source
	if name, rest, ok := strings.Cut(arg, "="); ok && name != "" && !strings.ContainsAny(name, ":/?#") {
		src.name, src.named, arg = name, true, rest
	}
	if !strings.Contains(strings.SplitN(arg, "?", 2)[0], "://") {
		arg = "http://" + arg // as curl has it
	}
	u, err := url.Parse(arg)
	switch {
	case err != nil && strings.Contains(arg, "@"):
		return src, errors.New("it cannot be parsed (what stands before @ needs percent-encoding)")
	case err != nil:
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // without the query
		}
		return src, err
	case u.Scheme != "http" && u.Scheme != "https":
		return src, fmt.Errorf("the scheme is %q, not http or https", u.Scheme)
	case u.Hostname() == "":
		return src, errors.New("it has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return src, errors.New("there is no such port")
		}
	}
	u.Fragment, u.RawFragment = "", ""
	u.Path = cmp.Or(u.Path, "/")
	src.url = u
	if !src.named {
		src.name = strings.TrimSuffix(u.Host+u.Path, "/")
	}
	return src, nil
}

// isHost reports whether a Host header can have this value.
func isHost(s string) bool {
	u, err := url.Parse("http://" + s)
	return err == nil && u.Host == s && s != ""
}
