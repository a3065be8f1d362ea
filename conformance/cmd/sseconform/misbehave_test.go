package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// misbehave is what a client under test should not do.
func misbehave(how string) {
	event := func(data string) { fmt.Printf("{\"type\":\"message\",\"data\":%q,\"id\":\"\"}\n", data) }
	switch how {
	case "garbage":
		fmt.Println("\x1b[31mhello\x1b[0m")
	case "another object":
		fmt.Println(`{"hello":1}`)
	case "an array":
		fmt.Println(`[1]`)
	case "exits":
		fmt.Fprintln(os.Stderr, "\x1b[31mno such option")
		os.Exit(3)
	case "closes":
		fmt.Println(`{"open":true}` + "\n" + `{"closed":true}`)
	case "floods":
		for {
			event("a")
		}
	case "a long line":
		fmt.Print(`{"data":"`, strings.Repeat("x", 5<<20))
	case "a child":
		child := exec.Command("sleep", "600")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		_ = child.Start()
		return
	case "errors":
		for {
			fmt.Println(`{"error":"again"}`)
			time.Sleep(50 * time.Millisecond)
		}
	case "no IDs":
		event(map[bool]string{false: "Hello", true: "test"}[strings.Contains(os.Args[len(os.Args)-1], "jetify")])
	case "bad base64":
		fmt.Println(`{"data_b64":"?"}`)
	}
	time.Sleep(time.Hour)
}

// TestMisbehavior: whatever a client does, the result comes in time, says what happened, and
// does nothing to a terminal.
func TestMisbehavior(t *testing.T) {
	for how, want := range map[string]string{
		"garbage":        "a line of its output: it is no JSON object of the protocol",
		"another object": "it is no event",
		"an array":       "it is no JSON object of the protocol",
		"exits":          "it has ended (exit status 3, after it wrote to its standard error: ",
		"closes":         "it reports that the stream is over before event 1",
		"floods":         `event 2 is "message" "a" with the ID "", and not "message" "end"`,
		"a long line":    "a line of its output is longer than 4194304 bytes",
		"a child":        "it has ended (exit status 0) before event 1",
		"bad base64":     "it is no base64",
		"errors":         "did not come within 6s",
		"silent":         "did not come within 6s",
	} {
		for _, mode := range []string{"-v", "-server"} {
			t.Run(how+" "+mode, func(t *testing.T) {
				t.Setenv(asClient, how)
				start := time.Now()
				code, out, errs := sseconform("-slow", "0.2", mode, "-run", "^dispatch/at-once$", "--", os.Args[0])
				require.Equal(t, 1, code, "%s%s", out, errs)
				assert.Contains(t, out, want)
				assert.Contains(t, out, "FAIL MUST dispatch/at-once: an event is dispatched at its blank line")
				assert.NotContains(t, out, "\x1b")
				assert.Less(t, time.Since(start), 20*time.Second)
			})
		}
	}
	code, _, errs := sseconform("--", "/nowhere/to/be/found")
	require.Equal(t, 1, code, errs)
	code, _, errs = sseconform("-server", "--", "/nowhere/to/be/found")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "no such file")
}

// TestInterrupt: the end of the program's context ends the clients, too.
func TestInterrupt(t *testing.T) {
	for _, mode := range []string{"-v", "-server"} {
		t.Setenv(asClient, "silent")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var out, errs bytes.Buffer
		start := time.Now()
		code := command(ctx, []string{"-run", "^resume/", mode, "--", os.Args[0], t.Name() + mode}, &out, &errs)
		require.Equal(t, 2, code)
		require.Equal(t, "sseconform: context deadline exceeded\n", errs.String())
		require.Empty(t, out.String())
		require.Less(t, time.Since(start), 20*time.Second)
		left, _ := exec.Command("pgrep", "-f", "--", t.Name()+mode).Output()
		require.Empty(t, string(left), "no process is left behind")
	}
}
