package leases

import (
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// The routes have no trailing slash: /leases/ is 404
// [BLZ:blazar/api/v1/leases/v1_0.py].

func rootURL(client *gophercloud.ServiceClient) string {
	return client.ServiceURL("leases")
}

func leaseURL(client *gophercloud.ServiceClient, id string) string {
	return client.ServiceURL("leases", url.PathEscape(id))
}

func devicesURL(client *gophercloud.ServiceClient, id string) string {
	return client.ServiceURL("leases", url.PathEscape(id), "devices")
}

func hostsURL(client *gophercloud.ServiceClient, id string) string {
	return client.ServiceURL("leases", url.PathEscape(id), "hosts")
}
