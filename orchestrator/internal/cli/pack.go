package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/models"
	"chexp/orchestrator/internal/crate"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// packVerbs are the commands about runs as archives.
type packVerbs resultsVerbs

func (a packVerbs) commands() []*cli.Command {
	return []*cli.Command{{
		Name: "pack", ArgsUsage: "RUN",
		Usage: "put a run into one archive with an RO-Crate description, fit for Zenodo and Trovi",
		Description: "" +
			"Writes RUN.zip: the run's directory with its seals and signatures, ro-crate-metadata.json (RO-Crate 1.1) and\n" +
			"a README that says how to do it again. The same run gives the same bytes. Models are named by their SHA-256;\n" +
			"--files puts them, and whatever else was pushed, into the archive. What is not as it was sealed is not packed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the archive to `FILE`"},
			&cli.BoolFlag{Name: "files", Usage: "also pack models, pictures and runtimes that were pushed"},
			&cli.StringFlag{Name: "license", Usage: "the `URL` of the licence under which you give it away",
				Action: text(webAddress)},
			&cli.StringSliceFlag{Name: "author",
				Usage:  "`NAME` of an author, also 'NAME <https://orcid.org/…>'; may be repeated",
				Action: func(_ *cli.Context, all []string) error { _, err := authors(all); return err }},
		},
		Action: a.pack,
	}, {
		Name: "unpack", ArgsUsage: "ARCHIVE", Action: a.unpack,
		Usage: "put a run that came as an archive among the runs here, checked by SHA-256",
	}}
}

func webAddress(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("is %q; it takes an address such as https://creativecommons.org/licenses/by/4.0/", s)
	}
	return nil
}

var authorForm = regexp.MustCompile(`^([^<>]+?)\s*(?:<(\S+)>)?$`)

func authors(all []string) (out []crate.Author, err error) {
	for _, s := range all {
		m := authorForm.FindStringSubmatch(s)
		if m == nil || m[2] != "" && webAddress(m[2]) != nil {
			return nil, fmt.Errorf("is %q; it takes NAME or 'NAME <https://…>'", s)
		}
		out = append(out, crate.Author{Name: m[1], ID: m[2]})
	}
	return out, nil
}

func (a packVerbs) pack(c *cli.Context) error {
	s, err := resultsVerbs(a).openRun(c)
	if err != nil {
		return err
	}
	s = s.Whole()
	if store.InUse(s) {
		return failure.Locked.Errorf("run %s is in use by another chexp", s.ID).Advise("pack it when that has ended")
	}
	if err := a.asSealed(c, s, givenAway); err != nil {
		return err
	}
	archive, err := a.crateOf(c, s)
	if err != nil {
		return err
	}
	file := cmp.Or(c.String("output"), s.ID+".zip")
	if irregular(file) {
		return failure.Usage.Errorf("%s is no regular file", file).Advise("-o takes the name of a new archive; " +
			"nothing was written")
	}
	stored, err := files.Store(filepath.Dir(file), archive.Write, func(string) string { return filepath.Base(file) })
	if err != nil {
		return store.Explain(err)
	}
	fmt.Fprintf(a.err, "  %s, %s, SHA-256 %s\n", words.Bytes(float64(stored.Bytes)),
		words.Plural(len(archive.Files), "file"), stored.SHA256)
	fmt.Fprintln(a.out, file)
	return nil
}

// crateOf gathers what an archive holds.
func (a packVerbs) crateOf(c *cli.Context, s *store.Run) (*crate.Crate, error) {
	plan, err := s.Plan()
	if err != nil {
		return nil, err
	}
	e, err := storedExperiment(s)
	if err != nil {
		return nil, err
	}
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	own, err := seal.Files(s)
	if err != nil {
		return nil, err
	}
	k := &crate.Crate{RunID: s.ID, Experiment: e.Name, Description: secret.Redact(e.Description),
		License: c.String("license"), Started: entries[0].Time, Ended: entries[len(entries)-1].Time,
		Agent: agentVersion(s, plan)}
	if k.Authors, err = authors(c.StringSlice("author")); err != nil {
		return nil, err
	}
	for _, m := range plan.Models {
		k.Models = append(k.Models, crate.Model{Name: m.Name, SHA256: m.SHA256, Origin: m.Origin, Bytes: m.Bytes})
	}
	for _, f := range own {
		path := filepath.Join(s.Dir, filepath.FromSlash(f.Name))
		k.Files = append(k.Files, crate.File{Name: f.Name, SHA256: f.SHA256, Bytes: f.Bytes, Open: opener(path)})
	}
	if c.Bool("files") {
		pushed, err := a.pushed(c, s)
		if err != nil {
			return nil, err
		}
		k.Files = append(k.Files, pushed...)
	}
	k.Readme = readme(k, c.Bool("files"))
	return k, nil
}

func opener(path string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return files.Open(path, files.NoLimit) }
}

// agentVersion is what measured, as the results say; they all come from one agent but
// where a run went on after an upgrade.
func agentVersion(s *store.Run, plan *trial.Plan) string {
	var all []string
	for _, part := range store.Parts(s) {
		results, err := part.Results(plan)
		if err != nil {
			continue
		}
		for _, r := range results {
			if v := words.Line(r.Agent.Version, words.MaxName); v != "" && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	slices.Sort(all)
	return cmp.Or(strings.Join(all, ", "), "unknown")
}

// pushed are the files that went to the device.
func (a packVerbs) pushed(c *cli.Context, s *store.Run) (all []crate.File, err error) {
	where, err := a.filesOf(s)
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, sum := range slices.Sorted(maps.Keys(where)) {
		path := where[sum]
		got, size, err := files.Hash(c.Context, path, files.NoLimit)
		switch {
		case err != nil:
			bad = append(bad, err.Error())
		case got != sum:
			bad = append(bad, path+" is another file now")
		default:
			all = append(all, crate.File{Name: crate.FilesDir + "/" + sum, SHA256: sum, Bytes: size, Open: opener(path)})
		}
	}
	if bad != nil {
		return nil, failure.Usage.Errorf("what was pushed is not here any more: %s", words.List(bad, "; ", 5)).
			Advise("put it back, or leave --files out; nothing was written")
	}
	return all, nil
}

// filesOf says where this machine has what a run pushed: where it was then, or where
// an archive's were put.
func (a *app) filesOf(s *store.Run) (map[string]string, error) {
	where := map[string]string{}
	if err := s.ReadJSON(store.ModelsFile, &where); err != nil {
		return nil, err
	}
	dir, err := unpackedDir()
	if err != nil {
		return nil, err
	}
	for sum, path := range where {
		if !files.IsSum(sum) {
			return nil, s.Damaged(store.ModelsFile, fmt.Errorf("%.70q is no SHA-256", sum))
		}
		if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
			where[sum] = filepath.Join(dir, sum)
		}
	}
	return where, nil
}

// unpackedDir holds what archives had below files/, by SHA-256.
func unpackedDir() (string, error) {
	cache, err := cacheDir()
	return filepath.Join(cache, "unpacked"), err
}

// readme says what an archive is, and how to do it again.
func readme(k *crate.Crate, withFiles bool) string {
	check := "The run has no seal. `sha256sum -c SHA256SUMS` holds the results against what came from the device."
	if n := lastSeal(k.Files); n > 0 {
		check = fmt.Sprintf("    sha256sum -c %s/%d\n\nA signature beside it (`.sig`) is for `ssh-keygen -Y verify -n file`.",
			seal.Dir, n)
	}
	there := "The models are not in here: those that chexp makes, or that have an address, are got again by their " +
		"SHA-256;\nothers are to be put into a folder that " + models.SearchPathEnv + " names."
	if withFiles {
		there = "The files that were pushed to the device lie below `files/`, under their SHA-256."
	}
	var rows strings.Builder
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, m := range k.Models {
		fmt.Fprintf(&rows, "| %s | %s | %d | %s |\n", cell.Replace(m.Name), m.SHA256, m.Bytes,
			cell.Replace(words.Printable(m.Origin)))
	}
	return strings.NewReplacer("RUN", k.RunID, "EXPERIMENT", k.Experiment, "CHECK", check, "VERSION", k.Agent,
		"MODELS\n", rows.String(), "THERE", there).Replace(readmeText)
}

const readmeText = `# chexp run RUN

Latencies of machine-learning models, measured by the experiment EXPERIMENT. report.html says what came out; results/
(of a run with several devices: devices/<n>/results/) holds every latency, experiment.yaml what was asked for,
plan.json what was to be measured.

## Is it still what was measured?

CHECK

## Doing it again

With chexp (version VERSION measured this):

    chexp results unpack ARCHIVE.zip
    chexp results verify RUN
    chexp results show RUN
    chexp replay RUN        # the same trials again, and whether they are the same

| model | SHA-256 | bytes | origin |
|---|---|---:|---|
MODELS

THERE
`

// lastSeal is the number of the last seal among files; 0: there is none.
func lastSeal(all []crate.File) (last int) {
	for _, f := range all {
		if number, ok := strings.CutPrefix(f.Name, seal.Dir+"/"); ok {
			if n, err := strconv.Atoi(number); err == nil {
				last = max(last, n)
			}
		}
	}
	return last
}

func (a packVerbs) unpack(c *cli.Context) error {
	name, err := argument(c, "an archive that `chexp results pack` has written")
	if err != nil {
		return err
	}
	s, err := a.bring(c, name)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, s.Dir)
	return nil
}

// bring unpacks an archive and verifies what it holds.
func (a *app) bring(c *cli.Context, name string) (*store.Run, error) {
	archive, err := crate.Open(name)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	data, err := archive.Read(store.PlanFile)
	if err != nil {
		return nil, err
	}
	plan := new(trial.Plan)
	if err = json.Unmarshal(data, plan); err == nil {
		err = plan.Check()
	}
	if err != nil {
		return nil, failure.Storage.Errorf("the plan in %s is damaged", name).Advise("get the archive again").Because(err)
	}
	cache, err := unpackedDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, store.Explain(err)
	}
	pushed, err := os.MkdirTemp(cache, ".unpack-*")
	if err != nil {
		return nil, store.Explain(err)
	}
	defer os.RemoveAll(pushed)
	return a.runs(c).Bring(plan.RunID, func(dir string) error {
		if err := archive.Unpack(dir, pushed); err != nil {
			return err
		}
		if err := a.asSealed(c, &store.Run{ID: plan.RunID, Dir: dir}, unpacked); err != nil {
			return err
		}
		entries, err := os.ReadDir(pushed)
		if err != nil {
			return err
		}
		for _, e := range entries { // each is what its name says
			if err := os.Rename(filepath.Join(pushed, e.Name()), filepath.Join(cache, e.Name())); err != nil {
				return err
			}
		}
		return nil
	})
}
