package chiedge

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// Examine asks everything that a run will need, and creates nothing.
func (s *Site) Examine(ctx context.Context) []site.Answer {
	return chameleon.Examiner{Client: s.Client, Devices: s.DeviceClient, Addresses: s.addresses.AddressClient,
		NoNetwork: ": use transport zun"}.Examine(ctx, s.examineContainer)
}

func (s *Site) examineContainer(ctx context.Context) []site.Answer {
	const check = "container service"
	// Not by containers.List: its pager keeps the headers of an empty list.
	var r gophercloud.Result
	resp, err := s.container.Get(ctx, s.container.ServiceURL("containers")+"/", &r.Body, nil)
	_, r.Header, err = gophercloud.ParseResponse(resp, err)
	var all []containers.Container
	if err == nil {
		all, err = containers.ExtractContainers(containers.ContainerPage{
			LinkedPageBase: pagination.LinkedPageBase{PageResult: pagination.PageResult{Result: r}}})
	}
	if err != nil {
		return []site.Answer{site.AnswerOf(check, s.Failed("listing the containers at "+
			signin.HostOf(s.container.Endpoint), err))}
	}
	h, mine := r.Header, 0
	for _, c := range all {
		if c.UserID == s.Me() && c.Status != containers.StatusDeleted {
			mine++
		}
	}
	f := site.Answer{Check: check, State: site.OK, Detail: fmt.Sprintf("%s, %s; containers of yours: %d",
		signin.HostOf(s.container.Endpoint), containerVersions(h), mine)}
	if !speaks(h.Get("OpenStack-API-Maximum-Version"), containers.Microversion) {
		f.State, f.Next = site.Warning, "chexp speaks "+containers.Microversion+"; the service answered all the same"
	}
	return []site.Answer{f, {Check: "container quota", State: site.Unknown, Detail: "the service tells it only " +
		"by refusing (40 containers a project by default)"}}
}

func containerVersions(h http.Header) string {
	lo, hi := h.Get("OpenStack-API-Minimum-Version"), h.Get("OpenStack-API-Maximum-Version")
	if hi == "" {
		return "which does not tell its versions"
	}
	return strings.TrimSpace(lo + " to " + strings.TrimPrefix(hi, "container "))
}

// speaks reports whether a "container 1.41" reaches the wanted version.
func speaks(highest, want string) bool {
	number := func(v string) (n int) {
		_, minor, _ := strings.Cut(strings.TrimPrefix(v, "container "), ".")
		n, _ = strconv.Atoi(minor)
		return n
	}
	return highest == "" || number(highest) >= number(want)
}
