package cli

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/site"
)

//go:embed calendar.html.tmpl
var calendarHTML string

var calendarTemplate = template.Must(template.New("calendar").Parse(calendarHTML))

// pageRow is one device of the page; bars and ticks are placed in percent.
type pageRow struct {
	Name, Machine, Why string
	Bars               []pageBar
}

type pageBar struct {
	Left, Width       template.CSS
	Mine              bool
	Who, When, Length string
}

type pageTick struct {
	Left      template.CSS
	Here, UTC string
	Day       string // at a midnight of the clock here
}

// page writes the calendar as one HTML file without a script or a reference.
func (cal calendar) page(w io.Writer) error {
	zone, offset := cal.From.In(clock.Here).Zone()
	data := struct {
		Site, Now, Zone string
		UTCToo          bool
		Days            int
		Ticks           []pageTick
		Rows            []pageRow
	}{Site: cal.Site, Now: clock.Both(cal.From), Zone: zone, UTCToo: offset != 0,
		Days: int(cal.Until.Sub(cal.From).Hours()+1) / 24, Ticks: cal.ticks()}
	for _, d := range cal.Devices {
		r := pageRow{Name: words.Printable(d.Name), Machine: words.Printable(d.MachineName)}
		switch {
		case !d.Reservable:
			r.Why = "out of service"
		case !d.Authorized:
			r.Why = "kept for other projects"
		default:
			r.Bars = cal.bars(d)
		}
		data.Rows = append(data.Rows, r)
	}
	return calendarTemplate.Execute(w, data)
}

func (cal calendar) bars(d site.Device) []pageBar {
	var bars []pageBar
	for _, b := range d.Bookings {
		from, to := b.Start, b.End
		if from.Before(cal.From) {
			from = cal.From
		}
		if to.After(cal.Until) {
			to = cal.Until
		}
		who := words.Printable(b.User)
		switch {
		case b.Mine:
			who = "you"
		case who == "":
			who = "another project or member"
		}
		bars = append(bars, pageBar{Left: cal.percent(from.Sub(cal.From)),
			Width: cal.percent(max(to.Sub(from), time.Minute)), Mine: b.Mine,
			Who: who, When: clock.Window(b.Start, b.End), Length: clock.Span(b.End.Sub(b.Start))})
	}
	return bars
}

// ticks are about twelve, at full hours of the clock here, and every midnight.
func (cal calendar) ticks() []pageTick {
	whole := cal.Until.Sub(cal.From)
	step := columnStep(whole, 14)
	var ticks []pageTick
	for t := floorLocal(cal.From, step).Add(step); t.Before(cal.Until); t = t.Add(step) {
		tick := pageTick{Left: cal.percent(t.Sub(cal.From)), Here: t.In(clock.Here).Format("15:04"),
			UTC: t.UTC().Format("15:04")}
		if l := t.In(clock.Here); l.Hour() == 0 || step >= 24*time.Hour {
			tick.Day = l.Format("Mon 2 Jan")
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

func (cal calendar) percent(d time.Duration) template.CSS {
	return template.CSS(fmt.Sprintf("%.3f%%", 100*float64(d)/float64(cal.Until.Sub(cal.From))))
}
