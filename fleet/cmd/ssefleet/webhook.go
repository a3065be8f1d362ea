package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	webhookTimeout  = 30 * time.Second
	maxRetryAfter   = time.Hour
	webhookConns    = 64 // at a time
	maxWebhookReply = 64 << 10
)

// webhook posts each event. A status of 2xx acknowledges it.
type webhook struct {
	client  *http.Client
	url     *url.URL
	secrets *secrets
	timeout time.Duration
}

func newWebhook(cfg *outputConfig) (*webhook, error) {
	u, err := url.Parse(cfg.Webhook)
	if err != nil {
		return nil, err
	}
	transport := newTransport()
	transport.MaxConnsPerHost = webhookConns
	return &webhook{
		client: &http.Client{
			Transport: secretTransport{transport},
			// A redirect is an error: most of them would turn the POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		url:     u,
		secrets: &cfg.secrets,
		timeout: cmp.Or(cfg.Timeout, webhookTimeout),
	}, nil
}

func (w *webhook) check(context.Context, *config) error { return nil }

func (w *webhook) close() { w.client.CloseIdleConnections() }

func (w *webhook) write(ctx context.Context, m *message) error {
	ctx, cancel := context.WithTimeout(carry(ctx, w.url, w.secrets), w.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(m.event))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.id)
	req.Header.Set("User-Agent", "ssefleet")
	resp, err := w.client.Do(req)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // without the URL, which has a query, perhaps
		}
		return fmt.Errorf("webhook: %w", err)
	}
	defer resp.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, maxWebhookReply)) // the status decides
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("webhook: %s: %s", resp.Status, printable(scrub(ctx, strings.TrimSpace(string(reply))), 200))
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if after := retryAfter(resp.Header); after > 0 {
		return &laterError{err, after}
	}
	return err
}

// A laterError says when the next try makes sense.
type laterError struct {
	error
	after time.Duration
}

func (e *laterError) Unwrap() error { return e.error }

// retryAfter returns the wait that a response asks for, in seconds or as a date by its own clock.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
