package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/report"
)

// compare shows two reports beside each other.
func (cmd *command) compare(args []string) int {
	if slices.ContainsFunc(args, func(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }) {
		fmt.Fprint(cmd.stdout, help)
		return exitOK
	}
	if len(args) != 2 {
		return cmd.usage(errors.New("compare needs two files that -json wrote"))
	}
	var reports [2]*load.Report
	for i, name := range args {
		var err error
		if reports[i], err = readReport(name); err != nil {
			return cmd.usage(err)
		}
	}
	if err := report.Compare(cmd.stdout, args[0], reports[0], args[1], reports[1]); err != nil {
		return cmd.fail(err)
	}
	return exitOK
}
