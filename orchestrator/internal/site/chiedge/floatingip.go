package chiedge

import (
	"context"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// addressClient gives containers addresses that the world reaches.
type addressClient struct {
	*chameleon.AddressClient
	client *client
}

func newAddressClient(c *client) *addressClient {
	const without = "use transport: zun, which needs none, or "
	return &addressClient{chameleon.NewAddressClient(c.Client, "container", without), c}
}

// floatingIP gives the container an address: the one it has, or a new one.
func (s *addressClient) floatingIP(ctx context.Context, c containers.Container) (string, error) {
	port := networkPort(c)
	if port == "" {
		return "", failure.Cloud.Errorf("getting a floating IP for container %s: it has no network port", c.Name).
			Advise("use transport: zun")
	}
	return s.Give(ctx, c.UUID, c.Name, port)
}

// networkPort is the first port of the container. It outlives a restart of the
// pod; the address does not.
func networkPort(c containers.Container) string {
	for _, addresses := range c.Addresses {
		for _, a := range addresses {
			if a.Port != "" {
				return a.Port
			}
		}
	}
	return ""
}

// release deletes the floating IPs at the container's ports, and those that were
// made for it.
func (s *addressClient) release(ctx context.Context, containerID string) error {
	return s.Release(ctx, containerID, func(ctx context.Context) (port string, none bool) {
		c, err := containers.Get(ctx, s.client.container, containerID).Extract()
		if err != nil {
			return "", false
		}
		return networkPort(*c), len(c.Ports) == 0 // nothing exposed
	})
}
