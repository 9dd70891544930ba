package oidc

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// AuthOptions say whom to be.
type AuthOptions struct {
	// IdentityProvider and Protocol are Keystone's names for where the access
	// token comes from; both required.
	IdentityProvider string
	Protocol         string

	// Source gets the access token; required.
	Source TokenSource

	// Scope is the project, by ProjectID, or by ProjectName with DomainID or
	// DomainName. Without it the token is unscoped and there is no catalog.
	Scope *gophercloud.AuthScope

	// AllowReauth has the client repeat all steps after a 401. It keeps
	// Source, and with it the password, in memory.
	AllowReauth bool
}

// AuthenticateV3 signs client in. Its errors are of type *Error, or
// gophercloud.ErrMissingInput.
func AuthenticateV3(ctx context.Context, client *gophercloud.ProviderClient, opts AuthOptions) error {
	switch {
	case opts.IdentityProvider == "":
		return gophercloud.ErrMissingInput{Argument: "IdentityProvider"}
	case opts.Protocol == "":
		return gophercloud.ErrMissingInput{Argument: "Protocol"}
	case opts.Source == nil:
		return gophercloud.ErrMissingInput{Argument: "Source"}
	}
	result, err := signIn(ctx, client, opts)
	if err != nil {
		return err
	}
	if err := client.SetTokenAndAuthResult(result); err != nil {
		return err
	}
	// The catalog stays that of the first sign-in, as with gophercloud's own
	// methods.
	catalog, err := result.ExtractServiceCatalog()
	if err != nil {
		return err
	}
	client.EndpointLocator = func(eo gophercloud.EndpointOpts) (string, error) {
		return openstack.V3Endpoint(context.TODO(), client, catalog, eo)
	}
	if opts.AllowReauth {
		client.ReauthFunc = func(ctx context.Context) error {
			result, err := signIn(ctx, client, opts)
			if err != nil {
				return err
			}
			return client.SetTokenAndAuthResult(result)
		}
	}
	return nil
}

// signIn does all steps and changes nothing in client.
func signIn(ctx context.Context, client *gophercloud.ProviderClient, opts AuthOptions) (tokens.CreateResult, error) {
	token, err := opts.Source.AccessToken(ctx, &client.HTTPClient)
	if err != nil {
		return tokens.CreateResult{}, asError(err)
	}
	identity, err := openstack.NewIdentityV3(throwaway(client), gophercloud.EndpointOpts{})
	if err != nil {
		return tokens.CreateResult{}, err
	}
	unscoped := Create(ctx, identity, opts.IdentityProvider, opts.Protocol, token)
	if kept, ok := opts.Source.(*cached); ok && unauthorized(unscoped.Err) && kept.refused() {
		if token, err = kept.AccessToken(ctx, &client.HTTPClient); err != nil {
			return tokens.CreateResult{}, asError(err)
		}
		unscoped = Create(ctx, identity, opts.IdentityProvider, opts.Protocol, token)
	}
	id, err := unscoped.ExtractTokenID()
	if err == nil && id == "" {
		err = failed(StepFederation, federationURL(identity, opts.IdentityProvider, opts.Protocol),
			errors.New("the answer has no token"), "")
	}
	if err != nil || opts.Scope == nil {
		return unscoped, err
	}
	scoped := tokens.Create(ctx, identity, &tokens.AuthOptions{TokenID: id, Scope: tokens.Scope(*opts.Scope)})
	if scoped.Err != nil {
		scoped.Err = failed(StepScope, identity.ServiceURL("auth", "tokens"), scoped.Err, id)
	}
	return scoped, scoped.Err
}

// asError makes a source's own error one of this package.
func asError(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Step: StepGrant, Err: err}
}

func unauthorized(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Status == http.StatusUnauthorized
}

// Create gives an access token to Keystone, for an unscoped token.
func Create(ctx context.Context, identity *gophercloud.ServiceClient, identityProvider, protocol string,
	token AccessToken) (r tokens.CreateResult) {
	endpoint := federationURL(identity, identityProvider, protocol)
	if r.Err = secure(endpoint); r.Err == nil && !bearer(token.Value) {
		r.Err = ErrNoAccessToken
	}
	if r.Err != nil {
		r.Err = failed(StepFederation, endpoint, r.Err, token.Value)
		return
	}
	resp, err := identity.Post(ctx, endpoint, nil, &r.Body, &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"Authorization": "Bearer " + token.Value},
		OmitHeaders: []string{"X-Auth-Token"},
		OkCodes:     []int{http.StatusOK, http.StatusCreated},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	if r.Err != nil {
		r.Err = failed(StepFederation, endpoint, r.Err, token.Value)
	}
	return
}

// failed wraps what gophercloud reported, without the secret that was sent.
func failed(step Step, endpoint string, err error, secret string) error {
	e := &Error{Step: step, URL: place(endpoint), Err: err}
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		e.Status, e.Location = answer.Actual, place(answer.ResponseHeader.Get("Location"))
		if secret != "" {
			answer.Body = bytes.ReplaceAll(answer.Body, []byte(secret), []byte("***"))
		}
		e.Err = answer
	}
	return e
}

// throwaway is a client that sends no token, waits for no re-authentication
// and starts none. It follows no redirect: an identity provider's sign-in page
// is what a web server in front of Keystone redirects browsers to.
func throwaway(client *gophercloud.ProviderClient) *gophercloud.ProviderClient {
	c := &gophercloud.ProviderClient{
		IdentityBase:      client.IdentityBase,
		IdentityEndpoint:  client.IdentityEndpoint,
		HTTPClient:        client.HTTPClient,
		UserAgent:         client.UserAgent,
		Throwaway:         true,
		RetryBackoffFunc:  client.RetryBackoffFunc,
		MaxBackoffRetries: client.MaxBackoffRetries,
		RetryFunc:         client.RetryFunc,
	}
	c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}
