package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"chexp/experiments/failure"
	"chexp/experiments/schema"
)

const schemaEnding = ".schema.json"

// schemaCommand is `chexp experiment schema`, for editors: the binary may be all that
// somebody has.
func (a experimentVerbs) schemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", ArgsUsage: "[NAME]",
		Usage: "print the JSON Schema of the experiment file, for an editor, or of what chexp writes",
		Description: "An editor with a YAML language server checks a file and explains its keys with\n" +
			"   chexp experiment schema > experiment.schema.json\n" +
			"and in the first line of the file:\n" +
			"   # yaml-language-server: $schema=experiment.schema.json\n" +
			"Other names: " + strings.Join(schemaNames(), ", ") + ".\n" +
			"answers has what commands write with -f json, under $defs and the command's name.",
		Action: a.printSchema,
	}
}

func schemaNames() (names []string) {
	entries, _ := schema.FS.ReadDir(".")
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), schemaEnding))
	}
	return names
}

func (a experimentVerbs) printSchema(c *cli.Context) error {
	name := "experiment"
	if c.NArg() > 0 {
		var err error
		if name, err = argument(c, "the name of a schema"); err != nil {
			return err
		}
	}
	if !slices.Contains(schemaNames(), name) {
		return failure.Usage.Errorf("there is no schema %q", name).Advise("%s", nearest(name, schemaNames()))
	}
	data, err := schema.FS.ReadFile(name + schemaEnding)
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}
