package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUsage: wrong usage of every kind is found before any request is made, and before any file changes.
func TestUsage(t *testing.T) {
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Add(1) }))
	defer srv.Close()
	u := srv.URL
	dir := t.TempDir()
	kept := write(t, "kept.json", "kept")
	for _, test := range []struct{ want, args string }{
		{"a URL is missing", ""},
		{"not defined: -nonsense", "-nonsense URL"},
		{"-version goes with nothing else", "-version URL"},
		{"-version goes with nothing else", "-version -q"},
		{"-demo does not go with -ramp", "-demo -ramp 1s"},
		{"-demo goes with no URL", "-demo URL"},
		{"-n must be positive", "-n 0 URL"},
		{"parse error", "-n x URL"},
		{"2 URLs need as many streams", "-n 1 URL URL"},
		{"want a time", "-ramp x URL"},
		{"want a time", "-for -1s URL"},
		{"-for must be positive", "-for 0 URL"},
		{"-open-in must be positive", "-open-in 0 URL"},
		{"-stall must be positive", "-stall 0 URL"},
		{"-idle must be positive", "-idle 0 URL"},
		{"is not an address", "-source nowhere URL"},
		{"is not an address", "-source 127.0.0.1,,127.0.0.2 URL"},
		{"-http2 and -source", "-http2 -source 127.0.0.1 URL"},
		{"-backoff: want sse, browser or none", "-backoff fast URL"},
		// The URL.
		{`URL 1: the scheme is "ftp"`, "ftp://127.0.0.1/"},
		{"URL 2: the scheme", "-n 2 URL ftp://127.0.0.1/"},
		{"URL 1: it has no host", "http:///x"},
		{"URL 1: there is no such port", "http://127.0.0.1:99999/"},
		{"URL 1: there is no such port", "http://127.0.0.1:0/"},
		{"percent-encoding", "http://name:sec%zzret@127.0.0.1/"},
		{"this is no template", "http://127.0.0.1/{{"},
		{"can't evaluate field Nonsense", "http://127.0.0.1/{{.Nonsense}}"},
		// The request.
		{"-X: this is no method", "-X A(B URL"},
		{"want 'Name: value'", "-H nocolon URL"},
		{"want 'Name: value'", "-H :novalue URL"},
		{"A has a control character", "-H A:\x01 URL"},
		{"A: this is no template", "-H A:{{.}{ URL"},
		{"can't evaluate field Nonsense", "-d {{.Nonsense}} URL"},
		{"no such file", "-d @no/such/file URL"},
		{"-H: open no/such/file", "-H @no/such/file URL"},
		{"standard input is used twice", "-H @- -d @- URL"},
		{"no such file", "-token-file no/such/file URL"},
		{"it has no token", "-token-file " + write(t, "empty", "\n \n") + " URL"},
		{"line 2 has a control character", "-token-file " + write(t, "bad", "a\nb\x01c\n") + " URL"},
		{"add -H 'Authorization: Bearer {{.Token}}'", "-token-file " + write(t, "tokens", "a\n") + " URL"},
		{"the name of a file is missing", "-token-file= URL"},
		{"no such file", "-cacert no/such/file URL"},
		{"no certificate in", "-cacert " + write(t, "ca", "nothing") + " URL"},
		{"-cert: ", "-cert " + write(t, "cert", "nothing") + " URL"},
		{"-key goes with -cert", "-key file URL"},
		// The events.
		{"want a template", "-time ts URL"},
		{"this is no template", "-time {{.ts URL"},
		{"want a template", "-seq n URL"},
		{"want a template", "-says text URL"},
		{"can't evaluate field Nonsense", "-topic {{.Nonsense}} URL"},
		{"-publish: the scheme", "-publish ftp://127.0.0.1/ URL"},
		{"-publish: a URL is missing", "-publish= URL"},
		{"-publish-every goes with -publish", "-publish-every 1s URL"},
		{"-publish-every must be positive", "-publish URL -publish-every 0 URL"},
		{"-publish-d: it must have {{.Text}}", "-publish URL -publish-d nothing URL"},
		{"-publish-H or -publish-d: want 'Name: value'", "-publish URL -publish-H nothing URL"},
		{"-publish and -time exclude", "-publish URL -time {{.ts}} URL"},
		{"-publish and -seq exclude", "-publish URL -seq {{.n}} URL"},
		// What happens.
		{"such as 30%@60s", "-kill 30% URL"},
		{"such as 30%@60s", "-kill 30@60s URL"},
		{"such as 30%@60s", "-kill 0%@60s URL"},
		{"such as 30%@60s", "-kill 101%@60s URL"},
		{"such as 30%@60s", "-kill NaN%@60s URL"},
		{"such as 30%@60s", "-kill 30%@soon URL"},
		{"-kill: the run ends after 10s", "-ramp 0 -for 10s -kill 30%@10s URL"},
		{"such as 10%@1KB/s", "-slow 10%@1KB URL"},
		{"such as 10%@1KB/s", "-slow 10%@0/s URL"},
		{"such as 10%@1KB/s", "-slow 10@1KB/s URL"},
		// The output.
		{"no such file", "-json no/such/directory/file URL"},
		{"no such file", "-json " + kept + " -hdr no/such/directory/file URL"},
		{"is a directory", "-html " + dir + " URL"},
		{"the name of a file is missing", "-html= URL"},
		{"-json - and -q exclude", "-json - -q URL"},
		{"character 1: no figure has the name", "-assert nonsense==0 URL"},
		{"character 11: \"200\": p99(skew) is compared with a time", "-assert p99(skew)<200 URL"},
		// The subcommand.
		{"compare needs two files", "compare"},
		{"compare needs two files", "compare a b c"},
		{"no such file", "compare no/such/file no/such/file"},
		{"it is no report", "compare " + kept + " " + kept},
		{"it is no report of version 1", "compare " + write(t, "2.json", `{"version":2}`) + " x"},
	} {
		args := strings.Split(strings.ReplaceAll(test.args, "URL", u), " ")
		if test.args == "" {
			args = nil
		}
		stdout, stderr := runBinary(t, exitUsage, args...)
		assert.Empty(t, stdout, test.args)
		assert.Regexp(t, `^sseload: .+\nRun 'sseload -h' for usage.\n$`, stderr, test.args)
		assert.Contains(t, stderr, test.want, test.args)
		assert.NotContains(t, stderr, "sec%zzret")
		assert.Zero(t, requests.Load(), test.args)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	b, err := os.ReadFile(kept)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(b))
	left, err = os.ReadDir(filepath.Dir(kept))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

// TestHelp: the help page fits a terminal, and names each flag.
func TestHelp(t *testing.T) {
	stdout, stderr := runBinary(t, exitOK, "-h")
	assert.Empty(t, stderr)
	assert.Less(t, strings.Count(stdout, "\n"), 56)
	for line := range strings.Lines(stdout) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
	for _, name := range flagNames() {
		assert.Regexp(t, `(^|[\s(])-`+name+`\b`, stdout)
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, name := range flagNames() {
		assert.Contains(t, string(readme), "`-"+name, "load/README.md describes each flag")
	}
	stdout, _ = runBinary(t, exitOK, "compare", "-h")
	assert.Equal(t, help, stdout)
	stdout, _ = runBinary(t, exitOK, "-version")
	assert.Regexp(t, `^sseload \S+ go1\S+\n$`, stdout)
}
