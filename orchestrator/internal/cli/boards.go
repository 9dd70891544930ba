package cli

import (
	"fmt"
	"strings"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/run"
)

// fewBoards is up to how many devices each has lasting lines of its own for its
// phases; of more, only what goes wrong and what is done.
const fewBoards = 8

// deviceLine shows one device of several: on a terminal in a line of its own, which is
// rewritten in place.
type deviceLine struct {
	p     *progress
	slot  int
	name  string
	phase run.Phase
	text  string
	began time.Time
	done  int // trials
	all   int
	ended bool
}

// Device implements run.Boards.
func (p *progress) Device(slot int) run.Observer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.board(slot)
}

// Named implements run.Boards.
func (p *progress) Named(slot int, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board(slot).name = name
}

func (p *progress) board(slot int) *deviceLine {
	for len(p.boards) < slot {
		n := len(p.boards) + 1
		p.boards = append(p.boards, &deviceLine{p: p, slot: n, name: fmt.Sprintf("device %d", n)})
	}
	return p.boards[slot-1]
}

// update changes what is known of the device, and shows it.
func (b *deviceLine) update(change func()) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	change()
	b.p.drawBoards(false)
}

func (b *deviceLine) Phase(ph run.Phase, text string) {
	b.update(func() {
		b.phase, b.text, b.began, b.ended = ph, text, time.Now(), false
		b.tells(moment{Kind: phaseBegan, Text: text})
	})
}

func (b *deviceLine) PhaseEnd(ph run.Phase, text string) {
	b.update(func() {
		b.phase, b.text, b.ended = ph, text, true
		if !b.tells(moment{Kind: phaseEnded, Text: text}) && len(b.p.boards) <= fewBoards {
			b.p.line("✓ %-10s %-56s %7s", ph, b.name+": "+text, short(time.Since(b.began)))
		}
	})
}

func (b *deviceLine) Say(text string) { b.hears(waiting, text) }

func (b *deviceLine) Again(text string) { b.hears(askedAgain, text) }

func (b *deviceLine) hears(kind, text string) {
	b.update(func() {
		b.text = text
		b.tells(moment{Kind: kind, Text: text})
	})
}

// MustEnd is told to programs alone: a device's line has no room for it.
func (b *deviceLine) MustEnd(at time.Time) {
	b.update(func() { b.tells(moment{Kind: measuresFor, MustEnd: &at}) })
}

func (b *deviceLine) Bytes(done, total int64) {
	if total > 0 {
		b.update(func() {
			b.text = fmt.Sprintf("%.1f of %.1f MB", float64(done)/1e6, float64(total)/1e6)
			b.tells(moment{Kind: pushed, Bytes: done, BytesAll: total})
		})
	}
}

func (b *deviceLine) Trial(ev trial.Event, done, total int) {
	b.update(func() {
		b.done, b.all = done, total
		if b.tells(moment{Kind: ofTheAgent, Trials: done, TrialsAll: total, AgentEvent: &ev}) {
			return
		}
		switch ev.Type {
		case trial.TrialStarted:
			b.text = ev.Trial + remaining(ev)
		case trial.Progress:
			b.text = ev.Text + standingOf(ev) + remaining(ev)
		case trial.TrialFinished:
			b.text = ev.Trial + " is " + string(ev.Outcome)
			if len(b.p.boards) <= fewBoards && ev.MedianNS > 0 {
				b.p.line("  %-10s %s: [%d/%d] %-36s p50 %s", b.phase, b.name, ev.Index, ev.Total, ev.Trial,
					words.Nanoseconds(ev.MedianNS))
			}
		}
	})
}

func (b *deviceLine) Warn(text string) {
	b.update(func() {
		if !b.tells(moment{Kind: warning, Text: text}) {
			b.p.line("! %-10s %s: %s", b.phase, b.name, text)
		}
	})
}

// standingOf is the temperature and what is known of the trial that was measured last.
func standingOf(ev trial.Event) (text string) {
	if ev.Celsius > 0 {
		text = fmt.Sprintf(", %.0f °C", ev.Celsius)
	}
	if n := len(ev.Standings); n > 0 {
		s := ev.Standings[n-1]
		text += fmt.Sprintf(", %s p50 %s", s.Trial, words.Nanoseconds(s.MedianNS))
	}
	return text
}

// say is the device's line.
func (b *deviceLine) say() string {
	text := b.text
	if b.phase == run.PhaseRun && b.all > 0 && !b.ended {
		text = fmt.Sprintf("[%d/%d] %s", b.done, b.all, text)
	}
	mark := " "
	if b.ended {
		mark = "✓"
	}
	return fmt.Sprintf("%s %-14s %-9s %s", mark, b.name, b.phase, text)
}

// redraw is at most how often the devices' lines are drawn anew.
const redraw = 100 * time.Millisecond

// drawBoards draws the options' lines or, of a run with several devices, a line for each,
// as many as the terminal holds, and one for all of them. Those at work come first where there is no room for all.
func (p *progress) drawBoards(now bool) {
	if !p.tty || len(p.boards) == 0 && p.view == nil {
		return
	}
	if len(p.boards) == 0 {
		p.clear()
		for _, line := range p.view.lines(string(p.phase), max(p.height-5, 3)) {
			fmt.Fprintln(p.w, p.fit(line))
			p.block++
		}
		return
	}
	if !now && time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	p.clear()
	shown := p.boards
	if room := max(p.height-4, 3); len(shown) > room {
		shown = make([]*deviceLine, 0, room)
		for _, ended := range []bool{false, true} {
			for _, b := range p.boards {
				if (b.phase == run.PhaseRelease && b.ended) == ended && len(shown) < room {
					shown = append(shown, b)
				}
			}
		}
	}
	for _, b := range shown {
		fmt.Fprintln(p.w, p.fit(b.say()))
	}
	fmt.Fprintln(p.w, p.fit(p.together(len(shown))))
	p.block = len(shown) + 1
}

// together is the line about all devices.
func (p *progress) together(shown int) string {
	at := map[run.Phase]int{}
	done := 0
	for _, b := range p.boards {
		if b.phase == run.PhaseRelease && b.ended {
			done++
		} else {
			at[b.phase]++
		}
	}
	parts := []string{fmt.Sprintf("  %s: %d done", words.Plural(len(p.boards), "device"), done)}
	for _, ph := range run.Phases {
		if at[ph] > 0 {
			parts = append(parts, fmt.Sprintf("%d in %s", at[ph], ph))
		}
	}
	text := strings.Join(parts, ", ")
	if more := len(p.boards) - shown; more > 0 {
		text += fmt.Sprintf(" (%d not shown)", more)
	}
	return text
}

// fit cuts a line to the terminal's width.
func (p *progress) fit(text string) string {
	text = words.Printable(strings.ReplaceAll(text, "\n", " "))
	if r := []rune(text); len(r) >= p.width {
		return string(r[:p.width-2]) + "…"
	}
	return text
}
