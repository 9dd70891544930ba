package cli_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/internal/transport/transporttest"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"golang.org/x/crypto/ssh"
)

// metal is an emulated CHI@UC as gophercloud's own packages see it.
type metal struct {
	*testing.T
	provider         *gophercloud.ProviderClient
	compute, network *gophercloud.ServiceClient
	image, lease     *gophercloud.ServiceClient
}

func newMetal(t *testing.T, em *emulator.Emulator) *metal {
	rc, err := os.ReadFile(filepath.Join(filepath.Dir(em.CloudsFile()), "openrc-uc.sh"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(rc)) {
		k, v, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env[k] = v
	}
	m := &metal{T: t}
	m.provider, err = openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint:            env["OS_AUTH_URL"],
		ApplicationCredentialID:     env["OS_APPLICATION_CREDENTIAL_ID"],
		ApplicationCredentialSecret: env["OS_APPLICATION_CREDENTIAL_SECRET"],
	})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := gophercloud.EndpointOpts{Region: env["OS_REGION_NAME"], Availability: gophercloud.AvailabilityPublic}
	service := func(client *gophercloud.ServiceClient, err error) *gophercloud.ServiceClient {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	m.compute = service(openstack.NewComputeV2(m.provider, endpoint))
	m.compute.Microversion = "2.61" // python-chi's
	m.network = service(openstack.NewNetworkV2(m.provider, endpoint))
	m.image = service(openstack.NewImageV2(m.provider, endpoint))
	url, err := m.provider.EndpointLocator(gophercloud.EndpointOpts{
		Type: "reservation", Region: endpoint.Region, Availability: endpoint.Availability,
	})
	m.lease = service(&gophercloud.ServiceClient{ProviderClient: m.provider, Endpoint: url, Type: "reservation"}, err)
	return m
}

func (m *metal) poll(what string, f func() bool) {
	m.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			m.Fatalf("waited a minute for %s", what)
		}
	}
}

// reserve makes a lease of one machine and waits for it; no package of gophercloud knows Blazar.
func (m *metal) reserve() (lease, reservation string) {
	m.Helper()
	body := map[string]any{
		"name": "metal", "start_date": "now",
		"end_date": time.Now().UTC().Add(time.Hour).Format("2006-01-02 15:04"),
		"reservations": []any{map[string]any{
			"resource_type": "physical:host", "min": 1, "max": 1, "hypervisor_properties": "",
			"resource_properties": `["==", "$node_type", "compute_gigaio"]`,
		}},
	}
	var answer struct {
		Lease struct {
			ID, Status   string
			Reservations []struct{ ID string }
		}
	}
	_, err := m.lease.Post(m.Context(), m.lease.ServiceURL("leases"), body, &answer,
		&gophercloud.RequestOpts{OkCodes: []int{201}})
	if err != nil {
		m.Fatal(err)
	}
	m.poll("the lease", func() bool {
		_, err := m.lease.Get(m.Context(), m.lease.ServiceURL("leases", answer.Lease.ID), &answer, nil)
		return err == nil && answer.Lease.Status == "ACTIVE"
	})
	return answer.Lease.ID, answer.Lease.Reservations[0].ID
}

func (m *metal) await(id, status string) *servers.Server {
	m.Helper()
	var s *servers.Server
	m.poll("the server to be "+status, func() (ok bool) {
		var err error
		if s, err = servers.Get(m.Context(), m.compute, id).Extract(); err != nil {
			m.Fatal(err)
		}
		return s.Status == status
	})
	return s
}

// TestBareMetalByGophercloud launches a server on a reserved machine with gophercloud's packages, and
// runs the transports' own suite over SSH as cc, with the host key that the user data held.
func TestBareMetalByGophercloud(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../../bin/images")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "debian-"+runtime.GOARCH+".tar")); err != nil {
		t.Skipf("no image for %s: `make images`", runtime.GOARCH)
	}
	em, err := emulator.Start(t.Context(), emulator.Options{
		Dir: t.TempDir(), Images: dir, Arch: runtime.GOARCH, Sites: []string{"CHI@UC"},
		Tick: 100 * time.Millisecond, Deploy: 100 * time.Millisecond,
	})
	if err != nil {
		t.Skipf("this machine runs no containers: %v", err)
	}
	t.Cleanup(func() {
		if err := em.Close(); err != nil {
			t.Error(err)
		}
	})
	m := newMetal(t, em)
	signer, public := newKey(t)
	key := keypairs.CreateOpts{Name: "mine", PublicKey: public}
	if _, err := keypairs.Create(t.Context(), m.compute, key).Extract(); err != nil {
		t.Fatal(err)
	}
	lease, reservation := m.reserve()
	hint := func(id string) servers.SchedulerHintOpts {
		return servers.SchedulerHintOpts{AdditionalProperties: map[string]any{"reservation": id}}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	block, err2 := ssh.MarshalPrivateKey(private, "")
	host, err3 := ssh.NewSignerFromKey(private)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	server := m.serverOpts()
	server.UserData = []byte("#cloud-config\nssh_keys:\n  ed25519_private: |\n    " +
		strings.ReplaceAll(strings.TrimSpace(string(pem.EncodeToMemory(block))), "\n", "\n    ") + "\n")
	opts := keypairs.CreateOptsExt{KeyName: "mine", CreateOptsBuilder: server}
	box, err := servers.Create(t.Context(), m.compute, opts, hint(reservation)).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if box = m.await(box.ID, "ACTIVE"); box.KeyName != "mine" || box.Flavor["original_name"] != "baremetal" {
		t.Errorf("server %+v", box)
	}
	astray, err := servers.Create(t.Context(), m.compute, opts, hint(lease)).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if s := m.await(astray.ID, "ERROR"); !strings.HasPrefix(s.Fault.Message, "No valid host was found.") {
		t.Errorf("fault %+v", s.Fault)
	}
	if os.Geteuid() == 0 {
		m.overSSH(box, signer, host.PublicKey())
	} else {
		t.Log("not root: nobody answers on a floating IP, so SSH is left out")
	}
	for _, id := range []string{box.ID, astray.ID} {
		if err := servers.Delete(t.Context(), m.compute, id).ExtractErr(); err != nil {
			t.Error(err)
		}
		m.poll("the server to be gone", func() bool {
			err := servers.Get(t.Context(), m.compute, id).Err
			return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
		})
	}
	if _, err := m.lease.Delete(t.Context(), m.lease.ServiceURL("leases", lease),
		&gophercloud.RequestOpts{OkCodes: []int{200}}); err != nil {
		t.Error(err)
	}
	if err := keypairs.Delete(t.Context(), m.compute, "mine", nil).ExtractErr(); err != nil {
		t.Error(err)
	}
	if left := em.Leftovers(); !left.Empty() {
		t.Errorf("left on the cloud: %v", left)
	}
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	signer, err2 := ssh.NewSignerFromKey(private)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

// serverOpts are looked up as a user does: image, flavor and network by name.
func (m *metal) serverOpts() servers.CreateOpts {
	m.Helper()
	o := servers.CreateOpts{Name: "metal"}
	pages, err := images.List(m.image, images.ListOpts{Name: "CC-Ubuntu24.04-CUDA"}).AllPages(m.Context())
	all, err2 := images.ExtractImages(pages)
	if errors.Join(err, err2) != nil || len(all) != 1 {
		m.Fatalf("images %v: %v, %v", all, err, err2)
	}
	o.ImageRef = all[0].ID
	pages, err = flavors.ListDetail(m.compute, nil).AllPages(m.Context())
	sizes, err2 := flavors.ExtractFlavors(pages)
	if errors.Join(err, err2) != nil || len(sizes) != 1 || sizes[0].Name != "baremetal" {
		m.Fatalf("flavors %v: %v, %v", sizes, err, err2)
	}
	o.FlavorRef = sizes[0].ID
	o.Networks = []servers.Network{{UUID: m.networkID("sharednet1")}}
	return o
}

func (m *metal) networkID(name string) string {
	m.Helper()
	pages, err := networks.List(m.network, networks.ListOpts{Name: name}).AllPages(m.Context())
	all, err2 := networks.ExtractNetworks(pages)
	if errors.Join(err, err2) != nil || len(all) != 1 {
		m.Fatalf("network %s: %v, %v, %v", name, all, err, err2)
	}
	return all[0].ID
}

// overSSH binds a floating IP, pins the host key of the user data, and runs the suite that
// every transport has to pass.
func (m *metal) overSSH(box *servers.Server, signer ssh.Signer, hostKey ssh.PublicKey) {
	m.Helper()
	pages, err := ports.List(m.network, ports.ListOpts{DeviceID: box.ID}).AllPages(m.Context())
	all, err2 := ports.ExtractPorts(pages)
	if errors.Join(err, err2) != nil || len(all) != 1 {
		m.Fatalf("ports %v: %v, %v", all, err, err2)
	}
	fip, err := floatingips.Create(m.Context(), m.network,
		floatingips.CreateOpts{FloatingNetworkID: m.networkID("public"), PortID: all[0].ID}).Extract()
	if err != nil {
		m.Fatal(err)
	}
	defer floatingips.Delete(m.Context(), m.network, fip.ID)
	cfg := sshexec.Config{Address: fip.FloatingIP + ":22", User: "cc", Signers: []ssh.Signer{signer}, HostKey: hostKey}
	m.poll("sshd", func() bool {
		tr, err := sshexec.Dial(m.Context(), cfg)
		if err == nil {
			tr.Close()
		}
		return err == nil
	})
	n := 0
	transporttest.Run(m.T, func(t *testing.T) (transport.Transport, string) {
		tr, err := sshexec.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		n++
		return tr, fmt.Sprintf("/home/cc/x%d/far/end", n)
	})
}
