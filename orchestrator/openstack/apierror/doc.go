/*
Package apierror turns what an OpenStack service, or a proxy in front of it,
answers instead of success into one typed error that says which failure it is.

The services do not agree on a shape, nor do status codes tell failures apart:
Blazar answers 500 when all devices are taken, when the credential may not make
a trust, and when it is broken, so the words of the message decide. The shapes:

	Keystone                {"error": {"code": 401, "message": "…", "title": "Unauthorized"}}
	keystonemiddleware      the same, from any service, for a bad token
	Blazar                  {"error_code": 500, "error_message": "…", "error_name": …}
	Blazar's web framework  {"error": 404, "error_message": "…"}
	Zun                     {"errors": [{"code": "container.…", "status": 409, "title": "…", "detail": "…"}]}
	Neutron                 {"NeutronError": {"type": "…", "message": "…", "detail": ""}}
	HAProxy, Apache         HTML, or nothing at all

Note that "error" is an object in one and a number in another.

Example

	lease, err := leases.Create(ctx, client, opts).Extract()
	if e := apierror.From(err); e != nil {
		switch {
		case e.Kind == apierror.NoDeviceFree:
			// every matching device is taken in that window
		case e.Ambiguous():
			// the lease may exist: look it up by name before anything else
		}
	}
*/
package apierror
