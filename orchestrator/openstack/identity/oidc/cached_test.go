package oidc

import (
	"context"
	"net/http"
	"testing"
	"time"
)

type counting struct {
	n     int
	lives time.Duration
	now   func() time.Time
}

func (c *counting) AccessToken(context.Context, *http.Client) (AccessToken, error) {
	c.n++
	token := AccessToken{Value: "t"}
	if c.lives > 0 {
		token.Expires = c.now().Add(c.lives)
	}
	return token, nil
}

// A token of five minutes is good for four.
func TestCached(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	source := &counting{lives: 5 * time.Minute, now: clock}
	c := &cached{source: source, now: clock}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {time.Minute, 1}, {3*time.Minute - time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
		now = now.Add(step.after)
		if _, err := c.AccessToken(t.Context(), http.DefaultClient); err != nil || source.n != step.want {
			t.Errorf("after %v: asked %d times, want %d (%v)", step.after, source.n, step.want, err)
		}
	}
	source.lives = 0
	now = now.Add(time.Hour)
	for want := 3; want <= 4; want++ {
		if _, err := c.AccessToken(t.Context(), http.DefaultClient); err != nil || source.n != want {
			t.Errorf("without an end: asked %d times, want %d (%v)", source.n, want, err)
		}
	}
}
