// Package spec embeds the cases of the conformance suite; see README.md for their format,
// and package internal/suite for their Go form.
package spec

import "embed"

// Files are the cases of the suite: parser cases in *.json, scenarios over HTTP in
// scenarios/*.json, and the clauses that they refer to in edition/clauses.json.
//
//go:embed *.json scenarios/*.json edition/clauses.json
var Files embed.FS
