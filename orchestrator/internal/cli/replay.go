package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/models"
	"chexp/orchestrator/internal/crate"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

const replayVerb = "replay"

// replayOf is replay.json: which run was measured again.
type replayOf struct {
	Schema string `json:"schema"`
	Of     string `json:"of"`             // the run
	Seal   string `json:"seal,omitempty"` // the SHA-256 of its last seal, if it had one
}

const replaySchema = "chexp.replay/v1"

func (a runVerbs) replayCommand() *cli.Command {
	own := []cli.Flag{archFlag(), faultFlag(), &cli.BoolFlag{Name: "rehearse",
		Usage: "against an emulated CHI@Edge; a rehearsal is replayed so by itself"}}
	for _, f := range a.runCommand().Flags {
		if name := f.Names()[0]; name != "resume" && name != "detach" && name != "no-try" && name != "until" &&
			name != "system" {
			own = append(own, f)
		}
	}
	return &cli.Command{
		Name: replayVerb, ArgsUsage: "RUN|ARCHIVE",
		Usage: "measure a run again from what it holds, and say whether it is the same",
		Description: "" +
			"Takes experiment and plan of a run, or of an archive of `chexp results pack`, with every model pinned by its\n" +
			"SHA-256, and measures the same trials again: on the same device, on another (--lease, --site), or in a\n" +
			"rehearsal. Then it puts the two side by side, as `chexp results compare --group` does, answers for each\n" +
			"option whether it is the same within the 95 % interval, and names what differs in the environment. A replay\n" +
			"is a run: it can be shown, packed and replayed. What is not as it was sealed is not replayed.",
		Flags:  own,
		Action: a.replay,
	}
}

func (a runVerbs) replay(c *cli.Context) error {
	name, err := argument(c, "a run, or an archive that `chexp results pack` has written")
	if err != nil {
		return err
	}
	old, err := a.openOrBring(c, name)
	if err != nil {
		return err
	}
	old = old.Whole()
	if err := a.asSealed(c, old, givenAway); err != nil {
		return err
	}
	r, err := a.again(c, old)
	if err != nil {
		return err
	}
	format := c.String("format")
	own := *a.app
	if format != "table" {
		own.out = io.Discard // there is one document, the comparison
	}
	b := runVerbs{&own}
	start := func(o site.Options, how *rehearsed) error {
		cfg, obs := runConfig(c), a.progress()
		obs.Phase(run.PhasePlan, "")
		if err := b.checkedIn(c, &cfg, r.Experiment, r.Plan, o, obs); err != nil {
			return err
		}
		return b.start(c, cfg, r, how, obs, replayFile(old))
	}
	if isRehearsal(old) && c.String("site") == "" || c.Bool("rehearse") {
		arch := c.String("arch")
		if arch == "" && isRehearsal(old) {
			if arch, err = archAgain(c, old); err != nil {
				return err
			}
		}
		at := r.Experiment.Site
		err = emulatorVerb{&own}.withEmulator(c, arch, []string{at}, func(of emulated) error {
			return start(of.options(at), &rehearsed{Arch: of.arch(at)})
		})
	} else {
		err = start(optionsOf(&own, c, r.Experiment), nil)
	}
	if r.Store == nil {
		return err // it never began
	}
	return errors.Join(err, a.sameAgain(c, old, r.Store))
}

// openOrBring finds a run, or takes one out of an archive; one that is here already is
// the one that is here.
func (a *app) openOrBring(c *cli.Context, name string) (*store.Run, error) {
	st, err := os.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return a.open(c, name)
	}
	archive, err := crate.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := archive.Read(store.PlanFile)
	archive.Close()
	var plan trial.Plan
	if err == nil && json.Unmarshal(data, &plan) == nil && trial.ValidRunID(plan.RunID) {
		if s, err := a.runs(c).Open(plan.RunID); err == nil {
			return s, nil
		}
	}
	return a.bring(c, name)
}

// replayFile says which run is measured again.
func replayFile(old *store.Run) storedFile {
	of := replayOf{Schema: replaySchema, Of: old.ID}
	if v, err := seal.Verify(old); err == nil {
		of.Seal = v.Last.SHA256()
	}
	data, _ := json.MarshalIndent(of, "", "  ") // strings can always be encoded
	return storedFile{store.ReplayFile, append(data, '\n')}
}

// again is a new run of an old one's plan, with every file that it pushes held against
// its sum.
func (a runVerbs) again(c *cli.Context, old *store.Run) (*run.Run, error) {
	plan, err := old.Plan()
	if err != nil {
		return nil, err
	}
	e, err := storedExperiment(old)
	if err != nil {
		return nil, err
	}
	if s := c.String("site"); s != "" {
		if err := e.At(s); err != nil {
			return nil, err
		}
	}
	if c.Bool("rehearse") && !e.SiteKind().Leases {
		return nil, failure.Usage.Errorf("run %s was at site %s, which needs no rehearsal", old.ID, e.Site).
			Advise("leave --rehearse out; nothing was created")
	}
	e.Lease.Next, e.Lease.Start = false, time.Time{} // it begins now, or as the flags say
	if err := errors.Join(checkTimes(c, e), checkLeaseFlags(c, e)); err != nil {
		return nil, err
	}
	where, err := a.filesAgain(c, old, e, plan)
	if err != nil {
		return nil, err
	}
	plan.RunID = store.NewID(e.Name, time.Now())
	return &run.Run{Experiment: e, Plan: plan, Files: where}, nil
}

// filesAgain finds what a run pushed. A model that is not here any more is made or
// downloaded again, if it can be.
func (a runVerbs) filesAgain(c *cli.Context, old *store.Run, e *spec.Experiment, plan *trial.Plan) (
	map[string]string, error) {
	where, err := a.filesOf(old)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	var missing []string
	for sum, path := range where {
		if got, _, err := files.Hash(c.Context, path, files.NoLimit); err == nil && got == sum {
			continue
		}
		delete(where, sum)
		i := slices.IndexFunc(plan.Models, func(m trial.Model) bool { return m.SHA256 == sum })
		if i < 0 {
			missing = append(missing, "a file with SHA-256 "+sum)
			continue
		}
		file, err := modelAgain(c, resolverIn(cache, nil), e, plan.Models[i])
		if err != nil {
			missing = append(missing, fmt.Sprintf("model %s (SHA-256 %s): %v", plan.Models[i].Name, sum, err))
			continue
		}
		where[sum] = file
	}
	if missing != nil {
		slices.Sort(missing)
		return nil, failure.Usage.Errorf("what run %s pushed is not on this machine: %s", old.ID,
			strings.Join(missing, "; ")).Advise("put the files below a folder that %s names, or take an archive that was "+
			"packed with --files; nothing was created", models.SearchPathEnv)
	}
	return where, nil
}

// recoverFiles is filesAgain for a run that goes on, as after its cache was emptied. What
// is missing all the same is no matter where the device has it.
func (a runVerbs) recoverFiles(c *cli.Context, r *run.Run) {
	where, err := a.filesAgain(c, r.Store, r.Experiment, r.Plan)
	if r.Lacks = err; err == nil {
		r.Files = where
	}
}

// modelAgain makes or downloads a model, which must be what it was.
func modelAgain(c *cli.Context, r *models.Resolver, e *spec.Experiment, m trial.Model) (string, error) {
	i := slices.IndexFunc(e.Models, func(s spec.ModelSource) bool { return s.Name == m.Name })
	if i < 0 || len(m.Parts) > 0 {
		return "", errors.New("it cannot be made again")
	}
	source := e.Models[i]
	if source.Path != "" { // wherever that was: only its content counts
		if file := r.Find(c.Context, m.SHA256); file != "" {
			return file, nil
		}
		return "", errors.New("it was a file of the author's")
	}
	found, err := r.Resolve(c.Context, source)
	if err == nil && found.SHA256 != m.SHA256 {
		err = fmt.Errorf("what is made of %s now has SHA-256 %s", m.Origin, found.SHA256)
	}
	return found.File, err
}

// sameAgain puts a run and its replay side by side, and answers.
func (a *app) sameAgain(c *cli.Context, old, again *store.Run) error {
	in := []compare.Group{{Label: "first"}, {Label: "again"}}
	for i, s := range []*store.Run{old, again} {
		parts, err := store.At(".").Gather(s.Dir)
		if err != nil {
			return err
		}
		for _, g := range parts {
			in[i].Runs = append(in[i].Runs, judged(g, nil)...)
		}
	}
	const seed = 1
	result := compare.Runs(in, seed)
	switch c.String("format") {
	case "table":
	default:
		render, err := comparisonFormat(c.String("format"))
		if err != nil {
			return err
		}
		return render(a.out, result)
	}
	fmt.Fprintf(a.out, "\n%s again, as %s:\n", old.ID, again.ID)
	for _, line := range sameLines(result) {
		fmt.Fprintln(a.out, "  "+words.Printable(line))
	}
	lines := a.commands(c)
	fmt.Fprintf(a.err, "  side by side: %s\n", lines.Line("results", "compare", "--group", "first="+old.Dir, "--group",
		"again="+again.Dir))
	return nil
}

// sameLines answers for each option whether it is the same, and what differs around it.
func sameLines(r *compare.Comparison) (lines []string) {
	for _, row := range r.Rows {
		name := fmt.Sprintf("%s on %s, %s, batch %d", row.Model, row.Provider, words.Plural(row.Threads, "thread"), row.Batch)
		for _, change := range row.Changes {
			lines = append(lines, name+": "+change.Again())
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "cannot be told: no option has a usable result in both")
		for _, p := range r.Problems {
			lines = append(lines, "  "+p.Run+": "+words.List(append(slices.Clone(p.LeftOut), p.Marked...), "; ", 4))
		}
	}
	for _, d := range r.Differences {
		if !d.BetweenGroups {
			continue
		}
		var values []string
		for _, v := range d.Values {
			values = append(values, fmt.Sprintf("%s (%s)", v.Value, words.List(v.Runs, ", ", 2)))
		}
		lines = append(lines, "differs: "+d.Name+": "+strings.Join(values, ", "))
	}
	return lines
}
