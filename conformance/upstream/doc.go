// Package upstream runs the tests of other people's programs with package sse in the place of
// the client that they were written for. LaunchDarkly's SDK gets it by way of package
// eventsource, which is beside this file; the SDK of OpenAI gets it as a decoder.
//
// Each program is copied from the module cache to a temporary directory, where its go.mod is
// edited. Nothing of it is part of this repository. A test is skipped if the go command cannot
// download the program.
package upstream
