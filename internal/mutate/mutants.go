package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A source is a Go file that is mutated.
type source struct {
	path string // on disk
	name string // in reports: relative to the root of the repository
	text string
}

// A mutant is a source with one place changed.
type mutant struct {
	*source
	fn       *function // nil: outside of functions
	line     int
	from, to int // offsets of what is changed
	with     string
	key      string // names the mutant wherever its function moves: the file, the function, the line before and after
}

// A function is one that can be copied and called by its copy's name.
type function struct {
	name     string // with its receiver's type: Stream.Next
	from, to int    // offsets of the declaration,
	ident    int    // of its name, which ends at identTo,
	identTo  int
	body     int    // and of what follows the brace
	call     string // what calls a copy: "return s.%s(a, b)"; "": nothing can
}

// mutated returns the whole changed file.
func (m mutant) mutated() string { return m.text[:m.from] + m.with + m.text[m.to:] }

// String returns the place and the change on one line.
func (m mutant) String() string {
	_, change, _ := strings.Cut(m.key, " ")
	return fmt.Sprintf("%s:%d: %s", m.name, m.line, change)
}

// opposite has for each operator one that is a little wrong.
var opposite = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*",
	token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.REM: "*",
}

// mutants returns all mutants of a file: operators are swapped, conditions negated, numbers
// made one larger, statements left out. A number that is returned beside an error or false
// is left as it is: callers should not look at it.
func mutants(path, name string) ([]mutant, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	src := &source{path, name, string(text)}
	f := &file{source: src, fset: fset, parsed: parsed, unseen: make(map[ast.Node]bool)}
	for _, decl := range parsed.Decls {
		f.fn = nil
		if d, ok := decl.(*ast.FuncDecl); ok && d.Body != nil {
			f.fn = f.function(d)
		}
		ast.Inspect(decl, f.visit)
	}
	seen := make(map[string]int)
	for i := range f.found {
		m := &f.found[i]
		if seen[m.key]++; seen[m.key] > 1 {
			m.key += fmt.Sprintf(" #%d", seen[m.key])
		}
	}
	return f.found, nil
}

// A file is a source while its mutants are collected.
type file struct {
	*source
	fset   *token.FileSet
	parsed *ast.File
	fn     *function // where visit is
	unseen map[ast.Node]bool
	found  []mutant
}

func (f *file) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *file) textOf(n ast.Node) string { return f.text[f.offset(n.Pos()):f.offset(n.End())] }

func (f *file) add(from, to token.Pos, with string) {
	m := mutant{source: f.source, fn: f.fn, line: f.fset.Position(from).Line, from: f.offset(from), to: f.offset(to), with: with}
	if _, err := parser.ParseFile(token.NewFileSet(), "", m.mutated(), parser.SkipObjectResolution); err != nil {
		return // such as a case without its expression
	}
	place := "package"
	if f.fn != nil {
		place = f.fn.name
	}
	before := strings.LastIndexByte(f.text[:m.from], '\n') + 1
	after := m.to + strings.IndexByte(f.text[m.to:]+"\n", '\n')
	for _, c := range f.parsed.Comments { // its wording does not matter
		if at := f.offset(c.Pos()); at >= m.to && at < after {
			after = at
		}
	}
	m.key = fmt.Sprintf("%s %s: %s  →  %s", f.name, place,
		oneLine(f.text[before:after]), oneLine(f.text[before:m.from]+with+f.text[m.to:after]))
	f.found = append(f.found, m)
}

// oneLine returns the first line of a text, and a sign that there are more.
func oneLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more {
		line += " …"
	}
	if line == "" {
		line = "(nothing)"
	}
	return strings.Join(strings.Fields(line), " ")
}

func (f *file) negate(cond ast.Expr) {
	switch c := cond.(type) {
	case nil:
		return
	case *ast.UnaryExpr:
		if c.Op == token.NOT {
			return // it is left out
		}
	case *ast.BinaryExpr:
		if c.Op == token.EQL || c.Op == token.NEQ {
			return // it is swapped
		}
	}
	f.add(cond.Pos(), cond.End(), "!("+f.textOf(cond)+")")
}

func (f *file) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.CONST || n.Tok == token.VAR
	case *ast.BinaryExpr:
		if with, ok := opposite[n.Op]; ok {
			f.add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), with)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.add(n.OpPos, n.OpPos+1, "")
		}
	case *ast.ReturnStmt:
		if last := len(n.Results) - 1; last > 0 && fails(n.Results[last]) {
			for _, r := range n.Results[:last] {
				f.unseen[r] = true
			}
		}
	case *ast.BasicLit:
		if f.unseen[n] {
			break
		}
		if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil {
			f.add(n.Pos(), n.End(), strconv.FormatInt(v+1, 10))
		}
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		if _, ok := n.Cond.(*ast.BinaryExpr); !ok {
			f.negate(n.Cond)
		}
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.BranchStmt:
		f.add(n.Pos(), n.End(), "")
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			f.add(n.Pos(), n.End(), "")
		}
	}
	return true
}

// fails reports whether a function that returns e last has failed by convention.
func fails(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "false" || strings.HasPrefix(strings.ToLower(e.Name), "err")
	case *ast.CallExpr, *ast.SelectorExpr:
		return true // fmt.Errorf(…), io.ErrNoProgress, s.cause(…)
	}
	return false
}

// function describes a declaration.
func (f *file) function(d *ast.FuncDecl) *function {
	fn := &function{name: d.Name.Name, from: f.offset(d.Type.Pos()), to: f.offset(d.End()),
		ident: f.offset(d.Name.Pos()), identTo: f.offset(d.Name.End()), body: f.offset(d.Body.Lbrace) + 1}
	if d.Recv != nil {
		receiver := d.Recv.List[0]
		typ := strings.TrimPrefix(f.textOf(receiver.Type), "*")
		typ, _, _ = strings.Cut(typ, "[")
		fn.name = typ + "." + fn.name
		if len(receiver.Names) == 0 || receiver.Names[0].Name == "_" {
			return fn
		}
		fn.call = receiver.Names[0].Name + "."
	} else if d.Name.Name == "init" {
		return fn
	}
	fn.call += "%s"
	var names []string
	if d.Type.TypeParams != nil {
		for _, field := range d.Type.TypeParams.List {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
		fn.call += "[" + strings.Join(names, ", ") + "]"
		names = nil
	}
	for _, field := range d.Type.Params.List {
		if len(field.Names) == 0 {
			fn.call = ""
			return fn
		}
		for _, name := range field.Names {
			if name.Name == "_" {
				fn.call = ""
				return fn
			}
			names = append(names, name.Name)
		}
		if _, ok := field.Type.(*ast.Ellipsis); ok {
			names[len(names)-1] += "..."
		}
	}
	fn.call += "(" + strings.Join(names, ", ") + ")"
	if d.Type.Results != nil {
		fn.call = "return " + fn.call
	} else {
		fn.call += "; return"
	}
	return fn
}

// rel returns path relative to root, with slashes.
func rel(root, path string) string {
	r, err := filepath.Rel(root, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(r)
}
