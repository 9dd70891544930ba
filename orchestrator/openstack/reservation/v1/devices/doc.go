/*
Package devices reads the devices that the OpenStack Reservation service
(Blazar, Chameleon's branch chameleoncloud/2023.1) lends: edge boards, and when
they are taken. Upstream Blazar has no such resource. Making and changing
devices is the operators' work and not here.

A client is made by leases.NewReservationV1.

Example to list all devices of the site

	pages, err := devices.List(client).AllPages(ctx)
	all, err := devices.ExtractDevices(pages)
	for _, d := range all {
		fmt.Println(d.Name, d.Capability("machine_name"), d.Capability("uid"))
	}

Example to see who is booked when

	allocations, err := devices.ListAllocations(ctx, client).Extract()
	for _, a := range allocations {
		for _, r := range a.Reservations {
			fmt.Println(a.ResourceID, r.StartDate, r.EndDate)
		}
	}

There is no request for the allocations of one device: Blazar's handler of
/devices/{id}/allocation fails with 500 always [BLZ:blazar/api/v1/devices/v1_0.py].
List all and pick.

Example to list the names that a lease may filter by

	names, err := devices.ListProperties(ctx, client).Extract()
*/
package devices
