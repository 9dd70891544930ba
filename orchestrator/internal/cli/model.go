package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models"
	"chexp/models/catalog"
	"chexp/models/infer"

	"github.com/urfave/cli/v2"
)

// modelVerbs are the commands about models.
type modelVerbs struct{ *app }

func (a modelVerbs) modelCommand() *cli.Command {
	return &cli.Command{
		Name: "model", Usage: "look inside models, make INT8 ones, keep them",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "the models that have a name", Action: a.modelList,
				Flags: []cli.Flag{formatFlag()},
			},
			{
				Name: "fetch", Usage: "make or download a model into the cache", ArgsUsage: "NAME|URL",
				Action: a.modelFetch,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "sha256", Usage: "what the file at a URL must be, 64 hexadecimal `DIGITS`",
						Action: text(aSum)},
					&cli.StringFlag{Name: "swhid", Usage: "the same as swh:1:cnt: and the `NAME` that Git gives the file",
						Action: text(aSWHID)},
					formatFlag(),
				},
			},
			{
				Name: "verify", Usage: "check models of the cache, or one file, by their content",
				ArgsUsage: "[NAME|FILE]", Action: a.modelVerify,
				Flags: []cli.Flag{formatFlag()},
			},
			a.modelInspectCommand(), a.modelQuantizeCommand(), a.modelCompareCommand(),
		},
	}
}

func (a modelVerbs) resolver() (*models.Resolver, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	return resolverIn(cache, func(text string) { fmt.Fprintln(a.err, text) }), nil
}

// resolverIn finds models, and keeps in the cache what it makes or downloads.
func resolverIn(cache string, say func(string)) *models.Resolver {
	return &models.Resolver{
		CacheDir: filepath.Join(cache, "models"), SearchPath: models.DefaultSearchPath(), Progress: say,
	}
}

// refused is the error of a command about one model: bad input, unless the
// command was interrupted or the agent of this machine died.
func refused(msg string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, infer.ErrGone):
		return failure.Device.Errorf("%s", msg).
			Advise("was there enough memory? with fewer or smaller inputs it takes less").
			Because(err)
	}
	return failure.Usage.Errorf("%s", msg).Because(err)
}

// modelFile finds a model by file or by name.
func (a modelVerbs) modelFile(ctx context.Context, name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if _, ok := catalog.FindEntry(name); !ok {
		return "", failure.Usage.Errorf("there is no file and no model %s", name).
			Advise("%s`chexp model list` shows the models", models.Perhaps(name))
	}
	r, err := a.resolver()
	if err != nil {
		return "", err
	}
	found, err := r.Named(ctx, name)
	return found.File, err
}

// findModel finds a model by file or by name, and reads it but for values in files
// of their own.
func (a modelVerbs) findModel(ctx context.Context, name string) (models.Whole, error) {
	path, err := a.modelFile(ctx, name)
	if err != nil {
		return models.Whole{}, err
	}
	w, err := models.Load(ctx, path, files.Pin{})
	if err != nil {
		return w, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

// loadModel is findModel with all values.
func (a modelVerbs) loadModel(ctx context.Context, name string) (models.Whole, error) {
	w, err := a.findModel(ctx, name)
	if err != nil {
		return w, err
	}
	if err := w.ONNX.LoadExternal(filepath.Dir(w.Path)); err != nil {
		return w, refused("", fmt.Errorf("%s: %w", name, err))
	}
	return w, nil
}

// listedModel is an entry of the catalogue, and where this machine has its file.
type listedModel struct {
	catalog.Entry
	File   string `json:"file,omitempty"` // where the cache has it
	Cached bool   `json:"cached"`
}

func (a modelVerbs) modelList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	r, err := a.resolver()
	if err != nil {
		return err
	}
	l := list{columns: []string{"name", "size MB", "trained", "cached", "licence", "origin", "description"}}
	all := []listedModel{}
	for _, e := range catalog.Entries() {
		x := listedModel{Entry: e}
		path, there, err := r.Cached(c.Context, e.SHA256)
		if x.Cached = there && err == nil; x.Cached {
			x.File = path
		}
		all = append(all, x)
		l.rows = append(l.rows, []string{e.Name, fmt.Sprintf("%.2f", float64(e.Bytes)/1e6), yes(e.Trained),
			yes(x.Cached), e.Licence, e.Origin, e.Description})
	}
	l.json = all
	return a.print(c, l)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a modelVerbs) modelFetch(c *cli.Context) error {
	name, err := argument(c, "the name of a model, or a URL with --sha256 or --swhid")
	if err != nil {
		return err
	}
	secret.HideURL(name)
	r, err := a.resolver()
	if err != nil {
		return err
	}
	pin := files.Pin{SHA256: c.String("sha256")}
	if id := c.String("swhid"); id != "" {
		pin.SWHID, _ = files.ParseSWHID(id) // which the flag's rule has done
	}
	var found models.Resolved
	_, known := catalog.FindEntry(name)
	switch {
	case known && pin.Given():
		return failure.Usage.Errorf("--sha256 and --swhid are for URLs; the sum of %s is in the catalogue", name).
			Advise("leave it out")
	case known:
		found, err = r.Named(c.Context, name)
	case !pin.Given():
		return failure.Usage.
			Errorf("%s is no model of the catalogue, and a URL needs --sha256 or --swhid", name).
			Advise("`chexp model list` shows the models; " +
				"`sha256sum FILE` and `git hash-object FILE` print the sums of a file that you trust")
	default:
		found, err = r.Resolve(c.Context, spec.ModelSource{Name: "model", URL: name, Pin: pin})
	}
	if err != nil {
		return err
	}
	return a.print(c, list{
		columns: []string{"sha256", "size MB", "file"},
		rows:    [][]string{{found.SHA256, fmt.Sprintf("%.2f", float64(found.Bytes)/1e6), found.File}},
		json:    fetched{found.Bytes, found.File, found.Origin, found.SHA256},
	})
}

// fetched is the answer of `chexp model fetch -f json`.
type fetched struct {
	Bytes  int64  `json:"bytes"`
	File   string `json:"file"`
	Origin string `json:"origin"`
	SHA256 string `json:"sha256"`
}

// verified is what the check of one model says.
type verified struct {
	Name   string `json:"name,omitempty"` // in the catalogue
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Result string `json:"result"`
	bad    bool
}

func (a modelVerbs) modelVerify(c *cli.Context) error {
	r, err := a.resolver()
	if err != nil {
		return err
	}
	var all []verified
	if c.NArg() > 0 {
		name, err := argument(c, "a model file or the name of a model")
		if err != nil {
			return err
		}
		x, err := a.verifyOne(c.Context, r, name)
		if err != nil {
			return err
		}
		all = append(all, x)
	} else {
		for _, e := range catalog.Entries() {
			all = append(all, verifyCached(c.Context, r, e))
		}
	}
	l := list{columns: []string{"name", "result", "sha256", "file"}, json: all}
	bad := 0
	for _, x := range all {
		l.rows = append(l.rows, []string{x.Name, x.Result, x.SHA256, x.File})
		if x.bad {
			bad++
		}
	}
	if err := a.print(c, l); err != nil {
		return err
	}
	if bad > 0 {
		return failure.Storage.Errorf("%d of %d models are not what they should be", bad, len(all)).
			Advise("`chexp model fetch NAME` gets a good one")
	}
	return nil
}

func verifyCached(ctx context.Context, r *models.Resolver, e catalog.Entry) verified {
	path, there, err := r.Cached(ctx, e.SHA256)
	x := verified{Name: e.Name, File: path, SHA256: e.SHA256}
	switch {
	case err != nil:
		x.Result, x.bad = err.Error(), true
	case !there:
		x.Result, x.File = "not in the cache", ""
	default:
		_, x.Result, x.bad = sound(ctx, path)
	}
	return x
}

// sound says whether a file is a model that makes sense.
func sound(ctx context.Context, path string) (w models.Whole, result string, bad bool) {
	w, err := models.Load(ctx, path, files.Pin{})
	switch {
	case err != nil:
		return w, err.Error(), true
	case len(w.Parts) > 0:
		return w, fmt.Sprintf("ok, with %s of values", words.Plural(len(w.Parts)-1, "file")), false
	}
	return w, "ok", false
}

func (a modelVerbs) verifyOne(ctx context.Context, r *models.Resolver, name string) (verified, error) {
	if e, ok := catalog.FindEntry(name); ok {
		x := verifyCached(ctx, r, e)
		x.bad = x.bad || x.File == ""
		return x, nil
	}
	sum, err := models.Sum(ctx, name)
	if err != nil {
		return verified{}, failure.Usage.Errorf("cannot read %s", name).Because(err)
	}
	x := verified{File: name, SHA256: sum}
	for _, e := range catalog.Entries() {
		if e.SHA256 == sum {
			x.Name = e.Name
		}
	}
	w, result, bad := sound(ctx, name)
	if x.Result, x.bad = result, bad; !bad {
		x.SHA256 = w.SHA256 // of all its files
	}
	return x, nil
}
