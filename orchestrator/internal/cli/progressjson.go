package cli

import (
	"encoding/json"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/run"
)

// showings are the values of --progress.
var showings = []string{"auto", "plain", asJSON}

const asJSON = "json"

const progressSchema = "chexp/progress/v1"

// moment is a line of `--progress json`: something that a run's observer heard.
type moment struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"` // UTC, this machine's clock
	Kind   string    `json:"kind"` // one of the kinds below
	System string    `json:"system,omitempty"`
	// Slot and Device are of a run with several devices.
	Slot   int       `json:"slot,omitempty"`
	Device string    `json:"device,omitempty"`
	Phase  run.Phase `json:"phase,omitempty"`
	Text   string    `json:"text,omitempty"` // for people

	Bytes      int64        `json:"bytes,omitempty"` // of the push, so far and in all
	BytesAll   int64        `json:"bytes_all,omitempty"`
	Trials     int          `json:"trials,omitempty"` // with a result, and all of them
	TrialsAll  int          `json:"trials_all,omitempty"`
	MustEnd    *time.Time   `json:"must_end,omitempty"` // when measuring ends, for the lease's sake
	AgentEvent *trial.Event `json:"agent_event,omitempty"`
}

// The kinds of moments.
const (
	phaseBegan  = "phase_began"
	phaseEnded  = "phase_ended"
	waiting     = "waiting"
	askedAgain  = "asked_again" // a request failed
	pushed      = "pushed"
	ofTheAgent  = "agent"
	measuresFor = "must_end"
	warning     = "warning"
	note        = "note"
)

// tells writes a moment where moments are asked for; false: nobody asked. Without
// progress only warnings are written. The caller holds the lock.
func (p *progress) tells(m moment) bool {
	if !p.json {
		return false
	}
	if p.quiet && m.Kind != warning {
		return true
	}
	m.Schema, m.Time, m.System, m.Text = progressSchema, time.Now().UTC(), p.system, words.Printable(m.Text)
	if m.Phase == "" {
		m.Phase = p.phase
	}
	line, err := json.Marshal(m)
	if err == nil {
		_, _ = p.w.Write(append(line, '\n')) // as every other line to stderr
	}
	return true
}

// tells writes a moment of the device.
func (b *deviceLine) tells(m moment) bool {
	m.Slot, m.Device = b.slot, b.name
	if m.Phase == "" {
		m.Phase = b.phase
	}
	return b.p.tells(m)
}
