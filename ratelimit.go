package intercomrbac

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// RateLimit is what the headers of one answer say about the current window. Intercom counts requests in windows of
// 10 seconds. The zero value means that the answer said nothing, or that there was none.
//
// Source: https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting
type RateLimit struct {
	// Limit is how many requests the window allows.
	Limit int
	// Remaining is how many of them are left.
	Remaining int
	// Reset is the local time by which the window is over for certain: at most a second after it is.
	Reset time.Time

	window   int64 // the server's own name for the window: its end in unix seconds
	answered bool  // for the limiter: there was an answer, whatever it said
}

// Limiter decides when a request may be sent. Both methods must be safe for concurrent use.
type Limiter interface {
	// Wait returns nil when one request may be sent, or an error when ctx ends first.
	Wait(ctx context.Context) error
	// Observe is called exactly once for each Wait that returned nil, when that request is over, with what
	// its answer said about the rate limit.
	Observe(RateLimit)
}

// window is the length of Intercom's rate windows.
const window = 10 * time.Second

// WindowLimiter paces requests to Intercom's rate windows by what the answers say. It is the default of a client;
// clients of one app and workspace may share one. The first request goes at once and the others wait for its headers,
// though not for long if they do not come; after that as many are under way as the window has left, and the rest wait,
// first come first served, for answers or for the next window. Against a server that sends no such headers nothing
// waits. The zero value is ready to use. It is safe for concurrent use, keeps no goroutine, and must not be copied.
type WindowLimiter struct {
	mu       sync.Mutex
	state    limiterState
	limit    int       // requests in a window
	left     int       // the server's lowest word on what is left of this one
	window   int64     // the newest window that the server has named
	reset    time.Time // local time at which this window is over for certain
	presumed bool      // the window has ended and no answer has told of the next one yet
	inflight int       // requests under way
	granted  [2]int    // requests let go in this window, and in the one before
	probe    time.Time // when a request was let go last while nothing was known
	waiting  list.List // of chan struct{}, closed when its owner may go
	timer    *time.Timer
}

type limiterState uint8

const (
	limitUnknown limiterState = iota // no answer yet
	limitAbsent                      // answers say nothing about a limit
	limitKnown
)

// probeAfter is how long the first request is waited for before the next one may try.
const probeAfter = time.Second

// Wait implements [Limiter]. Where it is certain that ctx ends before a request may be sent, it returns at once.
func (l *WindowLimiter) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.waiting.Len() == 0 && l.free() {
		l.grant()
		l.mu.Unlock()
		return nil
	}
	if wait := time.Until(l.reset); l.state == limitKnown && l.left <= 0 && wait > 0 {
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(l.reset) {
			l.mu.Unlock()
			return &slotError{wait}
		}
	}
	ready := make(chan struct{})
	place := l.waiting.PushBack(ready)
	l.release()
	l.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-ready: // granted at the same moment: hand the slot on
		l.inflight--
	default:
		l.waiting.Remove(place)
	}
	l.release()
	return ctx.Err()
}

// Observe implements [Limiter].
func (l *WindowLimiter) Observe(r RateLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inflight = max(0, l.inflight-1)
	switch {
	case r.window == 0:
		// Without an answer at all nothing was learnt.
		if l.state == limitUnknown && r.answered {
			l.state = limitAbsent
		}
	case l.state != limitKnown || r.window > l.window:
		if !l.presumed {
			l.turn()
		}
		l.state, l.limit, l.left = limitKnown, r.Limit, r.Remaining
		l.window, l.reset, l.presumed = r.window, r.Reset, false
	case r.window == l.window && !l.presumed:
		l.limit, l.left = r.Limit, min(l.left, r.Remaining)
		if r.Reset.Before(l.reset) {
			l.reset = r.Reset // each answer narrows down when the window ends
		}
	}
	l.release()
}

// free reports whether one more request may be under way. The caller holds the lock.
func (l *WindowLimiter) free() bool {
	switch l.state {
	case limitUnknown:
		return l.inflight == 0 || time.Since(l.probe) >= probeAfter
	case limitAbsent:
		return true
	}
	if late := time.Since(l.reset); late >= 0 {
		l.turn()
		l.left, l.presumed = l.limit, true
		l.reset = l.reset.Add((late/window + 1) * window)
	}
	// What is under way may not be in the server's count yet, unless it is older than the window before: a request
	// that hangs must not count for ever.
	return l.left > min(l.inflight, l.granted[0]+l.granted[1])
}

// turn begins a window. The caller holds the lock.
func (l *WindowLimiter) turn() { l.granted = [2]int{0, l.granted[0]} }

// grant lets one request go. The caller holds the lock.
func (l *WindowLimiter) grant() {
	l.inflight++
	l.granted[0]++
	if l.state == limitUnknown {
		l.probe = time.Now()
	}
}

// release lets as many waiters go as there is room for, and sees to it that the rest are looked at in time. The caller
// holds the lock.
func (l *WindowLimiter) release() {
	for l.waiting.Len() > 0 && l.free() {
		l.grant()
		close(l.waiting.Remove(l.waiting.Front()).(chan struct{}))
	}
	if l.waiting.Len() == 0 {
		if l.timer != nil {
			l.timer.Stop()
			l.timer = nil
		}
		return
	}
	look := l.reset
	if l.state == limitUnknown {
		look = l.probe.Add(probeAfter)
	}
	if l.timer != nil {
		l.timer.Reset(time.Until(look))
		return
	}
	l.timer = time.AfterFunc(time.Until(look), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.release()
	})
}

// slotError says that no request may be sent before the context ends.
type slotError struct{ wait time.Duration }

func (e *slotError) Error() string {
	return fmt.Sprintf("no slot of the rate limit comes free for another %s", e.wait.Round(time.Millisecond))
}
func (e *slotError) Unwrap() error { return context.DeadlineExceeded }

// maxWindow bounds what is believed of X-RateLimit-Reset: a window, and a second for each clock that shows whole ones.
const maxWindow = window + 2*time.Second

// parseRateLimit reads the headers of an answer that came in at now. Headers that make no sense count as none.
func parseRateLimit(h http.Header, now time.Time) RateLimit {
	limit, ok1 := headerInt(h, "X-Ratelimit-Limit")
	remaining, ok2 := headerInt(h, "X-Ratelimit-Remaining")
	reset, ok3 := headerInt(h, "X-Ratelimit-Reset")
	if !ok1 || !ok2 || !ok3 || limit < 1 || limit > 1e6 || remaining < 0 || remaining > limit || reset > maxUnix {
		return RateLimit{}
	}
	// The server's own clock tells how far away the end is, whatever ours says. It shows whole seconds only,
	// so the end is never taken too early.
	server, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		server = now
	}
	ahead := time.Unix(reset, 0).Sub(server)
	if ahead < 0 || ahead > maxWindow {
		return RateLimit{}
	}
	return RateLimit{Limit: int(limit), Remaining: int(remaining), Reset: now.Add(ahead), window: reset}
}

// headerInt reads a header that comes exactly once and holds a whole number.
func headerInt(h http.Header, key string) (int64, bool) {
	v := h[key]
	if len(v) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	return n, err == nil
}
