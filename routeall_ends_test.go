package intercomrbac_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is written has 30 seconds after the loop was left as well, however that came.
func TestRouteAllDoesNotWaitForeverForALoopThatWasLeft(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){"break": func() {}, "panic": func() { panic("enough") }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBacklog(t, 2)
				c := b.srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{MaxWait: time.Hour, Attempts: 100}))
				ctx := ctxAs(t.Context(), b.router)
				b.srv.UpdateConversation(b.ids[0], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814865" })
				b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Status: 429, Header: http.Header{"Retry-After": {"50"}}, Times: -1})
				seq := func(yield func(intercomrbac.Conversation, error) bool) {
					if yield(intercomrbac.Conversation{ID: b.ids[1]}, nil) {
						time.Sleep(10 * time.Second) // it waits for its window
						yield(intercomrbac.Conversation{ID: b.ids[0]}, nil)
					}
				}
				began := time.Now()
				func() {
					defer func() { _ = recover() }()
					for result, err := range b.routerOf(t, c).RouteAll(ctx, seq, intercomrbac.RouteAllParams{}) {
						assert.NoError(t, err)
						assert.Equal(t, b.ids[0], result.Conversation)
						leave()
						break
					}
				}()
				assert.Equal(t, 40*time.Second, time.Since(began))
			})
		})
	}
}

// A team that came back is found by the next RouteAll of the same Router.
func TestRouteAllLooksForMissingTeamsOnceEach(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 30)
	c := b.srv.Client()
	ctx := ctxAs(t.Context(), b.router)
	r := b.routerOf(t, c)
	b.srv.RemoveTeam("814867")
	_, errs, err := routedBy(t, r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
	require.NoError(t, err)
	require.Len(t, errs, 10)
	b.srv.AddTeam(intercomtest.Team{ID: "900", Name: "Sales"})
	b.srv.ResetCalls()
	results, errs, err := routedBy(t, r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
	require.NoError(t, err)
	assert.Empty(t, errs)
	assert.Len(t, results, 10)
	assert.Equal(t, 1, b.srv.CallCount("teams.list"))
	_, _, err = routedBy(t, r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
	require.NoError(t, err)
	assert.Equal(t, 1, b.srv.CallCount("teams.list"), "nothing is missing")
}

// That an outcome is not on record is told, also where the conversation got to its team in the end.
func TestRouteTellsOfAnIncompleteRecord(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault    intercomtest.Fault
		back     bool // the team, under another id
		assigned bool
	}{
		"an answer that was lost":    {intercomtest.Fault{Operation: "conversations.assign", Drop: true, Done: true}, false, true},
		"a team that has another id": {intercomtest.Fault{}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "*"})})
				r := newRouter(t, d.client, intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}})
				ctx := d.as(t, tester)
				require.NoError(t, r.Verify(ctx))
				if tt.back {
					d.srv.RemoveTeam(d.Sales)
					d.srv.AddTeam(intercomtest.Team{ID: "900", Name: "Sales"})
				} else {
					d.srv.Inject(tt.fault)
				}
				var refused atomic.Bool
				d.trail.refuse = func(e intercomrbac.AuditEvent) error {
					if e.Phase == intercomrbac.PhaseOutcome && e.Action == "conversations.assign" && refused.CompareAndSwap(false, true) {
						return errSink
					}
					return nil
				}
				got, err := r.Route(ctx, d.Conversations[10], "sales")
				require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
				assert.Equal(t, tt.assigned, got.Assigned)
				assert.Equal(t, 1, d.srv.CallCount("conversations.assign"))
			})
		})
	}
}

// panickingCheckpoint panics at each mark.
type panickingCheckpoint struct{}

func (panickingCheckpoint) Done(context.Context, intercomrbac.ConversationID) (bool, error) {
	return false, nil
}

func (panickingCheckpoint) Mark(context.Context, intercomrbac.ConversationID) error { panic("no disk") }

// A checkpoint that panics again and again leaves no goroutine.
func TestRouteAllOutlivesItsCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 20)
		ctx := ctxAs(t.Context(), b.router)
		for i := range 20 {
			b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Delay: time.Duration(i+1) * time.Second})
		}
		assert.PanicsWithValue(t, "no disk", func() {
			_, _, err := routedBy(t, b.routerOf(t, b.srv.Client()).RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{Checkpoint: panickingCheckpoint{}, Concurrency: 8}))
			assert.NoError(t, err)
		})
		n := b.srv.CallCount("conversations.assign")
		once, _ := b.assignments(t)
		assert.Equal(t, n, once, "what was under way is ended")
		time.Sleep(time.Minute)
		assert.Equal(t, n, b.srv.CallCount("conversations.assign"))
	})
}

// An error that may be about one conversation does not end it: a ticket, say, needs a scope of its own. What meets all of them does, soon.
func TestRouteAllTellsOneConversationFromAll(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		operation string
		fault     intercomtest.Fault
		is        error
	}{
		"a scope":         {"conversations.assign", intercomtest.Fault{Status: 403, Code: "forbidden", Message: "You do not have the required scope (write_tickets) to access this resource"}, intercomrbac.ErrScopeMissing},
		"a classic scope": {"conversations.assign", intercomtest.Fault{Status: 401, Code: "token_unauthorized"}, intercomrbac.ErrScopeMissing},
		"forbidden":       {"conversations.get", intercomtest.Fault{Status: 403, Code: "forbidden"}, intercomrbac.ErrForbidden},
		"no inbox seat":   {"conversations.assign", intercomtest.Fault{Status: 403, Code: "action_forbidden"}, intercomrbac.ErrActionForbidden},
		"the plan":        {"conversations.assign", intercomtest.Fault{Status: 403, Code: "api_plan_restricted"}, intercomrbac.ErrPlanRestricted},
		"no acting admin": {"conversations.assign", intercomtest.Fault{Status: 404, Code: "admin_not_found"}, intercomrbac.ErrAdminNotFound},
		"a page of HTML":  {"conversations.get", intercomtest.Fault{Status: 200, HTML: true}, intercomrbac.ErrBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBacklog(t, 120)
				c := b.srv.Client()
				ctx := ctxAs(t.Context(), b.router)
				r := b.routerOf(t, c)
				tt.fault.Operation = tt.operation
				b.srv.Inject(tt.fault)
				results, errs, err := routedBy(t, r.RouteAll(ctx, these(b.ids[:20]...), intercomrbac.RouteAllParams{}))
				require.NoError(t, err, "one of them")
				assert.Len(t, results, 20)
				require.Len(t, errs, 1)
				for _, err := range errs {
					require.ErrorIs(t, err, tt.is)
				}
				tt.fault.Times = -1
				b.srv.Inject(tt.fault)
				results, errs, err = routedBy(t, r.RouteAll(ctx, these(b.ids[20:]...), intercomrbac.RouteAllParams{Concurrency: 4}))
				require.ErrorIs(t, err, tt.is, "all of them")
				require.ErrorContains(t, err, "50 in a row failed")
				assert.Len(t, errs, len(results))
				assert.LessOrEqual(t, len(errs), 54)
			})
		})
	}
}

// Of notifications about one conversation that come at once, one routes it.
func TestHandlerRoutesOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 2)
		r := b.routerOf(t, b.srv.Client())
		ctx := ctxAs(t.Context(), b.router)
		require.NoError(t, r.Verify(ctx))
		b.srv.Inject(intercomtest.Fault{Operation: "conversations.get", Delay: time.Second, Times: -1})
		b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Delay: time.Second, Times: -1})
		handle := r.Handler()
		began := time.Now()
		var wg sync.WaitGroup
		for _, topic := range []intercomrbac.EventTopic{intercomrbac.EventConversationUserCreated, intercomrbac.EventConversationUserReplied} {
			for _, id := range b.ids {
				wg.Go(func() { assert.NoError(t, handle(ctx, notified(t, b.srv, topic, id))) })
			}
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		synctest.Wait()
		require.ErrorIs(t, handle(short, notified(t, b.srv, intercomrbac.EventConversationUserReplied, b.ids[0])), context.DeadlineExceeded)
		wg.Wait()
		once, more := b.assignments(t)
		assert.Equal(t, []int{2, 0}, []int{once, more})
		assert.Equal(t, 3*time.Second, time.Since(began), "those about others do not wait")
	})
}

// A receiver calls a handler again that failed. An assignment that may still be done is not sent again by that.
func TestHandlerDoesNotSendAgainWhatMayBeDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 1)
		ctx := ctxAs(t.Context(), b.router)
		handle := b.routerOf(t, b.srv.Client()).Handler()
		n := notified(t, b.srv, intercomrbac.EventConversationUserCreated, b.ids[0])
		b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Drop: true})
		for range 3 {
			require.ErrorIs(t, handle(ctx, n), intercomrbac.ErrOutcomeUnknown)
			time.Sleep(30 * time.Second)
		}
		assert.Equal(t, 1, b.srv.CallCount("conversations.assign"))
		b.srv.UpdateConversation(b.ids[0], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814865" })
		require.NoError(t, handle(ctx, n), "it was done")
		b.srv.UpdateConversation(b.ids[0], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "" })
		time.Sleep(5 * time.Minute)
		require.NoError(t, handle(ctx, n), "nobody waits for it any more")
		assert.Equal(t, 2, b.srv.CallCount("conversations.assign"))
	})
}

// That somebody else's deadline has passed is about one conversation.
func TestRouteAllTellsItsDeadlineFromOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 20)
		c := b.srv.Client()
		other := intercomtest.NewServer(t, intercomtest.WithRateLimit(1))
		busy := other.Client()
		ctx := ctxAs(t.Context(), b.router)
		_, err := busy.Teams.List(ctx)
		require.NoError(t, err)
		r := b.routerOf(t, c, func(config *intercomrbac.RouterConfig) {
			config.Classifier = classifierFunc(func(c *intercomrbac.Conversation) (intercomrbac.Topic, string, error) {
				if c.ID != b.ids[7] {
					return "billing", "", nil
				}
				short, cancel := context.WithTimeout(ctx, time.Second) // a look elsewhere
				defer cancel()
				_, err := busy.Teams.List(short)
				return "", "", err
			})
		})
		results, errs, err := routedBy(t, r.RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{}))
		require.NoError(t, err)
		assert.Len(t, results, 20)
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[b.ids[7]], intercomrbac.ErrRateLimited)
	})
}

// A router is for one workspace: what comes from another is refused, whatever the principal says.
func TestHandlerIsForOneWorkspace(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 1)
	handle := b.routerOf(t, b.srv.Client(intercomrbac.WithWorkspace("fake1234"))).Handler()
	n := notified(t, b.srv, intercomrbac.EventConversationUserCreated, b.ids[0])
	n.Workspace = "other123"
	for _, workspace := range []intercomrbac.WorkspaceID{"", "other123", "fake1234"} {
		ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: b.router, Workspace: workspace})
		require.ErrorIs(t, handle(ctx, n), intercomrbac.ErrWrongWorkspace, "%q", workspace)
	}
	assert.Empty(t, b.srv.Calls())
}
