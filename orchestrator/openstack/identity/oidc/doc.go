/*
Package oidc signs in to an OpenStack Identity service (Keystone) that leaves
the passwords to an OpenID Connect identity provider such as Keycloak: what
keystoneauth calls v3oidcpassword and v3oidcaccesstoken. gophercloud has
neither; its identity/v3/federation package only administers mappings.

There are four steps, the first two of them with the identity provider alone
[KSA:keystoneauth1/identity/v3/oidc.py, federation.py]:

 1. GET the discovery document, for the address of the token endpoint;
 2. POST the user's name and password there, for an access token;
 3. POST the access token to Keystone's address for this identity provider and
    protocol, for an unscoped token, which has no catalog;
 4. exchange that for a token of one project, which has.

Example to sign in with a user's name and password

	client, err := openstack.NewClient("https://keystone.example.org:5000/v3")
	err = oidc.AuthenticateV3(ctx, client, oidc.AuthOptions{
		IdentityProvider: "chameleon",
		Protocol:         "openid",
		Source: oidc.Password{
			DiscoveryEndpoint: "https://idp.example.org/realms/r/.well-known/openid-configuration",
			ClientID:          "keystone",
			ClientSecret:      "none",
			Username:          "alice",
			Password:          password,
		},
		Scope:       &gophercloud.AuthScope{ProjectName: "CHI-000001", DomainName: "chameleon"},
		AllowReauth: true,
	})

With AllowReauth the client repeats all steps when a service answers 401, so a
program may outlive its token by any time.

Example to sign in with an access token that somebody else got

	opts.Source = oidc.Static(os.Getenv("OS_ACCESS_TOKEN"))

An access token lives for minutes, a Keystone token for hours. Whoever can get
fresh ones gives a TokenSource of its own, and Cached keeps its tokens until
shortly before they end.

Example to sign in without a project and to list those that there are

	opts.Scope = nil
	err := oidc.AuthenticateV3(ctx, client, opts)
	identity, err := openstack.NewIdentityV3(client, gophercloud.EndpointOpts{})
	pages, err := projects.ListAvailable(identity).AllPages(ctx)

Example to tell a wrong password from the rest

	var failed *oidc.Error
	if errors.As(err, &failed) && failed.Step == oidc.StepGrant && failed.Code == "invalid_grant" {
		...
	}

No secret is in an Error. Passwords and tokens travel over https only, except to
the machine itself.
*/
package oidc
