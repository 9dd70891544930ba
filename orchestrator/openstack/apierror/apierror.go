package apierror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// Kind says which failure it is, as far as the answer tells.
type Kind int

const (
	// Other is a refusal this package knows no word for; read Message.
	Other Kind = iota
	// Invalid is a request the service, or the client before it, found wrong.
	Invalid
	// Unauthorized is a credential or token that was not accepted.
	Unauthorized
	// CredentialUnknown is an application credential that Keystone does not
	// have (any more): 404 on the token request, not 401.
	CredentialUnknown
	// CredentialRestricted is Blazar's bare 500 on a lease creation: it makes
	// a Keystone trust in the user's name first, which Keystone refuses to a
	// restricted application credential [BLZ:blazar/utils/trusts.py
	// (create_trust)]. The answer of a Blazar that is broken looks the same.
	CredentialRestricted
	// Forbidden is a policy that says no.
	Forbidden
	// NotFound is an object that does not exist. An address that the service
	// does not have is NoRoute instead.
	NotFound
	// NoRoute is a 404 about the address, not about an object: a wrong
	// endpoint in the catalog, or a proxy's own page. It does not prove that
	// anything is gone.
	NoRoute
	// Conflict is an object in a state in which this cannot be done.
	Conflict
	// Busy is Blazar's 500 "Invalid lease status.": the lease is in
	// transition, try again in a moment [BLZ:blazar/status.py (lease_status)].
	Busy
	// NoDeviceFree is no free device that matches, in the wanted window.
	NoDeviceFree
	// LeaseTooLong is a lease over the maximum duration of the site.
	LeaseTooLong
	// ExtensionRefused is an extension that is too long or asked too early.
	ExtensionRefused
	// QuotaExceeded is a quota or an allocation of service units used up.
	QuotaExceeded
	// NoAddressFree is a floating IP pool with nothing left.
	NoAddressFree
	// Transient is overload or an outage in front of the service: 408, 429,
	// 502, 503, 504.
	Transient
	// ServerFault is any other 5xx. Zun hides the cause of all of them
	// [ZUN:zun/common/exception.py (OBFUSCATED_MSG)].
	ServerFault
	// Unreachable is a connection that was never made: nothing was sent.
	Unreachable
	// Lost is an answer that never came, or came in part: the request may
	// have been carried out.
	Lost
	// Canceled is the caller's context at its end. As with Lost, the request
	// may have been carried out.
	Canceled
)

var kindNames = [...]string{
	"other", "invalid", "unauthorized", "credential unknown", "credential restricted", "forbidden",
	"not found", "no route", "conflict", "busy", "no device free", "lease too long", "extension refused",
	"quota exceeded", "no address free", "transient", "server fault", "unreachable", "lost", "canceled",
}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is a failed request.
type Error struct {
	Kind    Kind
	Status  int    // HTTP status; 0 when there was no answer
	Message string // the service's own words: one line, bounded, printable
	// the service's name for it, where it has one: "container.quota-exceeded", "OverQuota". Not stable across versions.
	Code      string
	RequestID string // from the X-Openstack-Request-Id header; what an operator asks for
	// catalog type of who answered: "identity", "reservation", "container", "compute", "image", "network";
	// "" when it was a proxy or cannot be told
	Service string
	Err     error // what gophercloud or net/http reported
}

func (e *Error) Error() string {
	s := e.Message
	if code := strconv.Itoa(e.Status); e.Status != 0 && !strings.HasPrefix(s, code) { // a proxy's page begins with it
		s = code + " " + s
	}
	if e.Service != "" {
		s = e.Service + " service: " + s
	}
	if e.RequestID != "" {
		s += " (" + e.RequestID + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// GetStatusCode is the HTTP status, 0 when there was no answer; gophercloud's
// errors have the same method.
func (e *Error) GetStatusCode() int { return e.Status }

// Temporary reports whether the same request may well succeed a little later.
// It says nothing about whether it is safe to send it again.
func (e *Error) Temporary() bool {
	switch e.Kind {
	case Transient, ServerFault, Unreachable, Lost, Busy:
		return true
	}
	return false
}

// Ambiguous reports whether a request that changes something may have been
// carried out although it failed. Whoever wants to repeat a creation looks for
// its result first.
func (e *Error) Ambiguous() bool {
	switch e.Kind {
	case Lost, Canceled, Transient, ServerFault, CredentialRestricted:
		return true
	}
	return false
}

// From describes err, nil for nil. An err that already holds an Error gives
// that one.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var reauth *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &reauth) {
		// The text of this one has the bodies of two answers in it; the one
		// to the token request is the one that tells.
		e := From(reauth.ErrReauth)
		kind := e.Kind
		if kind == Lost {
			// What was lost is the answer to the token request. The request
			// itself was refused with 401: it was not carried out.
			kind = Unreachable
		}
		return &Error{Kind: kind, Status: e.Status, Code: e.Code, RequestID: e.RequestID, Service: e.Service, Err: err,
			Message: "the token expired and a new one was refused: " + e.Message}
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		return fromAnswer(answer, err)
	}
	return fromTransport(err)
}

// Is reports whether err is a failed request of this kind.
func Is(err error, kind Kind) bool {
	e := From(err)
	return e != nil && e.Kind == kind
}

func fromAnswer(answer gophercloud.ErrUnexpectedResponseCode, err error) *Error {
	e := &Error{Status: answer.Actual, RequestID: oneLine(answer.ResponseHeader.Get("X-Openstack-Request-Id"), 80),
		Err: err}
	parse(e, answer.Body)
	if e.Service == "" {
		e.Service = serviceOf(answer.URL, e)
	}
	if e.Message == "" {
		e.Message = http.StatusText(answer.Actual)
	}
	e.Kind = classify(e, answer.Method, answer.URL)
	return e
}

func fromTransport(err error) *Error {
	e := &Error{Message: oneLine(err.Error(), 300), Err: err}
	var coded interface{ GetStatusCode() int }
	switch {
	case errors.As(err, &coded) && coded.GetStatusCode() != 0:
		// An identity provider's answer, see package oidc. It has OAuth's
		// codes: 400 is a password, too.
		e.Status = coded.GetStatusCode()
		if e.Kind = statusKind(e); e.Kind == Invalid {
			e.Kind = Unauthorized
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind = Canceled
	case neverSent(err):
		e.Kind = Unreachable
	case clientSide(err):
		e.Kind = Invalid
	default:
		e.Kind = Lost
	}
	return e
}
