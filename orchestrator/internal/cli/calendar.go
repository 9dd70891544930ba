package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

func (a deviceVerbs) calendarCommand() *cli.Command {
	return &cli.Command{
		Name:  "calendar",
		Usage: "draw when each device is taken, as the site's web calendar does",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "days", Value: 2, Usage: "how many days from now", Action: between(1, maxDays)},
			&cli.StringFlag{Name: "machine", Usage: "only devices of this `TYPE`, such as raspberrypi5",
				Action: aName(longName)},
			&cli.StringFlag{Name: "html", Usage: "write a page that needs nothing else to this `FILE`"},
			siteFlag(), formatFlag(),
		},
		Action: a.deviceCalendar,
	}
}

// maxDays: at one column for a day more do not fit a terminal.
const maxDays = 56

func (a deviceVerbs) deviceCalendar(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	days := c.Int("days")
	cloud, err := a.connectCloud(c)
	if err != nil {
		return err
	}
	devices, err := cloud.Calendar(c.Context)
	if err != nil {
		return err
	}
	if err := knownMachine(c, devices); err != nil {
		return err
	}
	cal := newCalendar(devices, c.String("machine"), cloud.Now(), days)
	cal.Site = cloud.Describe()["site"]
	if file := c.String("html"); file != "" {
		return a.writePage(file, cal.page)
	}
	if c.String("format") == "table" {
		return cal.draw(a.out, newProgress(a.err).width)
	}
	return a.print(c, cal.list())
}

// calendar is the next days of some devices.
type calendar struct {
	Site    string        `json:"site"`
	From    time.Time     `json:"from"` // now, by this machine's clock
	Until   time.Time     `json:"until"`
	Devices []site.Device `json:"devices"`
}

func newCalendar(devices []site.Device, machine string, now time.Time, days int) calendar {
	cal := calendar{From: now.UTC().Truncate(time.Minute), Until: now.UTC().Truncate(time.Minute).AddDate(0, 0, days),
		Devices: []site.Device{}}
	for _, d := range devices {
		if machine != "" && d.MachineName != machine {
			continue
		}
		shown := []site.Booking{}
		for _, b := range d.Bookings {
			if b.Start.Before(cal.Until) && !b.End.Before(cal.From) {
				shown = append(shown, b)
			}
		}
		d.Bookings = shown
		cal.Devices = append(cal.Devices, d)
	}
	return cal
}

func (cal calendar) list() list {
	l := list{columns: []string{"device", "machine", "from (UTC)", "until (UTC)", "from (here)", "until (here)", "mine",
		"user", "lease"}, json: cal}
	here := func(t time.Time) string { return t.In(clock.Here).Format("2006-01-02 15:04 MST") }
	for _, d := range cal.Devices {
		for _, b := range d.Bookings {
			l.rows = append(l.rows, []string{d.Name, d.MachineName, minute(b.Start), minute(b.End), here(b.Start),
				here(b.End), fmt.Sprint(b.Mine), b.User, b.LeaseID})
		}
	}
	return l
}

// The marks of a column.
const (
	markFree   = '·'
	markOthers = '█'
	markPart   = '▒'
	markMine   = '◆'
	markMyPart = '◇'
)

// maxNameWidth bounds the names' column; longer ones are cut.
const maxNameWidth = 20

// draw writes one row for each device, hours as columns, in at most width
// columns (and at most 80: a wider terminal would make it no clearer).
func (cal calendar) draw(w io.Writer, width int) error {
	if len(cal.Devices) == 0 {
		_, err := fmt.Fprintln(w, "no such device; `chexp device list` shows all")
		return err
	}
	names := 6 // "UTC" and "local" must fit
	for _, d := range cal.Devices {
		names = max(names, min(len([]rune(d.Name)), maxNameWidth))
	}
	step := columnStep(cal.Until.Sub(cal.From), min(width, 80)-names-2)
	start := floorLocal(cal.From, step)
	columns := int((cal.Until.Sub(start) + step - 1) / step)
	var b strings.Builder
	cal.axes(&b, names, start, step, columns)
	machine := ""
	for _, d := range cal.Devices {
		if d.MachineName != machine {
			machine = d.MachineName
			fmt.Fprintf(&b, "%s\n", words.Printable(machine))
		}
		fmt.Fprintf(&b, "%-*s  %s\n", names, cut(words.Printable(d.Name), names), cal.row(d, start, step, columns))
	}
	fmt.Fprintf(&b, "\n%c free   %c yours   %c others'   %c %c part of the column   one column is %s\n",
		markFree, markMine, markOthers, markMyPart, markPart, clock.Span(step))
	fmt.Fprintf(&b, "now is %s\n", clock.Both(cal.From))
	_, err := io.WriteString(w, b.String())
	return err
}

// columnStep is the shortest time for a column with which the whole fits.
func columnStep(whole time.Duration, columns int) time.Duration {
	for _, step := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour,
		6 * time.Hour, 12 * time.Hour} {
		if int(whole/step)+1 <= columns {
			return step
		}
	}
	return 24 * time.Hour
}

// floorLocal is the last multiple of step since midnight on the clock here.
func floorLocal(t time.Time, step time.Duration) time.Time {
	l := t.In(clock.Here)
	midnight := time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, l.Location())
	return midnight.Add(t.Sub(midnight) / step * step)
}

// axes writes the days and hours of the clock here, and the hours of UTC.
func (cal calendar) axes(b *strings.Builder, names int, start time.Time, step time.Duration, columns int) {
	days, here, utc := blank(columns), blank(columns), blank(columns)
	every, day := labelEvery(step), ""
	for i := range columns {
		at := start.Add(time.Duration(i) * step).In(clock.Here)
		if d := at.Format(time.DateOnly); d != day {
			day = d
			midnight := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, at.Location())
			whole, left := int(24*time.Hour/step), int((midnight.Sub(at)+step-1)/step)
			if left > 2 || left >= whole {
				put(days, i, dayLabel(at, left))
			}
		}
		if every > 0 && at.Minute() == 0 && at.Hour()%every == 0 {
			put(here, i, at.Format("15"))
			put(utc, i, at.UTC().Format("15"))
		}
	}
	line := func(name string, text []rune) {
		fmt.Fprintf(b, "%-*s  %s\n", names, name, strings.TrimRight(string(text), " "))
	}
	line("", days)
	if every == 0 {
		return
	}
	zone, offset := cal.From.In(clock.Here).Zone()
	line(zone, here)
	if offset != 0 {
		line("UTC", utc)
	}
}

// labelEvery is after how many hours the next label of the axis comes: labels
// have two digits, and at least one blank between them. 0: hours are too narrow.
func labelEvery(step time.Duration) int {
	for _, hours := range []int{1, 2, 3, 4, 6, 12} {
		if time.Duration(hours)*time.Hour >= 3*step {
			return hours
		}
	}
	return 0
}

// dayLabel writes as much of a date as its day has columns, which are fewer for
// what is left of the first one.
func dayLabel(t time.Time, columns int) string {
	switch {
	case columns > 10:
		return t.Format("Mon 2 Jan")
	case columns > 6:
		return t.Format("Mon 2")
	case columns > 2:
		return t.Format("2")
	case t.Weekday() == time.Monday:
		return t.Format("2 Jan")
	}
	return ""
}

func (cal calendar) row(d site.Device, start time.Time, step time.Duration, columns int) string {
	switch {
	case !d.Reservable:
		return "out of service"
	case !d.Authorized:
		return "kept for other projects"
	}
	marks := make([]rune, columns)
	for i := range marks {
		from := start.Add(time.Duration(i) * step)
		until := from.Add(step)
		if from.Before(cal.From) {
			from = cal.From // what has passed is of no interest
		}
		mine, others := d.Taken(from, until)
		// What little is left between two leases, or after one that ends at
		// HH:55, is of no use to anybody.
		full := mine+others >= until.Sub(from)-10*time.Minute
		switch {
		case mine+others <= time.Minute: // the last minute of a lease that ends on the hour
			marks[i] = markFree
		case mine >= others && full:
			marks[i] = markMine
		case mine > 0:
			marks[i] = markMyPart
		case full:
			marks[i] = markOthers
		default:
			marks[i] = markPart
		}
	}
	return string(marks)
}

func blank(n int) []rune { return []rune(strings.Repeat(" ", n)) }

// put writes text at a column if it fits there as a whole.
func put(line []rune, at int, text string) {
	if at+len([]rune(text)) <= len(line) {
		copy(line[at:], []rune(text))
	}
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
