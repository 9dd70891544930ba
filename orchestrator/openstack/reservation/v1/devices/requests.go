package devices

import (
	"context"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// List retrieves all devices, with their extra capabilities. Blazar's own
// default policy keeps it to administrators (403); Chameleon's opens it to
// project members.
func List(client *gophercloud.ServiceClient) pagination.Pager {
	return pagination.NewPager(client, listURL(client), func(r pagination.PageResult) pagination.Page {
		return DevicePage{pagination.SinglePageBase(r)}
	})
}

// Get retrieves one device by Blazar's id, not by its uid.
func Get(ctx context.Context, client *gophercloud.ServiceClient, id string) (r GetResult) {
	resp, err := client.Get(ctx, getURL(client, id), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ListAllocations retrieves, for every device, the reservations that end now
// or later. A device with none has an empty list
// [BLZ:blazar/plugins/devices/device_plugin.py (query_device_allocations)].
func ListAllocations(ctx context.Context, client *gophercloud.ServiceClient) (r AllocationsResult) {
	resp, err := client.Get(ctx, allocationsURL(client), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ListProperties retrieves the names of the extra capabilities.
func ListProperties(ctx context.Context, client *gophercloud.ServiceClient) (r PropertiesResult) {
	resp, err := client.Get(ctx, propertiesURL(client), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
