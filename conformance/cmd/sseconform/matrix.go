package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"

	"github.com/lastevent/sse/conformance/internal/conform"
	"github.com/lastevent/sse/internal/suite"
)

//go:embed matrix.html
var matrixText string

// A column is one client of the page.
type column struct {
	report
	Counts map[string]map[string]tally
	Failed []conform.Result
}

// Cell returns what the page has for a chapter, "" for all: MUST and SHOULD together, and MAY.
func (c column) Cell(chapter string) (cell struct {
	Required, May tally
	Class         string
}) {
	counts := c.Counts[chapter]
	must, should := counts[suite.Must], counts[suite.Should]
	cell.Required = tally{must.Passed + should.Passed, must.All + should.All}
	cell.May = counts[suite.May]
	switch {
	case cell.Required.All == 0:
		cell.Class = "none"
	case cell.Required.Passed == cell.Required.All:
		cell.Class = "all"
	case cell.Required.Passed*10 >= cell.Required.All*9:
		cell.Class = "most"
	default:
		cell.Class = "some"
	}
	return cell
}

// writeMatrix writes a page with chapters and clients from files that -json has written.
func writeMatrix(name string, files []string) error {
	var columns []column
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var c column
		if err := json.Unmarshal(b, &c.report); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(c.Results) == 0 {
			return fmt.Errorf("%s has no results", file)
		}
		if len(columns) > 0 && columns[0].Edition != c.Edition {
			return fmt.Errorf("%s is of edition %s, and %s of %s", files[0], columns[0].Edition, file, c.Edition)
		}
		c.Counts = count(c.Results)
		for _, r := range c.Results {
			if !r.Passed {
				c.Failed = append(c.Failed, r)
			}
		}
		columns = append(columns, c)
	}
	var page bytes.Buffer
	t, err := template.New("matrix").Parse(matrixText)
	if err == nil {
		err = t.Execute(&page, map[string]any{"Chapters": suite.Chapters, "Columns": columns, "Edition": columns[0].Edition})
	}
	if err != nil {
		return err
	}
	return os.WriteFile(name, page.Bytes(), 0o644)
}
