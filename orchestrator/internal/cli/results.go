package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

func (a *app) resultsCommand() *cli.Command {
	return &cli.Command{
		Name:  "results",
		Usage: "list, fetch, show, report and compare what was measured",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the runs on this machine", Flags: []cli.Flag{formatFlag()}, Action: a.resultsList},
			{Name: "show", Usage: "print a run's decision table", ArgsUsage: "RUN", Flags: []cli.Flag{formatFlag()}, Action: a.resultsShow},
			{
				Name: "fetch", Usage: "bring back what is on the device, also of a run whose chexp has died or was detached", ArgsUsage: "RUN",
				Description: "The agent goes on with its trials meanwhile. To finish the run and give the device back: chexp run --resume RUN",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "from", Usage: "take the results from this `DIR`, where a full disk made chexp put them"},
					formatFlag(),
				},
				Action: a.resultsFetch,
			},
			{Name: "report", Usage: "write a run's reports again: HTML, text, Markdown, CSV, Go benchmark format", ArgsUsage: "RUN", Action: a.resultsReport},
			a.compareCommand(),
		},
	}
}

// runRow is one line of `chexp results list`.
type runRow struct {
	Run        string    `json:"run"`
	Experiment string    `json:"experiment"`
	Started    time.Time `json:"started"`
	State      string    `json:"state"`
	Results    int       `json:"results"`
	Trials     int       `json:"trials"`
	Rehearsal  bool      `json:"rehearsal"`
}

func (a *app) resultsList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	root := a.root(c)
	ids, err := root.IDs()
	if err != nil {
		return err
	}
	rows := []runRow{}
	l := list{columns: []string{"run", "experiment", "state", "results", "rehearsal"}}
	for _, id := range ids {
		s, err := root.Open(id)
		if err != nil {
			return err
		}
		r := describe(s)
		rows = append(rows, r)
		l.rows = append(l.rows, []string{r.Run, r.Experiment, r.State, fmt.Sprintf("%d of %d", r.Results, r.Trials), fmt.Sprint(r.Rehearsal)})
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
	case st.Lease.Open() || st.Container.Open():
		r.State = "holds " + st.Lease.Name
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
	if results, err := s.Results(plan); err == nil {
		r.Results = len(results)
	} else {
		r.State = "damaged"
	}
	return r
}

func isRehearsal(s *store.Run) bool {
	_, err := s.Read(store.RehearsalFile)
	return err == nil
}

func (a *app) resultsShow(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	return a.showRun(c, s)
}

func (a *app) openRun(c *cli.Context) (*store.Run, error) {
	name, err := argument(c, "a run (see `chexp results list`, or `latest`)")
	if err != nil {
		return nil, err
	}
	return a.root(c).Open(name)
}

func (a *app) resultsReport(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	if err := renderReports(s); err != nil {
		return err
	}
	fmt.Fprintln(a.out, s.Dir+"/report.html")
	return nil
}

func (a *app) resultsFetch(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock()
	plan, err := s.Plan()
	if err != nil {
		return err
	}
	if from := c.String("from"); from != "" {
		if _, err := s.Adopt(from, plan); err != nil {
			return err
		}
	} else if err := a.fetchFromDevice(c, s, plan); err != nil {
		return err
	}
	if err := renderReports(s); err != nil {
		return err
	}
	return a.answer(c, s, plan, true)
}

func (a *app) fetchFromDevice(c *cli.Context, s *store.Run, plan *trial.Plan) error {
	e, _, _, err := reload(s)
	if err != nil {
		return err
	}
	_, _, _, req, err := run.SiteFacts(s)
	if err != nil {
		return err
	}
	site, err := a.connect(c.Context, e.Site, siteOptions(c))
	if err != nil {
		return err
	}
	entries, err := s.Entries()
	if err != nil {
		return err
	}
	st := run.Replay(entries)
	if !st.Container.Open() {
		return failure.New(failure.Locked, "run "+s.ID+" has no container any more; what it brought home is all there is",
			"`chexp results show "+s.ID+"`; `chexp run --resume "+s.ID+"` measures what is missing", nil)
	}
	cont, found, err := site.FindContainer(c.Context, st.Container.Name)
	if err != nil {
		return err
	}
	if !found {
		return failure.New(failure.Device, "the container "+st.Container.Name+" is gone, and with it what was not fetched",
			"`chexp run --resume "+s.ID+"` measures what is missing", nil)
	}
	obs := newProgress(a.err)
	obs.Phase(run.PhaseFetch, "")
	tr, err := site.Dial(c.Context, cont, req, obs.Say)
	if err != nil {
		return err
	}
	defer tr.Close()
	reply, err := (run.Agent{Tr: tr, Dir: cont.Dir}).Status(c.Context, 0)
	if err != nil {
		return err
	}
	n, err := run.Fetch(c.Context, s, plan, tr, cont)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return err
	}
	if phase := reply.State.Phase; phase != trial.Finished && phase != trial.Stopped {
		why := "the agent is dead"
		if phase == trial.Running {
			why = "it was fetched while the agent measured"
		}
		more, err := run.FetchJournals(c.Context, s, plan, tr, cont, why)
		if err != nil { // a file that grew: the results are there, and the blocks will be
			obs.Warn("the trials that are being measured could not be fetched: " + err.Error())
		}
		n.Partial += more.Partial
	}
	if none && n.Partial == 0 {
		return failure.New(failure.Device, "there are no results on the device yet", "the agent is "+string(reply.State.Phase)+"; try again later", nil)
	}
	obs.PhaseEnd(run.PhaseFetch, fmt.Sprintf("%s; the agent is %s (%d of %d)", n, reply.State.Phase, reply.State.Done, reply.State.Total))
	fmt.Fprintf(a.err, "  the device is still reserved; to finish and give it back: chexp run --resume %s\n", s.ID)
	return nil
}
