package signin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/openstack/apierror"
)

// decodings undo what a service may do to what it repeats.
var decodings = []func(string) string{
	func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, `\n`, "\n")), "") },
	func(s string) string { t, _ := url.QueryUnescape(s); return t },
	html.UnescapeString,
	func(s string) string {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\u003c`, "<", `\u0026`, "&").Replace(s)
	},
	func(s string) string {
		return regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`).ReplaceAllStringFunc(s, func(run string) string {
			raw, _ := base64.RawStdEncoding.DecodeString(run[:len(run)/4*4])
			return string(raw)
		})
	},
}

// shows reports whether a secret can be read in a text, decoded up to three times.
func shows(text, secret string, depth int) bool {
	if strings.Contains(text, secret) {
		return true
	}
	for _, decode := range decodings {
		if plain := decode(text); depth > 0 && plain != text && shows(plain, secret, depth-1) {
			return true
		}
	}
	return false
}

// saidOf is all that chexp may ever show or keep of an error.
func saidOf(err error) string {
	all := fmt.Sprintf("%v %+v %s", err, apierror.From(err), failure.NextOf(err))
	data, _ := json.Marshal(apierror.From(err))
	return all + string(data) + words.Printable(all) + words.Line(all, words.MaxSentence)
}

func orderEcho(em *emulator.Emulator, service, place string, times int) {
	f := world.Fault{Target: service, Action: world.Action{Text: "echo-" + place, Echo: place}}
	em.SetFaults(emulator.Faults{f: times})
}

// Whatever service repeats a request, wherever in its answer, in whatever spelling:
// neither the token nor the credential's secret can be read in what is said of it.
func TestNoServiceAndNoPlaceShowsASecret(t *testing.T) {
	clean(t)
	em, err := emulator.Start(t.Context(), emulator.Options{Dir: t.TempDir(), Sites: []string{"CHI@UC"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { em.Close() })
	raw, err := readTree(em.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	sites := map[string][]string{"chexp-emulator": {"reservation", "container", "network"},
		"chexp-emulator-uc": {"reservation", "network", "compute", "image"}}
	services := map[string]string{"reservation": "blazar", "container": "zun", "network": "neutron",
		"compute": "nova", "image": "glance"}
	for cloud, types := range sites {
		s, err := Connect(t.Context(), Options{CloudsFile: file(t, flatten(raw.below("clouds").below(cloud)))})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range types {
			endpoint, err := s.Provider.EndpointLocator(gophercloud.EndpointOpts{Type: kind, Region: s.Endpoints.Region,
				Availability: gophercloud.AvailabilityPublic})
			if err != nil {
				t.Fatal(err)
			}
			for _, place := range world.Echoes {
				orderEcho(em, services[kind], place, 1)
				token := s.Provider.Token()
				_, err := s.Provider.Request(t.Context(), http.MethodPost, endpoint+"echo", &gophercloud.RequestOpts{
					JSONBody: map[string]string{"token": token, "again": "Bearer " + token}})
				orderEcho(em, services[kind], place, 0)
				if err == nil {
					t.Errorf("%s, %s: no refusal", kind, place)
				} else if said := saidOf(err); shows(said, token, 2) || place != world.EchoLocation &&
					!strings.Contains(said, "[secret]") {
					t.Errorf("%s, %s: %s", kind, place, said)
				}
			}
		}
	}
}

// The same of what signs in at Keystone: also a word of four letters, and one of
// several lines.
func TestNoPlaceOfKeystonesAnswerShowsThePassword(t *testing.T) {
	clean(t)
	em, entries := edge(t)
	for _, password := range []string{"a4c!", "12345", `Pass"w<rd/ &of mine`, "a long passphrase of more than a line",
		"-----BEGIN KEY-----\nMIIEowIBAAKCAQEAx1\nZy8kPq0000c3RhdGlj\n-----END KEY-----\n"} {
		for _, setting := range []string{"password", "application_credential_secret"} {
			e := entries[map[string]string{"password": "password", "application_credential_secret": emulated}[setting]]
			for _, place := range world.Echoes {
				if len(password) < 6 && (place == world.EchoLines) {
					continue // where a short word is broken over lines, it is not found: package secret says so
				}
				orderEcho(em, "keystone", place, -1)
				_, err := connect(t.Context(), Options{CloudsFile: file(t, e, setting, password)})
				orderEcho(em, "keystone", place, 0)
				if err == nil {
					t.Errorf("%q, %s: no refusal", password, place)
					continue
				}
				said := saidOf(err)
				for line := range strings.Lines(password) {
					if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && shows(said, line, 2) {
						t.Errorf("%q, %s: %s", password, place, said)
					}
				}
			}
		}
	}
}
