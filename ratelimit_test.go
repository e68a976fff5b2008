package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	head := func(limit, remaining, reset string, more ...string) http.Header {
		h := http.Header{"X-Ratelimit-Limit": {limit}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = append(h[more[i]], more[i+1])
		}
		return h
	}
	in := func(d time.Duration) string { return strconv.FormatInt(now.Truncate(time.Second).Add(d).Unix(), 10) }
	for name, tt := range map[string]struct {
		header http.Header
		want   time.Duration // until Reset; negative if the headers count as none
	}{
		"plain":                     {head("167", "3", in(5*time.Second)), 4400 * time.Millisecond},
		"by the server's clock":     {head("167", "3", in(65*time.Second), "Date", now.Add(time.Minute).Format(http.TimeFormat)), 5 * time.Second},
		"nothing left":              {head("167", "0", in(5*time.Second)), 4400 * time.Millisecond},
		"all left":                  {head("167", "167", in(5*time.Second)), 4400 * time.Millisecond},
		"none":                      {http.Header{}, -1},
		"one missing":               {http.Header{"X-Ratelimit-Limit": {"167"}, "X-Ratelimit-Reset": {in(time.Second)}}, -1},
		"twice":                     {head("167", "3", in(5*time.Second), "X-Ratelimit-Limit", "5"), -1},
		"no number":                 {head("many", "3", in(5*time.Second)), -1},
		"fraction":                  {head("167", "3.5", in(5*time.Second)), -1},
		"zero limit":                {head("0", "0", in(5*time.Second)), -1},
		"negative remaining":        {head("167", "-3", in(5*time.Second)), -1},
		"more left than there were": {head("167", "168", in(5*time.Second)), -1},
		"beyond int64":              {head("167", "3", "99999999999999999999"), -1},
		"int64's end":               {head("167", "3", "9223372036854775807"), -1},
		"int64's beginning":         {head("167", "3", "-9223372036854775808"), -1},
		"huge limit":                {head("9223372036854775807", "3", in(5*time.Second)), -1},
		"in an hour":                {head("167", "3", in(time.Hour)), -1},
		"over":                      {head("167", "3", in(-5*time.Second)), -1},
		"in milliseconds":           {head("167", "3", in(5*time.Second)+"000"), -1},
	} {
		got := parseRateLimit(tt.header, now)
		if tt.want < 0 {
			assert.Equal(t, RateLimit{}, got, name)
		} else {
			assert.Equal(t, now.Add(tt.want), got.Reset, name)
			assert.Equal(t, 167, got.Limit, name)
		}
	}
}

// However the headers are, every wait that they cause has a bound: each line of a text is a value of its header.
func FuzzRateLimitHeaders(f *testing.F) {
	f.Add("167", "3", "946684805", "Sat, 01 Jan 2000 00:00:00 GMT", "3", 429)
	f.Add("-1", "9223372036854775807", "-9223372036854775808", "", "1e99", 429)
	f.Add("", "", "", "x", "Fri, 31 Dec 9999 23:59:59 GMT", 503)
	f.Add("167\n167", "0.5", "7226582400", "Sat, 01 Jan 2000 00:00:00 GMT\nx", "Tue, 01 Jan 2199 00:00:00 GMT", 503)
	f.Add("1", "0", "946684800", "Sat, 01 Jan 2000 00:00:02 GMT", "9223372036854775807", 429)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, date, after string, status int) {
		now := time.Unix(946684800, 0)
		h := http.Header{"X-Ratelimit-Limit": strings.Split(limit, "\n"), "X-Ratelimit-Remaining": strings.Split(remaining, "\n"),
			"X-Ratelimit-Reset": strings.Split(reset, "\n"), "Date": strings.Split(date, "\n"), "Retry-After": strings.Split(after, "\n")}
		a := answer{status: status, received: now}
		a.readWaits(h)
		if a.retryAfter < 0 || a.retryAfter > maxRetryAfter {
			t.Fatalf("RetryAfter is %v", a.retryAfter)
		}
		retry, _ := Retry{}.withDefaults()
		if wait, again := retry.again(t.Context(), Operation{Repeatable: true}, &a, 1); again && (wait <= 0 || wait > retry.MaxWait) {
			t.Fatalf("it would wait for %v", wait)
		}
		if a.rate == (RateLimit{}) {
			return
		}
		if wait := a.rate.Reset.Sub(now); wait < 0 || wait > window+clockSlack || a.rate.Remaining > a.rate.Limit || a.rate.Remaining < 0 {
			t.Fatalf("%+v", a.rate)
		}
		var l WindowLimiter
		for _, refused := range []bool{false, true, true} {
			r := a.rate
			r.refused, r.sent, r.received = refused, now, now
			l.grant(now)
			l.Observe(r)
			if free, next := l.free(now); !free && next.Sub(now) > window+clockSlack+maxLag {
				t.Fatalf("the limiter would wait for %v", next.Sub(now))
			}
		}
	})
}

// server counts requests in fixed windows of 10 seconds on its own clock, as Intercom does.
type server struct {
	mu       sync.Mutex
	limit    int
	accepted map[int64]int
	refused  int
}

// take is a request that takes some time to the server and as much back.
func (s *server) take(latency time.Duration) RateLimit {
	sent := time.Now()
	time.Sleep(latency / 2)
	r := s.count()
	time.Sleep(latency - latency/2)
	r.sent, r.received = sent, time.Now()
	return r
}

func (s *server) count() RateLimit {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := time.Now().Unix() / 10
	if s.accepted == nil {
		s.accepted = map[int64]int{}
	}
	if s.accepted[w] == s.limit {
		s.refused++
	} else {
		s.accepted[w]++
	}
	end := (w + 1) * 10
	return RateLimit{Limit: s.limit, Remaining: s.limit - s.accepted[w], Reset: time.Unix(end, 0), window: end}
}

func TestWindowLimiterUsesTheBudgetAndNoMore(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{0, 30 * time.Millisecond, time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{limit: 167}
				var l WindowLimiter
				ctx, cancel := context.WithTimeout(t.Context(), 110*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				for range 32 {
					wg.Go(func() {
						for l.Wait(ctx) == nil {
							l.Observe(s.take(latency))
						}
					})
				}
				wg.Wait()
				used := 0
				first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 10
				for w := first + 1; w <= first+10; w++ {
					used += s.accepted[w]
				}
				assert.Zero(t, s.refused)
				assert.GreaterOrEqual(t, float64(used), 0.95*1670)
			})
		})
	}
}

func TestWindowLimiterFirstRequestProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l WindowLimiter
		var granted atomic.Int32
		for range 10 {
			go func() {
				if l.Wait(t.Context()) == nil {
					granted.Add(1)
				}
			}()
		}
		synctest.Wait()
		assert.EqualValues(t, 1, granted.Load(), "the first goes at once, the others wait for its headers")
		answer := func(remaining int, window int64, left time.Duration) {
			now := time.Now()
			l.Observe(RateLimit{Limit: 4, Remaining: remaining, Reset: now.Add(left), window: window, sent: now, received: now})
			synctest.Wait()
		}
		answer(3, 10, 5*time.Second)
		assert.EqualValues(t, 4, granted.Load(), "as many as are left")
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		assert.EqualValues(t, 4, granted.Load())
		for range 3 {
			answer(0, 10, time.Nanosecond)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.EqualValues(t, 5, granted.Load(), "one goes into the next window alone")
		answer(3, 20, 10*time.Second)
		assert.EqualValues(t, 8, granted.Load(), "and the others when it has told that the window has begun")
		for range 3 {
			answer(0, 20, 10*time.Second)
		}
		time.Sleep(10*time.Second + probeAfter)
		synctest.Wait()
		assert.EqualValues(t, 10, granted.Load(), "or when it takes too long to")
	})
}

func TestWindowLimiterDoesNotPaceServersWithoutHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l WindowLimiter
		start := time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				assert.NoError(t, l.Wait(t.Context()))
				time.Sleep(time.Second / 2)
				l.Observe(RateLimit{answered: true})
			})
		}
		wg.Wait()
		assert.Equal(t, time.Second, time.Since(start), "one probes, then all go at once")
	})
}

func TestWindowLimiterWakesWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l WindowLimiter
		require.NoError(t, l.Wait(t.Context()))
		l.Observe(RateLimit{Limit: 1, Remaining: 0, Reset: time.Now().Add(8 * time.Second), window: 1})

		// A deadline that cannot be kept is told at once.
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		err := l.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		slot, ok := errors.AsType[*slotError](err)
		require.True(t, ok)
		assert.Equal(t, 8*time.Second, slot.wait)
		assert.Zero(t, time.Since(start))

		// A cancel wakes the waiter at that moment.
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		require.ErrorIs(t, l.Wait(ctx), context.Canceled)
		assert.Equal(t, 3*time.Second, time.Since(start))

		// Neither of them kept a slot.
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, 8*time.Second, time.Since(start))
		assert.Zero(t, l.waiting.Len())
	})
}

// Cancels at random moments lose no slot and leave nobody in the queue.
func TestWindowLimiterUnderRandomCancels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 20}
		var l WindowLimiter
		var wg sync.WaitGroup
		for i := range 2000 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Duration(i*7919%100_000)*time.Millisecond, cancel)
				time.Sleep(time.Duration(i*104729%100_000) * time.Millisecond)
				if l.Wait(ctx) == nil {
					l.Observe(s.take(time.Duration(i%50) * time.Millisecond))
				}
			})
		}
		wg.Wait()
		assert.Zero(t, s.refused)
		assert.Zero(t, l.inflight[0]+l.inflight[1])
		assert.Zero(t, l.waiting.Len())
		require.NoError(t, l.Wait(t.Context()))
	})
}

// tell answers a request that was sent as long ago as it took: the window that ends at end, on a clock that is right, has
// so many of 100 left.
func tell(l *WindowLimiter, remaining int, end int64, took time.Duration, more ...func(*RateLimit)) {
	now := time.Now()
	r := RateLimit{Limit: 100, Remaining: remaining, Reset: time.Unix(end, 0), window: end, answered: true, sent: now.Add(-took), received: now}
	for _, set := range more {
		set(&r)
	}
	l.Observe(r)
}

func refusedForRate(r *RateLimit) { r.refused = true }

// letGo lets go as many as may go now, of more than that who wait.
func letGo(l *WindowLimiter) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for free, _ := l.free(time.Now()); free; free, _ = l.free(time.Now()) {
		l.grant(time.Now())
		n++
	}
	return n
}

// useUp uses up what inWindow left.
func useUp(l *WindowLimiter, end int64) {
	for n := range letGo(l) {
		tell(l, 89-n, end, 0)
	}
}

// inWindow runs a test in a bubble whose clock is 4 seconds into a window of a limiter that knows it: of 100 requests 90
// are left. end is when it ends.
func inWindow(t *testing.T, test func(t *testing.T, l *WindowLimiter, end int64)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := new(WindowLimiter)
		time.Sleep(4 * time.Second)
		require.NoError(t, l.Wait(t.Context()))
		end := time.Now().Unix() + 6
		tell(l, 90, end, 0)
		test(t, l, end)
	})
}

func TestWindowLimiterLate(t *testing.T) {
	t.Run("answers that were overtaken", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			require.Equal(t, 90, letGo(l))
			for _, remaining := range []int{20, 85, 60} {
				tell(l, remaining, end, 0)
			}
			assert.Zero(t, letGo(l), "20 are left and 87 are under way")
			for range 80 {
				tell(l, 20, end, 0)
			}
			assert.Equal(t, 13, letGo(l), "20 are left and 7 were under way")
		})
	})
	t.Run("answers of the window before", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			require.Equal(t, 90, letGo(l))
			tell(l, 1, end, 0) // the 89 under way are ours, not those of others
			time.Sleep(7 * time.Second)
			tell(l, 50, end+10, time.Second/2)
			for range 8 {
				tell(l, 0, end, 2*time.Second)
			}
			assert.Zero(t, letGo(l), "50 are left and 80 are under way")
			for range 70 {
				tell(l, 0, end, 2*time.Second)
			}
			assert.Equal(t, 40, letGo(l), "50 are left and 10 were under way")
		})
	})
	t.Run("an answer that never comes", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			require.Equal(t, 90, letGo(l))
			time.Sleep(25 * time.Second)
			require.Equal(t, 90, letGo(l), "two windows later nothing of it can be on its way")
			tell(l, 99, end+20, 0)
			assert.Equal(t, 10, letGo(l))
		})
	})
}

func TestWindowLimiterUnheard(t *testing.T) {
	t.Run("without an answer a request counts as one that was counted", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, _ int64) {
			require.Equal(t, 90, letGo(l))
			for range 50 {
				l.Observe(RateLimit{sent: time.Now()})
			}
			for range 40 {
				l.Observe(RateLimit{}) // was not sent
			}
			assert.Equal(t, 40, letGo(l))
		})
	})
	t.Run("though the answer to an earlier one cannot tell of it", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			require.Equal(t, 90, letGo(l))
			time.Sleep(time.Second)
			for n := range 88 {
				tell(l, 89-n, end, 0)
			}
			l.Observe(RateLimit{sent: time.Now()})
			tell(l, 1, end, time.Second) // the server counted it first
			assert.Zero(t, letGo(l), "1 was left before the one without an answer")
		})
	})
	t.Run("and the answer to a later one tells whether it was", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			require.Equal(t, 90, letGo(l))
			for range 89 {
				l.Observe(RateLimit{sent: time.Now()})
			}
			time.Sleep(time.Second)
			tell(l, 70, end, time.Second/2)
			assert.Equal(t, 70, letGo(l))
		})
	})
	t.Run("nor can one of the next window", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			useUp(l, end)
			time.Sleep(6 * time.Second)
			require.Equal(t, 1, letGo(l))
			time.Sleep(time.Second / 4)
			require.Equal(t, 1, letGo(l))
			l.Observe(RateLimit{sent: time.Now()})
			tell(l, 99, end+10, time.Second/4)
			assert.Equal(t, 98, letGo(l))
		})
	})
	t.Run("and an outage is not remembered for longer than two windows", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, _ int64) {
			for range 1000 {
				for range letGo(l) {
					l.Observe(RateLimit{sent: time.Now()})
				}
				assert.LessOrEqual(t, len(l.unheard), 200)
				time.Sleep(time.Second)
			}
		})
	})
	t.Run("and the next window is not waited for", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			useUp(l, end)
			time.Sleep(6 * time.Second)
			require.Equal(t, 1, letGo(l))
			l.Observe(RateLimit{sent: time.Now()})
			assert.Equal(t, 99, letGo(l))
		})
	})
	t.Run("what was not sent has shown nothing", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			useUp(l, end)
			time.Sleep(6 * time.Second)
			require.Equal(t, 1, letGo(l))
			l.Observe(RateLimit{})
			assert.Equal(t, 1, letGo(l))
		})
	})
}

func TestWindowLimiterNextWindow(t *testing.T) {
	t.Run("is not waited for while this one has some left", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			time.Sleep(6 * time.Second)
			assert.Equal(t, 90, letGo(l), "90 do no harm in either")
			tell(l, 99, end+10, 0)
			assert.Equal(t, 10, letGo(l))
		})
	})
	t.Run("had not begun", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			useUp(l, end)
			time.Sleep(6 * time.Second)
			require.Equal(t, 1, letGo(l))
			tell(l, 0, end, 0, refusedForRate)
			assert.Zero(t, letGo(l))
			time.Sleep(time.Second)
			require.Equal(t, 1, letGo(l))
			tell(l, 99, end+10, 0)
			require.Equal(t, 99, letGo(l), "what came too early is no one else's")
			for range 99 {
				tell(l, 0, end+10, 0)
			}
			time.Sleep(9*time.Second + 985*time.Millisecond)
			assert.Zero(t, letGo(l), "and the next one is begun later")
			time.Sleep(10 * time.Millisecond)
			assert.Equal(t, 1, letGo(l))
		})
	})
	t.Run("is shown by a second request when the first is slow", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			useUp(l, end)
			time.Sleep(6 * time.Second)
			for range 4 {
				assert.Equal(t, 1, letGo(l))
				time.Sleep(time.Second / 4)
			}
			assert.Equal(t, 96, letGo(l), "after a second it is not waited for")
		})
	})
	t.Run("leaves to others what they had", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			tell(l, 40, end+10, 0)
			for range 20 {
				tell(l, 0, end+10, 0) // 21 are ours and 79 are not
			}
			time.Sleep(16 * time.Second)
			require.Equal(t, 1, letGo(l))
			tell(l, 99, end+20, 0)
			assert.Equal(t, 20, letGo(l))
			for n := range 20 {
				tell(l, 98-n, end+20, 0)
			}
			for n := range 10 {
				require.Equal(t, 1, letGo(l), "one at a time")
				tell(l, 78-n, end+20, 0)
			}
		})
	})
	t.Run("comes later, for the server's clock is slow", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			time.Sleep(6*time.Second + time.Hour)
			tell(l, 0, end+3600, 0, func(r *RateLimit) { r.Reset, r.grain = r.Reset.Add(time.Second), time.Second })
			time.Sleep(time.Second - time.Nanosecond)
			assert.Zero(t, letGo(l))
			time.Sleep(time.Nanosecond)
			assert.Equal(t, 1, letGo(l))
		})
	})
	t.Run("comes later, for the server's clock was set", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			time.Sleep(6 * time.Second)
			tell(l, 0, end+10, 0, func(r *RateLimit) { r.Reset = r.Reset.Add(3 * time.Second) })
			time.Sleep(13*time.Second - time.Nanosecond)
			assert.Zero(t, letGo(l))
			time.Sleep(time.Nanosecond)
			assert.Equal(t, 1, letGo(l))
		})
	})
	t.Run("is another one, for the server's clock was set", func(t *testing.T) {
		inWindow(t, func(t *testing.T, l *WindowLimiter, end int64) {
			tell(l, 30, end-3600, 0)
			assert.Equal(t, 30, letGo(l))
		})
	})
}

func TestLocalRefusalIsAnAPIError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		c, err := NewClient(WithToken("a-token-for-tests"), WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) *http.Response {
			sent++
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"X-Ratelimit-Limit": {"1"}, "X-Ratelimit-Remaining": {"0"},
				"X-Ratelimit-Reset": {fmt.Sprint(time.Now().Unix() + 9)}}}
		})}))
		require.NoError(t, err)
		require.NoError(t, c.Contacts.Delete(t.Context(), "c1"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = c.Contacts.Delete(ctx, "c1")
		require.ErrorIs(t, err, ErrRateLimited)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrOutcomeUnknown)
		e, ok := errors.AsType[*APIError](err)
		require.True(t, ok)
		assert.Equal(t, 9*time.Second, e.RetryAfter)
		assert.Zero(t, e.StatusCode)
		assert.Equal(t, "contacts.delete", e.Operation)
		assert.Contains(t, e.Advice(), "wait 9s")
		assert.Equal(t, 1, sent)
	})
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// A request that need not wait.
func BenchmarkWindowLimiter(b *testing.B) {
	for name, answer := range map[string]RateLimit{
		"paced":           {Limit: 1e6, Remaining: 1e6, answered: true},
		"without headers": {answered: true},
	} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			var l WindowLimiter
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Wait(ctx); err != nil {
					b.Fatal(err)
				}
				now := time.Now()
				r := answer
				r.sent, r.received = now, now
				if r.Limit > 0 {
					r.window = now.Unix()/10*10 + 10
					r.Reset = time.Unix(r.window, 0)
				}
				l.Observe(r)
			}
		})
	}
}
