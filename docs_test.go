package sse_test

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPI compares what the packages export with api.txt, so that a change of it is seen in
// the diff; -update writes the file anew.
func TestAPI(t *testing.T) {
	var api bytes.Buffer
	for _, pkg := range []struct{ path, dir string }{{"github.com/lastevent/sse", "."}, {"github.com/lastevent/sse/ssetest", "ssetest"}} {
		for _, line := range exported(t, pkg.path, pkg.dir) {
			api.WriteString(pkg.path + ": " + line + "\n")
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
func exported(t *testing.T, path, dir string) []string {
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
	pkg, err := doc.NewFromFiles(fset, files, path)
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
