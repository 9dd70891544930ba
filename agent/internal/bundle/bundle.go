// Package bundle reads what the orchestrator pushed: the plan, and the sums over
// every file. A transfer that lost or changed a byte ends here, with the file's
// name, so nothing is measured with the wrong file.
package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// Limits on what is read into memory. A plan of 10,000 trials has 3 MB.
const (
	maxPlan = 32 << 20
	maxSums = 4 << 20
)

// Error says that the bundle is not what the orchestrator meant to push.
type Error struct{ Err error }

func (e *Error) Error() string {
	return e.Err.Error() + "; push the bundle again"
}
func (e *Error) Unwrap() error { return e.Err }

// Plan reads and checks the plan of a bundle directory and returns it with its
// SHA-256.
func Plan(dir string) (*trial.Plan, string, error) {
	raw, err := files.Read(filepath.Join(dir, trial.PlanFile), maxPlan)
	if err != nil {
		return nil, "", &Error{err}
	}
	var p trial.Plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, "", &Error{fmt.Errorf("%s: %w", trial.PlanFile, err)}
	}
	if err := p.Check(); err != nil {
		return nil, "", &Error{err}
	}
	return &p, files.Sum(raw), nil
}

// Verify checks every file that SHA256SUMS lists, and that the list covers the
// plan and every model, runtime and pack of pictures that the plan names. It can
// take as long as reading the files does; ctx ends it early.
func Verify(ctx context.Context, dir string, p *trial.Plan) error {
	raw, err := files.Read(filepath.Join(dir, trial.SumsFile), maxSums)
	if err != nil {
		return &Error{err}
	}
	sums, err := files.ParseSums(raw)
	if err != nil {
		return &Error{err}
	}
	if sums[trial.PlanFile] == "" {
		return &Error{fmt.Errorf("%s does not list %s", trial.SumsFile, trial.PlanFile)}
	}
	for _, f := range p.Files() {
		if sums[f.Path] != f.SHA256 {
			return &Error{fmt.Errorf("%s does not list %s as %s", trial.SumsFile, f.What, f.Path)}
		}
	}
	for name, want := range sums {
		got, _, err := files.Hash(ctx, filepath.Join(dir, filepath.FromSlash(name)), files.NoLimit)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return &Error{err}
		}
		if got != want {
			return &Error{fmt.Errorf("%s has SHA-256 %s, %s says %s", name, got, trial.SumsFile, want)}
		}
	}
	return nil
}
