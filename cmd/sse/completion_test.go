package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCompletion: each script has each flag and subcommand, and its shell can read it.
func TestCompletion(t *testing.T) {
	for shell, form := range map[string]string{"bash": `[' ]-%s(\\n|'|\||\))`, "zsh": `-%s[:']`, "fish": `-[os] %s( |\n)`} {
		script, _ := runBinary(t, exitEnded, "", "completion", shell)
		for _, flags := range []*flag.FlagSet{new(options).flags(), new(recordOptions).flags(), new(replayOptions).flags()} {
			flags.VisitAll(func(f *flag.Flag) {
				require.Regexp(t, strings.ReplaceAll(strings.ReplaceAll(form, "[' ]", `['n|\s]`), "%s", f.Name), script)
			})
		}
		for _, name := range subcommandNames() {
			require.Contains(t, script, name)
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("no %s to read its script", shell)
			continue
		}
		out, err := exec.Command(shell, "-n", write(t, shell, script)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestCompletionFish: fish calls a letter -s, and a name after one dash -o.
func TestCompletionFish(t *testing.T) {
	script, _ := runBinary(t, exitEnded, "", "completion", "fish")
	for _, line := range []string{"-s H -x", "-s k", "-o json", "-o state -r -F"} {
		assert.Contains(t, script, "\ncomplete -c sse -n 'not __fish_seen_subcommand_from record replay' "+line+"\n")
	}
}

// TestCompletionBash asks bash what it would complete.
func TestCompletionBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	script, _ := runBinary(t, exitEnded, "", "completion", "bash")
	dir := t.TempDir()
	for _, name := range []string{"a file", "another"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	for _, test := range []struct {
		words string // of which the last is completed
		want  []string
	}{
		{"sse -ma", []string{"-max-event", "-max-time"}},
		{"sse http://h/ -st", []string{"-state", "-stats"}},
		{"sse com", []string{"completion"}},
		{"sse http://h/ com", nil},
		{"sse completion ", []string{"bash", "fish", "zsh"}},
		{"sse -state a", []string{"a file", "another"}},
		{"sse -cert an", []string{"another"}},
		{"sse -d @an", []string{"@another"}},
		{"sse -d an", nil},
		{"sse -X ", nil},
		{"sse record -max-s", []string{"-max-size"}},
		{"sse record http://h/ -re", []string{"-redact", "-redact-pattern", "-retry-forever"}},
		{"sse record -o an", []string{"another"}},
		{"sse record an", nil},
		{"sse replay -s", []string{"-speed", "-split", "-status"}},
		{"sse replay a", []string{"a file", "another"}},
		{"sse replay -split a", nil},
		{"sse -sp", nil},
	} {
		words := strings.Split(test.words, " ")
		cmd := exec.Command("bash", "-c", script+`
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sse
printf '%s\n' "${COMPREPLY[@]}"`, "bash")
		cmd.Args = append(cmd.Args, words...)
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, test.words)
		assert.ElementsMatch(t, test.want, strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), test.words)
	}
}
