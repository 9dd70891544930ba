// Package schema publishes the documents that chexp writes, as JSON Schemas
// (2020-12): plan.schema.json (what the agent is given), result.schema.json
// (one trial's result), event.schema.json (one line of the event stream),
// status.schema.json (the agent's reply), comparison.schema.json (runs side
// by side), report.schema.json (report.json) and answers.schema.json (what commands write
// with -f json), both made from their structs by tests, and experiment.schema.json, of
// the file that a person writes. Whoever reads chexp's results in another language starts here; in
// Go, packages trial and compare have the same as structs, and a test holds the
// two together.
package schema

import "embed"

// FS holds the schemas by file name.
//
//go:embed *.schema.json
var FS embed.FS
