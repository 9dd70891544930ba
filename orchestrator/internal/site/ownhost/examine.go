package ownhost

import (
	"context"
	"fmt"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/site"
)

// Examine asks all that a run will need, and makes nothing.
func (s *Site) Examine(ctx context.Context) []site.Answer {
	m, err := s.look(ctx)
	if err != nil {
		return []site.Answer{site.AnswerOf("sign-in", err)}
	}
	found := []site.Answer{{Check: "sign-in", State: site.OK,
		Detail: fmt.Sprintf("%s, whose host key %s is the known one", s.login(), s.shown)}}
	if err := m.fit(s); err != nil {
		return append(found, site.AnswerOf("machine", err))
	}
	found = append(found, site.Answer{Check: "machine", State: site.OK, Detail: fmt.Sprintf(
		"Linux, %s, %s, %s free", m.arch, words.Plural(m.cores, "core"), words.Bytes(float64(m.free)*1024))})
	idle := site.Answer{Check: "idle", State: site.OK, Detail: fmt.Sprintf("its load is %.2f", m.load)}
	if why := m.busyWith(s); why != "" {
		idle.State, idle.Detail, idle.Next = site.Warning, why, "wait, or end what is at work there"
	}
	return append(found, idle)
}
