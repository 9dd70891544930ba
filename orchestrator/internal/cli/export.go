package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/mlflow"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// toMLflow is the export that is no single file.
const toMLflow = "mlflow"

// trackingURI is MLflow's own variable.
const trackingURI = "MLFLOW_TRACKING_URI"

func (a resultsVerbs) exportCommand() *cli.Command {
	var names []string
	for _, f := range report.Exports {
		names = append(names, f.Name)
	}
	names = append(names, toMLflow)
	return &cli.Command{
		Name: "export", ArgsUsage: "RUN", Usage: "write a run's results for other programs",
		Description: "" +
			"csv, markdown      as in the run's directory\n" +
			"jsonl              a line for each trial, with every latency\n" +
			"bench              Go's benchmark format, for benchstat\n" +
			"hyperfine          as hyperfine --export-json, for its plotting scripts\n" +
			"mlflow             an MLflow run for each trial: parameters, metrics, latencies by step, the raw result; posted\n" +
			"                   to " + trackingURI + " where that is an http address, else below -o DIR (mlruns)\n\n" +
			"INVALID trials are in all of them, marked: [INVALID] or /validity=INVALID in their names, a tag, or a column.\n" +
			"MLflow's credentials are taken from MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Required: true, Usage: "`FORMAT`: " + either(names), Action: oneOf(names...)},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"},
				Usage: "write to this `FILE`, of mlflow this folder; by default to stdout, and mlruns"},
		},
		Action: a.export,
	}
}

func (a resultsVerbs) export(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	if n := len(s.Devices()); n > 0 {
		return failure.Usage.Errorf("run %s has %s, and an export is of one", s.ID, words.Plural(n, "device")).
			Advise("`%s`", a.commands(c).Line("results", "export", s.ID+"/1", "--to", c.String("to")))
	}
	changed := a.asSealed(c, s, rewritten)
	f, err := readFindings(s, nil)
	if err != nil {
		return err
	}
	if len(f.results) == 0 {
		return failure.Trials.Errorf("run %s has no result to export", s.ID)
	}
	if c.String("to") == toMLflow {
		err = a.exportMLflow(c, s, f)
	} else {
		err = a.exportFile(c, f)
	}
	if err == nil {
		err = changed
	}
	return err
}

func (a resultsVerbs) exportFile(c *cli.Context, f *found) error {
	i := slices.IndexFunc(report.Exports, func(e report.File) bool { return e.Name == c.String("to") })
	var b bytes.Buffer
	if err := report.Exports[i].Render(&b, f.table); err != nil {
		return err
	}
	if file := c.String("output"); file != "" {
		return store.Explain(putFile(file, b.Bytes()))
	}
	_, err := b.WriteTo(a.out)
	return err
}

func (a resultsVerbs) exportMLflow(c *cli.Context, s *store.Run, f *found) error {
	e, err := mlflow.Of(f.table, func(id string) ([]byte, error) {
		data, err := s.Read(filepath.Join(store.ResultsDir, id+".json"))
		if err != nil {
			data, err = s.Read(filepath.Join(store.PartialDir, id+".json"))
		}
		return data, err
	})
	if err != nil {
		return err
	}
	uri := os.Getenv(trackingURI)
	scheme := strings.ToLower(uriScheme(uri))
	if c.String("output") == "" && (scheme == "http" || scheme == "https") {
		server := mlflow.Server{URI: uri, User: os.Getenv("MLFLOW_TRACKING_USERNAME"),
			Password: os.Getenv("MLFLOW_TRACKING_PASSWORD"), Token: os.Getenv("MLFLOW_TRACKING_TOKEN"), Say: a.warn}
		n, err := server.Post(c.Context, e)
		fmt.Fprintf(a.err, "  posted: %d of %s, to the experiment %s\n", n, words.Plural(len(e.Trials), "trial"), e.Name)
		return err
	}
	dir := cmp.Or(c.String("output"), trackingFolder(uri))
	if dir == "" {
		return failure.Usage.Errorf("chexp posts to an http address or writes a folder, and %s names neither", trackingURI).
			Advise("`%s` writes a folder; nothing was written",
				a.commands(c).Line("results", "export", c.Args().First(), "--to", toMLflow, "-o", "mlruns"))
	}
	if err := e.Folder(dir); err != nil {
		return store.Explain(err)
	}
	fmt.Fprintln(a.out, dir)
	return nil
}

// uriScheme is what stands before an address's colon; "" of a path.
func uriScheme(uri string) string {
	scheme, _, found := strings.Cut(uri, ":")
	if !found || strings.ContainsAny(scheme, `/\`) || filepath.IsAbs(uri) {
		return ""
	}
	return scheme
}

// trackingFolder is the folder that MLflow's variable names; "" if it names something else, as a database.
func trackingFolder(uri string) string {
	switch scheme := uriScheme(uri); {
	case uri == "":
		return "mlruns"
	case scheme == "" && (filepath.IsAbs(uri) || strings.Contains(uri, "/")):
		return uri
	case !strings.EqualFold(scheme, "file"):
		return ""
	}
	u, err := url.Parse(uri)
	if err != nil || u.Host != "" && u.Host != "localhost" {
		return ""
	}
	if relative, err := url.PathUnescape(u.Opaque); err == nil && relative != "" { // file:mlruns
		return relative
	}
	return u.Path
}
