package chameleon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
)

// checkTimeout bounds each question of Examine.
const checkTimeout = 30 * time.Second

// Examiner asks each service one question, and creates nothing.
type Examiner struct {
	*Client
	Devices   *DeviceClient
	Addresses *AddressClient
	NoNetwork string // how to do without a network service: ": use transport zun"
}

// Examine asks what all sites of Chameleon have in common and, in its place, the site's
// own questions.
func (s Examiner) Examine(ctx context.Context, own ...func(context.Context) []site.Answer) []site.Answer {
	var all []site.Answer
	for _, check := range slices.Concat([]func(context.Context) []site.Answer{
		s.examineCredential, s.examineCatalogue, s.examineReservation}, own, []func(context.Context) []site.Answer{
		s.examineNetwork, s.examineLeases}) {
		if ctx.Err() != nil {
			break
		}
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		all = append(all, check(bounded)...)
		cancel()
	}
	return append(all, site.Answer{Check: "allocation", State: site.Unknown,
		Detail: "the Chameleon portal keeps it and does not tell it to this credential",
		Next: "see https://chameleoncloud.org/user/dashboard; a lease that it cannot pay is refused with the " +
			"portal's words"})
}

// soon is how little life of a credential is worth a warning: those that
// cc-login makes live a day.
const soon = 24 * time.Hour

func (s Examiner) examineCredential(ctx context.Context) []site.Answer {
	f := site.Answer{Check: "credential", State: site.OK, Detail: s.Session.Method()}
	if s.Session.Token.Restricted() {
		f.State, f.Next = site.Warning, "this site may refuse to make leases with it. "+signin.RemedyUnrestricted
	}
	life := site.Answer{Check: "credential's end", State: site.OK}
	if at, what := s.Session.Ends(); s.Session.Token.AppCred == nil && !at.IsZero() {
		life.State, life.Detail = site.Warning, fmt.Sprintf("%s ends at %s, in %s, and cannot be renewed", what,
			clock.Both(at), clock.Span(s.Session.Clock.Until(at)))
		life.Next = "a run that is not over by then cannot clean up after itself. " + s.Session.LongerLasting()
		return []site.Answer{f, life}
	}
	if s.Session.Token.AppCred == nil {
		life.Detail = "no application credential: it lasts as long as the password; the token until " +
			clock.Both(s.Session.Token.ExpiresAt)
		return []site.Answer{f, life}
	}
	end, err := s.Session.AppCredEnd(ctx)
	switch {
	case err != nil:
		life.State, life.Detail = site.Unknown, apierror.From(err).Error()
		life.Next = "the dashboard shows it (Identity, Application Credentials); the token is good until " +
			clock.Both(s.Session.Token.ExpiresAt)
	case end.IsZero():
		life.Detail = "never expires"
	case s.Session.Clock.Until(end) < soon:
		life.State, life.Detail = site.Warning, fmt.Sprintf("expires at %s, in %s", clock.Both(end),
			clock.Span(s.Session.Clock.Until(end)))
		life.Next = "a run that is not over by then cannot clean up after itself: make a new one first. " +
			signin.RemedyAppCred
	default:
		life.Detail = fmt.Sprintf("expires at %s, in %s", clock.Both(end), clock.Span(s.Session.Clock.Until(end)))
	}
	return []site.Answer{f, life}
}

func (s Examiner) examineCatalogue(context.Context) []site.Answer {
	region, types := s.Session.Endpoints.Region, s.Session.Services()
	f := site.Answer{Check: "catalogue", State: site.OK, Detail: fmt.Sprintf("region %s has %s", region,
		strings.Join(types, ", "))}
	if !slices.Contains(types, "network") {
		f.State, f.Next = site.Warning, "without a network service there are no floating IPs"+s.NoNetwork
	}
	return []site.Answer{f}
}

// examineReservation asks Blazar for the calendar, which tells its version,
// its clock and the free devices as well.
func (s Examiner) examineReservation(ctx context.Context) []site.Answer {
	asked := time.Now()
	r := s.lends().allocations(ctx, s.Reservation)
	answered := time.Now()
	if _, err := r.Extract(); err != nil {
		return []site.Answer{site.AnswerOf("reservation service", s.Failed("reading the calendar at "+
			signin.HostOf(s.Reservation.Endpoint), err))}
	}
	api := site.Answer{Check: "reservation service", State: site.OK, Detail: signin.HostOf(s.Reservation.Endpoint) +
		", " + cmp.Or(r.Header.Get("OpenStack-API-Version"), "which does not tell its version")}
	all, err := s.Devices.Devices(ctx)
	if err != nil {
		return []site.Answer{api, clockAnswer(r.Header, asked, answered), site.AnswerOf("devices", err)}
	}
	return []site.Answer{api, clockAnswer(r.Header, asked, answered), s.devicesAnswer(all)}
}

// clockAnswer compares the server's Date, which counts seconds, with the
// middle of the request.
func clockAnswer(h http.Header, asked, answered time.Time) site.Answer {
	f := site.Answer{Check: "clock", State: site.OK}
	server, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		f.State, f.Detail = site.Unknown, "the server's answer has no date"
		return f
	}
	ours := asked.Add(answered.Sub(asked) / 2)
	off := ours.Sub(server.Add(500 * time.Millisecond)) // the part of a second that Date leaves out
	doubt := answered.Sub(asked)/2 + 500*time.Millisecond
	switch {
	case off.Abs() <= doubt+time.Second:
		f.Detail = "agrees with the server's to a second or so"
	case off.Abs() < 30*time.Second:
		f.Detail = fmt.Sprintf("%s %s the server's", off.Abs().Round(time.Second), aheadOf(off))
	default:
		f.State, f.Detail = site.Warning, fmt.Sprintf("%s %s the server's", off.Abs().Round(time.Second), aheadOf(off))
		f.Next = "set this machine's clock: leases and deadlines go by the server's, but dates here look wrong"
	}
	return f
}

func aheadOf(off time.Duration) string {
	if off > 0 {
		return "ahead of"
	}
	return "behind"
}

func (s Examiner) devicesAnswer(all []site.Device) site.Answer {
	free, usable := map[string]int{}, map[string]int{}
	total := 0
	for _, d := range all {
		if d.Reservable && d.Authorized {
			usable[d.MachineName]++
		}
		if d.FreeNow {
			free[d.MachineName]++
			total++
		}
	}
	var parts []string
	for _, m := range slices.Sorted(maps.Keys(usable)) {
		parts = append(parts, fmt.Sprintf("%d of %d %s", free[m], usable[m], m))
	}
	f := site.Answer{Check: "devices", State: site.OK, Detail: "free now: " + strings.Join(parts, ", ")}
	switch {
	case len(usable) == 0:
		f.State, f.Detail, f.Kind = site.Failed, "this project can reserve none", failure.Capacity
		f.Next = "`" + s.Commands.Line("device", "list") + "` shows why; the site's help desk opens devices to projects"
	case total == 0:
		f.State, f.Next = site.Warning, fmt.Sprintf("`%s` shows when; `--at next` of a new lease takes the first "+
			"free time", s.Commands.Line("device", "calendar"))
	}
	return f
}

func (s Examiner) examineNetwork(ctx context.Context) []site.Answer {
	if !s.Session.Offers("network") {
		return nil // the catalogue's line has said so
	}
	client, err := s.Addresses.Network()
	if err != nil {
		return []site.Answer{site.AnswerOf("network service", s.Failed("reaching the network service", err))}
	}
	ips, err := s.Addresses.List(ctx, client)
	if err != nil {
		return []site.Answer{site.AnswerOf("network service", s.Failed("listing the floating IPs", err))}
	}
	f := site.Answer{Check: "network service", State: site.OK, Detail: fmt.Sprintf(
		"%s; floating IPs of the project: %d", signin.HostOf(client.Endpoint), len(ips))}
	return []site.Answer{f, s.networkQuota(ctx, client, len(ips))}
}

func (s Examiner) networkQuota(ctx context.Context, client *gophercloud.ServiceClient, used int) site.Answer {
	f := site.Answer{Check: "floating IP quota", State: site.OK}
	q, err := quotas.Get(ctx, client, s.Session.Token.Project.ID).Extract()
	switch {
	case err != nil:
		f.State, f.Detail = site.Unknown, apierror.From(err).Error()
	case q.FloatingIP < 0:
		f.Detail = "no limit"
	case used >= q.FloatingIP:
		f.State, f.Detail = site.Warning, fmt.Sprintf("all %d in use", q.FloatingIP)
		f.Next = s.Addresses.without + "release one in the dashboard"
	default:
		f.Detail = fmt.Sprintf("%d of %d in use", used, q.FloatingIP)
	}
	return f
}

func (s Examiner) examineLeases(ctx context.Context) []site.Answer {
	all, err := s.AllLeases(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return []site.Answer{site.AnswerOf("leases", s.Failed("listing the leases", err))}
	}
	live, over, others := 0, 0, 0
	for _, l := range all {
		switch {
		case l.UserID != s.Me():
			others++
		case Ended(l):
			over++
		default:
			live++
		}
	}
	f := site.Answer{Check: "leases", State: site.OK, Detail: fmt.Sprintf("yours: %d live, %d ended or failed; "+
		"other members': %d", live, over, others)}
	if over > 0 {
		f.Next = "those that are over cost nothing; `" + s.Commands.DeleteLease("ID") + "` tidies up"
	}
	return []site.Answer{f}
}
