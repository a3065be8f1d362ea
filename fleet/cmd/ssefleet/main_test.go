package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test program is the command, too.
func TestMain(m *testing.M) {
	if os.Getenv("SSEFLEET_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestUsage: what is wrong is said in one line, and leaves nothing behind.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("empty", []byte("# nothing\n"), 0o600))
	require.NoError(t, os.WriteFile("list", []byte("\nhttp://a/\nhttp://user:hunter2@b/\n"), 0o600))
	require.NoError(t, os.WriteFile("ok", []byte("http://a/\n"), 0o600))
	const see = " (ssefleet -h for help)\n"
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "a FILE with URLs is missing" + see},
		{"a b", 2, "one FILE, after the flags" + see},
		{"-demo a", 2, "-demo and a FILE exclude each other" + see},
		{"-idle -1s a", 2, "-idle cannot be negative" + see},
		{"-drain -1s a", 2, "-drain cannot be negative" + see},
		{"-attempts -1 a", 2, "-attempts cannot be negative" + see},
		{"-ttl 1ms a", 2, "-ttl is at least 100ms" + see},
		{"-commit-events -1 a", 2, "-commit-events and -commit-interval cannot be negative" + see},
		{"-replicas 0 a", 2, "-replicas is 1 to 5" + see},
		{"-dead-letter d a", 2, "-dead-letter needs -attempts" + see},
		{"-pprof a", 2, "-pprof needs -http" + see},
		{"-log xml a", 2, "-log is text or json" + see},
		{"-output kafka:x a", 2, "-output: stdout, nats:SUBJECT or the URL of a webhook" + see},
		{"-output nats:a.* a", 2, "-output: nats: not a subject to publish to" + see},
		{"-output http://u:hunter2@x/ a", 2, "-output: webhook: a URL with a password, which would be stored and shown: use a configuration file with a header for it" + see},
		{"-nats http://x a", 2, "-nats: a URL is nats://host:port, tls://…, ws://… or wss://…" + see},
		{"-nats nats://x,nats:// a", 2, "-nats: a URL is nats://host:port, tls://…, ws://… or wss://…" + see},
		{"-creds x a", 2, "-creds, -nkey, -jwt, -ca, -cert, -key and -domain need -nats" + see},
		{"-nats nats://x -jwt j a", 2, "-jwt needs -nkey, the seed that belongs to it" + see},
		{"-nats nats://x -cert j a", 2, "-cert and -key belong together" + see},
		{"-nats nats://x -creds c -nkey n a", 2, "only one of -creds, -nkey, NATS_USER and NATS_TOKEN" + see},
		{"-x", 2, "flag provided but not defined: -x" + see},
		{"status a", 2, "status takes flags only" + see},
		{"status -v", 2, "flag provided but not defined: -v" + see},
		{"position", 2, "position get, set, reset or export" + see},
		{"position move a", 2, "position get, set, reset or export" + see},
		{"position get", 2, "position get takes one STREAM, after the flags" + see},
		{"position set a", 2, "position set takes a STREAM and an ID, after the flags" + see},
		{"reopen", 2, "reopen takes one STREAM, after the flags" + see},
		{"missing", 1, "open missing: no such file or directory\n"},
		{"empty", 1, "empty: no URL in it\n"},
		{"list", 1, "list:3: a URL with a password, which would be stored and shown: use a configuration file with a header for it\n"},
		{"-", 1, "-: no URL in it\n"},
		{"status -listen 127.0.0.1:1", 1, "nats://127.0.0.1:1: nats: no servers available for connection\n"},
		{"-nats nats://u:hunter2@127.0.0.1:1 ok", 1, "nats://xxxxx@127.0.0.1:1: nats: no servers available for connection\n"},
		{"-demo -listen nowhere", 1, "address nowhere: missing port in address\n"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, test.code, run(t.Context(), strings.Fields(test.args), strings.NewReader(""), &stdout, &stderr), test.args)
		require.Equal(t, "ssefleet: "+test.want, stderr.String(), test.args)
		require.Empty(t, stdout.String(), test.args)
	}
	require.NoDirExists(t, "ssefleet-data")
}

// TestHelp: each flag is on the page, which fits a screen.
func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, nil, &stdout, &stderr))
	require.Equal(t, help, stdout.String())
	lines := strings.Split(help, "\n")
	require.LessOrEqual(t, len(lines), 42)
	for _, l := range lines {
		require.LessOrEqual(t, len(l), 80, l)
	}
	var flags flag.FlagSet
	o := new(options)
	o.natsFlags(&flags)
	o.memberFlags(&flags)
	flags.VisitAll(func(f *flag.Flag) { require.Contains(t, help, "-"+f.Name) })
	require.Contains(t, help, "-json")
}
