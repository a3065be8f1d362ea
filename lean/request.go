package lean

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
)

// check returns an error for a request that can never be sent.
func check(req *http.Request) error {
	switch {
	case req.URL == nil:
		return errors.New("lean: invalid request: its URL is nil")
	case req.Header == nil:
		return errors.New("lean: invalid request: its Header is nil")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("lean: unsupported protocol scheme %q", req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("lean: the URL has no host")
	case req.Method != "" && !isToken(req.Method):
		return fmt.Errorf("lean: invalid method %q", req.Method)
	}
	if err := checkHeader("header", req.Header); err != nil {
		return err
	}
	return checkHeader("trailer", req.Trailer)
}

// checkHeader checks names and values. An error never has a value: it may be a secret.
func checkHeader(what string, header http.Header) error {
	for name, values := range header {
		if !isToken(name) {
			return fmt.Errorf("lean: invalid %s name %q", what, name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("lean: invalid %s value of %q", what, name)
			}
		}
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// An outgoing request is one in the form in which its connection carries it.
type outgoing struct {
	*http.Request
	viaProxy bool // its target is a whole URL
}

func (o *outgoing) hasBody() bool { return o.Body != nil && o.Body != http.NoBody }

// toProxy makes it one for a proxy that sends it on.
func (o *outgoing) toProxy(proxy *url.URL) {
	o.viaProxy = true
	if auth := proxyAuth(proxy); auth != "" && o.Header.Get("Proxy-Authorization") == "" {
		o.Request = o.WithContext(o.Context())
		o.Header = o.Header.Clone()
		o.Header.Set("Proxy-Authorization", auth)
	}
}

var writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}

// write writes the request, and closes its body.
func (o *outgoing) write(w io.Writer) error {
	bw := writers.Get().(*bufio.Writer)
	bw.Reset(w)
	defer func() {
		bw.Reset(nil)
		writers.Put(bw)
	}()
	req := o.Request
	var body *requestBody
	if o.hasBody() {
		req = req.WithContext(req.Context())
		body = &requestBody{ReadCloser: req.Body}
		req.Body = body
	}
	write := req.Write
	if o.viaProxy {
		write = req.WriteProxy
	}
	err := write(bw)
	if body != nil && body.err != nil {
		return body.err
	}
	if err != nil {
		return err
	}
	return bw.Flush()
}

// A requestBody remembers the error of a Read. Request.Write hides it.
type requestBody struct {
	io.ReadCloser
	err error
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// toASCII returns the form of a host that is looked up: of a name that is not ASCII, its
// Punycode. Only net/http can make that, when it writes a request's Host.
func toASCII(host string) (string, error) {
	if !strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }) {
		return host, nil
	}
	var wire bytes.Buffer
	if err := (&http.Request{URL: new(url.URL), Host: host}).Write(&wire); err != nil {
		return "", errNoHost
	}
	sent, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil || textproto.TrimString(sent.Host) == "" {
		return "", errNoHost
	}
	return sent.Host, nil
}
