//go:build unix

package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/rogpeppe/go-internal/testscript"

	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// diesOf has a command die as it does when others end it: its process group gets
// the signals, and nobody reads what it prints.
func diesOf(ts *testscript.TestScript, neg bool, args []string) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, what we start would ignore it
	cmd := command(ts, args[1:])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	w.Close()
	go func() { // its terminal
		for s := bufio.NewScanner(r); s.Scan(); {
			ts.Logf("%s", s.Text())
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	awaitBlocks(ts, false, []string{"3"})
	r.Close()
	known := map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM,
		"KILL": syscall.SIGKILL}
	for i, name := range strings.Fields(args[0]) {
		if i > 0 {
			time.Sleep(150 * time.Millisecond) // this is what happens, and no wait for anything
		}
		if err := syscall.Kill(-cmd.Process.Pid, known[name]); err != nil && err != syscall.ESRCH {
			ts.Fatalf("kill -%s: %v", name, err)
		}
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		cmd.Process.Kill()
		<-ended
		ts.Fatalf("it did not end within two minutes of %s", args[0])
	}
}

// soonNothingLeft waits for what ends by itself, in another process.
func soonNothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(time.Minute); ; {
		if leftovers(ts) == "" {
			return
		}
		if time.Now().After(end) {
			nothingLeft(ts, false, nil)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// makeLitter makes leases that begin later, as more than there are devices have to;
// the journals that half of them have are those of runs that were killed while they
// asked for one that begins now.
func makeLitter(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	env := map[string]string{}
	rc := ts.ReadFile(filepath.Join(filepath.Dir(ts.Getenv("OS_CLIENT_CONFIG_FILE")), "openrc.sh"))
	for line := range strings.Lines(rc) {
		k, v, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env[k] = v
	}
	provider, err := openstack.AuthenticatedClient(context.Background(), gophercloud.AuthOptions{
		IdentityEndpoint: env["OS_AUTH_URL"], ApplicationCredentialID: env["OS_APPLICATION_CREDENTIAL_ID"],
		ApplicationCredentialSecret: env["OS_APPLICATION_CREDENTIAL_SECRET"],
	})
	ts.Check(err)
	client, err := leases.NewReservationV1(provider, gophercloud.EndpointOpts{Region: env["OS_REGION_NAME"],
		Availability: gophercloud.AvailabilityPublic})
	ts.Check(err)
	now := time.Now().UTC()
	for i := range n {
		name := fmt.Sprintf("%s-litter-%c%c%c%c", now.Format("20060102t150405z"), 'a'+i/26, 'a'+i%26, 'x', 'y')
		start := now.Add(time.Duration(24+2*(i/5)) * time.Hour).Truncate(time.Minute) // five at a time of seven
		ts.Check(leases.Create(context.Background(), client, leases.CreateOpts{
			Name: name, StartDate: start, EndDate: start.Add(time.Hour),
			Reservations: []leases.ReservationOpts{{ResourceType: "device", Min: 1, Max: 1,
				ResourceProperties: leases.Properties(leases.Equal("machine_name", "raspberrypi5"))}},
		}).Err)
		if i%2 == 0 {
			continue
		}
		dir := ts.MkAbs(filepath.Join("runs", name))
		ts.Check(os.MkdirAll(dir, 0o755))
		at := now.Add(-time.Minute).Format(time.RFC3339)
		ts.Check(os.WriteFile(filepath.Join(dir, "journal.jsonl"), fmt.Appendf(nil,
			`{"time":%q,"kind":"ended","phase":"plan","name":%q,"text":"CHI@Edge"}`+"\n"+
				`{"time":%q,"kind":"intent","what":"lease","name":%q,"data":{"end":%q}}`+"\n",
			at, name, at, name, now.Add(time.Hour).Format(time.RFC3339)), 0o644))
	}
}
