package lean

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// dialProxy makes a connection to a proxy.
func (t *Transport) dialProxy(ctx context.Context, proxy *url.URL) (*conn, error) {
	switch proxy.Scheme {
	case "http", "https":
	case "": // as in net/http
		proxy = &url.URL{Scheme: "http", Host: proxy.Host}
	default:
		return nil, fmt.Errorf("lean: unsupported proxy scheme %q", clip(proxy.Scheme))
	}
	addr, err := address(proxy)
	if err != nil {
		return nil, err
	}
	c, err := t.dial(ctx, addr)
	if err == nil && proxy.Scheme == "https" {
		if err = t.handshake(c, addr); err != nil {
			c.close(err)
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err} // as in net/http
	}
	return c, nil
}

// tunnel has the proxy connect to the target.
func (t *Transport) tunnel(c *conn, proxy *url.URL, target string) error {
	header := t.ProxyConnectHeader.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if auth := proxyAuth(proxy); auth != "" {
		header.Set("Proxy-Authorization", auth)
	}
	// Without the context, and its trace: this is not the caller's request.
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: header}
	var resp *http.Response
	err := c.within(proxyTimeout, "CONNECT", func() (err error) {
		if err = req.Write(c); err == nil {
			resp, _, err = readHead(&headReader{conn: c, left: t.maxHeader()}, req)
		}
		return err
	})
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("lean: the proxy answered CONNECT with %q", clip(resp.Status))
	}
	return nil
}

// proxyAuth returns the Proxy-Authorization header for a proxy, "" if it needs none.
func proxyAuth(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password))
}

// errNoHost is the error of a host that has no ASCII form.
var errNoHost = errors.New("lean: the host has no ASCII form")
