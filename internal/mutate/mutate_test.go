package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const subject = `package subject

const limit = 3

// Add has a test, and so has Sum, which does not end without its i++.
func Add(a, b int) int { return a + b }

func Sum(n int) (sum int) {
	for i := 0; i < n; i++ {
		sum += i + 1
	}
	return sum
}

// Sub has no test.
func Sub(a, b int) int { return a - b }

func Cut[T any](s []T) []T {
	if len(s) > limit { // its boundary does not matter
		s = s[:limit]
	}
	return s
}

// First has a number in its signature: another one does not compile.
func First(p [2]byte) byte { return p[0] }
`

const subjectTest = `package subject

import "testing"

func TestSubject(t *testing.T) {
	if Add(1, 2) != 3 || Sum(3) != 6 {
		t.Error("wrong sum")
	}
	if n := len(Cut(make([]byte, 9))); n != 3 {
		t.Error("cut to", n)
	}
	if First([2]byte{1, 2}) != 1 {
		t.Error("not the first")
	}
}
`

const subjectAccepted = `# Nothing is cut off from a slice of the limit's length.
subject.go Cut: if len(s) > limit {  →  if len(s) >= limit {
`

// mutateSubject runs the command on a module that is made for the test, and returns what it printed.
func mutateSubject(t *testing.T, accepted string, o options, more ...string) (string, error) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"go.mod": "module example.com/subject\n\ngo 1.25\n", "subject.go": subject, "subject_test.go": subjectTest, "accepted.txt": accepted,
		"more_test.go": "package subject\n\nimport (\n\t\"os\"\n\t\"strconv\"\n\t\"testing\"\n)\n\nvar _, _, _ = os.Mkdir, strconv.Itoa, (*testing.T)(nil)\n\n" + strings.Join(more, ""),
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	var out strings.Builder
	o.module, o.accepted, o.out, o.silence = ".", "accepted.txt", &out, 3*time.Second
	err := run(o)
	return out.String(), err
}

// TestSurvivors: what no test notices is reported and fails the command, unless it is accepted.
func TestSurvivors(t *testing.T) {
	out, err := mutateSubject(t, subjectAccepted, options{})
	require.Equal(t, errSurvivors, err, out)
	require.Equal(t, `hung: subject.go:9: Sum: for i := 0; i < n; i++ {  →  for i := 0; i < n; {
survived, line 16: subject.go Sub: func Sub(a, b int) int { return a - b }  →  func Sub(a, b int) int { return a + b }
| File | Mutants | Noticed | of them hung | Accepted | Survived |
|---|--:|--:|--:|--:|--:|
`, out[:strings.LastIndex(out, "| subject.go")])
	require.Contains(t, out, "| 1 | 1 | 1 |\n| all |")
	require.Contains(t, out, "\n1 more do not compile\n")
}

// TestAcceptedOnly: nothing fails where all that survives is accepted, and a line that is
// accepted for nothing does.
func TestAcceptedOnly(t *testing.T) {
	out, err := mutateSubject(t, subjectAccepted, options{at: "subject.go:19"})
	require.NoError(t, err, out)
	require.Contains(t, out, "| subject.go | 2 | 1, 50.0 % | 0 | 1 | 0 |")

	out, err = mutateSubject(t, subjectAccepted+"subject.go Gone: x++  →  (nothing)\n", options{at: "subject.go:19"})
	require.Equal(t, errSurvivors, err)
	require.Contains(t, out, "there is no such mutant: subject.go Gone")

	_, err = mutateSubject(t, strings.Split(subjectAccepted, "\n")[1], options{})
	require.EqualError(t, err, "accepted.txt:1: a mutant without a reason")
}

// TestKeys: a mutant keeps its name where lines move, and no two have the same.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.go")
	keys := func(text string) (keys []string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		all, err := mutants(file, "a.go")
		require.NoError(t, err)
		for _, m := range all {
			keys = append(keys, m.key)
		}
		return keys
	}
	const text = "package a\n\nfunc (t *T[E]) f(a int) {\n\ta++ // one\n\ta++\n\tif a > 1 {\n\t\treturn\n\t}\n}\n"
	want := []string{
		"a.go T.f: a++  →  (nothing)", "a.go T.f: a++  →  (nothing) #2",
		"a.go T.f: if a > 1 {  →  if !(a > 1) {", "a.go T.f: if a > 1 {  →  if a >= 1 {", "a.go T.f: if a > 1 {  →  if a > 2 {",
	}
	require.Equal(t, want, keys(text))
	require.Equal(t, want, keys(strings.Replace(text, "// one", "// two", 1)+"\n// more\n"))
	require.Equal(t, want, keys(strings.Replace(text, "package a\n", "package a\n\nvar x bool\n", 1)))
}

func TestParseDiff(t *testing.T) {
	const diff = `diff --git a/a/b.go b/a/b.go
--- a/a/b.go
+++ b/a/b.go
@@ -1 +1,3 @@ package b
+x
+y
+z
@@ -9,2 +11,0 @@ func f() {
-x
-y
@@ -20 +20 @@
-x
+y
diff --git a/c.go b/c.go
deleted file mode 100644
--- a/c.go
+++ /dev/null
@@ -1,2 +0,0 @@
-x
-y
`
	require.Equal(t, map[string][]change{filepath.Join("top", "a", "b.go"): {{1, 3}, {20, 20}}}, parseDiff("top", diff))
}

// TestPhases: quick tests run first. A test whose subtests run in parallel takes as long as
// they do, although its own time does not show it.
func TestPhases(t *testing.T) {
	got := phases("--- PASS: TestQuick (0.05s)\n--- PASS: TestParallel (0.00s)\n    --- PASS: TestParallel/one (0.02s)\n    --- PASS: TestParallel/two (4.00s)\n"+
		"--- PASS: TestSlow (5.01s)\n--- SKIP: TestSkipped (0.00s)\n", 3*time.Second)
	require.Equal(t, []phase{
		{[]string{"TestQuick", "TestSkipped"}, 3 * time.Second},
		{[]string{"TestParallel"}, 40 * time.Second},
		{[]string{"TestSlow"}, 50100 * time.Millisecond},
	}, got)
}

// TestJobs: mutants that are tried at the same time have the verdicts that they have one by
// one. One that hangs is tried again by itself.
func TestJobs(t *testing.T) {
	out, err := mutateSubject(t, subjectAccepted, options{jobs: 4})
	require.Equal(t, errSurvivors, err, out)
	require.Contains(t, out, "| 1 | 1 | 1 |\n| all |", "hung, accepted, survived")
	require.Contains(t, out, "hung: subject.go:9")
}

// TestSkip: a test that is left out notices nothing.
func TestSkip(t *testing.T) {
	out, err := mutateSubject(t, "", options{at: "subject.go:6", skip: "TestSubject"})
	require.Equal(t, errSurvivors, err)
	require.Contains(t, out, "| subject.go | 1 | 0, 0.0 % | 0 | 0 | 1 |")
}

// TestVerbose: the test that noticed a mutant is named.
func TestVerbose(t *testing.T) {
	out, err := mutateSubject(t, "", options{at: "subject.go:6", verbose: true})
	require.NoError(t, err)
	require.Contains(t, out, "noticed: subject.go:6: Add: func Add(a, b int) int { return a + b }  →  func Add(a, b int) int { return a - b } TestSubject\n")
}

// TestFailsOnce: a test that fails once, and then no more, has noticed nothing.
func TestFailsOnce(t *testing.T) {
	once := "func TestOnce(t *testing.T) {\n\tif os.Getenv(\"SSE_MUTANT\") == \"\" {\n\t\treturn\n\t}\n" +
		"\tif err := os.Mkdir(\"failed\"+strconv.Itoa(Sub(2, 1)), 0o700); err == nil {\n\t\tt.Error(\"once\")\n\t}\n}\n"
	out, err := mutateSubject(t, "", options{at: "subject.go:16", verbose: true}, once)
	require.Equal(t, errSurvivors, err)
	require.Contains(t, out, "survived: subject.go:16")
	require.DirExists(t, "failed3")
}

// TestSample: a sample has mutants of each file, the same each time.
func TestSample(t *testing.T) {
	all := func(n int) (list []mutant) {
		for i := range n {
			list = append(list, mutant{from: i})
		}
		return list
	}
	require.Empty(t, sample(nil, 3))
	require.Equal(t, all(1), sample(all(1), 3))
	require.Equal(t, all(4), sample(all(4), 0))
	got := sample(all(10), 3)
	require.Len(t, got, 4)
	require.Equal(t, got, sample(all(10), 3))
	require.NotEqual(t, all(4), got, "not those at the top of the file")
	require.IsIncreasing(t, []int{got[0].from, got[1].from, got[2].from, got[3].from})
}
