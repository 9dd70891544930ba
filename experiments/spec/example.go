package spec

import _ "embed"

//go:embed example.yaml
var example []byte

// Example is a commented experiment file to start from.
func Example() []byte { return append([]byte(nil), example...) }
