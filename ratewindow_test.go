package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
)

// rateWindows is a server that counts requests in fixed windows of 10 seconds on its own clock, at the end of a line that
// takes its time.
type rateWindows struct {
	limit  int
	skew   time.Duration            // of the server's clock
	slow   float64                  // the part of the time that its clock loses
	date   time.Duration            // what its Date is ahead of the clock that it counts by
	budget int                      // of the workspace, of which the headers do not tell; 0 means limit
	spread func(*rand.Rand) float64 // seconds one way

	mu      sync.Mutex
	start   time.Time
	random  *rand.Rand
	windows map[int64]*rateWindow
}

type rateWindow struct{ accepted, refused, others int }

func newRateWindows(limit int, skew time.Duration, seed uint64) *rateWindows {
	return &rateWindows{limit: limit, skew: skew, spread: usualSpread, start: time.Now(), random: rand.New(rand.NewPCG(seed, uint64(limit))),
		windows: map[int64]*rateWindow{}}
}

// slowest is the longest that usualSpread takes.
const slowest = 400 * time.Millisecond

// usualSpread is 10 to 60 ms, and in one of a hundred cases up to 400 ms.
func usualSpread(r *rand.Rand) float64 {
	if r.IntN(100) == 0 {
		return 0.060 + 0.340*r.Float64()
	}
	return 0.010 + 0.050*r.Float64()
}

func (s *rateWindows) latency() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.spread(s.random) * float64(time.Second))
}

// now is the time on the server's clock.
func (s *rateWindows) now() time.Time {
	return time.Now().Add(s.skew - time.Duration(s.slow*float64(time.Since(s.start))))
}

// sleepInto waits for that time of a window that nothing was sent in yet.
func (s *rateWindows) sleepInto(phase time.Duration) {
	now := s.now()
	time.Sleep(now.Truncate(10 * time.Second).Add(10*time.Second + phase).Sub(now))
}

// at returns the window of that time. The caller holds the lock.
func (s *rateWindows) at(now time.Time) *rateWindow {
	n := now.Unix() / 10
	w := s.windows[n]
	if w == nil {
		w = new(rateWindow)
		s.windows[n] = w
	}
	return w
}

// another app takes one request of the workspace's budget, if there is one.
func (s *rateWindows) another() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.at(s.now()); w.accepted+w.others < s.total() {
		w.others++
	}
}

func (s *rateWindows) total() int {
	if s.budget > 0 {
		return s.budget
	}
	return s.limit
}

func (s *rateWindows) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(s.latency())
	r := s.count()
	time.Sleep(s.latency())
	return r, nil
}

func (s *rateWindows) count() *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	w := s.at(now)
	code := 200
	if w.accepted+w.others < s.total() && w.accepted < s.limit {
		w.accepted++
	} else {
		w.refused++
		code = 429
	}
	left := s.limit - w.accepted
	if s.budget == 0 {
		left -= w.others
	}
	return reply(code, `{"type":"team.list","teams":[]}`, "Date", now.Add(s.date).UTC().Format(http.TimeFormat),
		"X-RateLimit-Limit", strconv.Itoa(s.limit), "X-RateLimit-Remaining", strconv.Itoa(left),
		"X-RateLimit-Reset", strconv.FormatInt((now.Unix()/10+1)*10, 10))
}

// refused returns how many requests were refused.
func (s *rateWindows) refused() (n int) {
	for _, w := range s.windows {
		n += w.refused
	}
	return n
}

// span returns the first window and the last one that is over.
func (s *rateWindows) span() (first, last int64) {
	last = s.now().Unix()/10 - 1
	first = last
	for n := range s.windows {
		first = min(first, n)
	}
	return first, last
}

// used is how many requests were accepted after the first window, and how many windows those were.
func (s *rateWindows) used() (requests, windows int) {
	first, last := s.span()
	for n := first + 1; n <= last; n++ {
		requests += s.windows[n].accepted
	}
	return requests, int(last - first)
}

// saturate calls as often as it may for that long.
func saturate(t *testing.T, s *rateWindows, workers int, d time.Duration, clients ...*intercomrbac.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for {
				if _, err := clients[i%len(clients)].Teams.List(ctx); errors.Is(err, context.DeadlineExceeded) {
					return
				} else if err != nil {
					assert.ErrorIs(t, err, intercomrbac.ErrRateLimited)
				}
			}
		})
	}
	wg.Wait()
}

// burst makes that many calls at once and waits for all.
func burst(t *testing.T, c *intercomrbac.Client, calls int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			_, err := c.Teams.List(t.Context())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	return time.Since(start)
}

// longRun is what the tests of this file do: little, and in a soak run what is promised.
var longRun = struct {
	limits  []int
	seeds   uint64
	minutes time.Duration
}{[]int{167, 1667}[:soak.N(1, 2)], uint64(soak.N(1, 5)), time.Duration(soak.N(2, 30)) * time.Minute}

var skews = []time.Duration{-300 * time.Millisecond, 0, 300 * time.Millisecond}

// Whatever the server's clock says and the line does, nothing is refused and the budget is used.
func TestEveryWindowIsUsedAndNothingRefused(t *testing.T) {
	t.Parallel()
	for _, limit := range longRun.limits {
		for _, skew := range skews {
			t.Run(fmt.Sprint(limit, " ", skew), func(t *testing.T) {
				t.Parallel()
				refused, used, budget := 0, 0, 0
				for seed := range longRun.seeds {
					synctest.Test(t, func(t *testing.T) {
						s := newRateWindows(limit, skew, seed)
						saturate(t, s, 64, longRun.minutes, clientOf(t, transport(s.RoundTrip)))
						requests, windows := s.used()
						refused, used, budget = refused+s.refused(), used+requests, budget+windows*limit
					})
				}
				share := float64(used) / float64(budget)
				assert.Zero(t, refused)
				assert.GreaterOrEqual(t, share, 0.95)
				soak.Report(t, "C1", "limit %d, server's clock %+v, saturated, %d x %v: %d of %d requests refused, %.2f %% of the budget used",
					limit, skew, longRun.seeds, longRun.minutes, refused, used, 100*share)
			})
		}
	}
}

// Three windows' worth of calls at once, again and again, begins anywhere in a window and takes no longer than it must.
func TestBurstOfThreeWindows(t *testing.T) {
	t.Parallel()
	for _, limit := range longRun.limits {
		for _, skew := range skews {
			t.Run(fmt.Sprint(limit, " ", skew), func(t *testing.T) {
				t.Parallel()
				bursts, refused, used, worst, sum := 0, 0, 0, time.Duration(0), time.Duration(0)
				for seed := range longRun.seeds {
					synctest.Test(t, func(t *testing.T) {
						s := newRateWindows(limit, skew, seed)
						var c *intercomrbac.Client
						for start := time.Now(); time.Since(start) < longRun.minutes; bursts++ {
							if s.random.IntN(4) == 0 || c == nil {
								c = clientOf(t, transport(s.RoundTrip)) // which knows nothing yet
							}
							phase := time.Duration(s.random.Int64N(int64(8 * time.Second))) // at the very end all depends on the line
							s.sleepInto(phase)
							middle := s.now().Unix()/10 + 1
							over := burst(t, c, 3*limit) - (20*time.Second - phase)
							used += s.windows[middle].accepted
							worst, sum = max(worst, over), sum+over
						}
						refused += s.refused()
					})
				}
				share := float64(used) / float64(bursts*limit)
				mean := 1 + (sum/time.Duration(bursts)).Seconds()/20
				assert.Zero(t, refused)
				assert.GreaterOrEqual(t, share, 0.95)
				assert.LessOrEqual(t, mean, 1.05)
				assert.LessOrEqual(t, worst, time.Second+2*slowest, "the ideal does not know how slow the line is")
				soak.Report(t, "C1", "limit %d, server's clock %+v, %d bursts of three windows: %d refused, %.2f %% of the budget used, in %.3f of 20 s; the worst in %.3f",
					limit, skew, bursts, refused, 100*share, mean, 1+worst.Seconds()/20)
			})
		}
	}
}

// The same of clients that know nothing yet, over a line that does not vary.
func TestFirstBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newRateWindows(167, 0, 1)
		s.spread = func(*rand.Rand) float64 { return 0.020 }
		for phase := time.Duration(0); phase < 9*time.Second; phase += 610 * time.Millisecond {
			s.sleepInto(phase)
			took := burst(t, clientOf(t, transport(s.RoundTrip)), 167)
			assert.Equal(t, 80*time.Millisecond, took, "one window's worth at %v", phase)

			s.sleepInto(phase)
			took = burst(t, clientOf(t, transport(s.RoundTrip)), 3*167)
			late := 300 * time.Millisecond
			if phase > 5*time.Second {
				late += time.Second // too late to find out when the first window ends
			}
			assert.Less(t, took-(20*time.Second-phase), late, "three windows' worth at %v", phase)
		}
		assert.Zero(t, s.refused())
	})
}

// Where the server's clocks do not agree, or others spend of the same budget, each client is refused one request in a
// window at the most. A budget that shrinks is only seen by being refused: the first window does not count there.
func TestRefusedOnceWhereClocksOrBudgetAreNotOurs(t *testing.T) {
	t.Parallel()
	ahead := func(d time.Duration) func(*rateWindows) { return func(s *rateWindows) { s.date = d } }
	for name, tt := range map[string]struct {
		set     func(s *rateWindows)
		clients int     // that do not know of each other; 0 means one
		others  float64 // part of the limit that another app asks for
		refused float64 // in a window, on average
		used    float64 // of the budget, by all
	}{
		"Date ahead by 300 ms":      {set: ahead(300 * time.Millisecond), refused: 0.2, used: 0.95},
		"Date ahead by 900 ms":      {set: ahead(900 * time.Millisecond), refused: 0.2, used: 0.95},
		"Date behind by 900 ms":     {set: ahead(-900 * time.Millisecond), used: 0.95},
		"a clock that loses 0.04 %": {set: func(s *rateWindows) { s.slow = 0.0004 }, used: 0.95},
		"a clock that gains 0.04 %": {set: func(s *rateWindows) { s.slow = -0.0004 }, used: 0.95},
		"up to 1.5 s each way":      {set: func(s *rateWindows) { s.spread = func(r *rand.Rand) float64 { return 0.01 + 1.49*r.Float64() } }},
		"another app":               {others: 0.3, refused: 1, used: 0.95},
		"an app that wants all":     {others: 1, refused: 1, used: 0.95},
		"a budget not told of":      {set: func(s *rateWindows) { s.budget = s.limit * 3 / 4 }, refused: 1, used: 0.95},
		"another app, and not told": {set: func(s *rateWindows) { s.budget = s.limit * 3 / 4 }, others: 0.3, refused: 1, used: 0.95},
		"four processes":            {clients: 4, refused: 4, used: 0.95},
	} {
		for _, limit := range longRun.limits {
			t.Run(fmt.Sprint(name, " ", limit), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newRateWindows(limit, 0, 1)
					if tt.set != nil {
						tt.set(s)
					}
					clients := make([]*intercomrbac.Client, max(tt.clients, 1))
					for i := range clients {
						clients[i] = clientOf(t, transport(s.RoundTrip))
					}
					if tt.others > 0 {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						go s.spend(ctx, tt.others)
					}
					saturate(t, s, 64, longRun.minutes, clients...)

					refused, over, used, windows := 0, 0, 0, 0
					first, last := s.span()
					for n := first; n <= last; n++ {
						w := s.windows[n]
						if n == first && tt.refused >= 1 {
							assert.LessOrEqual(t, w.refused, 64, "no more than were under way")
							continue
						}
						refused, used, windows = refused+w.refused, used+w.accepted+w.others, windows+1
						if w.refused > len(clients) {
							over++
						}
					}
					assert.LessOrEqual(t, over, windows/100, "windows in which a client may have been refused twice: what another app does is a matter of chance")
					share := float64(used) / float64(windows*s.total())
					assert.LessOrEqual(t, float64(refused), max(tt.refused*float64(windows), math.Ceil(tt.refused)))
					assert.GreaterOrEqual(t, share, tt.used)
					soak.Report(t, "C2", "%s, limit %d: %d refused in %d windows, more than one for each client in %d; %.1f %% of the budget used by all",
						name, limit, refused, windows, over, 100*share)
				})
			})
		}
	}
}

// spend is another app, which asks for a part of the limit at random times.
func (s *rateWindows) spend(ctx context.Context, part float64) {
	random := rand.New(rand.NewPCG(1, 1))
	for ctx.Err() == nil {
		select {
		case <-time.After(time.Duration(random.ExpFloat64() / part / float64(s.limit) * float64(10*time.Second))):
			s.another()
		case <-ctx.Done():
		}
	}
}
