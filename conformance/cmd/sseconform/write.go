package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lastevent/sse/conformance/internal/conform"
	"github.com/lastevent/sse/internal/suite"
)

// A report is what -json writes, and -matrix reads.
type report struct {
	Edition string           `json:"edition"`
	Digest  string           `json:"digest"` // of the edition's files
	Client  string           `json:"client"`
	Date    string           `json:"date"` // of the run, in RFC 3339
	Results []conform.Result `json:"results"`
}

// write writes the results to the files that the flags name.
func (c *config) write(stdout io.Writer, results []conform.Result, start time.Time) error {
	if c.json != "" {
		digest, err := suite.Digest()
		if err != nil {
			return err
		}
		b, err := json.MarshalIndent(report{suite.Edition, digest, c.name(), start.UTC().Format(time.RFC3339), results}, "", " ")
		if err == nil {
			err = put(c.json, append(b, '\n'), stdout)
		}
		if err != nil {
			return err
		}
	}
	if c.junit != "" {
		b, err := junit(c.name(), results)
		if err == nil {
			err = put(c.junit, b, stdout)
		}
		return err
	}
	return nil
}

// put writes a file, or the standard output for "-".
func put(name string, b []byte, stdout io.Writer) error {
	if name == "-" {
		_, err := stdout.Write(b)
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

// junit returns the results in the format that build servers read. A failure of level MAY is
// a skipped test there.
func junit(client string, results []conform.Result) ([]byte, error) {
	type message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *message `xml:"failure"`
		Skipped *message `xml:"skipped"`
	}
	suites := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testcase `xml:"testcase"`
	}{Name: client, Tests: len(results)}
	for _, r := range results {
		tc := testcase{Class: "sseconform." + r.Chapter, Name: r.ID, Time: fmt.Sprintf("%.3f", r.Seconds)}
		if !r.Passed {
			m := &message{printable(r.Fault), fmt.Sprintf("%s: %s\n%s", r.Clause.Standard, r.Clause.Rule, r.Clause.URL)}
			if r.Level == suite.May {
				suites.Skipped++
				tc.Skipped = m
			} else {
				suites.Failures++
				tc.Failure = m
			}
		}
		suites.Cases = append(suites.Cases, tc)
	}
	b, err := xml.MarshalIndent(suites, "", " ")
	return append([]byte(xml.Header), append(b, '\n')...), err
}
