package config

import (
	_ "embed"
	"slices"
)

// schema is made from the types of this package and their comments, by a test.
//
//go:embed schema.json
var schema []byte

// Schema returns a JSON schema (draft 2020-12) of the file, for editors that complete and check it. It is not as strict as Parse: what it
// refuses Parse refuses, too.
func Schema() []byte { return slices.Clone(schema) }
