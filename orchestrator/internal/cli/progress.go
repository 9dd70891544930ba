package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"

	"golang.org/x/term"
)

// progress shows a run on stderr: one lasting line per phase and trial, and on
// a terminal one more line that is rewritten in place.
//
// While trials are measured, a block of lines that are rewritten in place, one for each
// option and one for where the run is (live.go); of a run with several devices, one for
// each device and one for all (boards.go). To a program, a JSON object for each thing that
// is heard (progressjson.go).
type progress struct {
	w      io.Writer
	screen bool // w is a terminal
	tty    bool // and one whose lines can be rewritten
	color  bool // and one that shows colours to a user who wants them
	width  int
	height int
	mu     sync.Mutex    // several devices, and the retries of requests, speak at once
	boards []*deviceLine // by slot; nil in a run with one device
	view   *live         // nil unless one device measures
	block  int           // lines of them that stand on the terminal
	drawn  time.Time

	phase    run.Phase
	began    time.Time
	live     bool // a line without its newline stands on the terminal
	lastSaid string
	lastPct  int
	failing  []*litany // of this phase, in the order in which they began

	warned map[string]bool
	quiet  bool   // warnings alone
	json   bool   // moments, to a program
	system string // of several that are measured side by side
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, width: 80, height: 24, warned: map[string]bool{}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.screen, p.tty = true, os.Getenv("TERM") != "dumb"
		p.color = p.tty && os.Getenv("NO_COLOR") == ""
		if n, lines, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
			p.width, p.height = n, lines
		}
	}
	return p
}

// progress is what shows a run's progress on stderr.
func (a *app) progress() *progress {
	p := newProgress(a.err)
	p.quiet, p.system, p.json = a.quiet, a.system, a.showing == asJSON
	if a.quiet || a.showing != "" && a.showing != showings[0] {
		p.tty = false
	}
	return p
}

// line prints a lasting line of progress, above the live one.
func (p *progress) line(format string, args ...any) {
	if !p.quiet {
		p.print(format, args...)
	}
}

// print prints a lasting line, above the live one.
func (p *progress) print(format string, args ...any) {
	if p.tells(moment{Kind: note, Text: fmt.Sprintf(format, args...)}) {
		return
	}
	again := p.block > 0
	p.clear()
	fmt.Fprintln(p.w, words.Printable(fmt.Sprintf(format, args...)))
	if again {
		p.drawBoards(true)
	}
}

// clear removes what is rewritten in place.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	if p.block > 0 {
		fmt.Fprintf(p.w, "\r\x1b[%dA\x1b[J", p.block)
	}
	p.live, p.block = false, 0
}

// leaveBoards ends the devices' lines, once the devices are done: what follows is
// about all of them.
func (p *progress) leaveBoards() {
	p.drawBoards(true)
	p.block, p.boards = 0, nil
}

// measuring is the view of a run with one device.
func (p *progress) measuring() *live {
	if p.view == nil {
		p.view = &live{}
	}
	return p.view
}

// leaveView ends the options' lines: a phase has ended, and each trial has a lasting one.
func (p *progress) leaveView() {
	if p.view != nil {
		p.clear()
		p.view = nil
	}
}

// MustEnd says until when trials can be measured.
func (p *progress) MustEnd(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.tells(moment{Kind: measuresFor, MustEnd: &at}) {
		p.measuring().mustEnd = at
	}
}

// status rewrites the live line; without a terminal it says nothing, as the
// lasting lines tell enough.
func (p *progress) status(text string) {
	if !p.tty {
		return
	}
	if p.view != nil && len(p.boards) == 0 {
		p.view.now = text
		p.drawBoards(false)
		return
	}
	if p.block > 0 {
		return // the devices' lines stand there
	}
	text = words.Printable(strings.ReplaceAll(fmt.Sprintf("  %-10s %s", p.phase, text), "\n", " "))
	if r := []rune(text); len(r) >= p.width {
		text = string(r[:p.width-1])
	}
	fmt.Fprint(p.w, "\r\x1b[K"+text)
	p.live = true
}

func (p *progress) Phase(ph run.Phase, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ph == run.PhaseReport || ph == run.PhaseRelease {
		p.leaveBoards()
	}
	p.leaveView()
	p.endLitanies()
	p.phase, p.began, p.lastSaid, p.lastPct = ph, time.Now(), "", 0
	if p.tells(moment{Kind: phaseBegan, Text: text}) {
		return
	}
	p.status(text)
}

func (p *progress) PhaseEnd(ph run.Phase, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaveView()
	p.endLitanies()
	if p.tells(moment{Kind: phaseEnded, Phase: ph, Text: text}) {
		return
	}
	p.line("✓ %-10s %-56s %7s", ph, text, short(time.Since(p.began)))
}

func (p *progress) Say(text string) {
	if strings.HasSuffix(text, patient.LookingAgain) {
		p.Again(text)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if text == p.lastSaid {
		return
	}
	p.lastSaid = text
	if p.tells(moment{Kind: waiting, Text: text}) {
		return
	}
	if p.tty {
		p.status(text + " (" + short(time.Since(p.began)) + ")")
		return
	}
	p.line("  %-10s %s", p.phase, text)
}

func (p *progress) Bytes(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if total == 0 || p.tells(moment{Kind: pushed, Bytes: done, BytesAll: total}) {
		return
	}
	pct := int(100 * done / total)
	text := fmt.Sprintf("%.1f of %.1f MB", float64(done)/1e6, float64(total)/1e6)
	if spent := time.Since(p.began); done > 0 && done < total && spent > time.Second {
		left := time.Duration(float64(spent) * float64(total-done) / float64(done))
		text += ", about " + short(left) + " left"
	}
	if p.tty {
		p.status(text)
	} else if pct/25 > p.lastPct/25 && pct < 100 { // the phase's end says the whole
		p.line("  %-10s %s", p.phase, text)
	}
	p.lastPct = pct
}

func (p *progress) Trial(ev trial.Event, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tells(moment{Kind: ofTheAgent, Trials: done, TrialsAll: total, AgentEvent: &ev}) {
		return
	}
	p.measuring().hears(ev)
	switch ev.Type {
	case trial.TrialStarted:
		p.view.now = fmt.Sprintf("[%d/%d] %s", ev.Index, ev.Total, ev.Trial)
	case trial.Progress:
		p.view.now = fmt.Sprintf("[%d/%d] %s", done, total, ev.Text)
	case trial.TrialFinished:
		what := string(ev.Outcome)
		if ev.MedianNS > 0 {
			what = "p50 " + words.Nanoseconds(ev.MedianNS)
		}
		if len(ev.Reasons) > 0 {
			what += ": " + ev.Reasons[0].Text
		} else if ev.Text != "" {
			what += " (" + ev.Text + ")"
		}
		p.line("  %-10s [%d/%d] %-36s %s", p.phase, ev.Index, ev.Total, ev.Trial, what)
	case trial.Note:
		p.line("  %-10s %s", p.phase, ev.Text)
	}
	p.drawBoards(false)
}

// remaining says how long the rest takes, by the agent's estimate, where it has one.
func remaining(ev trial.Event) string {
	if d := time.Duration(ev.LeftNS); d >= 2*time.Second {
		return ", about " + short(d) + " left"
	}
	return ""
}

// Warn prints a warning, unless it was printed before, perhaps at the sign-in.
func (p *progress) Warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.warned[text] {
		p.warned[text] = true
		if p.tells(moment{Kind: warning, Text: text}) {
			return
		}
		p.print("! %-10s %s", p.phase, text)
	}
}

// short writes a duration for people.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
