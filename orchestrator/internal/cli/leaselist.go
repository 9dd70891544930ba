package cli

import (
	"fmt"
	"strings"
	"time"

	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

var leaseColumns = []string{"id", "name", "status", "device", "start (UTC)", "end (UTC)", "here"}

func leaseRow(x site.Lease) []string {
	return []string{x.ID, x.Name, x.Status, x.DeviceNames(), minute(x.Start), minute(x.End), here(x.Lease)}
}

// here is the window on the clock of this machine.
func here(x run.Lease) string {
	if x.Start.IsZero() || x.End.IsZero() {
		return ""
	}
	s, e := x.Start.In(clock.Here), x.End.In(clock.Here)
	end := "15:04 MST"
	if s.YearDay() != e.YearDay() || s.Year() != e.Year() {
		end = "Jan 2 15:04 MST"
	}
	return s.Format("Jan 2 15:04") + " to " + e.Format(end)
}

func leaseRows(leases []site.Lease, json any) list {
	l := list{columns: leaseColumns, json: json, key: 1}
	for _, x := range leases {
		l.rows = append(l.rows, leaseRow(x))
	}
	return l
}

func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func (a leaseVerbs) leaseList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cloud, err := a.connectCloud(c)
	if err != nil {
		return err
	}
	leases, err := cloud.Leases(c.Context)
	if err != nil {
		return err
	}
	l := list{columns: append([]string{"owner"}, append(leaseColumns, "left")...), json: leases, key: 2}
	for _, x := range leases {
		l.rows = append(l.rows, append([]string{owner(x)}, append(leaseRow(x), left(x.Lease, cloud.Now()))...))
	}
	return a.print(c, l)
}

func owner(x site.Lease) string {
	switch {
	case x.Mine:
		return "you"
	case x.User != "":
		return x.User
	}
	return "another"
}

// left says how much of a lease is to come.
func left(x run.Lease, now time.Time) string {
	n := site.Left(x, now)
	switch {
	case n == 0:
		return "over"
	case x.Start.After(now):
		return "starts in " + clock.Span(x.Start.Sub(now))
	}
	return clock.Span(n)
}

func (a leaseVerbs) leaseShow(c *cli.Context) error {
	cloud, l, err := a.theLease(c, site.Cloud.ShowLease)
	if err != nil {
		return err
	}
	return a.print(c, leaseFields(l, cloud.Now()))
}

// leaseFields is a lease as a list of fields, as the OpenStack client shows
// one thing.
func leaseFields(l site.Lease, now time.Time) list {
	rows := [][]string{
		{"id", l.ID}, {"name", l.Name}, {"owner", owner(l)}, {"status", l.Status},
		{"window", clock.Window(l.Start, l.End)}, {"length", clock.Span(l.End.Sub(l.Start))},
		{"left", left(l.Lease, now)},
	}
	all := l.Devices
	if len(all) == 0 {
		all = []run.Device{l.Device}
	}
	for _, d := range all {
		rows = append(rows, []string{"device", strings.TrimSpace(d.Name + " " + d.MachineName)},
			[]string{"device uid", d.UID})
	}
	rows = append(rows, [][]string{
		{"asked for", l.Asked}, {"reservation", l.ReservationID}, {"reservation status", l.ReservationStatus},
		{"degraded", fmt.Sprint(l.Degraded)}, {"created", clock.Both(l.Created)},
	}...)
	if !l.Updated.IsZero() {
		rows = append(rows, []string{"changed", clock.Both(l.Updated)})
	}
	for _, e := range l.Events {
		rows = append(rows, []string{e.Type, e.Status + ", " + clock.Both(e.Time)})
	}
	return list{columns: []string{"field", "value"}, rows: rows, json: l}
}
