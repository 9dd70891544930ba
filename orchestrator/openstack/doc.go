// Package openstack holds no code. Below it are clients in gophercloud's
// pattern for what gophercloud lacks: leases and devices of Blazar, containers
// of Zun, and one error type for all services. They know no experiment, log
// nothing and print nothing, so that they could move upstream as they stand.
//
// Its test feeds every answer recorded from the real services to them.
package openstack
