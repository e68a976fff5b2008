package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"
)

// RouteAllParams says how a backlog is routed. The zero value is fine for a [Router] with a Classifier.
type RouteAllParams struct {
	// Topic is that of all; empty has the Classifier find it for each.
	Topic Topic
	// Concurrency is how many are under way at a time, 1,000 at the most; 0 means 16. Other calls of the client wait behind as many.
	Concurrency int
	// Checkpoint keeps those that are done, so that another RouteAll leaves them out; nil keeps none. A dry run marks nothing.
	Checkpoint Checkpoint
	// Total is how many there will be, such as the Total of the search's first page, for the time left; 0 leaves that out.
	Total int
	// Progress learns how far it is, after each conversation; nil is nobody. It is called by the goroutine that has the results.
	Progress func(RouteProgress)
}

// RouteProgress is how far a [Router.RouteAll] is.
type RouteProgress struct {
	// Done are with their team, or in a dry run would be; Failed are not; Skipped were done before, as the Checkpoint has it.
	Done, Failed, Skipped int
	// Rate is how many are done or fail in a second, on average so far.
	Rate float64
	// Left is the time that the rest takes at that rate; 0 where it is not known.
	Left time.Duration
}

const (
	// finishIn is how long what is being written may take after the context has ended: a rate window and more.
	finishIn = 30 * time.Second
	// maxInARow is how many conversations may fail one after the other because Intercom is down or refuses them, before the rest is left
	// for later.
	maxInARow      = 50
	maxConcurrency = 1000
)

// RouteAll routes many conversations: those of a search ([ConversationsService.SearchAll]) as a rule. It does with each what [Router.Route]
// does, and yields what became of it as soon as that is known, in no order. It goes as fast as the client's limiter lets it, at two requests
// for each conversation that is assigned, and in memory that does not grow with their number.
//
// Only the ids are taken from conversations: each is read again before it is assigned, and goes by what it is then, however old the page of
// a search is. One that is with its team already is left there; one that somebody gave to another team meanwhile goes to its team all the
// same. While conversations waits for more itself nothing is marked or told. Assigning may change what the search returns: those
// of a page are all known before the first of it is assigned, an id that comes again is skipped (of the last 8,192 ids at least), and one
// that the search has left out meanwhile is found by the next RouteAll. A team that has vanished is an error of the conversations that
// were for it, and is not looked for by name again for each.
//
// # Errors
//
// An error beside a result with a Conversation is about that one, and the rest goes on; a denial by a guard is one. An error beside a
// result without is about the whole and comes last: the params were wrong, conversations failed, the context has ended, the Checkpoint
// failed, or what went wrong goes wrong for all: no token or principal, an audit sink that fails, or 50 in a row for which Intercom was not
// available, or which it refused (a scope, a plan, an acting teammate who may not). Without such an error all conversations were gone
// through.
//
// # Interruptions
//
// When ctx ends, or the loop is left, no other conversation is begun, and the assignments under way are finished, in 30 seconds at the most:
// one that waits for a rate window has its turn. Of a conversation that was not assigned because of that there is no result. What was
// assigned is in the Checkpoint before its result comes; once the loop was left, it is there alone. When RouteAll returns, none of its
// goroutines is left.
//
// With the same Checkpoint another RouteAll goes on: it skips what is done and tries again what failed. A conversation that a crash kept
// from being marked is with its team, and is not assigned again unless somebody has moved it since.
//
// RouteAll acts as the principal of ctx, and each assignment is on a guard's record. A [Principal] is a snapshot of role and teams: for
// work that takes longer than a role may be old, use a guard with Roles, which looks them up anew, or make the principal anew and go on
// with a Checkpoint.
func (r *Router) RouteAll(ctx context.Context, conversations iter.Seq2[Conversation, error], params RouteAllParams) iter.Seq2[RouteResult, error] {
	return func(yield func(RouteResult, error) bool) {
		run := routeRun{router: r, params: params, yield: yield}
		if err := run.prepare(ctx, conversations != nil); err != nil {
			yield(RouteResult{}, err)
			return
		}
		run.all(ctx, conversations)
		if run.err != nil && run.yield != nil {
			yield(RouteResult{}, &callError{"RouteAll: " + untitled(run.err), []error{run.err}})
		}
	}
}

// routeRun is one RouteAll. All but the routing itself is done by the goroutine of its caller.
type routeRun struct {
	router *Router
	params RouteAllParams
	yield  func(RouteResult, error) bool // nil once the loop was left

	stop     context.CancelFunc // begins nothing more
	cut      context.CancelFunc // ends what is written
	results  chan routed
	under    int // so many are under way
	late     <-chan time.Time
	seen     recentIDs
	progress RouteProgress
	began    time.Time
	inARow   int
	err      error // why it ended before its time
}

// routed is how a conversation ended.
type routed struct {
	RouteResult
	err error
}

// prepare checks what can be checked before anything is read, and gets to know the teams.
func (run *routeRun) prepare(ctx context.Context, given bool) error {
	r, p := run.router, &run.params
	switch {
	case r == nil || r.client == nil:
		return errNoRouter
	case ctx == nil || !given:
		return fmt.Errorf("%w: RouteAll: the context or conversations is nil", ErrInvalidRequest)
	case p.Concurrency < 0 || p.Concurrency > maxConcurrency || p.Total < 0:
		return fmt.Errorf("%w: RouteAll: Concurrency is to be %d at the most, and neither it nor Total negative", ErrInvalidRequest, maxConcurrency)
	case p.Topic == "" && r.config.Classifier == nil:
		return fmt.Errorf("%w: RouteAll: there is no Topic, and the Router has no Classifier", ErrInvalidRequest)
	case p.Topic != "" && r.ref(p.Topic) == "":
		return fmt.Errorf("%w for topic %.80q%s", ErrNoRoute, string(p.Topic), didYouMean(p.Topic, sortedKeys(r.config.Routes)))
	}
	if p.Concurrency == 0 {
		p.Concurrency = 16
	}
	if _, err := r.client.actingAdmin(ctx, opConversationsAssign, ""); err != nil && !r.config.DryRun {
		return err
	}
	if teams := r.teams.Load(); teams == nil || len(teams.missing) > 0 { // what is missing is looked for once
		_, err := r.renew(ctx, teams)
		return err
	}
	return nil
}

// all goes through the conversations.
func (run *routeRun) all(ctx context.Context, conversations iter.Seq2[Conversation, error]) {
	run.results = make(chan routed, run.params.Concurrency) // nobody waits for a loop that was left
	run.began = time.Now()
	reading, stop := context.WithCancel(ctx)
	writing, cut := context.WithCancel(context.WithoutCancel(ctx))
	run.stop, run.cut = stop, cut
	var wg sync.WaitGroup
	defer func() { // deferred, for a loop, a sequence or a Checkpoint that panics
		stop()
		defer func() { // a Checkpoint may panic again
			for run.under > 0 {
				run.next(reading)
			}
			cut()
			wg.Wait()
		}()
		for run.under > 0 {
			run.keep(ctx, run.next(reading))
		}
	}()
	for c, err := range conversations {
		for run.under == run.params.Concurrency || len(run.results) > 0 {
			run.tell(ctx, run.next(reading))
		}
		if err != nil {
			run.err = err // what is under way goes on
			break
		}
		switch {
		case ctx.Err() != nil:
			run.fail(ctx.Err())
		case c.ID == "":
			run.fail(fmt.Errorf("%w: there is a conversation without an id", ErrInvalidRequest))
		}
		if reading.Err() != nil {
			break
		}
		if !run.wanted(reading, c.ID) {
			continue
		}
		run.under++
		wg.Go(func() { run.route(reading, writing, c.ID) })
	}
	if err := ctx.Err(); err != nil { // a sequence may just end
		run.fail(err)
	}
	for run.under > 0 {
		run.tell(ctx, run.next(reading))
	}
}

// wanted reports whether a conversation is to be routed.
func (run *routeRun) wanted(ctx context.Context, id ConversationID) bool {
	if run.seen.has(id) {
		return false
	}
	run.seen.add(id)
	if run.params.Checkpoint == nil {
		return true
	}
	done, err := run.params.Checkpoint.Done(ctx, id)
	if err != nil {
		run.fail(fmt.Errorf("the Checkpoint failed: %w", err))
		return false
	}
	if done {
		run.progress.Skipped++
		run.report()
	}
	return !done
}

// route routes one conversation and leaves the result, whatever happens.
func (run *routeRun) route(reading, writing context.Context, id ConversationID) {
	out := routed{RouteResult{Conversation: id}, errors.New("intercomrbac: RouteAll: the goroutine was ended")} // runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			out.err = &callError{fmt.Sprintf("RouteAll: conversation %.40q: something that the service gave panicked: %s", string(id), printable(fmt.Sprint(p), 200)),
				[]error{ErrOutcomeUnknown}}
		}
		run.results <- out
	}()
	out.RouteResult, out.err = run.router.route(reading, writing, routing{id: id, topic: run.params.Topic})
}

// next waits for a conversation to end. What is written has its time after reading has ended.
func (run *routeRun) next(reading context.Context) routed {
	ended := reading.Done()
	for {
		if run.late != nil {
			ended = nil
		}
		select {
		case out := <-run.results:
			run.under--
			return out
		case <-ended:
			run.late = time.After(finishIn)
		case <-run.late:
			run.cut()
		}
	}
}

// keep marks a conversation that is with its team.
func (run *routeRun) keep(ctx context.Context, out routed) {
	if run.params.Checkpoint == nil || out.DryRun || out.err != nil && !out.Assigned {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := run.params.Checkpoint.Mark(ctx, out.Conversation); err != nil {
		run.fail(fmt.Errorf("conversation %s is with its team, and the Checkpoint failed: %w", out.Conversation, err))
	}
}

// tell marks and yields how a conversation ended.
func (run *routeRun) tell(ctx context.Context, out routed) {
	run.keep(ctx, out)
	err := out.err
	switch {
	case err == nil || out.Assigned:
		run.progress.Done++
		run.inARow = 0
	case errors.Is(err, ErrOutcomeUnknown):
		run.progress.Failed++
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, ErrRateLimited) && endsSoon(ctx), // it has no window left
		run.ended(ctx) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		run.fail(err)
		return
	default:
		run.progress.Failed++
	}
	if err != nil {
		run.judge(err)
	}
	run.report()
	if run.yield != nil && !run.yield(out.RouteResult, err) {
		run.yield = nil
		run.stop()
	}
}

// endsSoon reports whether the next rate window may be too late for a context. Other errors are of another's deadline.
func endsSoon(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < 2*window
}

// ended reports whether nothing more is to be begun.
func (run *routeRun) ended(ctx context.Context) bool {
	return ctx.Err() != nil || run.err != nil || run.yield == nil
}

// judge ends the run after an error that others will have, too. A refusal may be about one conversation, as a ticket needs a scope of its
// own; many in a row are not.
func (run *routeRun) judge(err error) {
	is := func(class error) bool { return errors.Is(err, class) }
	if slices.ContainsFunc([]error{ErrUnauthorized, ErrNoToken, ErrNoActingAdmin, ErrNoPrincipal, ErrWrongWorkspace, ErrAuditUnavailable, ErrAuditIncomplete}, is) {
		run.fail(err)
	}
	if !slices.ContainsFunc([]error{ErrUnavailable, ErrRateLimited, ErrBadResponse, ErrScopeMissing, ErrForbidden, ErrAdminNotFound}, is) {
		run.inARow = 0
		return
	}
	if run.inARow++; run.inARow >= maxInARow {
		run.fail(fmt.Errorf("%d in a row failed, the last one so: %w", run.inARow, err))
	}
}

// fail ends the run. The first reason counts.
func (run *routeRun) fail(err error) {
	if run.err == nil {
		run.err = err
	}
	run.stop()
}

// report tells of the progress.
func (run *routeRun) report() {
	p := &run.progress
	took := time.Since(run.began).Seconds()
	p.Rate, p.Left = 0, 0
	if took > 0 {
		p.Rate = float64(p.Done+p.Failed) / took
	}
	if left := run.params.Total - p.Done - p.Failed - p.Skipped; left > 0 && p.Rate > 0 {
		p.Left = time.Duration(float64(left) / p.Rate * float64(time.Second))
	}
	if run.params.Progress != nil {
		run.params.Progress(*p)
	}
}
