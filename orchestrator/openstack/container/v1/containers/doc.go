/*
Package containers manages containers of the OpenStack Container service (Zun)
as Chameleon runs it on edge devices: its own branch (chameleoncloud/xena) with
a Kubernetes driver, which leaves parts of the API out and gives others a
meaning of their own. Where that bites it is said below.

The client speaks microversion 1.41, Chameleon's highest and the one that has
device profiles. Without a microversion Zun speaks 1.1, in which commands are
strings and archives are raw.

Example to make a client

	client, err := containers.NewContainerV1(provider, gophercloud.EndpointOpts{Region: "CHI@Edge"})

Example to start a container on a reserved device

	container, err := containers.Create(ctx, client, containers.CreateOpts{
		Name:        "measurement-1",
		Image:       "docker.io/library/debian:12-slim",
		Command:     []string{"sleep", "infinity"},
		Reservation: lease.Reservations[0].ID,
	}).Extract()

The answer is 202, whatever is wrong with the reservation, the image or the
name: poll Get and look at Status. The command must be one that stays alive,
since the pod is restarted when it exits, also with 0, and loses its files.

Example to run a command and wait, for the 5 s that Zun does

	result, err := containers.Execute(ctx, client, id, "uname -m").Extract()
	if result.ExitCode == nil {
		// it was still running; how it ends will not be known
	}

Example to upload files

	err := containers.PutArchive(ctx, client, id, "/opt/data", tarBytes).ExtractErr()

A success proves nothing: the exit status of tar in the container is ignored.
Compare checksums there.

Example to download a directory

	archive, err := containers.GetArchive(ctx, client, id, "/opt/results").Extract()
	r := tar.NewReader(bytes.NewReader(archive.Data))

An empty archive is what a directory that does not exist gives.

Example to delete a running container and wait until it is gone

	err := containers.Delete(ctx, client, id, containers.DeleteOpts{Stop: true}).ExtractErr()
	_, err = containers.Get(ctx, client, id).Extract() // until 404
*/
package containers
