package chameleon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/orchestrator/openstack/apierror"
)

// Failed says what a failed request means where nothing more special is known
// of it. what is what was being done, "making the lease x". An interruption
// stays one.
func (c *Client) Failed(what string, err error) error {
	var known *failure.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if refused := c.Session.Refused(context.Background(), what, err); refused != nil {
		return refused
	}
	e := apierror.From(err)
	kind, next := c.remedy(e)
	if errors.Is(err, context.DeadlineExceeded) {
		return failure.Cloud.Errorf("%s: no answer in time", what).Advise("%s", next).Because(err)
	}
	return kind.Errorf("%s", what).Advise("%s", next).Because(e)
}

// remedy is what to do about a failed request, by its kind and, where one kind
// is several things, by status and words.
func (c *Client) remedy(e *apierror.Error) (failure.Kind, string) {
	switch e.Kind {
	case apierror.Forbidden:
		return failure.Auth, "the credential's roles do not allow this: it needs member and, at some sites, reader"
	case apierror.QuotaExceeded:
		if strings.Contains(strings.ToLower(e.Message), "expiration") {
			return failure.Capacity, "end the lease before the project does, or ask its PI to renew it on " +
				"chameleoncloud.org"
		}
		return failure.Capacity, "the project's quota or allocation is used up: give back what is not needed, or " +
			"ask its PI to renew it on chameleoncloud.org"
	case apierror.Invalid:
		kind, next := c.invalidRemedy(e)
		var answer gophercloud.ErrUnexpectedResponseCode
		if kind == failure.Usage && errors.As(e.Err, &answer) && answer.Method != http.MethodPost &&
			answer.Method != http.MethodPut { // who only looks has asked for nothing that could be wrong
			return failure.Cloud, "try again in some minutes; if it persists, report it with the request id"
		}
		return kind, next
	case apierror.Conflict:
		return c.conflictRemedy(e)
	case apierror.Busy:
		return failure.Cloud, "it is just starting, changing or ending: try again in a moment"
	case apierror.NoRoute:
		return failure.Cloud, "the address in the site's catalog is not that of the service; check the region, " +
			"and tell the site's help desk"
	case apierror.Unreachable:
		return failure.Cloud, "check the network"
	case apierror.NotFound:
		return failure.Cloud, "it is gone: somebody deleted it, or its lease ended"
	}
	return failure.Cloud, "try again in some minutes; if it persists, give the site's help desk the request id"
}

// invalidRemedy tells what a person can change from what only a new version of
// chexp can: dates, filters and versions are its own.
func (c *Client) invalidRemedy(e *apierror.Error) (failure.Kind, string) {
	msg := strings.ToLower(e.Message)
	for _, known := range []struct{ words, next string }{
		{"start date must be later", "start now, or later; if that is what was asked, this machine's clock is " +
			"off: `" + c.Commands.Line("doctor") + "`"},
		{"end date must be later", "the lease would be over before it began: give it a later end"},
		{"extracapability was not found", "no device of this site has that property: choose by " +
			c.lends().kind + ", name or uid"},
		{"resource type is not supported", "this site lends no such thing: check the region, CHI@Edge for devices"},
	} {
		if strings.Contains(msg, known.words) {
			return failure.Usage, known.next
		}
	}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return failure.Cloud, "the site takes less at once: use transport ssh, or smaller models"
	case http.StatusRequestURITooLong:
		return failure.Cloud, "the site takes shorter commands: shorten names in the experiment, or use transport ssh"
	case http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusMethodNotAllowed:
		return failure.Cloud, "this site speaks another version of its interface than chexp: a newer chexp may know it"
	}
	return failure.Usage, "change what was asked for, in the flags or the experiment; if it looks right, it is a " +
		"fault of chexp: report it with the request id"
}

func (c *Client) conflictRemedy(e *apierror.Error) (failure.Kind, string) {
	switch {
	case e.Code == "FloatingIPPortAlreadyAssociated":
		return failure.Cloud, "release the floating IP of that port in the dashboard, or use transport zun"
	case e.Service == "container":
		return failure.Cloud, fmt.Sprintf("the container is not in a state for this: it stopped, or its lease ended "+
			"(`%s`); `%s` goes on from there", c.Commands.Line("lease", "list"), c.Commands.Resume())
	}
	return failure.Cloud, fmt.Sprintf("it is in a state in which this cannot be done: look with `%s`, then try again",
		c.Commands.Line("lease", "list"))
}
