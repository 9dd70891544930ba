package baremetal

import (
	"cmp"
	"errors"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"chexp/experiments/failure"
	"chexp/orchestrator/openstack/apierror"
)

// deployFailure explains a server in ERROR, or in another status that ends a start. Nova
// hides causes from users: its words say in which of three ways it went wrong, and no more
// (recorded).
func (s *serverClient) deployFailure(v servers.Server) error {
	fault := apierror.Line(cmp.Or(v.Fault.Message, "the site gives no reason"))
	because := errors.New(fault)
	device := s.Commands.Line("device", "list")
	switch {
	case strings.Contains(fault, "No valid host was found"):
		return failure.Cloud.Errorf("server %s was given no machine", v.Name).
			Advise("Nova says \"No valid host\" of seven things alike: there is no hint, or its reservation is unknown, "+
				"not active, another project's, or a lease's id (chexp has looked: the lease is active and the hint is its "+
				"reservation's id); the request names a zone (chexp's does not); or the machine is not to be had. That is "+
				"what remains, and likely: it still runs another server of the reservation (`openstack server list`), it is "+
				"still being cleaned after its last user, which takes some 15 minutes, or it is out of order. `%s` tries again "+
				"in the same lease while that lasts; `%s` shows other nodes", s.Commands.Resume(), device).
			Because(because)
	case strings.Contains(fault, "Exceeded maximum number of retries"):
		return failure.Cloud.Errorf("the deployment of server %s failed; the site hides the cause from its users", v.Name).
			Advise("most often it is the machine (it does not power on, or boot from the network): `%s` tries again; if it "+
				"stays so, name another node (`%s`), and give the site's help desk the server's id %s and the node's name. An "+
				"image of your own may also be one that Ironic cannot write", s.Commands.Resume(), device, v.ID).
			Because(because)
	case strings.Contains(fault, "Failed to allocate the network"):
		return failure.Cloud.Errorf("server %s was given no network", v.Name).
			Advise("the site's network service failed at it, or its network %s has no address left: try again in some "+
				"minutes, then tell the site's help desk the server's id %s", networkName, v.ID).
			Because(because)
	case v.Status != errored:
		return failure.Cloud.Errorf("server %s did not start, its status is %s", v.Name, apierror.Line(v.Status)).
			Advise("somebody stopped or deleted it, or its lease ended: `%s`", s.Commands.Line("lease", "list")).
			Because(because)
	}
	return failure.Cloud.Errorf("server %s did not start", v.Name).
		Advise("`%s` tries again; name another node if it is always the same (`%s`)", s.Commands.Resume(), device).
		Because(because)
}
