package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/world"
)

// The names of the entries in clouds.yaml.
const (
	cloudName           = "chexp-emulator"            // application credential, unrestricted
	cloudPasswordName   = "chexp-emulator-password"   // user name and password
	cloudRestrictedName = "chexp-emulator-restricted" // application credential that cannot make leases
	cloudNeighbourName  = "chexp-emulator-neighbour"  // of another user of the same project
)

// SiteCloud is the name of the clouds.yaml entry for a site: "chexp-emulator-uc" for CHI@UC; with
// "-password" behind it, the entry with user name and password.
func SiteCloud(site string) string { return cloudName + "-" + siteWord(site) }

func siteWord(site string) string {
	_, word, _ := strings.Cut(site, "@")
	return strings.ToLower(word)
}

// credentialFiles are the files that writeCredentials makes, by name.
func (e *Emulator) credentialFiles() []string {
	files := []string{"clouds.yaml", "openrc.sh"}
	for _, s := range e.sites {
		files = append(files, "openrc-"+siteWord(s.world.Region)+".sh")
	}
	return files
}

// door is a Keystone and the region whose services it names.
type door struct {
	keystone *keystone.Service
	region   string
}

func (d door) authURL() string { return d.keystone.URL + "/v3" }

// entry is one cloud of clouds.yaml; auth are keys and values.
func (d door) entry(name, kind string, auth ...string) string {
	var y strings.Builder
	fmt.Fprintf(&y, "  %s:\n    auth_type: %s\n    region_name: %q\n    interface: public\n    identity_api_version: "+
		"3\n    auth:\n      auth_url: %q\n",
		name, kind, d.region, d.authURL())
	for i := 0; i < len(auth); i += 2 {
		fmt.Fprintf(&y, "      %s: %q\n", auth[i], auth[i+1])
	}
	return y.String()
}

// entries are the application credential and the password of a user, under a name. rc is the
// credential as a shell file.
func (d door) entries(u *world.User, name string) (yaml, rc string) {
	id, secret := d.keystone.AddAppCred(u, "emulator", true, time.Time{})
	yaml = d.entry(name, "v3applicationcredential", "application_credential_id", id, "application_credential_secret",
		secret) +
		d.entry(name+"-password", "password", "username", u.Name, "password", u.Password, "project_name",
			u.Project.Name,
			"user_domain_name", world.DomainName, "project_domain_name", world.DomainName)
	return yaml, fmt.Sprintf("export OS_AUTH_TYPE=v3applicationcredential\nexport OS_AUTH_URL=%s\n"+
		"export OS_IDENTITY_API_VERSION=3\nexport OS_REGION_NAME=%s\nexport OS_INTERFACE=public\n"+
		"export OS_APPLICATION_CREDENTIAL_ID=%s\nexport OS_APPLICATION_CREDENTIAL_SECRET=%s\n", d.authURL(), d.region,
		id, secret)
}

func (e *Emulator) writeCredentials() error {
	alice := e.world.User(world.Alice)
	edge := door{e.keystone, e.world.Region}
	text, rc := edge.entries(alice, cloudName)
	text = "# Emulated Chameleon sites on this machine; useless once the emulator has ended.\nclouds:\n" + text
	id, secret := e.keystone.AddAppCred(alice, "emulator-restricted", false, time.Time{})
	text += edge.entry(cloudRestrictedName, "v3applicationcredential", "application_credential_id", id,
		"application_credential_secret", secret)
	more, _ := edge.entries(e.world.User(world.Bob), cloudNeighbourName)
	text += more + e.oidcEntry()
	if err := writePrivate(e.OpenRC(), rc); err != nil {
		return err
	}
	for _, s := range e.sites {
		more, rc := door{s.keystone, s.world.Region}.entries(alice, SiteCloud(s.world.Region))
		text += more
		if err := writePrivate(filepath.Join(e.dir, "openrc-"+siteWord(s.world.Region)+".sh"), rc); err != nil {
			return err
		}
	}
	return writePrivate(e.CloudsFile(), text)
}

// writePrivate replaces a file by one that only its owner can read.
func writePrivate(path, text string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
