package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/openstack/apierror"
)

// How long a run that holds a lease is not given up because its site cannot be
// reached, and how often that is tried.
const (
	mostOutage  = 15 * time.Minute
	outagePause = 5 * time.Second
)

// reconnect is connectOwn for a run that goes on; see [throughOutage].
func (a runVerbs) reconnect(ctx context.Context, r *run.Run, o site.Options, obs *progress) (run.Site, error) {
	return throughOutage(ctx, r.Store, outagePause, obs.Warn, func() (run.Site, error) { return a.connectOwn(ctx, r, o) })
}

// throughOutage waits for a site that cannot be reached now, while the run holds a
// lease: the process before may have died of the same outage.
func throughOutage(ctx context.Context, s *store.Run, pause time.Duration, warn func(string),
	connect func() (run.Site, error)) (run.Site, error) {
	began := time.Now()
	for told := false; ; told = true {
		at, err := connect()
		if err == nil || !outage(err) {
			return at, err
		}
		entries, unread := s.Entries()
		held, ok := run.Holds(entries)
		if unread != nil || !ok || held.Ends.IsZero() || held.Over(time.Now()) || time.Since(began) > mostOutage {
			return nil, err
		}
		if !told {
			until := began.Add(mostOutage)
			if held.Ends.Before(until) {
				until = held.Ends
			}
			warn(fmt.Sprintf("%v. The run holds a lease, so this is tried again until %s; Ctrl-C ends that", err,
				clock.UTC(until)))
		}
		if wait.For(ctx, pause) != nil {
			return nil, failure.Interrupted.Errorf("interrupted").Because(err)
		}
	}
}

// outage reports whether an error may be one of the network or of a service on the way
// to a site, which will pass; not one of credentials.
func outage(err error) bool {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return false
	}
	var answer *apierror.Error
	if errors.As(err, &answer) {
		return answer.Temporary()
	}
	return errors.As(err, new(net.Error)) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
