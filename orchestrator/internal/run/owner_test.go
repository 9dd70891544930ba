package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// signedIn is a cloud as one account sees it.
type signedIn struct {
	*cloud
	account map[string]string
}

func (s signedIn) Describe() map[string]string { return s.account }

func account(host, project, user string) map[string]string {
	return map[string]string{
		"site": "CHI@Edge", "region": "CHI@Edge", "auth_host": host, "project": project, "project_id": project,
		"user": user, "user_id": user, "credentials_from": `cloud "edge" of clouds.yaml`,
	}
}

// reserved is a run that has its lease and no more.
func reserved(t *testing.T, c Site) (r Config) {
	t.Helper()
	if err, _ := newLab(t).execute(t, t.Context(), c, func(cfg *Config) { cfg.Until, r = PhaseLease, *cfg }); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run that holds something is for the account that made it; one that holds
// nothing is for everybody.
func TestOnlyItsOwnerGoesOnWithARun(t *testing.T) {
	c := signedIn{newCloud(t), account("edge:5000", "CHI-1", "alice")}
	cfg := reserved(t, c)
	for name, x := range map[string]struct {
		account map[string]string
		want    string // "": may go on
	}{
		"the same":               {c.account, ""},
		"another of her entries": {account("edge:5000", "CHI-1", "alice"), ""},
		"another site's Keystone": {account("uc:5000", "CHI-1", "alice"),
			"belongs to project CHI-1, user alice, at CHI@Edge (edge:5000); you are signed in to project CHI-1, " +
				"user alice, at CHI@Edge (uc:5000)"},
		"another project": {account("edge:5000", "CHI-2", "alice"), "you are signed in to project CHI-2"},
		"another user":    {account("edge:5000", "CHI-1", "bob"), "user bob"},
		"another project, by name only": {
			map[string]string{"auth_host": "edge:5000", "project": "CHI-2"}, "project CHI-2"},
		"another user, by name only": {map[string]string{"auth_host": "edge:5000", "user": "bob"}, "user bob"},
		"the same, by name only":     {map[string]string{"project": "CHI-1", "user": "alice"}, ""},
		"it is not told":             {map[string]string{"site": "CHI@Edge"}, ""},
	} {
		err := cfg.CheckOwner(signedIn{c.cloud, x.account})
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.want != "" && (failure.KindOf(err) != failure.Auth || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v", name, err)
		case x.want != "" && !strings.Contains(failure.NextOf(err), `cloud "edge" of clouds.yaml`):
			t.Errorf("%s: the advice does not say where the credentials were: %s", name, failure.NextOf(err))
		}
	}
	entries, err := cfg.Store.Entries()
	if err != nil {
		t.Fatal(err)
	}
	l := Replay(entries).Slot(1).Lease
	if err := cfg.Store.Record(store.Entry{Kind: store.Gone, What: aLease, ID: l.ID}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckOwner(signedIn{c.cloud, account("uc:5000", "CHI-9", "bob")}); err != nil {
		t.Errorf("it holds nothing: %v", err)
	}
}

// A run of before has its facts in site.json, which was the last attempt's.
func TestARunOfBeforeIsHeldToItsSiteJSON(t *testing.T) {
	c := signedIn{newCloud(t), account("edge:5000", "CHI-1", "alice")}
	cfg := reserved(t, c)
	dir := filepath.Join(cfg.Store.Dir, store.AttemptsDir)
	if err := os.Rename(filepath.Join(dir, "1.json"), filepath.Join(cfg.Store.Dir, store.SiteFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckOwner(c); err != nil {
		t.Error(err)
	}
	bob := signedIn{c.cloud, account("edge:5000", "CHI-1", "bob")}
	if err := cfg.CheckOwner(bob); failure.KindOf(err) != failure.Auth {
		t.Errorf("bob goes on with alice's run: %v", err)
	}
}

// A run whose record has no account goes on anywhere, and where its lease is not seen
// that is said: it would be taken for gone.
func TestARunOfNobodyIsWarnedAbout(t *testing.T) {
	c := newCloud(t)
	alice := account("edge:5000", "CHI-1", "alice")
	nobody := reserved(t, signedIn{c, map[string]string{"site": "CHI@Edge", "region": "CHI@Edge"}})
	elsewhere := signedIn{newCloud(t), alice}
	if err := nobody.CheckOwner(elsewhere); err != nil {
		t.Error(err)
	}
	if got := nobody.OwnerUnknown(elsewhere); !strings.Contains(got, "user alice") || !strings.Contains(got, "--resume") {
		t.Errorf("where its lease is not: %q", got)
	}
	for name, quiet := range map[string]string{
		"where its lease is":          nobody.OwnerUnknown(signedIn{c, alice}),
		"where accounts are not told": nobody.OwnerUnknown(newCloud(t)),
	} {
		if quiet != "" {
			t.Errorf("%s: %q", name, quiet)
		}
	}
	hers := reserved(t, signedIn{c, alice})
	if got := hers.OwnerUnknown(elsewhere); got != "" {
		t.Errorf("it says whose it is: %q", got)
	}
}

// The lease is asked for when it is on the disk in whose list it will stand.
func TestTheOwnerIsKnownBeforeTheLease(t *testing.T) {
	c := newCloud(t)
	err, _ := newLab(t).execute(t, t.Context(), c, func(cfg *Config) {
		if err := os.WriteFile(filepath.Join(cfg.Store.Dir, store.AttemptsDir), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "no lease is made") || c.made != 0 {
		t.Errorf("%v; %d things were made", err, c.made)
	}
}

// Whose a run is can be unreadable: who sees its lease under its id may give it back.
func TestADamagedAttemptFileDoesNotHoldTheLease(t *testing.T) {
	c := signedIn{newCloud(t), account("edge:5000", "CHI-1", "alice")}
	cfg := reserved(t, c)
	if err := cfg.Store.Replace("attempts/1.json", []byte("{half")); err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckOwner(c); err != nil {
		t.Errorf("it is hers, and it is held: %v", err)
	}
	clear(c.leases)
	if err := cfg.CheckOwner(c); failure.KindOf(err) != failure.Storage {
		t.Errorf("nothing proves that it is hers: %v", err)
	}
}
