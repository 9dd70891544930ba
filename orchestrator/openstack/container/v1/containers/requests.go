package containers

import (
	"context"
	"net/url"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Microversion is the one this package is written for
// [ZUN:zun/api/controllers/versions.py].
const Microversion = "1.41"

// NewContainerV1 makes a client for the container service that the catalog
// names for the region. The microversion goes out in a header of our own:
// gophercloud's Microversion field would name the service
// "application-container", which Zun refuses with 406.
func NewContainerV1(provider *gophercloud.ProviderClient,
	eo gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error) {
	client, err := openstack.NewContainerV1(provider, eo)
	if err != nil {
		return client, err
	}
	client.MoreHeaders = map[string]string{"OpenStack-API-Version": "container " + Microversion}
	return client, nil
}

// ListOptsBuilder allows extensions to add parameters to the List request.
type ListOptsBuilder interface {
	ToContainerListQuery() (string, error)
}

// ListOpts filters the containers of the project.
type ListOpts struct {
	Name   string `q:"name"`
	Status string `q:"status"`
	UserID string `q:"user_id"`
	Limit  int    `q:"limit"`
	Marker string `q:"marker"`
}

// ToContainerListQuery formats a ListOpts into a query string.
func (opts ListOpts) ToContainerListQuery() (string, error) {
	q, err := gophercloud.BuildQueryString(opts)
	return q.String(), err
}

// List retrieves the containers of the project, whoever made them.
func List(client *gophercloud.ServiceClient, opts ListOptsBuilder) pagination.Pager {
	url := rootURL(client)
	if opts != nil {
		query, err := opts.ToContainerListQuery()
		if err != nil {
			return pagination.Pager{Err: err}
		}
		url += query
	}
	return pagination.NewPager(client, url, func(r pagination.PageResult) pagination.Page {
		return ContainerPage{pagination.LinkedPageBase{PageResult: r}}
	})
}

// Mount puts a file into the container, read-only. Kubernetes keeps it in a
// ConfigMap, so all of them together hold less than 1 MiB
// [ZUN:zun/container/k8s/mapping.py (config_map)].
type Mount struct {
	Type        string `json:"type"`        // "bind"
	Source      string `json:"source"`      // the content, in base64
	Destination string `json:"destination"` // the path of the file
}

// CreateOptsBuilder allows extensions to add parameters to the Create request.
type CreateOptsBuilder interface {
	ToContainerCreateMap() (map[string]any, error)
}

// CreateOpts specifies a container. Keys of Zun's that this driver ignores or
// fails on are left out: nets, disk, restart_policy, interactive, tty,
// security_groups, privileged.
type CreateOpts struct {
	// Name becomes the Kubernetes container's: lower case letters, digits and
	// "-", at most 63. Zun lets others pass and the container then fails. It
	// need not be unique, but operations by name are refused when it is not.
	Name string `json:"name,omitempty"`

	// Image is any reference that the device can pull, for the device's
	// architecture. It is not checked here.
	Image string `json:"image" required:"true"`

	// Command replaces the image's CMD (Kubernetes args); no shell is added.
	Command []string `json:"command,omitempty"`

	// Entrypoint replaces the image's ENTRYPOINT (Kubernetes command).
	Entrypoint []string `json:"entrypoint,omitempty"`

	WorkDir     string            `json:"workdir,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`

	// Runtime "nvidia" is for boards that have such a GPU.
	Runtime string `json:"runtime,omitempty"`

	// DeviceProfiles names peripherals, such as "pi_camera".
	DeviceProfiles []string `json:"device_profiles,omitempty"`

	// Registry is the id of a registry of private images.
	Registry string `json:"registry,omitempty"`

	Mounts []Mount `json:"mounts,omitempty"`

	// Reservation is a reservation's id, not the lease's. One that is wrong,
	// missing or not active is not an HTTP error: the container goes to Error.
	Reservation string `json:"-"`

	// ExposedPorts lets traffic in from outside, "22/tcp". Without it only
	// containers of the same project reach this one.
	ExposedPorts []string `json:"-"`
}

// ToContainerCreateMap formats a CreateOpts into a request body.
func (opts CreateOpts) ToContainerCreateMap() (map[string]any, error) {
	b, err := gophercloud.BuildRequestBody(opts, "")
	if err != nil {
		return nil, err
	}
	if opts.Reservation != "" {
		b["hints"] = map[string]any{"reservation": opts.Reservation}
	}
	if len(opts.ExposedPorts) > 0 {
		ports := map[string]any{}
		for _, p := range opts.ExposedPorts {
			ports[p] = map[string]any{}
		}
		b["exposed_ports"] = ports
	}
	return b, nil
}

// Create makes a container and starts it. Not idempotent: after an answer that
// got lost, list by name before creating again.
func Create(ctx context.Context, client *gophercloud.ServiceClient, opts CreateOptsBuilder) (r CreateResult) {
	b, err := opts.ToContainerCreateMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, rootURL(client)+"?run=True", b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{202},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Get retrieves one container by its uuid.
func Get(ctx context.Context, client *gophercloud.ServiceClient, id string) (r GetResult) {
	resp, err := client.Get(ctx, containerURL(client, id), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// DeleteOpts says how hard to delete. With neither, only a container that does
// not run can go [ZUN:zun/common/utils.py (VALID_STATES)].
type DeleteOpts struct {
	// Stop stops a running one first; a Creating one is refused with 409.
	Stop bool

	// Force deletes in any state.
	Force bool
}

// Delete begins to delete a container; poll Get until it answers 404 or the
// status Deleted.
func Delete(ctx context.Context, client *gophercloud.ServiceClient, id string, opts DeleteOpts) (r DeleteResult) {
	url := containerURL(client, id)
	switch {
	case opts.Force:
		url += "?force=True"
	case opts.Stop:
		url += "?stop=True"
	}
	resp, err := client.Delete(ctx, url, &gophercloud.RequestOpts{
		OkCodes: []int{204},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Start starts a stopped container: as a new pod, with nothing of its former
// files and another address, on the same network port.
func Start(ctx context.Context, client *gophercloud.ServiceClient, id string) (r ActionResult) {
	return act(ctx, client, actionURL(client, id, "start"))
}

// Stop stops a container, giving it seconds to end by itself. Its files are
// lost [ZUN:zun/container/k8s/driver.py (stop)].
func Stop(ctx context.Context, client *gophercloud.ServiceClient, id string, seconds int) (r ActionResult) {
	return act(ctx, client, actionURL(client, id, "stop")+"?timeout="+strconv.Itoa(seconds))
}

func act(ctx context.Context, client *gophercloud.ServiceClient, url string) (r ActionResult) {
	resp, err := client.Post(ctx, url, nil, nil, &gophercloud.RequestOpts{
		OkCodes: []int{202},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Stats retrieves what the container uses now. Zun asks for it by another way than for
// all that happens in a container, so it tells that one is alive when nothing else does.
func Stats(ctx context.Context, client *gophercloud.ServiceClient, id string) (r StatsResult) {
	resp, err := client.Get(ctx, actionURL(client, id, "stats"), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// LogsOpts selects lines of the log. Zun's stdout and stderr flags are left
// out: both streams come, merged.
type LogsOpts struct {
	// Tail is how many of the last lines; 0 is all.
	Tail       int
	Timestamps bool
}

// Logs retrieves what the main process of the current pod has printed. While
// the container is Creating it is 409.
func Logs(ctx context.Context, client *gophercloud.ServiceClient, id string, opts LogsOpts) (r LogsResult) {
	q := url.Values{"stdout": {"True"}, "stderr": {"True"}, "timestamps": {"False"}, "tail": {"all"}}
	if opts.Timestamps {
		q.Set("timestamps", "True")
	}
	if opts.Tail > 0 {
		q.Set("tail", strconv.Itoa(opts.Tail))
	}
	resp, err := client.Get(ctx, actionURL(client, id, "logs")+"?"+q.Encode(), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
