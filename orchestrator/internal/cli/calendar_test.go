package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// in puts this machine into a time zone.
func in(t *testing.T, zone string) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	here := clock.Here
	t.Cleanup(func() { clock.Here = here })
	clock.Here = loc
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func board(name string, bookings ...site.Booking) site.Device {
	return site.Device{Device: run.Device{Name: name, MachineName: "raspberrypi5"}, Reservable: true, Authorized: true,
		Bookings: bookings}
}

func someDevices(t *testing.T) []site.Device {
	book := func(from, to string, mine bool) site.Booking {
		return site.Booking{Start: at(t, from), End: at(t, to), Mine: mine,
			User: map[bool]string{true: "alice@example.org", false: `<b>"bob"</b>`}[mine], LeaseID: from}
	}
	broken, closed := board("iot-rpi5-broken"), board("iot-rpi5-private")
	broken.Reservable, closed.Authorized = false, false
	return []site.Device{
		broken, closed,
		board("nyu-rpi5-01", book("2026-12-01 13:00", "2026-12-01 15:55", false),
			book("2026-12-01 16:00", "2026-12-01 17:55", true)),
		board("nyu-rpi5-02", book("2026-12-02 00:30", "2026-12-02 01:00", false),
			book("2026-12-02 02:30", "2026-12-02 02:55", true)),
		board("nyu-rpi5-03-with-a-name-that-never-ends", book("2026-11-01 00:00", "2026-12-31 00:00", false)),
		board("nyu-rpi5-04", book("2026-12-09 00:00", "2026-12-09 01:00", false)),
	}
}

func TestCalendarDrawing(t *testing.T) {
	in(t, "America/New_York")
	var b bytes.Buffer
	if err := newCalendar(someDevices(t), "", at(t, "2026-12-01 14:20"), 1).draw(&b, 80); err != nil {
		t.Fatal(err)
	}
	want := `
                      Tue 1 Dec                     Wed 2 Dec
EST                     10  12  14  16  18  20  22  00  02  04  06  08
UTC                     15  17  19  21  23  01  03  05  07  09  11  13
raspberrypi5
iot-rpi5-broken       out of service
iot-rpi5-private      kept for other projects
nyu-rpi5-01           ████◆◆◆◆·········································
nyu-rpi5-02           ·····················█···◆·······················
nyu-rpi5-03-with-a-…  █████████████████████████████████████████████████
nyu-rpi5-04           ·················································

· free   ◆ yours   █ others'   ◇ ▒ part of the column   one column is 30 min
now is 2026-12-01 14:20 UTC (09:20 EST)
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Whatever the length, the terminal and the zone: at most 80 columns and no
// more than the terminal has, one row for each device.
// What is left of the first day has a label of its own width: "Mon 30 NoTue 1 Dec"
// was none.
func TestCalendarFirstDay(t *testing.T) {
	in(t, "UTC")
	for now, want := range map[string]string{"2026-11-30 15:19": "Mon 30   Tue 1 Dec ",
		"2026-11-30 20:10": "30  Tue 1 Dec ", "2026-11-30 22:10": "  Tue 1 Dec ", "2026-11-30 01:10": "Mon 30 Nov  "} {
		var b bytes.Buffer
		if err := newCalendar(someDevices(t), "", at(t, now), 2).draw(&b, 80); err != nil {
			t.Fatal(err)
		}
		days, _, _ := strings.Cut(b.String(), "\n")
		if got := days[min(len(days), 22):]; !strings.HasPrefix(got, want) {
			t.Errorf("at %s the days read %q, want %q", now, got, want)
		}
	}
}

func TestCalendarFits(t *testing.T) {
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"} {
		t.Run(zone, func(t *testing.T) {
			in(t, zone)
			devices := someDevices(t)
			for len(devices) < 200 {
				devices = append(devices, board(fmt.Sprintf("nyu-rpi5-%03d", len(devices))))
			}
			for days := 1; days <= maxDays; days++ {
				for _, width := range []int{80, 200} {
					var b bytes.Buffer
					if err := newCalendar(devices, "raspberrypi5", at(t, "2026-10-30 14:20"), days).draw(&b,
						width); err != nil {
						t.Fatal(err)
					}
					lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
					if rows := len(lines); rows < 204 || rows > 208 {
						t.Fatalf("%d days: %d lines", days, rows)
					}
					for _, line := range lines {
						if n := utf8.RuneCountInString(line); n > 80 {
							t.Fatalf("%d days: %d columns: %s", days, n, line)
						}
					}
				}
			}
		})
	}
}

func TestCalendarPage(t *testing.T) {
	in(t, "America/New_York")
	cal := newCalendar(someDevices(t), "", at(t, "2026-12-01 14:20"), 2)
	cal.Site = "CHI@Edge"
	var b bytes.Buffer
	if err := cal.page(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"the next 2 days", "2026-12-01 14:20 UTC (09:20 EST)", `class="bar mine"`,
		"you: 2026-12-01 " +
			"16:00 to 17:55 UTC (11:00 to 12:55 EST) (1 h 55 min)",
		"out of service", "&lt;b&gt;&#34;bob&#34;&lt;/b&gt;", "Wed 2 Dec"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, bad := range []string{"<script", "http:", "https:", "<b>\"bob", "ZgotmplZ", "NaN"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if n := strings.Count(page, `<div class="bar`); n != 5 { // the one after a week is not shown
		t.Errorf("%d bars", n)
	}
}

func BenchmarkCalendarDrawing(b *testing.B) {
	var devices []site.Device
	now := time.Date(2026, 12, 1, 14, 20, 0, 0, time.UTC)
	for i := range 200 {
		d := board(fmt.Sprintf("nyu-rpi5-%03d", i))
		for j := range 10 {
			start := now.Add(time.Duration(3*j) * time.Hour)
			d.Bookings = append(d.Bookings, site.Booking{Start: start, End: start.Add(115 * time.Minute), Mine: j == 0})
		}
		devices = append(devices, d)
	}
	for b.Loop() {
		var out bytes.Buffer
		if err := newCalendar(devices, "", now, 7).draw(&out, 80); err != nil {
			b.Fatal(err)
		}
	}
}
