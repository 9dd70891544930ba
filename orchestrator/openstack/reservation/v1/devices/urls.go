package devices

import (
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

func listURL(client *gophercloud.ServiceClient) string {
	return client.ServiceURL("devices")
}

func getURL(client *gophercloud.ServiceClient, id string) string {
	return client.ServiceURL("devices", url.PathEscape(id))
}

func allocationsURL(client *gophercloud.ServiceClient) string {
	return client.ServiceURL("devices", "allocations")
}

func propertiesURL(client *gophercloud.ServiceClient) string {
	return client.ServiceURL("devices", "properties")
}
