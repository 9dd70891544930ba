package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// runRow is one line of `chexp results list`.
type runRow struct {
	Run        string    `json:"run"`
	Device     string    `json:"device"`
	Verdict    string    `json:"verdict"`
	Experiment string    `json:"experiment"`
	Started    time.Time `json:"started"`
	State      string    `json:"state"`
	Results    int       `json:"results"`
	Trials     int       `json:"trials"`
	Rehearsal  bool      `json:"rehearsal"`
}

func (a resultsVerbs) resultsList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	root := a.runs(c)
	ids, err := root.IDs()
	if err != nil {
		return err
	}
	rows := []runRow{}
	l := list{columns: []string{"run", "experiment", "device", "state", "results", "verdict", "rehearsal"}}
	for _, id := range slices.Backward(ids) {
		s, err := root.Open(id)
		if err != nil {
			return err
		}
		r := describe(s)
		rows = append(rows, r)
		l.rows = append(l.rows, []string{r.Run, r.Experiment, cmp.Or(r.Device, content.Dash), r.State,
			fmt.Sprintf("%d of %d", r.Results, r.Trials), cmp.Or(r.Verdict, content.Dash), fmt.Sprint(r.Rehearsal)})
	}
	l.json = rows
	return a.print(c, l)
}

func describe(s *store.Run) runRow {
	r := runRow{Run: s.ID, Rehearsal: isRehearsal(s)}
	entries, err := s.Entries()
	if err != nil || len(entries) == 0 {
		r.State = "damaged"
		return r
	}
	r.Started = entries[0].Time
	st := run.Replay(entries)
	switch {
	case s.Lock() != nil:
		r.State = "running"
	case st.Finished:
		r.State = "finished"
	case st.Open():
		r.State = "holds " + heldBy(s, entries, st)
	default:
		r.State = "incomplete"
	}
	s.Unlock()
	plan, err := s.Plan()
	if err != nil {
		r.State = "damaged"
		return r
	}
	r.Experiment, r.Trials = plan.Experiment, len(plan.Trials)
	parts := store.Parts(s)
	r.Trials *= len(parts)
	r.Device, r.Verdict = devicesOf(parts), verdictsOf(parts)
	for _, part := range parts {
		if results, err := part.Results(plan); err == nil {
			for _, x := range results {
				if x.Partial == nil { // those are for --resume to measure
					r.Results++
				}
			}
		} else {
			r.State = "damaged"
		}
	}
	return r
}

// devicesOf names the devices that a run has had last.
func devicesOf(parts []*store.Run) string {
	var names []string
	for _, part := range parts {
		if all, err := attemptsOf(part); err == nil && len(all) > 0 {
			d := all[len(all)-1].Lease.Device
			if name := cmp.Or(d.Name, d.UID); name != "" {
				names = append(names, words.Printable(name))
			}
		}
	}
	return strings.Join(names, ", ")
}

// verdictsOf is what the reports of a run say; "" where there is none.
func verdictsOf(parts []*store.Run) string {
	count := map[string]int{}
	for _, part := range parts {
		var report struct {
			Decision struct {
				Verdict judge.Conclusion `json:"verdict"`
			} `json:"decision"`
		}
		if part.ReadJSON("report.json", &report) == nil && report.Decision.Verdict != "" {
			count[words.Printable(strings.ReplaceAll(string(report.Decision.Verdict), "_", " "))]++
		}
	}
	if len(parts) == 1 || len(count) == 1 && count[slices.Collect(maps.Keys(count))[0]] == len(parts) {
		for verdict := range count {
			return verdict
		}
		return ""
	}
	var all []string
	for _, verdict := range slices.Sorted(maps.Keys(count)) {
		all = append(all, fmt.Sprintf("%s on %d of %d", verdict, count[verdict], len(parts)))
	}
	return strings.Join(all, ", ")
}

func isRehearsal(s *store.Run) bool {
	_, err := s.Read(store.RehearsalFile)
	return err == nil
}
