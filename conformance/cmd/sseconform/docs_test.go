package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/suite"
)

// TestPage: docs/conformance-suite.md has the present numbers, and every flag.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../../../docs/conformance-suite.md")
	require.NoError(t, err)
	page := string(b)
	cases, _, err := suite.Load()
	require.NoError(t, err)
	require.Contains(t, page, fmt.Sprintf("It plays %d scenarios", len(cases)))
	chapters := make(map[string]int)
	for i := range cases {
		chapters[cases[i].Chapter()]++
	}
	for _, chapter := range suite.Chapters {
		require.Contains(t, page, fmt.Sprintf("| %s | %d | ", chapter, chapters[chapter]))
	}
	_, _, help := sseconform("-h")
	for _, flag := range regexp.MustCompile(`(?m)^  (-\w+)`).FindAllStringSubmatch(help, -1) {
		require.Contains(t, page, "`"+flag[1], flag[1])
	}
}

// TestPlainNode runs the client that was written in another language from the page only. It
// takes the first Content-Type, and not the last one, which is the only rule that it breaks.
func TestPlainNode(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	known := t.TempDir() + "/known"
	require.NoError(t, os.WriteFile(known, []byte("response/type-in-* it does not take the last of several media types\n"), 0o600))
	var out, errs bytes.Buffer
	code := command(t.Context(), []string{
		"-slow", "4", "-parallel", "60", "-expect", known, "-server", "--", node, "../../adapters/plain-node/adapter.mjs",
	}, &out, &errs)
	require.Equal(t, 0, code, "%s%s", out.String(), errs.String())
}
