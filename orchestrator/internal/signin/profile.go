package signin

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
)

// withProfile lays a cloud over the profile that it names: one of a
// clouds-public.yaml, or one that a vendor serves at an address. A profile that
// nobody has is no error, as with openstacksdk: it is returned, for the sentence
// about what is lacking then.
func (c *credentials) withProfile(ctx context.Context, o Options, own tree) (cloud tree, missing string, err error) {
	name := cmp.Or(own.text("profile"), own.text("cloud"))
	if name == "" || name == theVariables() {
		return own, "", nil
	}
	public, err := findFile("clouds-public", "")
	if err != nil {
		return nil, "", err
	}
	if profile, ok := public.holds.below("public-clouds")[name].(tree); ok {
		return updated(profile.underscored(), own), "", nil
	}
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		profile, err := c.fetchProfile(ctx, o, u)
		return updated(profile.underscored(), own), "", err
	}
	return own, name, nil
}

// maxProfile bounds a vendor's profile, and profileTime the wait for it.
const (
	maxProfile  = 1 << 20
	profileTime = 20 * time.Second
)

func (c *credentials) fetchProfile(ctx context.Context, o Options, u *url.URL) (tree, error) {
	ctx, cancel := context.WithTimeout(ctx, profileTime)
	defer cancel()
	at := u.Scheme + "://" + u.Host + "/.well-known/openstack/api"
	failed := func(err error) error {
		return failure.Auth.Errorf("the profile of %s cannot be had from %s", c.from, at).
			Advise("write auth_url into the entry itself, and take the profile out").
			Because(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, failed(err)
	}
	client := patient.Client(o.HTTP, new(tls.Config))
	resp, err := client.Do(req)
	if err != nil {
		return nil, failed(patient.Reason(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err != nil {
		return nil, failed(err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, failed(&answer{said: resp.Status})
	}
	holds, err := parseTree(body)
	profile, ok := holds["profile"].(tree)
	if err != nil || !ok || !json.Valid(body) {
		return nil, failed(&answer{said: "the answer is no profile"})
	}
	return profile, nil
}
