/*
Package leases manages leases of the OpenStack Reservation service (Blazar): a
time window with one or more reservations of resources in it. It is written
beside gophercloud's openstack/reservation/v1/hosts, and follows Chameleon's
Blazar (branch chameleoncloud/2023.1), whose plugin reserves edge devices.

All times are UTC and whole minutes: Blazar takes "YYYY-MM-DD HH:MM" or "now",
nothing else, and answers in two other formats [BLZ:blazar/manager/service.py
(_date_from_string)].

Example to make a client

	client, err := leases.NewReservationV1(provider, gophercloud.EndpointOpts{Region: "CHI@Edge"})

Example to reserve one device for two hours from now

	lease, err := leases.Create(ctx, client, leases.CreateOpts{
		Name:    "measurement-1",
		EndDate: time.Now().Add(2 * time.Hour),
		Reservations: []leases.ReservationOpts{{
			ResourceType:       "device",
			Min:                1,
			Max:                1,
			ResourceProperties: leases.Properties(leases.Equal("machine_name", "raspberrypi5")),
		}},
	}).Extract()

A creation is not idempotent and names are not unique: after an answer that got
lost, list the leases and look for the name before creating again.

Example to list the leases of the project, other members' among them

	pages, err := leases.List(client, nil).AllPages(ctx)
	all, err := leases.ExtractLeases(pages)

Example to wait for a lease

	lease, err := leases.Get(ctx, client, id).Extract()
	if lease.Status == leases.StatusActive {
		hint := lease.Reservations[0].ID // what Zun wants to hear
	}

Example to extend a lease, and to end it now but keep its record

	lease, err := leases.Update(ctx, client, id, leases.UpdateOpts{EndDate: end}).Extract()
	lease, err = leases.Update(ctx, client, id, leases.UpdateOpts{EndNow: true}).Extract()

Example to learn which devices a lease got

	devices, err := leases.ListDevices(ctx, client, id).Extract()

Example to delete a lease, whatever its state

	err := leases.Delete(ctx, client, id).ExtractErr()
*/
package leases
