package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
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

func FuzzRateLimitHeaders(f *testing.F) {
	f.Add("167", "3", "946684805", "Sat, 01 Jan 2000 00:00:00 GMT", "3")
	f.Add("-1", "9223372036854775807", "-9223372036854775808", "", "1e99")
	f.Add("", "", "", "x", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, limit, remaining, reset, date, after string) {
		now := time.Unix(946684800, 0)
		h := http.Header{"X-Ratelimit-Limit": {limit}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Date": {date}, "Retry-After": {after}}
		if r := parseRateLimit(h, now); r != (RateLimit{}) {
			if wait := r.Reset.Sub(now); wait < 0 || wait > maxWindow || r.Remaining > r.Limit || r.Remaining < 0 {
				t.Fatalf("%+v", r)
			}
		}
		if d := parseRetryAfter(h, now); d < 0 || d > maxRetryAfter {
			t.Fatal(d)
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

func (s *server) take() RateLimit {
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
							time.Sleep(latency / 2)
							r := s.take()
							time.Sleep(latency - latency/2)
							l.Observe(r)
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
		l.Observe(RateLimit{Limit: 4, Remaining: 3, Reset: time.Now().Add(5 * time.Second), window: 1})
		synctest.Wait()
		assert.EqualValues(t, 4, granted.Load(), "as many as are left")
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		assert.EqualValues(t, 4, granted.Load())
		for range 3 {
			l.Observe(RateLimit{Limit: 4, Remaining: 0, Reset: time.Now().Add(time.Nanosecond), window: 1})
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.EqualValues(t, 8, granted.Load(), "the next window")
		for range 4 {
			l.Observe(RateLimit{Limit: 4, Remaining: 0, Reset: time.Now().Add(10 * time.Second), window: 2})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 10, granted.Load())
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
					time.Sleep(time.Duration(i%50) * time.Millisecond)
					l.Observe(s.take())
				}
			})
		}
		wg.Wait()
		assert.Zero(t, s.refused)
		assert.Zero(t, l.inflight)
		assert.Zero(t, l.waiting.Len())
		require.NoError(t, l.Wait(t.Context()))
	})
}

func TestWindowLimiterIgnoresLateAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l WindowLimiter
		at := func(d time.Duration) time.Time { return time.Now().Add(d) }
		for range 3 {
			l.inflight++
		}
		l.Observe(RateLimit{Limit: 10, Remaining: 5, Reset: at(10 * time.Second), window: 20})
		l.Observe(RateLimit{Limit: 10, Remaining: 0, Reset: at(0), window: 10}) // of the window before
		assert.Equal(t, 5, l.left)
		l.Observe(RateLimit{Limit: 10, Remaining: 7, Reset: at(9500 * time.Millisecond), window: 20}) // overtaken
		assert.Equal(t, 5, l.left)
		assert.Equal(t, at(9500*time.Millisecond), l.reset, "the end is narrowed down")
		assert.Zero(t, l.inflight)
		time.Sleep(35 * time.Second)
		assert.True(t, l.free())
		assert.Equal(t, 10, l.left)
		assert.Equal(t, 4500*time.Millisecond, time.Until(l.reset), "windows follow each other")
		l.Observe(RateLimit{Limit: 10, Remaining: 0, Reset: at(0), window: 20})
		assert.Equal(t, 10, l.left, "a late answer says nothing about the new window")
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
