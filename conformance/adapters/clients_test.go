package adapters

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/table"
)

// A client is what the suite is played to.
type client struct {
	key     string // of its known failures and results
	name    string
	link    string
	version func(t *testing.T) string
	command func(t *testing.T, bin string) []string // skips the test if something is missing
	server  bool                                    // one process for all scenarios
}

var clients = []client{
	{
		key: "sse", name: "this package", link: "https://github.com/lastevent/sse",
		version: func(*testing.T) string { return "main" }, command: goProgram("sse"),
	},
	{
		key: "gosse", name: "go-sse", link: "https://github.com/tmaxmax/go-sse",
		version: module("github.com/tmaxmax/go-sse"), command: goProgram("gosse"),
	},
	{
		key: "launchdarkly", name: "launchdarkly/eventsource", link: "https://github.com/launchdarkly/eventsource",
		version: module("github.com/launchdarkly/eventsource"), command: goProgram("launchdarkly"),
	},
	{
		key: "donovanhide", name: "donovanhide/eventsource", link: "https://github.com/donovanhide/eventsource",
		version: module("github.com/donovanhide/eventsource"), command: goProgram("donovanhide"),
	},
	{
		key: "r3labs", name: "r3labs/sse", link: "https://github.com/r3labs/sse",
		version: module("github.com/r3labs/sse/v2"), command: goProgram("r3labs"),
	},
	{
		key: "chromium", name: "Chromium", link: "https://www.chromium.org",
		version: printed(`Chromium ([\d.]+)`, "chromium", "--version"), command: browser, server: true,
	},
	{
		key: "undici", name: "undici (Node.js)", link: "https://github.com/nodejs/undici",
		version: npm("undici"), command: node("undici"), server: true,
	},
	{
		key: "eventsource", name: "eventsource (Node.js)", link: "https://github.com/EventSource/eventsource",
		version: npm("eventsource"), command: node("eventsource"), server: true,
	},
	{
		key: "curl", name: "curl and a shell", link: "../conformance/adapters/curl/adapter.sh",
		version: printed(`curl ([\d.]+)`, "curl", "--version"), command: script("curl", "curl/adapter.sh"),
	},
	{
		key: "urllib", name: "urllib and a loop (Python)", link: "../conformance/adapters/python/urllib_adapter.py",
		version: printed(`Python ([\d.]+)`, "python3", "--version"), command: script("python3", "python3", "python/urllib_adapter.py"), server: true,
	},
}

func goProgram(name string) func(*testing.T, string) []string {
	return func(_ *testing.T, bin string) []string { return []string{filepath.Join(bin, name)} }
}

// browser drives the Chromium that is installed.
func browser(t *testing.T, bin string) []string {
	if program.Find("chromium") == "" {
		t.Skip("chromium is not installed")
	}
	return goProgram("chromium")(t, bin)
}

// node runs a client of Node.js.
func node(name string) func(*testing.T, string) []string {
	return func(t *testing.T, _ string) []string {
		if program.Find("node") == "" {
			t.Skip("node is not installed")
		}
		if _, err := os.Stat("node/node_modules/" + name); err != nil {
			t.Skip("npm ci --prefix conformance/adapters/node has not run")
		}
		return []string{"node", "node/adapter.js", name}
	}
}

// script runs a command that needs a program.
func script(needs string, command ...string) func(*testing.T, string) []string {
	return func(t *testing.T, _ string) []string {
		if program.Find(needs) == "" {
			t.Skip(needs, "is not installed")
		}
		return command
	}
}

func module(path string) func(*testing.T) string {
	return func(*testing.T) string { return table.ModuleVersion(path) }
}

// npm returns the version of a package that is installed for Node.js.
func npm(name string) func(*testing.T) string {
	return func(t *testing.T) string {
		b, err := os.ReadFile(filepath.Join("node/node_modules", name, "package.json"))
		var p struct{ Version string }
		if err == nil {
			err = json.Unmarshal(b, &p)
		}
		if err != nil {
			t.Fatal(err)
		}
		return "v" + p.Version
	}
}

// printed returns the version that a command prints.
func printed(pattern, name string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		out, err := exec.Command(name, args...).Output()
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return string(m[1])
	}
}
