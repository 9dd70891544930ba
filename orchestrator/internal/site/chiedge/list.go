package chiedge

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/orchestrator/openstack/container/v1/containers"
)

// maxPages bounds a list whose next page is named again and again.
const maxPages = 200

// everything reads a list page by page. gophercloud's AllPages takes an answer that is no
// list, such as {}, for an empty one, and panics where pages are of two types.
func everything[T any](ctx context.Context, of pagination.Pager,
	extract func(pagination.Page) ([]T, error)) (all []T, err error) {
	n := 0
	err = of.EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		if n++; n > maxPages {
			return false, fmt.Errorf("the service names more than %d pages of a list", maxPages)
		}
		some, err := extract(page)
		all = append(all, some...)
		return true, err
	})
	return all, err
}

func (s *containerClient) list(ctx context.Context, opts containers.ListOpts) ([]containers.Container, error) {
	return everything(ctx, containers.List(s.container, opts), containers.ExtractContainers)
}

func (s *addressClient) floatingIPs(ctx context.Context,
	client *gophercloud.ServiceClient) ([]floatingips.FloatingIP, error) {
	pages := floatingips.List(client, floatingips.ListOpts{}).WithPageCreator(
		func(r pagination.PageResult) pagination.Page {
			return addressPage{floatingips.FloatingIPPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}}
		})
	return everything(ctx, pages, extractAddresses)
}

// addressPage is a page of floating IPs that is empty only if it says so.
type addressPage struct{ floatingips.FloatingIPPage }

// IsEmpty implements pagination.Page.
func (p addressPage) IsEmpty() (bool, error) {
	all, err := extractAddresses(p)
	return len(all) == 0, err
}

func extractAddresses(p pagination.Page) ([]floatingips.FloatingIP, error) {
	page := p.(addressPage).FloatingIPPage
	all, err := floatingips.ExtractFloatingIPs(page)
	if err == nil && all == nil {
		err = gophercloud.ErrMissingResourceKey{Expected: "floatingips"}
	}
	return all, err
}
