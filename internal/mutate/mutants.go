package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
)

// A mutant is a file with one place changed.
type mutant struct {
	file     string
	line     int
	text     []byte // of the whole file
	from, to int    // offsets of what is changed
	with     string
}

// source returns the changed file.
func (m mutant) source() []byte {
	return []byte(string(m.text[:m.from]) + m.with + string(m.text[m.to:]))
}

// String tells the place and the change on one line.
func (m mutant) String() string {
	was := strings.Join(strings.Fields(string(m.text[m.from:m.to])), " ")
	if len(was) > 80 {
		was = was[:77] + "..."
	}
	with := m.with
	if with == "" {
		with = "(nothing)"
	}
	return fmt.Sprintf("%s:%d: %s  →  %s", m.file, m.line, was, with)
}

// opposite has for each operator one that is a little wrong.
var opposite = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*",
	token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.REM: "*",
}

// mutants returns all mutants of a file: operators that are swapped, conditions that are
// negated, numbers that are off by one, statements that are left out. A number that is
// returned beside an error or false stays: nobody may look at it.
func mutants(file string) ([]mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var all []mutant
	add := func(from, to token.Pos, with string) {
		at := fset.Position(from)
		all = append(all, mutant{file, at.Line, text, at.Offset, fset.Position(to).Offset, with})
	}
	source := func(n ast.Node) string {
		return string(text[fset.Position(n.Pos()).Offset:fset.Position(n.End()).Offset])
	}
	unseen := make(map[ast.Node]bool)
	negate := func(cond ast.Expr) {
		if cond != nil {
			add(cond.Pos(), cond.End(), "!("+source(cond)+")")
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok == token.CONST || n.Tok == token.VAR
		case *ast.BinaryExpr:
			if with, ok := opposite[n.Op]; ok {
				add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), with)
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				add(n.OpPos, n.OpPos+1, "")
			}
		case *ast.ReturnStmt:
			if last := len(n.Results) - 1; last > 0 && fails(n.Results[last]) {
				for _, r := range n.Results[:last] {
					unseen[r] = true
				}
			}
		case *ast.BasicLit:
			if unseen[n] {
				break
			}
			if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil {
				add(n.Pos(), n.End(), strconv.FormatInt(v+1, 10))
			}
		case *ast.IfStmt:
			negate(n.Cond)
		case *ast.ForStmt:
			if _, ok := n.Cond.(*ast.BinaryExpr); !ok {
				negate(n.Cond)
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.BranchStmt:
			add(n.Pos(), n.End(), "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				add(n.Pos(), n.End(), "")
			}
		}
		return true
	})
	return all, nil
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
