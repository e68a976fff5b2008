package intercomrbac_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const budgetUsedUp = "the retry budget of this client (its own, not Intercom's) is used up"

// sending counts the requests that a transport gets, and waits a little with each.
func sending(n *atomic.Int64, t transport) transport {
	return func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		time.Sleep(20 * time.Millisecond)
		return t(r)
	}
}

// callAll makes calls, so many at a time, and returns their errors.
func callAll(ctx context.Context, calls, atATime int, clients ...*intercomrbac.Client) (failed []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var next atomic.Int64
	for range atATime {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(calls); i = next.Add(1) {
				if _, err := clients[int(i)%len(clients)].Teams.List(ctx); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func TestAnOutageDoesNotMultiplyTraffic(t *testing.T) {
	t.Parallel()
	const calls = 1000
	for name, fault := range map[string]transport{"503": status(503), "503 that names a wait": status(503, "Retry-After", "1"), "lost answers": lost,
		"refused dials": refused, "429 without a word": status(429)} {
		for _, atATime := range []int{1, 32, calls} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var sent atomic.Int64
					var logged bytes.Buffer
					down := atomic.Bool{}
					down.Store(true)
					c := clientOf(t, sending(&sent, func(r *http.Request) (*http.Response, error) {
						if down.Load() {
							return fault(r)
						}
						return reply(200, `{"teams":[]}`), nil
					}), intercomrbac.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
					again, err := c.With()
					require.NoError(t, err)

					failed := callAll(t.Context(), calls, atATime, c, again)
					require.Len(t, failed, calls)
					assert.EqualValues(t, calls+100, sent.Load(), "a client and its copy have 100 retries together")
					assert.Contains(t, logged.String(), `"intercom retry budget of this client is used up" operation=teams.list`)
					named := 0
					for _, err := range failed {
						if !assert.True(t, errors.Is(err, intercomrbac.ErrUnavailable) || errors.Is(err, intercomrbac.ErrRateLimited), "%v", err) {
							break
						}
						if bytes.Contains([]byte(err.Error()), []byte(budgetUsedUp)) {
							named++
						}
					}
					assert.GreaterOrEqual(t, named, calls-100, "the error says who does not try again")
					if name == "503" {
						soak.Report(t, "C5", "total outage, %d calls, %d at a time: %d requests, %.2f for each call", calls, atATime, sent.Load(), float64(sent.Load())/calls)
					}

					// Answers fill the budget up again, one by one.
					down.Store(false)
					require.Empty(t, callAll(t.Context(), 30, 1, c))
					down.Store(true)
					sent.Store(0)
					callAll(t.Context(), calls, atATime, again)
					assert.EqualValues(t, calls+30, sent.Load())
				})
			})
		}
	}
}

func TestHalfAnOutageIsRetriedThrough(t *testing.T) {
	t.Parallel()
	calls := soak.N(2000, 200_000)
	for name, tt := range map[string]struct {
		fails   func(n int64, random *rand.Rand) bool
		atLeast float64
	}{
		// As behind a balancer of which one of two servers is down.
		"every second request": {func(n int64, _ *rand.Rand) bool { return n%2 == 1 }, 1},
		// Three attempts cannot do better than 1 - 0.5³.
		"half of the requests at random": {func(_ int64, random *rand.Rand) bool { return random.IntN(2) == 0 }, 0.99 * 0.875},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				random := rand.New(rand.NewPCG(1, 2))
				c := clientOf(t, sending(&sent, func(r *http.Request) (*http.Response, error) {
					if tt.fails(sent.Load(), random) {
						return status(503)(r)
					}
					return reply(200, `{"teams":[]}`), nil
				}), intercomrbac.WithLimiter(nil))
				failed := callAll(t.Context(), calls, 1, c)
				for _, err := range failed {
					require.NotContains(t, err.Error(), budgetUsedUp)
				}
				share := 1 - float64(len(failed))/float64(calls)
				assert.GreaterOrEqual(t, share, tt.atLeast)
				soak.Report(t, "C5", "%s fails, %d calls: %.2f %% succeed, the budget stopped none", name, calls, 100*share)
			})
		})
	}
}

// To wait for the next window is no retry of a failure.
func TestRefusalsForRateCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		c := clientOf(t, sending(&sent, func(r *http.Request) (*http.Response, error) {
			if sent.Load()%2 == 1 {
				return status(429, "Retry-After", "1")(r)
			}
			return status(503)(r)
		}), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 2}))
		require.Len(t, callAll(t.Context(), 1000, 1, c), 1000)
		assert.EqualValues(t, 2000, sent.Load())
	})
}

// A retry that was given up before it was sent was none.
func TestCancelledRetriesCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		c := clientOf(t, sending(&sent, status(503, "Retry-After", "10")))
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := c.Teams.List(ctx)
			require.ErrorIs(t, err, context.Canceled)
			cancel()
		}
		assert.EqualValues(t, 200, sent.Load())
	})
}
