// Command chexp takes an experiment from one YAML file to results that can be
// defended: see `chexp help` and the README.
package main

import (
	"os"

	"chexp/orchestrator/internal/cli"
)

// version is stamped by the Makefile.
var version = "dev"

func main() {
	os.Exit(cli.Main(version, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
