package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme: the commands and the configuration of the READMEs are right, and each metric that is
// named exists.
func TestReadme(t *testing.T) {
	commands := 0
	for _, name := range []string{"README.md", "../../README.md"} {
		text := readFileText(t, name)
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				line, _, _ = strings.Cut(line, " #")
				args, ok := strings.CutPrefix(line, "ssefleet ")
				if !ok {
					args, ok = strings.CutPrefix(line, "go run -C cmd/ssefleet . ")
				}
				require.True(t, ok, line)
				_, err := parse(strings.Fields(args))
				require.NoError(t, err, line)
				commands++
			}
		}
	}
	require.Equal(t, 7, commands)

	text := readFileText(t, "README.md")
	config := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	dir := t.TempDir()
	writeFile(t, dir+"/key", "k")
	t.Setenv("SIGNATURE", "s")
	t.Setenv("WEBHOOK_TOKEN", "w")
	yaml := strings.NewReplacer("/run/secrets/prices", dir+"/key", "keys/prices", dir+"/key").Replace(config[1])
	cfg, err := parseConfig("c.yaml", []byte(yaml))
	require.NoError(t, err)
	require.Equal(t, []string{"https://example.com/news", "prices"}, cfg.names())

	metrics := newMetrics()
	m := newMonitor(newLogger(new(strings.Builder), "text", false), metrics, func() bool { return true })
	m.held["a"] = new(held)
	m.wrote("a", 0)
	families, err := metrics.registry.Gather()
	require.NoError(t, err)
	known := make(map[string]bool)
	for _, f := range families {
		known[f.GetName()] = true
	}
	for _, name := range regexp.MustCompile(`ssefleet_\w*[a-z]`).FindAllString(text, -1) {
		require.True(t, known[name], name)
	}
	for _, state := range []string{"connected", "broken", "silent", "unread", "stopped", "ended", "unlisted"} {
		require.Contains(t, text, "| `"+state+"` |")
	}
}
