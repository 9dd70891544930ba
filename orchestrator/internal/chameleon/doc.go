// Package chameleon is what Chameleon's sites have in common once somebody has
// signed in: leases and devices (Blazar), and what a failed request means, with
// what to do about it. It speaks through the clients in orchestrator/openstack,
// and adds what they leave to their caller: waiting, never creating twice,
// cleaning up. A site adds what runs on the device: see package
// [chexp/orchestrator/internal/site/chiedge].
//
// What the services do is cited where it matters, as [BLZ:…] for
// ChameleonCloud/blazar (chameleoncloud/2023.1) and [ZUN:…] for
// ChameleonCloud/zun (chameleoncloud/xena).
package chameleon
