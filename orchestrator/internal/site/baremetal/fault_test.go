package baremetal

import (
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/openstack/apierror"
)

func newTestClient() *client { return &client{Client: &chameleon.Client{Pace: chameleon.UsualPace}} }

// What Nova says of a server that failed, as recorded (nova/22-*, ironic-*), and what that
// means.
func TestFaults(t *testing.T) {
	s := &serverClient{catalogue: &catalogue{client: newTestClient()}}
	for fault, want := range map[string][]string{
		"No valid host was found. There are not enough hosts available.": {"was given no machine",
			"still runs another server of the reservation", "being cleaned", "out of order"},
		"Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance 5a6f.": {
			"hides the cause", "name another node", "5a6f"},
		"Build of instance 5a6f aborted: Failed to allocate the network(s), not rescheduling.": {
			"was given no network", "sharednet1"},
		"": {"did not start", "the site gives no reason"},
	} {
		err := s.deployFailure(servers.Server{ID: "5a6f", Name: "x", Status: errored, Fault: servers.Fault{Message: fault}})
		text := err.Error() + " " + strings.Join(failure.Advice(err), " ")
		for _, w := range append(want, fault) {
			if !strings.Contains(text, w) {
				t.Errorf("%q lacks %q: %s", fault, w, text)
			}
		}
		if failure.KindOf(err) != failure.Cloud {
			t.Errorf("%q is of kind %v", fault, failure.KindOf(err))
		}
	}
	err := s.deployFailure(servers.Server{Name: "x", Status: "SHUTOFF"})
	if !strings.Contains(err.Error(), "its status is SHUTOFF") {
		t.Error(err)
	}
}

// Nova repeats what it refuses, user data and all: the key in it is shown to nobody.
func TestARefusalShowsNoKey(t *testing.T) {
	s := &serverClient{catalogue: &catalogue{client: newTestClient()}}
	err := s.refused("making the server x", &apierror.Error{Kind: apierror.Invalid, Status: 400, Service: "compute",
		Message: "Invalid input for field/attribute user_data. Value: LS0tLS1CRUdJTg==. 'LS0t' is too long"})
	if strings.Contains(err.Error(), "LS0t") || strings.Contains(strings.Join(failure.Advice(err), ""), "LS0t") {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	v := servers.Server{Name: "x", Status: build, TaskState: "spawning"}
	for waited, want := range map[time.Duration]string{
		time.Minute:      "server x is BUILD, spawning (a deployment takes 10 to 20 minutes)",
		11 * time.Minute: "server x is BUILD, spawning for 10 min (a deployment takes 10 to 20 minutes)",
	} {
		if got := describe(v, waited); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := describe(servers.Server{Name: "x", Status: active}, time.Hour); got != "server x is ACTIVE" {
		t.Errorf("%q", got)
	}
}
