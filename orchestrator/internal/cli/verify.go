package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// sealing notes how a run's directory is before this process works in it; the
// returned function seals what it has become.
func (a *app) sealing(s *store.Run) func() {
	before := seal.Begin(s)
	a.work = &before
	return func() {
		if err := before.Seal(time.Now()); err != nil {
			a.warn("run " + s.ID + " could not be sealed, so nobody can tell later whether it was changed: " + err.Error())
		}
	}
}

// use is what a run is verified for.
type use int

const (
	shown     use = iota
	rewritten     // its reports are written again: what they were is no matter
	givenAway     // packed, or measured again: nobody can vouch for what a chexp has not sealed
	unpacked      // it lies in a temporary folder, and comes among the runs if it is whole
)

// asSealed says, before anything of a run is used, whether it is what was sealed. An
// error names what is not.
func (a *app) asSealed(c *cli.Context, s *store.Run, to use) error {
	v, err := seal.Verify(s)
	if err != nil {
		return err
	}
	if to == rewritten {
		v = v.Evidence()
	}
	lines := a.commandsFor(c, s)
	advice := copiedAgain(lines)
	if to == unpacked {
		advice = "get the archive again from its author; nothing was unpacked"
	}
	if changed := v.Err(s, advice); changed != nil {
		a.warn(changed.Error())
		return changed
	}
	if c.String("format") == "table" {
		fmt.Fprintf(a.err, "  %s\n", v)
	}
	switch to {
	case givenAway:
		return unsealedWork(s, v, sealedByResume(lines))
	case unpacked:
		return unsealedWork(s, v, advice)
	}
	return nil
}

// copiedAgain advises what to do about a run that is not what was sealed.
func copiedAgain(lines run.Commands) string {
	return fmt.Sprintf("copy it again from where it was made; reports alone, `%s` writes again",
		lines.Line("results", "report", lines.Run))
}

// unsealedWork is an error if a chexp has worked in a run since it was sealed.
func unsealedWork(s *store.Run, v seal.Verdict, advice string) error {
	if !v.Open {
		return nil
	}
	return failure.Storage.Errorf("a chexp has worked in run %s since it was sealed, and was cut off: what it wrote "+
		"cannot be told from what somebody changed", s.ID).Advise("%s", advice)
}

// sealedByResume advises what to do about a run with work that is not sealed.
func sealedByResume(lines run.Commands) string {
	return fmt.Sprintf("`%s` goes on, and seals it", lines.Resume())
}

// changedEvidence names what of a run's evidence is not as it was sealed. While this
// process works in the run, what it writes itself is no change.
func changedEvidence(s *store.Run, work *seal.Before) string {
	var v seal.Verdict
	var err error
	if work != nil {
		v, err = work.Still()
	} else {
		v, err = seal.Verify(s)
	}
	if err != nil {
		return err.Error()
	}
	return v.Evidence().Named()
}

// verifyVerb is the command that holds a run against its seals.
type verifyVerb resultsVerbs

func (a verifyVerb) command() *cli.Command {
	return &cli.Command{
		Name: "verify", ArgsUsage: "RUN",
		Usage: "tell whether a run is still what was measured, and sign it",
		Description: "" +
			"Whenever chexp has worked in a run's directory, it writes the SHA-256 of each file there into the next of\n" +
			"seals/1, seals/2, …, with the sum of the seal before: experiment, plan, models' sums, results, journal and\n" +
			"reports. Each changed, missing or added file is named. A model that is still where it was when it was\n" +
			"measured is held against its sum, too.\n\n" +
			"Exit code 0: all is as it was sealed. 8: something is not, or nobody can tell.\n\n" +
			"--sign signs the last seal with an SSH key. Others check both without chexp, in the run's directory:\n" +
			"   sha256sum -c seals/2\n" +
			"   ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n file -s seals/2.sig < seals/2\n" +
			"A key with a passphrase, or one in an agent, signs by itself: ssh-keygen -Y sign -n file -f KEY seals/2",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "sign", Usage: "sign the run with the private SSH key in `FILE`"},
			&cli.StringFlag{Name: "signed-by",
				Usage: "want a signature of one of the public keys in `FILE`: a .pub, authorized_keys or allowed_signers"},
			formatFlag(),
		},
		Action: a.verify,
	}
}

// verdict is the answer of `chexp results verify` as JSON.
type verdict struct {
	Run         string       `json:"run"`
	Seals       int          `json:"seals"`
	Sealed      time.Time    `json:"sealed,omitzero"`
	SHA256      string       `json:"sha256,omitempty"` // of the last seal
	Files       int          `json:"files"`            // that the last seal names
	Open        bool         `json:"open,omitempty"`
	Unavailable string       `json:"unavailable,omitempty"`
	Faults      []seal.Fault `json:"faults"`
	Models      []sealedFile `json:"models"`
	Signatures  []signedBy   `json:"signatures"`
}

type signedBy struct {
	Seal        int    `json:"seal"`
	File        string `json:"file"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
}

// sealedFile is a model that a run has measured.
type sealedFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Path   string `json:"path,omitempty"`
	State  string `json:"state"`
}

func (a verifyVerb) verify(c *cli.Context) error {
	s, err := resultsVerbs(a).openRun(c)
	if err != nil {
		return err
	}
	s = s.Whole()
	if store.InUse(s) {
		return failure.Locked.Errorf("run %s is in use by another chexp", s.ID).Advise("verify it when that has ended")
	}
	v, err := seal.Verify(s)
	if err != nil {
		return err
	}
	if v.Unavailable != "" {
		return a.unsealed(c, s, v)
	}
	models, plan := a.models(c.Context, s)
	if key := c.String("sign"); key != "" && len(v.Faults) == 0 && !v.Open {
		file, err := signRun(s, v, key)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.err, "  signed: %s\n", filepath.Join(s.Dir, file))
		if v, err = seal.Verify(s); err != nil {
			return err
		}
	}
	if err := a.print(c, verifiedList(s, v, models)); err != nil {
		return err
	}
	lines := a.commandsFor(c, s)
	return errors.Join(v.Err(s, copiedAgain(lines)), plan, unsealedWork(s, v, sealedByResume(lines)),
		wantSigner(c.String("signed-by"), v))
}

// unsealed says what can be told of a run without a seal: its results are held against
// the sums that came with them.
func (a verifyVerb) unsealed(c *cli.Context, s *store.Run, v seal.Verdict) error {
	if err := a.print(c, verifiedList(s, v, nil)); err != nil {
		return err
	}
	plan, err := s.Plan()
	if err != nil {
		return err
	}
	for _, part := range store.Parts(s) {
		err = errors.Join(err, part.Changed(plan))
	}
	if err != nil {
		return err
	}
	return failure.Storage.Errorf("run %s cannot be verified: unavailable: %s", s.ID, v.Unavailable).
		Advise("its results are held against results/SHA256SUMS alone, and are as those say")
}

// models holds the models that a run measured against their sums, where they are
// still on this machine.
func (a verifyVerb) models(ctx context.Context, s *store.Run) (all []sealedFile, changed error) {
	plan, err := s.Plan()
	if err != nil {
		return nil, nil // a fault that is named already
	}
	where := map[string]string{}
	if err := s.ReadJSON(store.ModelsFile, &where); err != nil {
		where = nil
	}
	var names []string
	for _, m := range plan.Models {
		parts := m.Parts
		if len(parts) == 0 {
			parts = []trial.Part{{Name: m.Name, SHA256: m.SHA256}}
		}
		for _, p := range parts {
			f := sealedFile{Name: p.Name, SHA256: p.SHA256, Path: where[p.SHA256]}
			f.State = modelState(ctx, p.SHA256, f.Path)
			if f.State == string(seal.Changed) {
				names = append(names, f.Path)
			}
			all = append(all, f)
		}
	}
	if names == nil {
		return all, nil
	}
	return all, failure.Storage.Errorf("what was measured is another file now: %s", words.List(names, ", ", 5)).
		Advise("the run's numbers stand; to measure the same again, put the file back whose SHA-256 is in the plan")
}

func modelState(ctx context.Context, want, path string) string {
	if path == "" {
		return "not looked for: models.json does not say where it was"
	}
	sum, _, err := files.Hash(ctx, path, files.NoLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not on this machine any more"
	case err != nil:
		return "unavailable: " + err.Error()
	case sum != want:
		return string(seal.Changed)
	}
	return "as it was measured"
}

// verifiedList is what verify prints.
func verifiedList(s *store.Run, v seal.Verdict, models []sealedFile) list {
	j := verdict{Run: s.ID, Seals: v.Seals, Sealed: v.Last.Time, SHA256: v.Last.SHA256(), Files: len(v.Last.Files),
		Open: v.Open, Unavailable: v.Unavailable, Faults: append([]seal.Fault{}, v.Faults...),
		Models: append([]sealedFile{}, models...), Signatures: []signedBy{}}
	l := list{columns: []string{"what", "state", "detail"}, key: 0}
	add := func(what, state, detail string) { l.rows = append(l.rows, []string{what, state, detail}) }
	bad := map[string]bool{}
	for _, f := range v.Faults {
		add(f.File, string(f.How), f.Text)
		bad[f.File] = true
	}
	good := 0
	for _, name := range slices.Sorted(maps.Keys(v.Last.Files)) {
		if !bad[name] {
			good++
		}
	}
	switch {
	case v.Unavailable != "":
		add("run", "unavailable", v.Unavailable)
	case v.Open:
		add(words.Plural(good, "file"), "open", "a chexp has worked here since seal "+fmt.Sprint(v.Seals))
	default:
		add(words.Plural(good, "file"), "as sealed", fmt.Sprintf("seal %d, %s, %.12s…", v.Seals, clock.UTC(v.Last.Time),
			v.Last.SHA256()))
	}
	for _, m := range models {
		add("model "+m.Name, m.State, m.SHA256[:12]+"…"+words.When(m.Path != "", ", "+m.Path))
	}
	for _, sig := range v.Signed {
		by := signedBy{sig.Seal, sig.File, sig.Key.Type(), ssh.FingerprintSHA256(sig.Key)}
		j.Signatures = append(j.Signatures, by)
		add(sig.File, "signed", fmt.Sprintf("by %s %s; --signed-by FILE tells whether that is who you think", by.Type,
			by.Fingerprint))
	}
	l.json = j
	return l
}

// signRun signs the last seal of a run that was verified.
func signRun(s *store.Run, v seal.Verdict, file string) (string, error) {
	data, err := files.Read(file, 1<<20)
	if err != nil {
		return "", failure.Usage.Errorf("the key cannot be read").Advise("--sign takes the file of a private SSH key").
			Because(err)
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return "", failure.Usage.Errorf("%s is no private SSH key that chexp can use", file).
			Advise("for one with a passphrase, or in an agent: `ssh-keygen -Y sign -n %s -f %s %s`", seal.Namespace, file,
				filepath.Join(s.Dir, v.Last.Name())).Because(err)
	}
	return seal.Sign(s, v, key)
}

// wantSigner is an error unless the last seal is signed by a key of the file.
func wantSigner(file string, v seal.Verdict) error {
	if file == "" {
		return nil
	}
	data, err := files.Read(file, 1<<20)
	if err != nil {
		return failure.Usage.Errorf("the public keys cannot be read").Because(err)
	}
	wanted := publicKeys(data)
	if len(wanted) == 0 {
		return failure.Usage.Errorf("%s holds no public SSH key", file)
	}
	for _, sig := range v.Signed {
		if sig.Seal == v.Seals && wanted[string(sig.Key.Marshal())] {
			return nil
		}
	}
	return failure.Storage.Errorf("the last seal is not signed by a key in %s", file).
		Advise("ask its author for `ssh-keygen -Y sign -n %s -f KEY %s`", seal.Namespace, v.Last.Name())
}

// publicKeys are those in a file of lines with a type and a key, whatever stands
// before.
func publicKeys(data []byte) map[string]bool {
	keys := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		for i := range fields {
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.Join(fields[i:], " ")))
			if err == nil && !strings.HasPrefix(line, "#") && fields[i] == key.Type() {
				keys[string(key.Marshal())] = true
			}
		}
	}
	return keys
}

// sealedRuns verifies the runs of a comparison before anything of them is shown, and
// says so. A result that is not as it was sealed is left out.
func (a resultsVerbs) sealedRuns(c *cli.Context, runs []*store.Gathered) {
	of := map[string]seal.Verdict{}
	good, none, open := 0, 0, 0
	for _, r := range runs {
		v, seen := of[r.Dir]
		if r.Dir == "" {
			continue
		}
		if !seen {
			var err error
			v, err = seal.Verify(&store.Run{ID: r.RunID, Dir: r.Dir})
			switch {
			case err != nil, v.Unavailable != "":
				none++
			case len(v.Faults) > 0:
				r.Damaged = append(r.Damaged, v.String())
			case v.Open:
				open++
			default:
				good++
			}
			of[r.Dir] = v
		}
		for _, f := range v.Faults {
			r.LeaveOut(f.File)
		}
	}
	if c.String("format") == "table" && len(of) > 0 {
		fmt.Fprintf(a.err, "  verified: %d of %s as sealed%s%s\n", good, words.Plural(len(of), "run"),
			words.When(open > 0, fmt.Sprintf("; %d not sealed since a chexp worked in them", open)),
			words.When(none > 0, fmt.Sprintf("; of %d unavailable, as they have no seal", none)))
	}
}
