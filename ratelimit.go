package intercomrbac

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"slices"
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
	// Reset is the local time by which the window is over, by the server's own Date: at most a second, and the
	// time that the answer took, after it is.
	Reset time.Time

	window int64         // the server's own name for the window: its end in unix seconds
	grain  time.Duration // how exactly the server told the time

	// For the limiter; the client adds them.
	answered bool      // there was an answer, whatever it said
	refused  bool      // it was 429
	sent     time.Time // when the request was sent; zero if none was
	received time.Time
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
// clients of one app and workspace may share one. The zero value is ready to use. It is safe for concurrent use, keeps
// no goroutine, and must not be copied. Only a [Client] of this package can tell it what it needs to know.
//
// The first request goes at once and the others wait for its headers, though not for long if they do not come. After
// that as many are under way as the window has left, and the rest wait, first come first served. Against a server that
// sends no such headers nothing waits.
//
// When a window ends is learnt from the server's own clock; this machine's may be wrong. Where more requests wait than
// the window has left, its last few are spread over seconds until its end is known to a fraction of one. Into the window
// after one that was used up goes one request alone, and the others follow when its answer shows that the window has
// begun: if it was too early, that one is refused, and from then on the next window is begun later. What other apps took
// of the last window is left to them in this one, but for requests that go one at a time.
//
// A limiter that is new, as after a restart, learns from one refusal of a window that has nothing left. A request that
// ended without an answer counts as one that the server counted, until a later answer tells.
type WindowLimiter struct {
	mu      sync.Mutex
	state   limiterState
	waiting list.List // of chan struct{}, closed when its owner may go
	timer   *time.Timer
	probe   time.Time // when a request was let go for whose answer the others wait

	// The newest window that the server has named, and what it said of it.
	window   int64
	limit    int         // requests in it
	left     int         // its lowest word on how many are left
	took     int         // requests of ours in it
	unheard  []time.Time // when requests ended without a word: the server may have counted them since its lowest one
	refused  bool        // it has refused one
	others   int         // requests that others had in the one before
	from, to time.Time   // it ends after from, and not after to
	settled  bool        // and this is as exact as it gets

	// The window of now.
	presumed bool          // the clock began it, and no answer has shown that it has begun
	next     time.Time     // when the next one is taken to begin
	lag      time.Duration // how much later than by its Date the server begins one
	granted  int           // requests let go in it
	began    [2]time.Time  // when it was taken to have begun, and the one before
	inflight [2]int        // requests under way that were let go in it, and in the one before
}

type limiterState uint8

const (
	limitUnknown limiterState = iota // no answer yet
	limitAbsent                      // answers say nothing about a limit
	limitKnown
)

const (
	// probeAfter is how long the answer to one request is waited for at the most before others go.
	probeAfter = time.Second
	// lagStep is added to lag when a window had not begun yet, up to maxLag; lagDecay is taken off with each window.
	lagStep, maxLag, lagDecay = time.Second, window / 2, 10 * time.Millisecond
	// scouts is how many requests of a window are spent on finding its end at the most; of a small one, one in forty.
	scouts = 4
)

// Wait implements [Limiter]. Where ctx ends before the next window and this one has nothing left, it returns at once.
func (l *WindowLimiter) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.waiting.Len() == 0 {
		now := time.Now()
		if free, _ := l.free(now); free {
			l.grant(now)
			l.mu.Unlock()
			return nil
		}
	}
	if l.state == limitKnown && l.remaining() <= 0 && !l.presumed {
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(l.next) {
			defer l.mu.Unlock()
			return &slotError{time.Until(l.next)}
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
		l.unsent()
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
	switch {
	case r.window != 0:
		l.landed(r.sent)
		l.learn(r)
	case r.sent.IsZero() && !r.answered:
		l.unsent()
	default:
		l.landed(r.sent)
		switch {
		case l.state == limitUnknown && r.answered:
			l.state = limitAbsent
		case l.state == limitKnown: // it may have been counted
			l.unheard, l.took = append(l.unheard, time.Now()), l.took+1
		}
		l.probe = time.Time{} // no use to wait for more
	}
	l.release()
}

// unsent takes a request back that was let go and not sent. The caller holds the lock.
func (l *WindowLimiter) unsent() {
	l.landed(l.began[0])
	l.granted = max(0, l.granted-1)
}

// remaining is how many requests are left for certain, but for those under way. The caller holds the lock.
func (l *WindowLimiter) remaining() int { return l.left - len(l.unheard) }

// heard takes the word on those that ended without one before that time. The caller holds the lock.
func (l *WindowLimiter) heard(before time.Time) {
	l.unheard = slices.DeleteFunc(l.unheard, before.After)
}

// landed takes note that a request is not under way any more. One that hung for longer than a window was given up
// before. The caller holds the lock.
func (l *WindowLimiter) landed(sent time.Time) {
	switch {
	case !sent.Before(l.began[0]) && l.inflight[0] > 0:
		l.inflight[0]--
	case !sent.Before(l.began[1]) && l.inflight[1] > 0:
		l.inflight[1]--
	}
}

// learn takes in the headers of an answer. The caller holds the lock.
func (l *WindowLimiter) learn(r RateLimit) {
	const length = int64(window / time.Second)
	trip := r.received.Sub(r.sent)
	from, to := r.Reset.Add(-trip-r.grain), r.Reset
	sinceThen := !r.sent.Before(l.began[0])
	early := false
	l.heard(r.sent)
	switch step := r.window - l.window; {
	case l.state != limitKnown, step > 0, step < -length && sinceThen: // the last: the server's clock was set back
		if !l.presumed {
			l.turn(r.received)
		}
		if l.state == limitKnown && step == length {
			l.others = max(0, l.limit-l.took-l.remaining()-l.inflight[0]-l.inflight[1])
			if l.refused { // how many they are changes: leave room for more
				l.others += l.took / 16
			}
			l.took = 0
		} else { // whoever took what is gone
			l.others, l.took = 0, r.Limit-r.Remaining-1
		}
		if l.state == limitKnown && 0 < step && step <= 360*length {
			shift := time.Duration(step) * time.Second
			drift := shift / 2000 // of two clocks, as fast as one is slewed
			l.from, l.to = l.from.Add(shift-drift), l.to.Add(shift+drift)
		} else {
			l.from, l.to = from, to
		}
		l.lag = max(0, l.lag-lagDecay)
		l.state, l.window, l.left, l.refused, l.presumed = limitKnown, r.window, r.Remaining, false, false
	case step < 0: // of a window that is over
		return
	case l.presumed && sinceThen: // the window before is not over
		early, l.presumed = true, false
		l.lag = min(l.lag+lagStep, maxLag)
	}
	l.limit, l.left = r.Limit, min(l.left, r.Remaining)
	switch {
	case !r.refused:
		l.took++
	case !early:
		l.left, l.refused = 0, true // whatever it says: a workspace has a limit of its own, over all apps
	}
	if from.After(l.to) || to.Before(l.from) { // a clock was set
		l.from, l.to = from, to
	}
	if from.After(l.from) {
		l.from = from
	}
	if to.Before(l.to) {
		l.to = to
	}
	l.settled = l.to.Sub(l.from) <= trip+r.grain/6
	if !l.presumed {
		l.next = l.to.Add(l.lag)
	}
}

// free reports whether one more request may be under way, and if not, when that may change by itself. The caller holds
// the lock.
func (l *WindowLimiter) free(now time.Time) (bool, time.Time) {
	switch l.state {
	case limitUnknown:
		again := l.probe.Add(probeAfter)
		return l.inflight[0] == 0 || !now.Before(again), again
	case limitAbsent:
		return true, now
	}
	if late := now.Sub(l.next); late >= 0 {
		l.turn(now)
		l.presumed = true
		l.next = l.next.Add((late/window + 1) * window)
	}
	busy := l.inflight[0] + l.inflight[1] // may not be in the server's count yet
	room := l.remaining() - busy
	last := 0
	if !l.settled && l.waiting.Len() > room && now.Add(scouts*time.Second).Before(l.from) {
		last = min(scouts, l.limit/40)
	}
	beyond := l.others > 0 && (l.took+busy >= l.limit-l.others || room <= 2+l.others/4) // our share
	switch {
	case l.presumed && (room <= 0 || beyond):
		// What is left of the window before would do in either; more needs an answer.
		if waited := now.Sub(l.probe); l.granted > 0 && waited < probeAfter {
			pause := time.Duration(min(l.granted, 4)) * probeAfter / 4 // one more may overtake a slow one
			return waited >= pause, l.probe.Add(pause)
		}
		return l.limit > l.granted+l.inflight[1], l.next
	case room <= 0:
		return false, l.next
	case room <= last:
		// The answer to a request halfway between from and to, in any second, halves what is not known: it tells the
		// server's time in whole ones.
		halfway := l.from.Add(l.to.Sub(l.from) / 2)
		past := (now.Sub(halfway)%time.Second + time.Second) % time.Second
		return busy == 0 && past < time.Second/10, now.Add(time.Second - past)
	case beyond:
		return busy == 0, l.next
	}
	return true, now
}

// turn begins a window. The caller holds the lock.
func (l *WindowLimiter) turn(now time.Time) {
	l.granted, l.inflight, l.began = 0, [2]int{0, l.inflight[0]}, [2]time.Time{now, l.began[0]}
	if l.state == limitKnown && now.Sub(l.next) >= window { // not the one that follows
		l.inflight[1], l.began[1] = 0, now
	}
	l.heard(l.began[1])
}

// grant lets one request go. The caller holds the lock.
func (l *WindowLimiter) grant(now time.Time) {
	l.inflight[0]++
	l.granted++
	if l.state == limitUnknown || l.presumed && l.granted == 1 {
		l.probe = now
	}
}

// release lets as many waiters go as there is room for, and sees to it that the rest are looked at in time. The caller
// holds the lock.
func (l *WindowLimiter) release() {
	for l.waiting.Len() > 0 {
		now := time.Now()
		free, again := l.free(now)
		if free {
			l.grant(now)
			close(l.waiting.Remove(l.waiting.Front()).(chan struct{}))
			continue
		}
		look := again.Sub(now)
		if l.timer != nil {
			l.timer.Reset(look)
			return
		}
		l.timer = time.AfterFunc(look, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.release()
		})
		return
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// slotError says that no request may be sent before the context ends.
type slotError struct{ wait time.Duration }

func (e *slotError) Error() string {
	return fmt.Sprintf("no slot of the rate limit comes free for another %s", e.wait.Round(time.Millisecond))
}
func (e *slotError) Unwrap() error { return context.DeadlineExceeded }

// clockSlack is how far the server's Date may be from the clock that it counts by, rounding included.
const clockSlack = 2 * time.Second

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
	grain := time.Second
	server, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		server, grain = now, 0
	}
	ahead := time.Unix(reset, 0).Sub(server)
	if ahead < -clockSlack || ahead > window+clockSlack {
		return RateLimit{}
	}
	return RateLimit{Limit: int(limit), Remaining: int(remaining), Reset: now.Add(max(ahead, 0)), window: reset, grain: grain}
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
