package oidc

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// AccessToken is what an identity provider gave. It is a secret: it prints as
// "access token".
type AccessToken struct {
	Value string
	// Expires is when it ends; zero when nobody said.
	Expires time.Time
}

// String keeps the value out of logs.
func (AccessToken) String() string { return "access token" }

// GoString keeps the value out of logs.
func (AccessToken) GoString() string { return "access token" }

// TokenSource gets access tokens. It is asked at every authentication and
// re-authentication; client is the ProviderClient's. Its errors must be free
// of secrets.
type TokenSource interface {
	AccessToken(ctx context.Context, client *http.Client) (AccessToken, error)
}

// Static is an access token that somebody else got. It cannot be renewed: once
// it has ended, re-authentication fails with Keystone's 401.
type Static string

// AccessToken implements TokenSource.
func (s Static) AccessToken(context.Context, *http.Client) (AccessToken, error) {
	return AccessToken{Value: string(s)}, nil
}

// String keeps the value out of logs.
func (Static) String() string { return "access token" }

// GoString keeps the value out of logs.
func (Static) GoString() string { return "access token" }

// renewBefore is how long before its end a cached token is not used any more,
// so that it does not end on its way through Keystone to the identity provider.
const renewBefore = 60 * time.Second

// Cached asks the source again only when the token that it gave ends within a
// minute. A token without an end is not kept.
func Cached(source TokenSource) TokenSource { return &cached{source: source, now: time.Now} }

type cached struct {
	source TokenSource
	now    func() time.Time

	mu    sync.Mutex
	token AccessToken
	again bool // token has been given before
}

// AccessToken implements TokenSource.
func (c *cached) AccessToken(ctx context.Context, client *http.Client) (AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Value != "" && c.now().Add(renewBefore).Before(c.token.Expires) {
		c.again = true
		return c.token, nil
	}
	token, err := c.source.AccessToken(ctx, client)
	if err != nil {
		return AccessToken{}, err
	}
	c.token, c.again = token, false
	return token, nil
}

// refused forgets a token that Keystone did not accept although it should
// still be good: a clock is wrong, or the session at the identity provider has
// ended. It reports whether the source may have another.
func (c *cached) refused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = AccessToken{}
	return c.again
}
