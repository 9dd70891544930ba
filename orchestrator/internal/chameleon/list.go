package chameleon

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/pagination"
)

// maxPages bounds a list whose next page is named again and again.
const maxPages = 200

// Everything reads a list page by page. gophercloud's AllPages takes an answer that is no
// list, such as {}, for an empty one, and panics where pages are of two types.
func Everything[T any](ctx context.Context, of pagination.Pager,
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
