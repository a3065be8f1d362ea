package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/suite"
)

// A defect is a change of package sse that breaks one rule.
type defect struct {
	chapter, clause string
	what            string
	file, old, new  string
	also            []string // tags, chapters and scenarios that may fail, too
}

var defects = []defect{{
	chapter: "bom", clause: "bom", what: "the byte order mark is not removed",
	file: "parser_buffer.go", old: "b.skipLF, b.bom = false, true", new: "b.skipLF, b.bom = false, false",
}, {
	chapter: "utf-8", clause: "utf-8", what: "malformed bytes in data are left as they are",
	file: "parser.go", old: "if !p.in.malformed || isValidUTF8(p.data) {", new: "if p.in.malformed || isValidUTF8(p.data) {",
	also: []string{"malformed-utf-8"},
}, {
	chapter: "lines", clause: "line-ends", what: "CRLF that two reads divide is two line ends",
	file: "parser_buffer.go", old: "if b.skipLF {", new: "if b.skipLF && b.end < 0 {",
	also: []string{"cr"},
}, {
	chapter: "fields", clause: "field", what: "all spaces after the colon are removed from event, id and retry",
	file: "parser_field.go", old: "if len(value) > 0 && value[0] == ' ' {", new: "for len(value) > 0 && value[0] == ' ' {",
	also: []string{"id", "retry/bad-space"},
}, {
	chapter: "dispatch", clause: "event-type", what: "the type of an event stays for the next one",
	file: "parser.go", old: `p.sawTypeOrID, p.typ = false, ""`, new: "p.sawTypeOrID = false",
	also: []string{"type"},
}, {
	chapter: "id", clause: "id-nul", what: "an ID with NUL counts",
	file: "parser_field.go", old: "if bytes.IndexByte(value, 0) < 0 {", new: "if bytes.IndexByte(value, 0) < 0 || true {",
	also: []string{"nul"},
}, {
	chapter: "end", clause: "end-of-stream", what: "the end of the stream dispatches an event",
	file: "parser.go", old: "return p.stop(err, limit)\n\t\t\t\t}\n\t\t\t}", new: "if err == io.EOF && p.endBlock() {\n\t\t\t\t\t\treturn p.dispatch(limit)\n\t\t\t\t\t}\n\t\t\t\t\treturn p.stop(err, limit)\n\t\t\t\t}\n\t\t\t}",
	also: []string{"unfinished"},
}, {
	chapter: "request", clause: "accept", what: "the request accepts everything",
	file: "request.go", old: `"text/event-stream",`, new: `"*/*",`,
	also: []string{"redirect"},
}, {
	chapter: "response", clause: "status", what: "every status below 300 opens the stream",
	file: "response.go", old: "resp.StatusCode == http.StatusOK &&", new: "resp.StatusCode < 300 &&",
}, {
	chapter: "redirect", clause: "redirect", what: "307 and 308 are not followed",
	file: "connection.go", old: "resp, err := client.Do(c.sent.Request)", new: `client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.Response.StatusCode > 303 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := client.Do(c.sent.Request)`,
}, {
	chapter: "reconnect", clause: "incomplete", what: "a connection that is cut ends the stream",
	file: "policy.go", old: "return !errors.As(err, &re) && Transient(err)", new: "return !errors.As(err, &re) && Transient(err) && err != io.ErrUnexpectedEOF",
	also: []string{"cut"},
}, {
	chapter: "resume", clause: "id-reset", what: "an empty ID does not remove the header",
	file: "stream.go", old: "id != s.resumeID &&", new: `id != s.resumeID && id != "" &&`,
}, {
	chapter: "retry", clause: "retry-digits", what: "a retry field counts up to the first character that is no digit",
	file: "parser_field.go", old: "return 0, false\n\t\t}\n\t\td = min", new: "return d * unit, i > 0\n\t\t}\n\t\td = min",
}}

// TestDefects: the suite finds each defect in a copy of our client, in the chapter and with
// the clause of the rule that it breaks, and reports nothing that the defect cannot cause.
func TestDefects(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and tests our client a dozen times")
	}
	t.Parallel()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	_, clauses, err := suite.Load()
	require.NoError(t, err)
	for _, d := range defects {
		t.Run(d.chapter, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			original := filepath.Join(root, d.file)
			code, err := os.ReadFile(original)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(code), d.old), "%s has this once: %s", d.file, d.old)
			changed := strings.Replace(string(code), d.old, d.new, 1)
			if strings.Contains(d.new, "io.") && !strings.Contains(changed, `"io"`) {
				changed = strings.Replace(changed, "import (", "import (\n\t\"io\"", 1)
			}
			copied, overlay := filepath.Join(dir, d.file), filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(copied, []byte(changed), 0o600))
			replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: copied}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(overlay, replace, 0o600))

			file := filepath.Join(dir, "results.json")
			status, out, errs := sseconform("-parallel", "100", "-slow", "4", "-skip", unfinished, "-tags", "must,should", "-json", file,
				"-server", "--", build(t, "adapters/sse-server", overlay))
			require.Equal(t, 1, status, "the suite does not find that %s: %s", d.what, errs)
			named, failed := 0, 0
			for _, r := range readReport(t, file).Results {
				if r.Passed {
					continue
				}
				failed++
				switch {
				case r.Chapter == d.chapter && r.Clause == clauses[d.clause]:
					named++
					require.Contains(t, out, r.ID)
					require.Contains(t, out, r.Clause.Rule)
				case r.Chapter == d.chapter, r.Clause == clauses[d.clause]:
				case slices.ContainsFunc(d.also, func(s string) bool { return r.Chapter == s || r.ID == s || slices.Contains(r.Tags, s) }):
				default:
					t.Errorf("%s fails, which has nothing to do with it: %s", r.ID, r.Fault)
				}
			}
			require.NotZero(t, named, "no case of the chapter and the clause fails")
			t.Logf("%s: %d scenarios fail, %d of them in the chapter with the clause", d.what, failed, named)
		})
	}
}
