package intercomrbac

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Retry says how often a request is tried, and how long the client waits in between. A request that was refused for
// rate (429), or for which no connection came about, was not processed: it is tried again, whatever it is. After a lost
// answer or a 502, 503 or 504 only a repeatable operation is tried again. The zero value means the defaults.
//
// A client and its copies have one budget of 100 retries, so that an outage does not multiply what they send. A retry
// takes one; each answer that shows Intercom at work puts one back. When the budget is used up calls fail at once, with
// the error of their last attempt, which then says so. A 429 that names its wait costs nothing: it is no outage, and the
// limiter bounds what is sent.
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

// again reports whether an attempt that ended like this may be followed by another, and after what wait: one of at most
// MaxWait, and none that ctx would not outlast.
func (r Retry) again(ctx context.Context, op Operation, a *answer, attempt int) (wait time.Duration, ok bool) {
	switch repeatable := op.Repeatable || op.Effect == Read && op.Method == http.MethodGet; {
	case attempt >= r.Attempts || ctx.Err() != nil:
		return 0, false
	case a.status == http.StatusTooManyRequests:
		wait = a.retryAfter
	case a.fault == faultDial:
	case !repeatable:
		return 0, false
	case a.fault == faultLost:
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		wait = a.retryAfter
	default:
		return 0, false
	}
	if wait == 0 {
		wait = min(backoff(attempt), r.MaxWait)
	}
	deadline, limited := ctx.Deadline()
	return wait, wait <= r.MaxWait && (!limited || time.Until(deadline) >= wait)
}

// retryBudget is what the retries of a client and its copies are taken from. The zero value is a full one.
type retryBudget struct{ spent atomic.Int32 }

const maxRetries = 100

// take takes one retry out, if there is one.
func (b *retryBudget) take() bool {
	for {
		n := b.spent.Load()
		if n >= maxRetries {
			return false
		}
		if b.spent.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// put puts one back.
func (b *retryBudget) put() {
	for n := b.spent.Load(); n > 0 && !b.spent.CompareAndSwap(n, n-1); n = b.spent.Load() {
	}
}

// costs reports whether another try is taken from the budget.
func (a *answer) costs() bool { return a.status != http.StatusTooManyRequests || a.retryAfter == 0 }

// atWork reports whether an answer shows that Intercom works.
func (a *answer) atWork() bool {
	return a.fault == faultNone && a.status < 500 && a.status != http.StatusTooManyRequests
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

// readWaits takes in what the headers say about when to come again.
func (a *answer) readWaits(h http.Header) {
	a.rate = parseRateLimit(h, a.received)
	a.retryAfter = parseRetryAfter(h, a.received)
	if a.status == http.StatusTooManyRequests && a.rate.Limit > 0 {
		// At least a second: the end of a window is told in whole ones.
		a.retryAfter = max(a.rate.Reset.Sub(a.received), time.Second)
	}
}

// parseRetryAfter reads Retry-After (seconds or a date) of an answer that came in at now; 0 when it says nothing.
// Intercom does not document the header; proxies send it.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := h["Retry-After"]
	if len(v) != 1 {
		return 0
	}
	if sec, err := strconv.ParseInt(v[0], 10, 64); err == nil {
		return time.Duration(min(max(sec, 0), int64(maxRetryAfter/time.Second))) * time.Second
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
