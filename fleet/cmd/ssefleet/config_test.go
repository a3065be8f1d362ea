package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConfig: a configuration with everything in it.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("from the file\n"), 0o600))
	t.Setenv("SSEFLEET_TEST_TOKEN", "from the environment")
	name := filepath.Join(dir, "fleet.yaml")
	require.NoError(t, os.WriteFile(name, []byte(`
streams:
  - url: https://example.com/a?x=1
    name: prices
    subject: events.prices
    token: {env: SSEFLEET_TEST_TOKEN}
    headers:
      X-Tenant: acme
      X-Key: {file: key, prefix: "k="}
    query:
      apikey: {file: key}
  - url: http://example.com:8080/b
output:
  webhook: https://example.com/in
  timeout: 5s
  headers: {X-From: 7}
`), 0o600))
	cfg, err := readConfig(name, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"http://example.com:8080/b", "prices"}, cfg.names())
	require.Equal(t, "https://example.com/in", cfg.output.Webhook)
	require.Equal(t, 5*time.Second, cfg.output.Timeout)
	require.Equal(t, "7", cfg.output.Headers["X-From"].text)
	s := cfg.streams["prices"]
	require.Equal(t, "events.prices", s.subject)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url.String(), nil)
	require.NoError(t, err)
	c := &carried{url: s.url, secrets: &s.secrets}
	require.NoError(t, c.addTo(req))
	require.Equal(t, http.Header{"Authorization": {"Bearer from the environment"}, "X-Tenant": {"acme"}, "X-Key": {"k=from the file"}}, req.Header)
	require.Equal(t, "https://example.com/a?apikey=from+the+file&x=1", req.URL.String())

	// A file is read again for each request.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("renewed"), 0o600))
	require.NoError(t, c.addTo(req))
	require.Equal(t, "k=renewed", req.Header.Get("X-Key"))
	require.NoError(t, os.Remove(filepath.Join(dir, "key")))
	require.ErrorIs(t, c.addTo(req), os.ErrNotExist)
}

// TestConfigErrors: whatever a file says that is not understood is an error, with its line
// and without its secrets.
func TestConfigErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SSEFLEET_TEST_CONTROL", "hunter2\nX: y")
	t.Setenv("SSEFLEET_TEST_EMPTY", " ")
	require.NoError(t, os.WriteFile("large", make([]byte, maxSecret+1), 0o600))
	url := "streams:\n  - url: http://a/\n    "
	for file, want := range map[string]string{
		"":                                                          "c.yaml: no streams in it",
		"streams: []":                                               "c.yaml: no streams in it",
		"streams:\n  - url: http://a/\n---\na":                      "c.yaml: more than one document",
		"stream:\n  - url: http://a/\n":                             "c.yaml:1: unknown key stream",
		url + "header: {A: b}":                                      "c.yaml:3: unknown key header",
		url + "url: http://b/":                                      `c.yaml:3: mapping key "url" already defined at line 2`,
		url + "headers: Bearer hunter2":                             "c.yaml:3: no place for a value of this kind (str)",
		url + "headers: {A: {ENV: x}}":                              "c.yaml:3: unknown key ENV",
		url + "headers: {A: {env: x, file: y}}":                     "c.yaml:3: one of env and file is needed",
		url + "headers: {A: {prefix: y}}":                           "c.yaml:3: one of env and file is needed",
		url + "headers:\n      A: {env: x, env: hunter2}":           "c.yaml:4: the key env is given twice",
		url + "headers:\n      A: {env: [x]}":                       "c.yaml:4: env needs a value",
		url + "headers:\n      A: [hunter2]":                        "c.yaml:4: expected a value, or one of {env: NAME} and {file: NAME}",
		url + "headers: {A: {env: SSEFLEET_TEST_NONE}}":             "c.yaml:2: headers: A: the environment's SSEFLEET_TEST_NONE is empty",
		url + "headers: {A: {env: SSEFLEET_TEST_EMPTY}}":            "c.yaml:2: headers: A: the environment's SSEFLEET_TEST_EMPTY is empty",
		url + "headers: {A: {env: SSEFLEET_TEST_CONTROL}}":          "c.yaml:2: headers: A: the environment's SSEFLEET_TEST_CONTROL has a control character in it",
		url + "headers: {A: {file: none}}":                          "c.yaml:2: headers: A: open none: no such file or directory",
		url + "headers: {A: {file: large}}":                         "c.yaml:2: headers: A: large is larger than 65536 bytes",
		url + "headers: {A: }":                                      "c.yaml:2: headers: A: the value is empty",
		url + "headers: {A b: c}":                                   "c.yaml:2: headers: A b is not the name of a header",
		url + "headers: {\"A\\u001b\": c}":                          `c.yaml:2: headers: A\u001b is not the name of a header`,
		url + "headers: {last-event-id: c}":                         "c.yaml:2: headers: last-event-id is set by ssefleet",
		url + "headers: {authorization: c}\n    token: {env: HOME}": "c.yaml:2: headers: authorization is set by ssefleet",
		url + "token: hunter2":                                      "c.yaml:2: token: give it as {env: NAME} or {file: NAME}",
		url + "name: \"a\\u009b\"":                                  "c.yaml:2: name: it has a control character in it",
		url + "subject: a.>":                                        "c.yaml:2: subject: not a subject to publish to",
		url + "\n  - url: http://b/\n  - url: http://a/":            "c.yaml:5: the stream of line 2 again: give one of them a name",
		"streams:\n  - url: ftp://a/":                               "c.yaml:2: a URL begins with http:// or https://",
		"streams:\n  - url: http:///a":                              "c.yaml:2: a URL without a host",
		"streams:\n  - url: http://a:99999/":                        "c.yaml:2: not a URL",
		"streams:\n  - url: \"http://a/\\u0001hunter2\"":            "c.yaml:2: not a URL",
		"streams:\n  - url: http://a/#b":                            "c.yaml:2: a URL with a fragment, which is never sent",
		"streams:\n  - {}":                                          "c.yaml:2: a URL begins with http:// or https://",
		"streams:\n  - url: http://hunter2@a/":                      "c.yaml:2: a URL with a password, which would be stored and shown: use a configuration file with a header for it",
		url + "\noutput: {}":                                        "c.yaml:4: output: one of nats and webhook is needed",
		url + "\noutput: {nats: a, webhook: b}":                     "c.yaml:4: output: one of nats and webhook is needed",
		url + "\noutput: {nats: a b}":                               "c.yaml:4: output: nats: not a subject to publish to",
		url + "\noutput: {nats: a, timeout: 1s}":                    "c.yaml:4: output: timeout, headers, query and token are for a webhook",
		url + "\noutput: {webhook: b}":                              "c.yaml:4: output: webhook: a URL begins with http:// or https://",
		url + "\noutput: {webhook: http://b/, timeout: -1s}":        "c.yaml:4: output: timeout cannot be negative",
		url + "\noutput: {webhook: http://b/, timeout: soon}":       "c.yaml:4: no place for a value of this kind (str)",
		url + "\noutput: {webhook: http://b/, headers: {A: {env: SSEFLEET_TEST_NONE}}}": "c.yaml:4: output: headers: A: the environment's SSEFLEET_TEST_NONE is empty",
		"streams:\n\t- url: http://a/": "c.yaml:2: found character that cannot start any token",
		"streams: {":                   "c.yaml:1: did not find expected node content",
	} {
		require.NoError(t, os.WriteFile("c.yaml", []byte(file), 0o600))
		_, err := readConfig("c.yaml", nil)
		require.EqualError(t, err, want, file)
		require.NotContains(t, err.Error(), "hunter2", file)
	}
}

// TestListErrors: a plain list names the line, too.
func TestListErrors(t *testing.T) {
	read := func(list string) ([]string, error) {
		cfg, err := readConfig("-", strings.NewReader(list))
		if err != nil {
			return nil, err
		}
		return cfg.names(), nil
	}
	names, err := read("# ours\r\n\r\n http://b/ \r\nhttps://a:1/?q#\nhttp://b/\n")
	require.NoError(t, err)
	require.Equal(t, []string{"http://b/", "https://a:1/?q#"}, names)
	_, err = read("http://a/\nb\n")
	require.EqualError(t, err, "-:2: a URL begins with http:// or https://")
	_, err = read("http://a/\nhttp://" + strings.Repeat("b", 70_000))
	require.EqualError(t, err, "-:2: bufio.Scanner: token too long")
	_, err = read("http://a/\xff")
	require.EqualError(t, err, "-:1: not a URL")
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "http://a/%d\n", i)
	}
	names, err = read(many.String())
	require.NoError(t, err)
	require.Len(t, names, 10_000)
}
