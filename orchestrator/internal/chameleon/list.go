package chameleon

import (
	"cmp"
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
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

// EverythingUnder is [Everything] where gophercloud takes an answer without the list's key
// for an empty list: what cannot be read must not look as if nothing were there.
func EverythingUnder[T any](ctx context.Context, key string, of pagination.Pager,
	create func(pagination.PageResult) pagination.Page, extract func(pagination.Page) ([]T, error)) ([]T, error) {
	var odd error
	all, err := Everything(ctx, of.WithPageCreator(func(r pagination.PageResult) pagination.Page {
		if body, ok := r.Body.(map[string]any); !ok || body[key] == nil {
			odd = gophercloud.ErrMissingResourceKey{Expected: key}
		}
		return create(r)
	}), extract)
	return all, cmp.Or(err, odd)
}
