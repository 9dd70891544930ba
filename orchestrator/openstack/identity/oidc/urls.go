package oidc

import (
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// federationURL is where Keystone's web server takes access tokens
// [KSA:federation.py (federated_token_url)].
func federationURL(c *gophercloud.ServiceClient, identityProvider, protocol string) string {
	return c.ServiceURL("OS-FEDERATION", "identity_providers", url.PathEscape(identityProvider), "protocols",
		url.PathEscape(protocol), "auth")
}
