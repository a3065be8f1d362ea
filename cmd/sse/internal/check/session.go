package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"
)

const (
	mcpVersion    = "2025-11-25"
	sessionHeader = "Mcp-Session-Id"
	versionHeader = "Mcp-Protocol-Version"
)

var versionPattern = regexp.MustCompile(`"protocolVersion"\s*:\s*"([0-9-]{1,20})"`)

// openSession opens a session of the Model Context Protocol, which the requests then belong
// to.
func (c *checker) openSession(ctx context.Context) error {
	c.header.Del(sessionHeader)
	c.header.Del(versionHeader)
	resp, body, err := c.post(ctx, `{"jsonrpc":"2.0","id":"sse-check","method":"initialize","params":{"protocolVersion":"`+mcpVersion+
		`","capabilities":{},"clientInfo":{"name":"sse-check","version":"1"}}}`)
	if err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("initialize was answered with %s: %s", resp.Status, beginning(body))
	}
	version := mcpVersion
	if m := versionPattern.FindSubmatch(body); m != nil {
		version = string(m[1])
	}
	c.header.Set(versionHeader, version)
	session := "none"
	if id := resp.Header.Get(sessionHeader); id != "" {
		c.header.Set(sessionHeader, id)
		session = id
	}
	c.report.fact("session", "%s, protocol %s", safe(session), safe(version))
	_, _, err = c.post(ctx, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return err
}

// closeSession ends the session that openSession opened.
func (c *checker) closeSession() {
	if c.as != "mcp" || c.header.Get(sessionHeader) == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.target.String(), nil); err == nil {
		req.Header = c.header.Clone()
		if resp, err := c.client().Do(req); err == nil {
			resp.Body.Close()
			c.requests++
		}
	}
}

// post sends a message, and returns the first of what it is answered with.
func (c *checker) post(ctx context.Context, message string) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.target.String(), bytes.NewReader([]byte(message)))
	if err != nil {
		return nil, nil, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	c.requests++
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body := make([]byte, 64<<10)
	for n := 0; ; {
		read, err := resp.Body.Read(body[n:])
		if n += read; err != nil || n == len(body) || versionPattern.Match(body[:n]) {
			if err == nil || err == io.EOF || n > 0 {
				return resp, body[:n], nil
			}
			return nil, nil, err
		}
	}
}

func (c *checker) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: c.tls, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
