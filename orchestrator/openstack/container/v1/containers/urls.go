package containers

import (
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// rootURL ends in a slash, as python-zunclient's does: Zun's framework does not
// redirect a POST that lacks it.
func rootURL(client *gophercloud.ServiceClient) string {
	return client.ServiceURL("containers") + "/"
}

func containerURL(client *gophercloud.ServiceClient, id string) string {
	return client.ServiceURL("containers", url.PathEscape(id))
}

func actionURL(client *gophercloud.ServiceClient, id, action string) string {
	return client.ServiceURL("containers", url.PathEscape(id), action)
}
