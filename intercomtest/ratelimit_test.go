package intercomtest_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestRateWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t, intercomtest.WithRateLimit(3))
		s.AddToken("another-token")
		a := inMemory(t, s)
		time.Sleep(4 * time.Second) // into a window: it is the clock's, not the first request's
		end := time.Now().Truncate(10 * time.Second).Add(10 * time.Second)

		for _, remaining := range []string{"2", "1", "0"} {
			r := a.get("/me").requireOK(t)
			assert.Equal(t, "3", r.header.Get("X-RateLimit-Limit"))
			assert.Equal(t, remaining, r.header.Get("X-RateLimit-Remaining"))
			assert.Equal(t, strconv.FormatInt(end.Unix(), 10), r.header.Get("X-RateLimit-Reset"))
		}
		r := a.post("/contacts", `{"role":"lead"}`).requireError(t, 429, "rate_limit_exceeded")
		assert.Equal(t, "Exceeded rate limit of 3 in 10_seconds", r.message(t))
		assert.Equal(t, "0", r.header.Get("X-RateLimit-Remaining"))
		assert.Equal(t, strconv.FormatInt(end.Unix(), 10), r.header.Get("X-RateLimit-Reset"))
		assert.Empty(t, r.header.Get("Retry-After"))

		assert.Equal(t, "2", a.with("another-token").get("/me").requireOK(t).header.Get("X-RateLimit-Remaining"), "each token has its own")
		a.with("nobody").get("/me").requireError(t, 401, "unauthorized")

		time.Sleep(time.Until(end) - time.Nanosecond)
		a.get("/me").requireError(t, 429, "rate_limit_exceeded")
		time.Sleep(time.Nanosecond)
		assert.Equal(t, "2", a.get("/me").requireOK(t).header.Get("X-RateLimit-Remaining"))

		start := end.Add(-10 * time.Second)
		assert.Equal(t, intercomtest.RateStats{Refused: 2, Windows: []intercomtest.RateWindow{
			{Start: start.UTC(), Accepted: 4, Refused: 2},
			{Start: end.UTC(), Accepted: 1},
		}}, s.RateStats())

		s.SetRateLimit(0)
		for range 10 {
			assert.Empty(t, a.get("/me").requireOK(t).header.Get("X-RateLimit-Limit"))
		}
		s.SetRateLimit(20)
		assert.Equal(t, "8", a.get("/me").requireOK(t).header.Get("X-RateLimit-Remaining"), "the window was counted all along")
	})
}

func TestRateLimitCountsErrorsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t, intercomtest.WithRateLimit(2))
		a := inMemory(t, s)
		assert.Equal(t, "1", a.get("/teams/1").requireError(t, 404, "team_not_found").header.Get("X-RateLimit-Remaining"))
		assert.Equal(t, "0", a.get("/nowhere").requireError(t, 404, "not_found").header.Get("X-RateLimit-Remaining"))
		a.get("/me").requireError(t, 429, "rate_limit_exceeded")
	})
}

// A request that a proxy answers never came to Intercom.
func TestRateLimitDoesNotCountWhatWasNotDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t, intercomtest.WithRateLimit(2))
		a := inMemory(t, s)
		s.Inject(intercomtest.Fault{Status: 503, Times: 5})
		for range 5 {
			a.get("/me").requireError(t, 503, "server_error")
		}
		assert.Equal(t, "1", a.get("/me").requireOK(t).header.Get("X-RateLimit-Remaining"))
	})
}
