package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// backlog is a workspace with conversations that nobody has routed.
type backlog struct {
	srv    *intercomtest.Server
	ids    []intercomrbac.ConversationID
	wants  map[intercomrbac.ConversationID]intercomrbac.Topic
	router intercomrbac.AdminID
}

// topics of a backlog, and their teams.
var backlogTeams = map[intercomrbac.Topic]intercomtest.Team{
	"billing": {ID: "814865", Name: "Billing"}, "technical": {ID: "814866", Name: "Technical Support"}, "sales": {ID: "814867", Name: "Sales"},
}

func backlogRules(tb testing.TB) intercomrbac.Classifier {
	return newClassifier(tb,
		intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice"}},
		intercomrbac.TopicRule{Topic: "technical", Keywords: []string{"error"}},
		intercomrbac.TopicRule{Topic: "sales", Keywords: []string{"quote"}},
	)
}

func newBacklog(tb testing.TB, n int, opts ...intercomtest.Option) *backlog {
	tb.Helper()
	b := &backlog{srv: intercomtest.NewServer(tb, opts...), wants: map[intercomrbac.ConversationID]intercomrbac.Topic{}}
	b.router = b.srv.AddAdmin(intercomtest.Admin{ID: "991267459", Name: "Router"})
	for _, topic := range []intercomrbac.Topic{"billing", "technical", "sales"} {
		b.srv.AddTeam(backlogTeams[topic])
	}
	bodies := []string{"Where is my invoice?", "I get an error.", "I need a quote."}
	topics := []intercomrbac.Topic{"billing", "technical", "sales"}
	for i := range n {
		id := b.srv.AddConversation(intercomtest.Conversation{Body: bodies[i%3]})
		b.ids = append(b.ids, id)
		b.wants[id] = topics[i%3]
	}
	return b
}

func (b *backlog) routerOf(tb testing.TB, c *intercomrbac.Client, change ...func(*intercomrbac.RouterConfig)) *intercomrbac.Router {
	config := intercomrbac.RouterConfig{Routes: routes{"billing": "Billing", "technical": "Technical Support", "sales": "Sales"}, Classifier: backlogRules(tb)}
	for _, f := range change {
		f(&config)
	}
	return newRouter(tb, c, config)
}

// unrouted is the search that a backlog is taken from.
func unrouted(ctx context.Context, c *intercomrbac.Client) iter.Seq2[intercomrbac.Conversation, error] {
	return c.Conversations.SearchAll(ctx, intercomrbac.SearchParams{
		Query:      intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.Equals, 0),
		ListParams: intercomrbac.ListParams{PerPage: 150},
	})
}

// these are conversations of which only the ids are known.
func these(ids ...intercomrbac.ConversationID) iter.Seq2[intercomrbac.Conversation, error] {
	return func(yield func(intercomrbac.Conversation, error) bool) {
		for _, id := range ids {
			if !yield(intercomrbac.Conversation{ID: id}, nil) {
				return
			}
		}
	}
}

// routedBy returns the results and errors by conversation, and the error of the whole.
func routedBy(tb testing.TB, seq iter.Seq2[intercomrbac.RouteResult, error]) (map[intercomrbac.ConversationID]intercomrbac.RouteResult, map[intercomrbac.ConversationID]error, error) {
	tb.Helper()
	results, errs := map[intercomrbac.ConversationID]intercomrbac.RouteResult{}, map[intercomrbac.ConversationID]error{}
	var whole error
	for result, err := range seq {
		require.NoError(tb, whole, "the error of the whole comes last")
		if result.Conversation == "" {
			require.Error(tb, err)
			whole = err
			continue
		}
		require.NotContains(tb, results, result.Conversation, "it is told once")
		results[result.Conversation] = result
		if err != nil {
			errs[result.Conversation] = err
		}
	}
	return results, errs, whole
}

// assignments returns how often each conversation was assigned, by the fake's own word.
func (b *backlog) assignments(tb testing.TB) (once, more int) {
	tb.Helper()
	for _, id := range b.ids {
		c, _ := b.srv.Conversation(id)
		n, notes := 0, 0
		for _, p := range c.Parts {
			if p.AssignedToType == "team" {
				n++
			}
			if p.Body != "" {
				notes++
			}
		}
		require.Equal(tb, n, notes, "each assignment has its note")
		switch {
		case n == 1:
			once++
		case n > 1:
			more++
		}
	}
	return once, more
}

func TestRouteAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 400, intercomtest.WithRateLimit(167))
		c := b.srv.Client()
		ctx := ctxAs(t.Context(), b.router)
		var progress []intercomrbac.RouteProgress
		began := time.Now()
		results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{
			Total: 400, Progress: func(p intercomrbac.RouteProgress) { progress = append(progress, p) },
		}))
		require.NoError(t, err)
		assert.Empty(t, errs)
		why := map[intercomrbac.Topic]string{"billing": `keyword "invoice" in the message`, "technical": `keyword "error" in the message`, "sales": `keyword "quote" in the message`}
		for id, topic := range b.wants {
			team := backlogTeams[topic]
			assert.Equal(t, intercomrbac.RouteResult{Conversation: id, Topic: topic, Why: why[topic], Team: team.ID, TeamName: team.Name, Assigned: true}, results[id])
			now, _ := b.srv.Conversation(id)
			assert.Equal(t, team.ID, now.TeamAssigneeID)
		}
		once, more := b.assignments(t)
		assert.Equal(t, []int{400, 0}, []int{once, more})
		assert.Equal(t, []int{1, 400, 400}, []int{b.srv.CallCount("teams.list"), b.srv.CallCount("conversations.get"), b.srv.CallCount("conversations.assign")})
		assert.Zero(t, b.srv.RateStats().Refused)

		require.Len(t, progress, 400)
		last := progress[399]
		assert.Equal(t, []any{400, 0, 0, time.Duration(0)}, []any{last.Done, last.Failed, last.Skipped, last.Left})
		assert.InDelta(t, 400/time.Since(began).Seconds(), last.Rate, 0.01)
		middle := progress[299]
		assert.InDelta(t, 100/middle.Rate, middle.Left.Seconds(), 0.01)

		results, _, err = routedBy(t, b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
		require.NoError(t, err)
		assert.Empty(t, results, "nothing is left")
	})
}

func TestRouteAllRefusesWrongParams(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 1)
	c := b.srv.Client()
	as := ctxAs(t.Context(), b.router)
	some := these(b.ids...)
	with := b.routerOf(t, c)
	without := newRouter(t, c, intercomrbac.RouterConfig{Routes: routes{"billing": "Billing"}})
	type params = intercomrbac.RouteAllParams
	for name, tt := range map[string]struct {
		router *intercomrbac.Router
		ctx    context.Context
		seq    iter.Seq2[intercomrbac.Conversation, error]
		params params
		is     error
		text   string
	}{
		"no router":            {nil, as, some, params{}, nil, "intercomrbac: this Router was not made by NewRouter"},
		"no conversations":     {with, as, nil, params{}, intercomrbac.ErrInvalidRequest, "is nil"},
		"negative concurrency": {with, as, some, params{Concurrency: -1}, intercomrbac.ErrInvalidRequest, "negative"},
		"too many at a time":   {with, as, some, params{Concurrency: 1001}, intercomrbac.ErrInvalidRequest, "1000 at the most"},
		"negative total":       {with, as, some, params{Total: -1}, intercomrbac.ErrInvalidRequest, "negative"},
		"nothing to go by":     {without, as, some, params{}, intercomrbac.ErrInvalidRequest, "no Topic, and the Router has no Classifier"},
		"a topic unknown":      {without, as, some, params{Topic: "biling"}, intercomrbac.ErrNoRoute, `did you mean "billing"?`},
		"nobody acts":          {with, t.Context(), some, params{}, intercomrbac.ErrNoActingAdmin, "AdminID"},
	} {
		results, _, err := routedBy(t, tt.router.RouteAll(tt.ctx, tt.seq, tt.params))
		require.ErrorContains(t, err, tt.text, name)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is, name)
		}
		assert.Empty(t, results)
	}
	assert.Empty(t, b.srv.Calls())

	_, _, err := routedBy(t, with.RouteAll(as, these("1", ""), params{}))
	require.EqualError(t, err, "intercomrbac: RouteAll: invalid request: there is a conversation without an id")
}

// What comes again is skipped; what was given another team meanwhile is not what was listed, and what is there already is left.
func TestRouteAllReadsBeforeItAssigns(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 4)
	c := b.srv.Client()
	ctx := ctxAs(t.Context(), b.router)
	b.srv.UpdateConversation(b.ids[0], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814865" })
	b.srv.UpdateConversation(b.ids[1], func(c *intercomtest.Conversation) { c.Body = "An invoice!" })
	id := func(i int) intercomrbac.ConversationID { return b.ids[i] }
	results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, these(id(0), id(1), id(0), id(2), id(2), "404", "../3"), intercomrbac.RouteAllParams{Concurrency: 2}))
	require.NoError(t, err)
	assert.False(t, results[id(0)].Assigned)
	assert.Equal(t, intercomrbac.TeamID("814865"), results[id(0)].Team)
	assert.Equal(t, intercomrbac.Topic("billing"), results[id(1)].Topic)
	assert.True(t, results[id(2)].Assigned)
	assert.Len(t, errs, 2, "the others go on")
	require.ErrorIs(t, errs["404"], intercomrbac.ErrNotFound)
	require.ErrorIs(t, errs["../3"], intercomrbac.ErrInvalidRequest)
	once, more := b.assignments(t)
	assert.Equal(t, []int{2, 0}, []int{once, more})
}

func TestDryRunAssignsNothing(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 3)
	c := b.srv.Client()
	b.srv.UpdateConversation(b.ids[1], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814866" })
	r := b.routerOf(t, c, func(config *intercomrbac.RouterConfig) { config.DryRun = true })
	checkpoint := newCheckpoint(t, t.TempDir())
	results, errs, err := routedBy(t, r.RouteAll(t.Context(), these(b.ids...), intercomrbac.RouteAllParams{Checkpoint: checkpoint}))
	require.NoError(t, err)
	assert.Empty(t, errs)
	assert.Equal(t, intercomrbac.RouteResult{Conversation: b.ids[0], Topic: "billing", Why: `keyword "invoice" in the message`,
		Team: "814865", TeamName: "Billing", Assigned: true, DryRun: true}, results[b.ids[0]])
	assert.False(t, results[b.ids[1]].Assigned, "it is there already")
	assert.Zero(t, checkpoint.Len())
	got, err := r.Route(t.Context(), b.ids[2], "")
	require.NoError(t, err)
	assert.Equal(t, []any{intercomrbac.TeamID("814867"), true, true}, []any{got.Team, got.Assigned, got.DryRun})
	assert.Zero(t, b.srv.CallCount("conversations.assign"))
}

// Under a guard it may do what its principal may, and each assignment is on record.
func TestRouteAllUnderAGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(
		intercomrbac.Rule{Permission: "teams:read"}, intercomrbac.Rule{Permission: "conversations:read"},
		intercomrbac.Rule{Permission: "conversations:assign", When: "assigned"},
	)})
	mine, others := d.Conversations[1], d.Conversations[6] // of billing, and of sales: the agent is in billing
	r := newRouter(t, d.client, intercomrbac.RouterConfig{Routes: routes{"technical": "Technical Support"}})
	ctx := d.as(t, tester)
	results, errs, err := routedBy(t, r.RouteAll(ctx, these(mine, others), intercomrbac.RouteAllParams{Topic: "technical"}))
	require.NoError(t, err, "a denial is about one conversation")
	assert.True(t, results[mine].Assigned)
	assert.False(t, results[others].Assigned)
	require.Len(t, errs, 1)
	requireDenied(t, errs[others], intercomrbac.ReasonConditionNotMet)
	var record []string
	for _, e := range d.trail.take() {
		record = append(record, fmt.Sprint(e.Action, " ", e.ResourceID, " ", e.Phase))
	}
	slices.Sort(record)
	assert.Equal(t, []string{
		"conversations.assign " + string(mine) + " intent", "conversations.assign " + string(mine) + " outcome", "conversations.assign " + string(others) + " denial",
	}, record)

	for _, missing := range []intercomrbac.Permission{"teams:read", "conversations:read", "conversations:assign"} {
		var rules []intercomrbac.Rule
		for _, p := range []intercomrbac.Permission{"teams:read", "conversations:read", "conversations:assign"} {
			if p != missing {
				rules = append(rules, intercomrbac.Rule{Permission: p})
			}
		}
		d := newDesk(t, deskConfig{policy: granting(rules...)})
		r := newRouter(t, d.client, intercomrbac.RouterConfig{Routes: routes{"technical": "Technical Support"}})
		results, errs, err := routedBy(t, r.RouteAll(d.as(t, tester), these(mine), intercomrbac.RouteAllParams{Topic: "technical"}))
		if missing == "teams:read" {
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
			assert.Empty(t, results)
		} else {
			require.NoError(t, err)
			require.ErrorIs(t, errs[mine], intercomrbac.ErrDenied)
		}
		assert.NotContains(t, d.sent(), "conversations.assign")
	}
	_, _, err = routedBy(t, r.RouteAll(t.Context(), these(mine), intercomrbac.RouteAllParams{Topic: "technical"}))
	require.ErrorIs(t, err, intercomrbac.ErrNoPrincipal)
}

// A record that is not complete ends it. What was assigned is told, and marked.
func TestRouteAllEndsWithItsRecord(t *testing.T) {
	t.Parallel()
	for _, phase := range []intercomrbac.AuditPhase{intercomrbac.PhaseIntent, intercomrbac.PhaseOutcome} {
		d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "*"})})
		d.trail.refuse = refusing(phase)
		r := newRouter(t, d.client, intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}})
		checkpoint := newCheckpoint(t, t.TempDir())
		results, errs, err := routedBy(t, r.RouteAll(d.as(t, tester), these(d.Conversations...), intercomrbac.RouteAllParams{Topic: "sales", Concurrency: 1, Checkpoint: checkpoint}))
		require.Len(t, errs, 1)
		require.Len(t, results, 1)
		id := d.Conversations[0]
		c, _ := d.srv.Conversation(id)
		assert.Equal(t, phase == intercomrbac.PhaseOutcome, c.TeamAssigneeID == d.Sales)
		assert.Equal(t, phase == intercomrbac.PhaseOutcome, results[id].Assigned)
		done, _ := checkpoint.Done(t.Context(), id)
		assert.Equal(t, phase == intercomrbac.PhaseOutcome, done)
		if phase == intercomrbac.PhaseOutcome {
			require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
		} else {
			require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		}
	}
}

// What goes wrong for all ends it, with what was done before; an outage leaves the rest for later.
func TestRouteAllEndsWhereAllWouldFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault intercomtest.Fault
		is    error
		tried int
	}{
		"a dead token":  {intercomtest.Fault{Status: 401, Code: "token_revoked", Times: -1}, intercomrbac.ErrTokenRevoked, 1},
		"no scope":      {intercomtest.Fault{Status: 401, Code: "token_unauthorized", Times: -1}, intercomrbac.ErrScopeMissing, 50},
		"an outage":     {intercomtest.Fault{Status: 503, Times: -1}, intercomrbac.ErrUnavailable, 50},
		"no connection": {intercomtest.Fault{Refuse: true, Times: -1}, intercomrbac.ErrUnavailable, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBacklog(t, 300)
				c := b.srv.Client()
				ctx := ctxAs(t.Context(), b.router)
				r := b.routerOf(t, c)
				require.NoError(t, r.Verify(ctx))
				tt.fault.Operation = "conversations.get"
				n := 0
				seq := func(yield func(intercomrbac.Conversation, error) bool) {
					for _, id := range b.ids {
						if n++; n == 101 {
							synctest.Wait() // a success among the failures would begin the row anew
							b.srv.Inject(tt.fault)
						}
						if !yield(intercomrbac.Conversation{ID: id}, nil) {
							return
						}
					}
				}
				results, errs, err := routedBy(t, r.RouteAll(ctx, seq, intercomrbac.RouteAllParams{Concurrency: 4}))
				require.ErrorIs(t, err, tt.is)
				require.ErrorContains(t, err, "intercomrbac: RouteAll: ")
				assert.GreaterOrEqual(t, len(errs), tt.tried)
				assert.LessOrEqual(t, len(errs), tt.tried+4)
				assert.GreaterOrEqual(t, len(results)-len(errs), 96)
				once, _ := b.assignments(t)
				assert.Equal(t, len(results)-len(errs), once, "what was done is told")
			})
		})
	}
}

// The search itself may fail.
func TestRouteAllEndsWithItsSearch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 200)
		c := b.srv.Client()
		ctx := ctxAs(t.Context(), b.router)
		n := 0
		seq := func(yield func(intercomrbac.Conversation, error) bool) {
			for conversation, err := range unrouted(ctx, c) {
				if n++; n == 150 {
					b.srv.Inject(intercomtest.Fault{Operation: "conversations.search", Status: 403, Code: "forbidden"})
				}
				if !yield(conversation, err) {
					return
				}
			}
		}
		results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, seq, intercomrbac.RouteAllParams{}))
		require.ErrorIs(t, err, intercomrbac.ErrForbidden)
		assert.Empty(t, errs)
		assert.Len(t, slices.Collect(maps.Keys(results)), 150, "what was under way goes on")
		results, _, err = routedBy(t, b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
		require.NoError(t, err)
		assert.Len(t, slices.Collect(maps.Keys(results)), 50)
	})
}

// An interruption leaves nothing half-told: what is being written is ended, and is told and in the checkpoint; the rest is neither.
func TestRouteAllInterrupted(t *testing.T) {
	t.Parallel()
	for _, leave := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBacklog(t, 300, intercomtest.WithRateLimit(1000))
			c := b.srv.Client()
			ctx, cancel := context.WithCancel(ctxAs(t.Context(), b.router))
			defer cancel()
			for i := range 150 { // so that some are being written at any time
				b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Delay: time.Duration(100+i*37%400) * time.Millisecond})
			}
			checkpoint := newCheckpoint(t, t.TempDir())
			told := map[intercomrbac.ConversationID]bool{}
			var whole error
			for result, err := range b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{Checkpoint: checkpoint}) {
				if result.Conversation == "" {
					whole = err
					continue
				}
				require.NoError(t, err)
				done, err := checkpoint.Done(ctx, result.Conversation)
				require.NoError(t, err)
				require.True(t, done, "it is marked before it is told")
				told[result.Conversation] = true
				if len(told) == 100 {
					cancel()
					if leave {
						break
					}
				}
			}
			synctest.Wait()
			once, more := b.assignments(t)
			assert.Zero(t, more)
			assert.Equal(t, once, checkpoint.Len())
			assert.Greater(t, once, 100)
			assert.LessOrEqual(t, once, 100+16)
			if leave {
				assert.Len(t, told, 100)
				require.NoError(t, whole)
			} else {
				assert.Len(t, told, once)
				require.ErrorIs(t, whole, context.Canceled)
			}
			b.srv.ClearFaults()
			ctx = ctxAs(t.Context(), b.router)
			all := c.Conversations.All(ctx, intercomrbac.ListParams{PerPage: 150})
			var last intercomrbac.RouteProgress
			results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, all, intercomrbac.RouteAllParams{Checkpoint: checkpoint, Total: 300,
				Progress: func(p intercomrbac.RouteProgress) { last = p }}))
			require.NoError(t, err)
			assert.Empty(t, errs)
			assert.Len(t, results, 300-once)
			assert.Equal(t, []int{300 - once, 0, once}, []int{last.Done, last.Failed, last.Skipped})
			once, more = b.assignments(t)
			assert.Equal(t, []int{300, 0}, []int{once, more})
		})
	}
}

// What is written has 30 seconds after the end, and no more.
func TestRouteAllDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 1)
		c := b.srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{MaxWait: time.Hour, Attempts: 100}))
		ctx, cancel := context.WithTimeout(ctxAs(t.Context(), b.router), time.Minute)
		defer cancel()
		b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Status: 429, Header: http.Header{"Retry-After": {"50"}}, Times: -1})
		began := time.Now()
		results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 90*time.Second, time.Since(began))
		assert.Empty(t, results, "it was not assigned")
		assert.Empty(t, errs)
	})
}

// A deadline before the next rate window ends it; it does not make failures of what is left.
func TestRouteAllUntilADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 300, intercomtest.WithRateLimit(100))
		c := b.srv.Client()
		ctx, cancel := context.WithTimeout(ctxAs(t.Context(), b.router), 25*time.Second)
		defer cancel()
		results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, errs)
		once, more := b.assignments(t)
		assert.Zero(t, more)
		assert.Len(t, results, once)
		assert.Greater(t, once, 100)
		assert.Less(t, once, 180)
		assert.Zero(t, b.srv.RateStats().Refused)
	})
}

// classifierFunc is a classifier of a service's own.
type classifierFunc func(*intercomrbac.Conversation) (intercomrbac.Topic, string, error)

func (f classifierFunc) Classify(_ context.Context, c *intercomrbac.Conversation) (intercomrbac.Topic, string, error) {
	return f(c)
}

// What a service gives may fail, panic or end its goroutine: that is about one conversation.
func TestRouteAllOutlivesTheClassifier(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 40)
	c := b.srv.Client()
	ctx := ctxAs(t.Context(), b.router)
	broken := errors.New("the model is down\nwith a line")
	r := b.routerOf(t, c, func(config *intercomrbac.RouterConfig) {
		config.Classifier = classifierFunc(func(c *intercomrbac.Conversation) (intercomrbac.Topic, string, error) {
			switch c.ID {
			case b.ids[3]:
				return "", "", broken
			case b.ids[5]:
				panic("no\nsuch thing")
			case b.ids[7]:
				runtime.Goexit()
			case b.ids[9]:
				return "", "it says nothing", nil
			}
			return "billing", "", nil
		})
	})
	results, errs, err := routedBy(t, r.RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{Concurrency: 2}))
	require.NoError(t, err)
	require.Len(t, results, 40)
	require.Len(t, errs, 4)
	require.EqualError(t, errs[b.ids[3]], "intercomrbac: Router: conversation "+string(b.ids[3])+" cannot be classified: the model is down with a line")
	require.ErrorIs(t, errs[b.ids[3]], broken)
	require.EqualError(t, errs[b.ids[5]], `intercomrbac: RouteAll: conversation "`+string(b.ids[5])+`": something that the service gave panicked: no such thing`)
	require.EqualError(t, errs[b.ids[7]], "intercomrbac: RouteAll: the goroutine was ended")
	require.ErrorIs(t, errs[b.ids[9]], intercomrbac.ErrNoRoute)
	assert.Equal(t, "it says nothing", results[b.ids[9]].Why)
}

// A loop that panics leaves no goroutine, and what was done is marked.
func TestRouteAllOutlivesItsLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 100)
		c := b.srv.Client()
		ctx := ctxAs(t.Context(), b.router)
		checkpoint := newCheckpoint(t, t.TempDir())
		b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Delay: time.Second, Times: -1})
		assert.PanicsWithValue(t, "enough", func() {
			for _, err := range b.routerOf(t, c).RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{Checkpoint: checkpoint}) {
				assert.NoError(t, err)
				panic("enough")
			}
		})
		once, _ := b.assignments(t)
		assert.Equal(t, once, checkpoint.Len())
	})
}

// failingCheckpoint is a checkpoint that fails from the nth mark or look on.
type failingCheckpoint struct {
	marks, looks int
	mu           sync.Mutex
}

func (f *failingCheckpoint) Done(context.Context, intercomrbac.ConversationID) (bool, error) {
	if f.looks--; f.looks < 0 {
		return false, errSink
	}
	return false, nil
}

func (f *failingCheckpoint) Mark(context.Context, intercomrbac.ConversationID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.marks--; f.marks < 0 {
		return errSink
	}
	return nil
}

// A checkpoint that fails ends it, and what was done is told.
func TestRouteAllEndsWithItsCheckpoint(t *testing.T) {
	t.Parallel()
	for text, checkpoint := range map[string]*failingCheckpoint{
		"is with its team, and the Checkpoint failed: disk full": {marks: 20, looks: 1000}, "RouteAll: the Checkpoint failed: disk full": {marks: 1000, looks: 20},
	} {
		b := newBacklog(t, 100)
		c := b.srv.Client()
		ctx := ctxAs(t.Context(), b.router)
		results, errs, err := routedBy(t, b.routerOf(t, c).RouteAll(ctx, these(b.ids...), intercomrbac.RouteAllParams{Checkpoint: checkpoint, Concurrency: 4}))
		require.ErrorIs(t, err, errSink)
		require.ErrorContains(t, err, text)
		assert.Empty(t, errs)
		once, _ := b.assignments(t)
		assert.Len(t, results, once)
		assert.LessOrEqual(t, once, 25)
	}
}
