package apierror

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// serviceOf tells who was asked from the path, for the shapes that several
// services have. A proxy's page has no shape: it keeps "".
func serviceOf(rawURL string, e *Error) string {
	if e.Code == "" {
		return ""
	}
	path := pathOf(rawURL)
	switch {
	case strings.Contains(path, "/v3/") || strings.HasSuffix(path, "/auth/tokens"):
		return "identity"
	case strings.Contains(path, "/leases") || strings.Contains(path, "/devices") ||
		strings.Contains(path, "/os-hosts"):
		return "reservation"
	case strings.Contains(path, "/containers"):
		return "container"
	case strings.Contains(path, "/v2.0/"):
		return "network"
	case strings.Contains(path, "/v2/images"):
		return "image"
	case strings.Contains(path, "/v2.1/"):
		return "compute"
	}
	return ""
}

func pathOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Path
}

// classify decides by words first, where a service says different things with
// one status, then by status.
func classify(e *Error, method, rawURL string) Kind {
	msg := strings.ToLower(e.Message)
	switch e.Service {
	case "reservation":
		if k := reservationKind(e, msg, method, rawURL); k != Other {
			return k
		}
	case "network":
		switch e.Code {
		case "IpAddressGenerationFailure", "ExternalIpAddressExhausted":
			return NoAddressFree
		case "OverQuota":
			return QuotaExceeded
		case "HTTPNotFound":
			return NoRoute
		}
	case "identity":
		if e.Status == http.StatusNotFound && strings.Contains(msg, "could not find application credential") {
			return CredentialUnknown
		}
	case "compute":
		switch {
		case e.Status == http.StatusForbidden && strings.Contains(msg, "quota"):
			return QuotaExceeded
		case e.Status == http.StatusNotFound && e.Code == "Not Found": // of Nova's routes, not of a thing
			return NoRoute
		}
	case "container":
		if e.Status == http.StatusForbidden && strings.Contains(msg+" "+e.Code, "quota") {
			return QuotaExceeded
		}
		if e.Code == "container.container-not-found-remote" {
			// The container is there, its pod is not: it is stopped.
			return Conflict
		}
	}
	return statusKind(e)
}

// reservationKind knows Blazar's words. The first two match on any status:
// which one "not enough" comes with has changed between versions, and the
// policy for extensions answers 400 or 403 [BLZ:blazar/manager/service.py
// (_allocation_candidates), blazar/enforcement/exceptions.py].
func reservationKind(e *Error, msg, method, rawURL string) Kind {
	switch {
	case strings.Contains(msg, "not enough") && strings.Contains(msg, "available"):
		return NoDeviceFree
	case strings.Contains(msg, "can only be extended within"):
		return ExtensionRefused
	case e.Status == http.StatusForbidden && strings.Contains(msg, "maximum lease duration"):
		return LeaseTooLong
	case e.Status == http.StatusBadRequest && allocationWords(msg):
		return QuotaExceeded
	case e.Status == http.StatusInternalServerError && strings.Contains(msg, "invalid lease status"):
		return Busy
	case e.Status == http.StatusInternalServerError && msg == "internal server error" &&
		method == http.MethodPost && strings.HasSuffix(pathOf(rawURL), "/leases"):
		return CredentialRestricted
	case e.Status == http.StatusInternalServerError && (strings.Contains(msg, "extracapability was not found") ||
		strings.Contains(msg, "resource type is not supported")):
		return Invalid
	case e.Status == http.StatusNotFound && e.Code == codeFramework:
		return NoRoute
	}
	return Other
}

// allocationWords: what Chameleon's portal writes when service units run out
// or the project ends first [PORTAL:balance_service/enforcement/usage_enforcement.py],
// and Blazar's own words when the portal gives no reason
// [BLZ:blazar/enforcement/filters/external_service_filter.py (_post)].
func allocationWords(msg string) bool {
	for _, w := range []string{" sus", "service unit", "allocation", "project expiration",
		"enforcement filter denied"} {
		if strings.Contains(msg, w) {
			return true
		}
	}
	return false
}

func statusKind(e *Error) Kind {
	switch e.Status {
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		// Every service answers for its own objects in its own shape, which
		// set Code or Service; a page without one is about the address.
		if e.Service == "" {
			return NoRoute
		}
		return NotFound
	case http.StatusConflict:
		return Conflict
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Transient
	}
	switch {
	case e.Status >= 500:
		return ServerFault
	case e.Status >= 400:
		return Invalid
	}
	return Other
}

// neverSent reports a failure before the request could leave this machine.
func neverSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns), errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record):
		return true
	case errors.As(err, &op):
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	return false
}

// clientSide reports a request that was found wrong before it was sent.
func clientSide(err error) bool {
	var missing gophercloud.ErrMissingInput
	var invalid gophercloud.ErrInvalidInput
	return errors.As(err, &missing) || errors.As(err, &invalid)
}
