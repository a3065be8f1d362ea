package sse_test

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPI compares what the packages export with api.txt, so that a change of it is seen in
// the diff; -update writes the file anew.
func TestAPI(t *testing.T) {
	var api bytes.Buffer
	for _, dir := range []string{".", "ssetest", "lean", "load", "fleet", "connect"} {
		pkg := path.Join("github.com/lastevent/sse", dir)
		for _, line := range exported(t, pkg, dir) {
			api.WriteString(pkg + ": " + line + "\n")
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("api.txt", api.Bytes(), 0o644))
	}
	want, err := os.ReadFile("api.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), api.String(), "go test -run TestAPI -update . writes api.txt")
}

// exported returns the exported declarations of a package, a line each.
func exported(t *testing.T, importPath, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			file, err := parser.ParseFile(fset, dir+"/"+e.Name(), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, importPath)
	require.NoError(t, err)

	var lines []string
	add := func(prefix string, node any) {
		var b bytes.Buffer
		require.NoError(t, printer.Fprint(&b, fset, node))
		lines = append(lines, prefix+strings.Join(strings.Fields(b.String()), " "))
	}
	function := func(f *doc.Func) { f.Decl.Body = nil; add("", f.Decl) }
	values := func(values []*doc.Value) {
		for _, v := range values {
			add("", v.Decl)
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	for _, f := range pkg.Funcs {
		function(f)
	}
	for _, typ := range pkg.Types {
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range append(typ.Funcs, typ.Methods...) {
			function(f)
		}
		spec := typ.Decl.Specs[0].(*ast.TypeSpec)
		fields := &ast.FieldList{}
		switch def := spec.Type.(type) {
		case *ast.StructType:
			fields, def.Fields = def.Fields, fields
		case *ast.InterfaceType:
			fields, def.Methods = def.Methods, fields
		}
		add("type ", spec)
		for _, field := range fields.List {
			field.Doc, field.Comment = nil, nil
			for _, name := range field.Names {
				if name.IsExported() {
					add("type "+typ.Name+": "+name.Name+" ", field.Type)
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	link    = regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"#:]+)[)"#]`) // but those to the web
)

// TestDocuments: each Go block of the READMEs and of docs/ stands in a file that is compiled
// and run, and each file and directory that they link to is there.
func TestDocuments(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	names, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	names = append(names, "lean/example_test.go", "bench/migrating_test.go", "fleet/example_test.go", "connect/example_test.go", "load/example_test.go") // which those packages run
	var examples strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		examples.Write(b)
	}
	blocks := 0
	for _, name := range append(docs, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "fleet/README.md", "connect/README.md", "load/README.md") {
		doc, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, block := range goBlock.FindAllStringSubmatch(string(doc), -1) {
			require.True(t, strings.Contains(examples.String(), block[1]), "in no example file:\n%s", block[1])
			blocks++
		}
		for _, link := range link.FindAllStringSubmatch(goBlock.ReplaceAllString(string(doc), ""), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(name), link[1]))
			require.NoError(t, err, name)
		}
	}
	require.Equal(t, 18, blocks)
}

// TestDocumentsNameTests: the tests that docs/ name are there. A name may be the beginning
// of several.
func TestDocumentsNameTests(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go", "*/*/*/*_test.go"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			tests.Write(b)
		}
	}
	var doc []byte
	for _, name := range []string{"docs/reliability.md", "docs/fleet.md", "CONTRIBUTING.md"} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		doc = append(doc, b...)
	}
	named := regexp.MustCompile(`(?:\bTest[A-Z]|-run )\w+`).FindAllString(string(doc), -1)
	require.Greater(t, len(named), 20)
	for _, name := range named {
		name = "func Test" + strings.TrimPrefix(strings.TrimPrefix(name, "-run "), "Test")
		require.True(t, strings.Contains(tests.String(), name), name)
	}
}
