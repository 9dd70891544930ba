package baremetal

import (
	"context"
	"fmt"

	"chexp/experiments/spec"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/internal/site"
)

// Examine asks everything that a run will need, and creates nothing.
func (s *Site) Examine(ctx context.Context) []site.Answer {
	return chameleon.Examiner{Client: s.Client, Devices: s.DeviceClient, Addresses: s.addresses}.
		Examine(ctx, s.examineCompute, s.examineImages)
}

func (s *serverClient) examineCompute(ctx context.Context) []site.Answer {
	const check = "compute service"
	own, err := s.list(ctx, "")
	if err != nil {
		return []site.Answer{site.AnswerOf(check, s.Failed("listing the servers at "+signin.HostOf(s.compute.Endpoint), err))}
	}
	if _, err := s.flavor(ctx); err != nil {
		return []site.Answer{site.AnswerOf(check, err)}
	}
	if _, err := s.network(ctx); err != nil {
		return []site.Answer{site.AnswerOf(check, err)}
	}
	return []site.Answer{{Check: check, State: site.OK, Detail: fmt.Sprintf("%s, version %s; servers of yours: %d; it "+
		"has the flavor %s and the network %s", signin.HostOf(s.compute.Endpoint), microversion, len(own), flavorName,
		networkName)}}
}

func (s *serverClient) examineImages(ctx context.Context) []site.Answer {
	const check = "image service"
	img, err := s.theImage(ctx, spec.ServerImage)
	if err != nil {
		return []site.Answer{site.AnswerOf(check, err)}
	}
	return []site.Answer{{Check: check, State: site.OK, Detail: fmt.Sprintf("%s; %s is of %s",
		signin.HostOf(s.image.Endpoint), spec.ServerImage, img.CreatedAt.UTC().Format("2006-01-02"))}}
}
