package chiedge

import (
	"context"
	"errors"
	"fmt"

	"chexp/orchestrator/internal/failure"
	"chexp/orchestrator/openstack/apierror"
)

// failed says what a failed request means where nothing more special is known
// of it. what is what was being done, "making the lease x". An interruption
// stays one.
func (s *Site) failed(what string, err error) error {
	var known *failure.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	e := apierror.From(err)
	kind, next := failure.Cloud, "try again in some minutes; if it persists, give the site's help desk the request id"
	switch e.Kind {
	case apierror.Unauthorized, apierror.CredentialUnknown:
		kind, next = failure.Auth, "the credential was deleted or has expired since signing in. "+remedyAppCred
	case apierror.Forbidden:
		kind, next = failure.Auth, "the credential's roles do not allow this: it needs member and, at some sites, reader"
	case apierror.QuotaExceeded:
		kind, next = failure.Capacity, "the project's quota or allocation is used up: give back what is not needed, or ask its PI to renew it on chameleoncloud.org"
	case apierror.Invalid:
		kind, next = failure.Usage, "change the experiment accordingly"
	case apierror.NoRoute:
		next = "the address in the site's catalog is not that of the service; check the region, and tell the site's help desk"
	case apierror.Unreachable:
		next = "check the network"
	case apierror.NotFound:
		next = "it is gone: somebody deleted it, or its lease ended"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failure.New(failure.Cloud, what+": no answer in time", next, err)
	}
	return failure.New(kind, what, next, e)
}
