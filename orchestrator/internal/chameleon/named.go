package chameleon

import (
	"fmt"
	"regexp"
	"strings"

	"chexp/experiments/failure"
)

// DNSLabel is what names a container or a server: Kubernetes takes nothing else, and it is
// harmless as a file's name.
var DNSLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// TheOnly is the one thing that has a name, nil where there is none. More than one is an
// error: the services let names be given twice. kind is "servers".
func TheOnly[T any](all []T, kind, name string, tell func(T) (id, status string)) (*T, error) {
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return &all[0], nil
	}
	var ids []string
	for _, one := range all {
		id, status := tell(one)
		ids = append(ids, fmt.Sprintf("%s (%s)", id, status))
	}
	return nil, failure.Cloud.Errorf("%d %s are named %s: %s", len(all), kind, name, strings.Join(ids, ", ")).
		Advise("delete all but one, or the lease with all of them, then resume")
}
