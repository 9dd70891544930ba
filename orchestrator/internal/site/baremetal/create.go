package baremetal

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
)

// The names by which the sites know what every server takes: whole machines have one
// flavor, and users one network.
const (
	flavorName  = "baremetal"
	networkName = "sharednet1"
)

// catalogue looks up what the site has to make servers of.
type catalogue struct {
	*client
	addresses *chameleon.AddressClient
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// CheckImage refuses an image that the site does not have.
func (s *catalogue) CheckImage(ctx context.Context, name string) error {
	_, err := s.theImage(ctx, name)
	return err
}

// theImage finds an image by its name, or by its id. Of several with a name it is the
// newest: the site keeps the ones of before.
func (s *catalogue) theImage(ctx context.Context, name string) (images.Image, error) {
	what := "looking for the image " + name
	if uuid.MatchString(name) {
		img, err := images.Get(ctx, s.image, name).Extract()
		if err != nil {
			return images.Image{}, s.Failed(what, err)
		}
		return *img, nil
	}
	named, err := s.images(ctx, images.ListOpts{Name: name, Status: images.ImageStatusActive})
	if err != nil {
		return images.Image{}, s.Failed(what, err)
	}
	named = slices.DeleteFunc(named, func(i images.Image) bool { return i.Name != name })
	if len(named) > 0 {
		return slices.MaxFunc(named, func(a, b images.Image) int { return a.CreatedAt.Compare(b.CreatedAt) }), nil
	}
	refused := failure.Usage.Errorf("site %s has no image %s", s.Session.Endpoints.Region, name)
	all, err := s.images(ctx, images.ListOpts{Status: images.ImageStatusActive})
	if err != nil {
		return images.Image{}, refused.Advise("server.image in the experiment names another")
	}
	var names []string
	for _, i := range all {
		if !slices.Contains(names, i.Name) && strings.HasPrefix(i.Name, "CC-") {
			names = append(names, words.Printable(i.Name))
		}
	}
	slices.Sort(names)
	perhaps := ""
	if near := words.Nearest(name, names); near != "" {
		perhaps = "perhaps " + near + "? "
	}
	return images.Image{}, refused.Advise("%sserver.image in the experiment takes one of: %s", perhaps,
		words.List(names, ", ", 12))
}

func (s *catalogue) images(ctx context.Context, o images.ListOpts) ([]images.Image, error) {
	return chameleon.EverythingUnder(ctx, "images", images.List(s.image, o),
		func(r pagination.PageResult) pagination.Page {
			return images.ImagePage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
		}, images.ExtractImages)
}

// digestOf says which image it is exactly: names are given to newer ones.
func digestOf(i images.Image) trial.Reading[string] {
	sum, _ := i.Properties["os_hash_value"].(string)
	algo, _ := i.Properties["os_hash_algo"].(string)
	switch {
	case sum != "" && algo != "":
		return trial.Read(words.Line(algo+":"+sum, words.MaxName*4))
	case i.Checksum != "":
		return trial.Read(words.Line("md5:"+i.Checksum, words.MaxName))
	}
	return trial.Unread[string]("the site tells no checksum of image " + words.Line(i.ID, words.MaxName))
}

// needs are what a server is made of, by their ids.
type needs struct{ image, flavor, network string }

// find looks all of it up before anything is made.
func (s *catalogue) find(ctx context.Context, req run.ContainerRequest) (n needs, err error) {
	img, err := s.theImage(ctx, req.Image)
	if err != nil {
		return n, err
	}
	n.image = img.ID
	if n.flavor, err = s.flavor(ctx); err == nil {
		n.network, err = s.network(ctx)
	}
	return n, err
}

func (s *catalogue) flavor(ctx context.Context) (string, error) {
	all, err := chameleon.EverythingUnder(ctx, "flavors", flavors.ListDetail(s.compute, nil),
		func(r pagination.PageResult) pagination.Page {
			return flavors.FlavorPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
		}, flavors.ExtractFlavors)
	if err != nil {
		return "", s.Failed("looking for the flavor "+flavorName, err)
	}
	for _, f := range all {
		if f.Name == flavorName {
			return f.ID, nil
		}
	}
	return "", failure.Cloud.Errorf("the site has no flavor %s, of which every machine is", flavorName).
		Advise("is %s a bare-metal site? See its catalogue with `%s`", s.Session.Endpoints.Region,
			s.Commands.Line("doctor"))
}

func (s *catalogue) network(ctx context.Context) (string, error) {
	all, err := s.addresses.Networks(ctx, networks.ListOpts{Name: networkName})
	if err != nil {
		return "", s.Failed("looking for the network "+networkName, err)
	}
	for _, n := range all {
		if n.Name == networkName {
			return n.ID, nil
		}
	}
	return "", failure.Cloud.Errorf("the site has no network %s, on which its servers are", networkName).
		Advise("tell the site's help desk")
}

// create makes the server, and before it its keys. Where there is no server in the end,
// Nova's half of them is removed.
func (s *serverClient) create(ctx context.Context, req run.ContainerRequest) (*servers.Server, error) {
	n, err := s.find(ctx, req)
	if err != nil {
		return nil, err
	}
	k, err := s.keys.create(req.Name, req.FirstUse)
	if err != nil {
		return nil, failure.Storage.Errorf("the keys of server %s cannot be kept in %s", req.Name, s.keys.dir).Because(err)
	}
	err = s.uploadKey(ctx, req.Name, k)
	var made *servers.Server
	if err == nil {
		made, err = s.post(ctx, req, n, k)
	}
	if err != nil {
		clean, cancel := patient.Detached(ctx, s.Pace.Cleanup/6)
		defer cancel()
		_ = s.removeKeyPair(clean, req.Name) // one that stays is found by the run, at its end
	}
	return made, err
}

func (s *serverClient) post(ctx context.Context, req run.ContainerRequest, n needs, k keys) (*servers.Server, error) {
	what := "making the server " + req.Name
	opts := keypairs.CreateOptsExt{KeyName: req.Name, CreateOptsBuilder: servers.CreateOpts{
		Name: req.Name, ImageRef: n.image, FlavorRef: n.flavor, UserData: k.userData(),
		Networks: []servers.Network{{UUID: n.network}},
	}}
	hint := servers.SchedulerHintOpts{AdditionalProperties: map[string]any{"reservation": req.ReservationID}}
	return chameleon.Create(ctx, s.Client, chameleon.Creation[servers.Server]{
		What: what,
		Post: func(ctx context.Context) (*servers.Server, error) {
			post, cancel := s.Posting(ctx)
			defer cancel()
			made, err := servers.Create(post, s.compute, opts, hint).Extract()
			if err == nil && made != nil { // it tells the id and nothing else
				made.Name = req.Name
			}
			return made, err
		},
		Is:      func(v *servers.Server) bool { return v.ID != "" },
		Find:    func(ctx context.Context) (*servers.Server, error) { return s.theServer(ctx, req.Name) },
		Refused: func(e *apierror.Error) error { return s.refused(what, e) },
		Unknown: "it ends with its lease; " + fmt.Sprintf("`%s` looks for it", s.Commands.End()),
	})
}

// refused says what a refusal to make a server means. Nova repeats the request's values in
// its refusals, and the user data holds a key.
func (s *serverClient) refused(what string, e *apierror.Error) error {
	if strings.Contains(e.Message, "user_data") {
		return failure.Cloud.Errorf("%s: the site does not take its user data", what).
			Advise("this is a fault of chexp: report it with the request id %s", e.RequestID)
	}
	return s.Failed(what, e)
}
