package cli

import (
	"regexp"
	"slices"
	"time"

	"chexp/experiments/words"
)

// litany is a request that fails in one way over and over.
type litany struct {
	like  string // its text without what differs from time to time
	text  string // the last
	began time.Time
	times int
}

// differs are the parts of such a text that tell nothing new: ids, counts, pauses, ports.
var differs = regexp.MustCompile(`[0-9a-f]{8}[-0-9a-f]*|[0-9]+(\.[0-9]+)?(m?s)?`)

// A server may word each failure anew: beyond so many ways to fail in a phase, all others
// are one.
const (
	wordings  = 8
	others    = ""
	maxLitany = 600 // bytes of one
)

// Again says of a request that it failed. The first of many alike stands for all until
// the phase ends, which counts them; a terminal shows the count as it grows.
func (p *progress) Again(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text = words.Line(text, maxLitany)
	if p.tells(moment{Kind: askedAgain, Text: text}) {
		return
	}
	like := differs.ReplaceAllString(text, "#")
	if len(p.failing) >= wordings && !slices.ContainsFunc(p.failing, func(l *litany) bool { return l.like == like }) {
		like = others
	}
	for _, l := range p.failing {
		if l.like != like {
			continue
		}
		l.times++
		l.text = text
		if p.tty {
			p.status(l.count())
		}
		return
	}
	p.failing = append(p.failing, &litany{like, text, time.Now(), 1})
	if p.tty {
		p.status(text)
		return
	}
	p.line("  %-10s %s", p.phase, text)
}

func (l *litany) count() string {
	ways := ""
	if l.like == others {
		ways = " in other words"
	}
	return words.Plural(l.times, "time") + ways + " in " + short(time.Since(l.began)) + ": " + l.text
}

// endLitanies counts what failed in the phase that ends.
func (p *progress) endLitanies() {
	for _, l := range p.failing {
		if l.times > 1 {
			p.line("  %-10s %s", p.phase, l.count())
		}
	}
	p.failing = nil
}
