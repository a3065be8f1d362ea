package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/suite"
)

// asClient makes the test binary a client that misbehaves: see misbehave.
const asClient = "SSECONFORM_TEST_CLIENT"

func TestMain(m *testing.M) {
	if how := os.Getenv(asClient); how != "" {
		misbehave(how)
		return
	}
	os.Exit(m.Run())
}

// build builds a command of this module, and returns its path. Overlay may be "".
func build(t *testing.T, pkg, overlay string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), filepath.Base(pkg))
	args := []string{"build", "-o", name}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.Command("go", append(args, "github.com/lastevent/sse/conformance/"+pkg)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name
}

// sseconform runs the command, and returns its exit status and its output.
func sseconform(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = command(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// readReport reads what -json has written.
func readReport(t *testing.T, name string) report {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

// mays are the failures of our client that the standards allow.
const mays = `# our choices
redirect/20-times                we follow nine redirects, as net/http does
redirect/*-then-a-reconnection   we ask the original URL again, which may send its clients elsewhere by then
resume/id-9000                   we do not send IDs that servers reject
`

// unfinished is a case that our client fails after a time limit only: net/http fills the
// buffer of a read before it returns.
const unfinished = "^dispatch/in-an-unfinished-chunk$"

// TestOurs: our client passes every MUST and SHOULD, and fails the known cases of level MAY.
func TestOurs(t *testing.T) {
	t.Parallel()
	known := filepath.Join(t.TempDir(), "known")
	require.NoError(t, os.WriteFile(known, []byte(mays), 0o600))
	server := build(t, "adapters/sse-server", "")
	for name, args := range map[string][]string{
		"a process for each scenario": {"--", build(t, "adapters/sse", "")},
		"one process":                 {"-parallel", "100", "-server", "--", server},
		"one process, byte by byte":   {"-parallel", "100", "-cuts", "bytes", "-server", "--", server},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "results.json")
			code, out, errs := sseconform(append([]string{"-slow", "4", "-skip", unfinished, "-expect", known, "-json", file, "-client", "sse"}, args...)...)
			require.Equal(t, 0, code, "%s%s", out, errs)
			r := readReport(t, file)
			require.Len(t, r.Results, 682)
			require.Equal(t, suite.Edition, r.Edition)
			require.Equal(t, "sse", r.Client)
			counts := count(r.Results)[""]
			require.Equal(t, counts[suite.Must].All, counts[suite.Must].Passed)
			require.Equal(t, counts[suite.Should].All, counts[suite.Should].Passed)
			require.Equal(t, tally{2, 6}, counts[suite.May])
		})
	}
}

// TestContract drives our own service of the contract tests.
func TestContract(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(build(t, "contractservice", ""), "-addr", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Logf("the service's log: %s", log.String())
	}()
	line, err := bufio.NewReader(pipe).ReadString('\n')
	require.NoError(t, err)
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))

	code, out, errs := sseconform("-slow", "4", "-run", "^(bom|utf-8|lines|fields|dispatch|id|end|request|reconnect|resume)/",
		"-tags", "must,should", "-contract", url)
	require.Equal(t, 0, code, "%s%s", out, errs)
	require.Contains(t, out, ": passed\n")

	code, _, errs = sseconform("-contract", url+"/nowhere")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "404")
}

// TestFailureIsExplained: bytes, events, requests and the clause are in the output.
func TestFailureIsExplained(t *testing.T) {
	t.Setenv(asClient, "closes")
	code, out, _ := sseconform("-run", "^resume/id$", "--", os.Args[0])
	require.Equal(t, 1, code)
	for _, want := range []string{
		"FAIL MUST resume/id: the next request carries the last event ID\n",
		"    HTML 9.2.4: A request carries the last event ID",
		"https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header\n",
		"    sent, response 1:\n", `        "data: one\n"` + "\n", "    sent, response 2:\n",
		"    expected:\n        type \"message\", data \"one\", ID \"1\"\n", "    got:\n        none\n", "    requests:\n        none\n",
		"resume   0/1   -       -\n", "1 scenarios in", "failed: 1 results are not as expected\n",
	} {
		require.Contains(t, out, want)
	}
}

// TestBlame: if only an ID is wrong, the rule that is named is about IDs.
func TestBlame(t *testing.T) {
	t.Setenv(asClient, "no IDs")
	for id, rule := range map[string]string{
		"id/ld-contract-id":                   "HTML 9.2.6: The id field sets the last event ID",
		"fields/ld-contract-no-leading-space": "HTML 9.2.6: A line divides at its first colon",
		"bom/ld-contract-bom-type-and-id":     "HTML 9.2.5: One byte order mark",
		"bom/jetify-bom-id-data":              "HTML 9.2.6: The last event ID stays in force",
	} {
		code, out, _ := sseconform("-run", "^"+id+"$", "--", os.Args[0])
		require.Equal(t, 1, code)
		assert.Contains(t, out, "    "+rule, id)
	}
}

// TestExpect: a known failure is no failure of the run, and a pass that the file does not
// expect is one.
func TestExpect(t *testing.T) {
	file, ours := filepath.Join(t.TempDir(), "known"), build(t, "adapters/sse", "")
	run := func(text, pattern string) (int, string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, out, errs := sseconform("-expect", file, "-run", pattern, "--", ours)
		return code, out + errs
	}
	code, out := run("# ours\n\nredirect/20-times  nine are the limit\n", "^redirect/(20-times|301)$")
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "1 known failures: passed")
	code, out = run("redirect/30? an old version", "^redirect/301$")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "NEW PASS MUST redirect/301: 301 is followed\n    -expect lists it as a known failure: an old version\n")
	for text, want := range map[string]string{
		"redirect/301\n":             "known:1: redirect/301 has no reason",
		"\nredirect/999 why\n":       "known:2: no scenario is called redirect/999",
		"redirect/[ why":             "syntax error in pattern",
		"request/accept because\n/ ": "known:2: / has no reason",
	} {
		code, out = run(text, "")
		require.Equal(t, 2, code, out)
		require.Contains(t, out, want)
	}
}

// TestUsage: wrong usage is found before anything is played.
func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"there is no command":                  {},
		"there is no command; -h":              {"-v"},
		"flag provided but not defined: -x":    {"-x"},
		"-parallel must be at least 1":         {"-parallel", "0", "x"},
		"-slow must be above 0":                {"-slow", "0", "x"},
		"-slow must be above 0, and":           {"-slow", "NaN", "x"},
		"-cuts must be whole or bytes":         {"-cuts", "2", "x"},
		"exclude each other":                   {"-list", "-cases"},
		"-server goes with a command only":     {"-server", "-list"},
		"there is no use for \"x\"":            {"-list", "x"},
		"-matrix needs the files":              {"-matrix", "m.html"},
		"no scenario is chosen; -list":         {"-run", "^nothing$", "x"},
		"no scenario is chosen":                {"-tags", "nothing", "x"},
		"-run: error parsing regexp":           {"-run", "(", "x"},
		"-skip: error parsing regexp":          {"-skip", "(", "x"},
		"open /nowhere: no such file":          {"-expect", "/nowhere", "x"},
		"connection refused":                   {"-contract", "http://127.0.0.1:1"},
		"open /nowhere.json: no such file or ": {"-matrix", "m.html", "/nowhere.json"},
	} {
		code, out, errs := sseconform(args...)
		assert.Equal(t, 2, code, "%q", args)
		assert.Contains(t, errs, want, "%q", args)
		assert.Empty(t, out, "%q", args)
	}
	code, _, errs := sseconform("-h")
	require.Equal(t, 0, code)
	require.Contains(t, errs, "sseconform [flags] -- COMMAND ARGS…")
}

// TestLists: -list and -cases print the edition.
func TestLists(t *testing.T) {
	code, out, _ := sseconform("-list", "-tags", "wait,bom", "-run", "long|mark|second-connection")
	require.Equal(t, 0, code)
	require.Equal(t, "MUST   resume/bom-on-the-second-connection: each connection may begin with a byte order mark\n"+
		"MUST   retry/longer: a reconnection does not come before the reconnection time\n", out)
	code, out, _ = sseconform("-cases")
	require.Equal(t, 0, code)
	var edition struct {
		Edition, Digest string
		Clauses         map[string]suite.Clause
		Cases           []suite.Case
	}
	require.NoError(t, json.Unmarshal([]byte(out), &edition))
	require.Equal(t, suite.Edition, edition.Edition)
	require.Len(t, edition.Digest, 64)
	require.Len(t, edition.Cases, 683)
	all, clauses, err := suite.Load()
	require.NoError(t, err)
	require.Equal(t, clauses, edition.Clauses)
	require.Equal(t, all, edition.Cases)
}

// TestReports: the results as JSON, as JUnit, and as a page.
func TestReports(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv(asClient, "exits")
	code, out, errs := sseconform("-tags", "may", "-run", "^(redirect|resume)", "-json", file("a.json"), "-junit", file("a.xml"), "-client", "<b>bad</b> 1.0", "--", os.Args[0])
	require.Equal(t, 0, code, "failures of level MAY only: %s%s", out, errs)
	code, out, _ = sseconform("-run", "^redirect/30", "-json", "-", "-junit", file("b.xml"), "-client", "worse", "--", os.Args[0])
	require.Equal(t, 1, code)
	require.NoError(t, os.WriteFile(file("b.json"), []byte(out), 0o600), "the standard output has the JSON and nothing else")

	a, b := readReport(t, file("a.json")), readReport(t, file("b.json"))
	require.Equal(t, "<b>bad</b> 1.0", a.Client)
	require.Len(t, a.Results, 4)
	require.False(t, a.Results[0].Passed)
	require.Contains(t, a.Results[0].Fault, "exit status 3")
	require.NotEmpty(t, a.Results[0].Clause.URL)
	require.NotEmpty(t, b.Results[0].Sent)
	when, err := time.Parse(time.RFC3339, a.Date)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), when, time.Hour)

	xml, err := os.ReadFile(file("a.xml"))
	require.NoError(t, err)
	require.Contains(t, string(xml), `<testsuite name="&lt;b&gt;bad&lt;/b&gt; 1.0" tests="4" failures="0" skipped="4">`)
	xml, err = os.ReadFile(file("b.xml"))
	require.NoError(t, err)
	require.Contains(t, string(xml), `<testcase classname="sseconform.redirect" name="redirect/301"`)
	require.Contains(t, string(xml), `<failure message="it has ended (exit status 3`)

	code, _, errs = sseconform("-matrix", file("m.html"), file("a.json"), file("b.json"))
	require.Equal(t, 0, code, errs)
	page, err := os.ReadFile(file("m.html"))
	require.NoError(t, err)
	for _, want := range []string{"&lt;b&gt;bad&lt;/b&gt; 1.0", "<th>redirect", "worse", "color-scheme: light dark", "<code>resume/id-9000</code>", "https://fetch.spec.whatwg.org/#http-redirect-fetch"} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), "<b>bad")
	require.NotContains(t, string(page), "src=")

	require.NoError(t, os.WriteFile(file("c.json"), []byte(`{"edition":"2020-1","results":[{"id":"x/y"}]}`), 0o600))
	code, _, errs = sseconform("-matrix", file("m.html"), file("a.json"), file("c.json"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "of edition 2026-1, and ")
}
