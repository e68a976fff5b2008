package intercomrbac

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Retry says how often a request is tried, and how long the client waits in between. A request that was refused for
// rate (429), or for which no connection came about, was not processed: it is tried again, whatever it is. After a lost
// answer or a 502, 503 or 504 only a repeatable operation is tried again. The zero value means the defaults.
type Retry struct {
	// Attempts is how many times a request is sent at the most; 1 means never again; 0 means 3.
	Attempts int
	// MaxWait is the longest wait that a refusal may ask for; a longer one is returned at once, as an error with
	// RetryAfter. 0 means 20 seconds, which is more than a rate window. Waiting in the limiter's queue is bounded
	// by the context alone.
	MaxWait time.Duration
}

func (r Retry) withDefaults() (Retry, error) {
	if r.Attempts < 0 || r.MaxWait < 0 {
		return r, errors.New("neither Attempts nor MaxWait may be negative")
	}
	if r.Attempts == 0 {
		r.Attempts = 3
	}
	if r.MaxWait == 0 {
		r.MaxWait = 20 * time.Second
	}
	return r, nil
}

// again reports whether an attempt that ended like this may be followed by another, and after what wait.
func (r Retry) again(op Operation, a *answer, attempt int) (time.Duration, bool) {
	if attempt >= r.Attempts {
		return 0, false
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		if a.retryAfter > 0 {
			return a.retryAfter, true
		}
	case a.fault == faultDial:
	case !op.Repeatable && !(op.Effect == Read && op.Method == http.MethodGet):
		return 0, false
	case a.fault == faultLost:
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		if a.retryAfter > 0 {
			return a.retryAfter, true
		}
	default:
		return 0, false
	}
	return min(backoff(attempt), r.MaxWait), true
}

// backoff is exponential with full jitter: up to 0.5 s after the first attempt, up to 8 s later on.
func backoff(attempt int) time.Duration {
	return rand.N(min(500*time.Millisecond<<min(attempt-1, 5), 8*time.Second)) + time.Millisecond
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxRetryAfter bounds what is believed of Retry-After.
const maxRetryAfter = 24 * time.Hour

// parseRetryAfter reads Retry-After (seconds or a date) of an answer that came in at now; 0 when it says nothing.
// Intercom does not document the header; proxies send it.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := h["Retry-After"]
	if len(v) != 1 {
		return 0
	}
	if sec, err := strconv.ParseInt(v[0], 10, 64); err == nil {
		return min(time.Duration(min(max(sec, 0), int64(maxRetryAfter/time.Second)))*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(v[0])
	if err != nil {
		return 0
	}
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// outlasts reports whether a wait of d would go beyond the end of ctx.
func outlasts(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < d
}
