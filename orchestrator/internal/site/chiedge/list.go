package chiedge

import (
	"context"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/openstack/container/v1/containers"
)

func (s *containerClient) list(ctx context.Context, opts containers.ListOpts) ([]containers.Container, error) {
	return chameleon.Everything(ctx, containers.List(s.container, opts), containers.ExtractContainers)
}
