package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// variable is what chooses one of the mutants of a program that has many.
const variable = "SSE_MUTANT"

// combine returns files, by their paths, that hold all the mutants at once: each function has
// a copy for each of its mutants, which it calls instead if the environment says so. A
// mutant's number is its index and one. The lines of the copies are in at, by file.
func combine(dir, pkg string, all []mutant, alive []bool) (files map[string]string, at map[string][]span) {
	files, at = make(map[string]string), make(map[string][]span)
	bySource := make(map[*source][]int)
	for i, m := range all {
		if alive[i] {
			bySource[m.source] = append(bySource[m.source], i)
		}
	}
	for src, list := range bySource {
		var text strings.Builder
		done := 0
		for len(list) > 0 { // the functions in their order, each with all of its mutants
			fn := all[list[0]].fn
			text.WriteString(src.text[done:fn.body])
			done = fn.body
			text.WriteString(" switch mutant__ {")
			for len(list) > 0 && all[list[0]].fn == fn {
				fmt.Fprintf(&text, " case %d: %s;", list[0]+1, fmt.Sprintf(fn.call, all[list[0]].copyName(list[0])))
				list = list[1:]
			}
			text.WriteString(" };")
		}
		text.WriteString(src.text[done:])
		line := strings.Count(text.String(), "\n") + 1
		for i, m := range all {
			if m.source != src || !alive[i] {
				continue
			}
			fn := m.fn
			decl := src.text[fn.from:fn.ident] + m.copyName(i) + src.text[fn.identTo:m.from] + m.with + src.text[m.to:fn.to]
			text.WriteString("\n" + decl)
			lines := strings.Count(decl, "\n") + 1
			at[src.path] = append(at[src.path], span{line + 1, line + lines, i})
			line += lines
		}
		text.WriteString("\n")
		files[src.path] = text.String()
	}
	files[filepath.Join(dir, "mutant__.go")] = fmt.Sprintf(
		"package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar mutant__, _ = strconv.Atoi(os.Getenv(%q))\n", pkg, variable)
	return files, at
}

// A span is the lines of a mutant's copy.
type span struct{ from, to, index int }

func (m mutant) copyName(i int) string {
	_, name, ok := strings.Cut(m.fn.name, ".")
	if !ok {
		name = m.fn.name
	}
	return fmt.Sprintf("%s__%d", name, i+1)
}

var compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: `)

// compileErrors returns the mutants that the compiler complains of.
func compileErrors(out string, at map[string][]span) []int {
	var bad []int
	for _, match := range compileError.FindAllStringSubmatch(out, -1) {
		line, _ := strconv.Atoi(match[2])
		for path, spans := range at {
			if filepath.Base(path) != filepath.Base(match[1]) {
				continue
			}
			for _, s := range spans {
				if s.from <= line && line <= s.to && !slices.Contains(bad, s.index) {
					bad = append(bad, s.index)
				}
			}
		}
	}
	return bad
}
