package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	handlerTime = time.Minute
	storeTime   = 10 * time.Second
	renewAfter  = 10 * time.Second // of a claim
)

// attemptWaits are the times between the runs of a handler.
var attemptWaits = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// delivery is a notification on its way to its handler.
type delivery struct {
	n      Notification
	key    string
	handle func(context.Context, Notification) error
	until  time.Time       // of the claim
	ctx    context.Context // values of the request
	queued bool
	unsure bool // whether a claim that failed was taken
	lost   bool // to another process

	taken  chan struct{} // closed once it is known what becomes of it
	status int           // of the answer; read once taken is closed
}

// begin takes a delivery into the books of this process, and returns the one that is there already, or nil.
func (r *Receiver) begin(d *delivery) *delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.inFlight[d.key]; first != nil {
		return first
	}
	r.inFlight[d.key] = d
	return nil
}

// answered is the status of a delivery that came before, once it has one.
func (d *delivery) answered(ctx context.Context) (int, error) {
	select {
	case <-d.taken:
		return d.status, nil
	case <-ctx.Done():
		return http.StatusServiceUnavailable, &callError{"Receiver: it came before, and the delivery store has not answered yet", []error{ErrUnavailable}}
	}
}

// end strikes a delivery off.
func (r *Receiver) end(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inFlight, d.key)
}

// enqueue has a delivery handled in a goroutine of its own, unless the queue is full or closed.
func (r *Receiver) enqueue(d *delivery) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.queued >= r.config.Queue {
		return false
	}
	d.queued = true
	r.queued++
	r.busy++
	go r.deliver(d)
	return true
}

// deliver runs the handler until it succeeds, or has failed often enough.
func (r *Receiver) deliver(d *delivery) {
	defer r.leave(func() {
		delete(r.inFlight, d.key)
		r.queued--
	})
	defer func() { // of the store
		if p := recover(); p != nil {
			r.report(d.ctx, d.n, d.failed(fmt.Errorf("the delivery store panicked: %s", printable(fmt.Sprint(p), 200))))
		}
	}()
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	handled := false
	defer func() { // deferred, for runtime.Goexit
		var err error
		if handled {
			err = r.keep(d.ctx, d)
		} else {
			err = r.release(d.ctx, d)
		}
		if err != nil {
			r.report(d.ctx, d.n, err)
		}
	}()
	for {
		d.n.Attempt++
		if !r.acquire(r.workers) {
			r.report(d.ctx, d.n, d.failed(errors.New("it was not handled: the Receiver was closed")))
			return
		}
		handled = r.run(ctx, d)
		if handled || d.lost || d.n.Attempt > len(attemptWaits) || ctx.Err() != nil {
			return
		}
		wait := attemptWaits[d.n.Attempt-1]
		r.pause(wait/2 + rand.N(wait))
	}
}

// acquire takes a place, and is false if the receiver's time is over first.
func (r *Receiver) acquire(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		if r.ctx.Err() == nil {
			return true
		}
		<-places
	case <-r.ctx.Done():
	}
	return false
}

// renew makes a claim last while the handler runs, and claims anew what was claimed too long ago, unless another process has taken it
// since.
func (r *Receiver) renew(d *delivery) {
	now := time.Now()
	left := d.until.Sub(now)
	if left > claimFor-renewAfter {
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, storeTime)
	defer cancel()
	until, free, err := now.Add(claimFor), true, error(nil)
	if left > 0 {
		err = r.config.Deliveries.Keep(ctx, d.key, until)
	} else {
		free, err = r.config.Deliveries.Claim(ctx, d.key, until)
	}
	switch {
	case err != nil: // twice is better than never
		d.unsure = true
		r.report(d.ctx, d.n, d.failed(fmt.Errorf("the delivery store failed, so that another process may handle it, too: %w", err)))
	case free:
		d.until = until
	default:
		d.lost = !d.unsure // or else it may be its own claim
	}
}

// run calls the handler once, with a place among the workers, which it gives free.
func (r *Receiver) run(ctx context.Context, d *delivery) (ok bool) {
	err := errors.New("the handler ended its goroutine")
	defer func() { // deferred, for runtime.Goexit
		<-r.workers
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %s", printable(fmt.Sprint(p), 200))
		}
		if err != nil {
			r.report(d.ctx, d.n, d.failed(err))
		}
	}()
	if r.renew(d); d.lost {
		err = nil
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, handlerTime)
	defer cancel()
	p, unknown := r.principal(ctx, d.n.Workspace)
	if unknown != nil {
		err = unknown
		return false
	}
	err = d.handle(WithPrincipal(ctx, p), d.n)
	return err == nil
}

// principal returns who handlers act as.
func (r *Receiver) principal(ctx context.Context, id WorkspaceID) (Principal, error) {
	if r.config.Principal == nil {
		return Principal{}, nil
	}
	p, err := r.config.Principal(ctx, id)
	switch {
	case err != nil:
		return Principal{}, fmt.Errorf("who acts is not known: %w", err)
	case p.Workspace != "" && p.Workspace != id:
		return Principal{}, fmt.Errorf("%w: the Principal is of %.80q", ErrWrongWorkspace, string(p.Workspace))
	}
	return p, nil
}

// failed is the error of an attempt.
func (d *delivery) failed(err error) error {
	return &callError{fmt.Sprintf("notification %s %s: attempt %d of %d: %s", printable(string(d.n.Topic), 80), printable(d.n.ID, 80),
		d.n.Attempt, len(attemptWaits)+1, untitled(err)), []error{err}}
}

// pause waits, but not for a receiver that closes.
func (r *Receiver) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.closing:
	}
}

// keep has the store keep the key of what was handled.
func (r *Receiver) keep(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := r.config.Deliveries.Keep(ctx, d.key, time.Now().Add(keepFor)); err != nil {
		return fmt.Errorf("intercomrbac: Receiver: it was handled, but the delivery store failed, so that it may be handled again: %w", err)
	}
	return nil
}

// release has the store give free what was not handled. A claim that is over may be another's by now.
func (r *Receiver) release(ctx context.Context, d *delivery) error {
	if !time.Now().Before(d.until) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := r.config.Deliveries.Release(ctx, d.key); err != nil {
		return fmt.Errorf("intercomrbac: Receiver: the delivery store failed: %w", err)
	}
	return nil
}

// leave ends a goroutine.
func (r *Receiver) leave(strike func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	strike()
	r.busy--
	if r.closed && r.busy == 0 {
		close(r.idle)
	}
}

// Close takes no more notifications (503, so that Intercom sends them again), has those in the queue handled, without the waits between
// attempts, and returns when that is done. Where ctx ends first the contexts of the handlers end, and the error says how many had not
// returned. Close may be called more than once.
func (r *Receiver) Close(ctx context.Context) error {
	if r == nil || r.cancel == nil {
		return nil
	}
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
		if r.busy == 0 {
			close(r.idle)
		}
	}
	r.mu.Unlock()
	defer r.cancel()
	select {
	case <-r.idle:
		return nil
	default:
	}
	select {
	case <-r.idle:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy == 0 {
		return nil
	}
	return fmt.Errorf("intercomrbac: Receiver: closed before all was handled, %d at work or in the queue: %w", r.busy, ctx.Err())
}
