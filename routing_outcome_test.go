package intercomrbac_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A write whose answer was lost is looked at, and is not sent again.
func TestLostAnswersAreLookedAt(t *testing.T) {
	t.Parallel()
	type fault = intercomtest.Fault
	for name, tt := range map[string]struct {
		faults   []fault
		meddle   func(*intercomtest.Conversation) // while it is in doubt
		is       error
		assigned bool
	}{
		"done, and lost":            {[]fault{{Drop: true, Done: true}}, nil, nil, true},
		"done, then 502":            {[]fault{{Status: 502, Done: true}}, nil, nil, true},
		"done, then a page":         {[]fault{{HTML: true, Done: true}}, nil, nil, true},
		"not done":                  {[]fault{{Status: 502}}, nil, intercomrbac.ErrOutcomeUnknown, false},
		"dropped":                   {[]fault{{Drop: true}}, nil, intercomrbac.ErrOutcomeUnknown, false},
		"done late":                 {[]fault{{Drop: true}}, func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814865" }, nil, true},
		"somebody else decides":     {[]fault{{Status: 502}}, func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814867" }, intercomrbac.ErrOutcomeUnknown, false},
		"somebody else, after ours": {[]fault{{Drop: true, Done: true}}, func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814867" }, intercomrbac.ErrOutcomeUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBacklog(t, 1)
				for _, f := range tt.faults {
					f.Operation = "conversations.assign"
					b.srv.Inject(f)
				}
				if tt.meddle != nil {
					time.AfterFunc(500*time.Millisecond, func() { b.srv.UpdateConversation(b.ids[0], tt.meddle) })
				}
				got, err := b.routerOf(t, b.srv.Client()).Route(ctxAs(t.Context(), b.router), b.ids[0], "")
				require.ErrorIs(t, err, tt.is)
				assert.Equal(t, tt.assigned, got.Assigned)
				assert.Equal(t, 1, b.srv.CallCount("conversations.assign"))
				_, more := b.assignments(t)
				assert.Zero(t, more)
			})
		})
	}
	// The look may fail as well.
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(t, 1)
		b.srv.Inject(fault{Operation: "conversations.assign", Status: 502})
		time.AfterFunc(500*time.Millisecond, func() { b.srv.Inject(fault{Operation: "conversations.get", Status: 403, Code: "forbidden"}) })
		_, err := b.routerOf(t, b.srv.Client()).Route(ctxAs(t.Context(), b.router), b.ids[0], "")
		require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "a look at it failed: conversations.get: 403")
	})
}

// A team that vanishes is looked for once: under its name it may have another id. If it is gone that is an error of its
// conversations alone, which names the teams that there are.
func TestTeamsVanish(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"for good": false, "and come back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBacklog(t, 300)
				c := b.srv.Client()
				ctx := ctxAs(t.Context(), b.router)
				r := b.routerOf(t, c)
				require.NoError(t, r.Verify(ctx))
				b.srv.RemoveTeam("814867")
				b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Delay: time.Second, Times: -1}) // so that several find out at once
				if back {
					b.srv.AddTeam(intercomtest.Team{ID: "900", Name: "Sales"})
				}
				results, errs, err := routedBy(t, r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}))
				require.NoError(t, err)
				for id, topic := range b.wants {
					switch {
					case topic != "sales":
						require.NoError(t, errs[id])
						assert.Equal(t, backlogTeams[topic].ID, results[id].Team)
					case back:
						require.NoError(t, errs[id])
						assert.Equal(t, intercomrbac.TeamID("900"), results[id].Team)
					default:
						require.ErrorIs(t, errs[id], intercomrbac.ErrTeamNotFound)
						require.EqualError(t, errs[id], `intercomrbac: Router: topic "sales": no team has the name "Sales"; the teams that exist: "Billing", "Technical Support"`)
					}
				}
				assert.Equal(t, 2, b.srv.CallCount("teams.list"), "once for all of them")
				_, more := b.assignments(t)
				assert.Zero(t, more)
			})
		})
	}
}

// A team that Intercom lists and does not take is an error, too.
func TestTeamThatIsListedAndNotTaken(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 1)
	b.srv.Inject(intercomtest.Fault{Operation: "conversations.assign", Status: 404, Code: "team_unavailable", Message: "Not now"})
	for i := range 30 {
		b.srv.AddTeam(intercomtest.Team{Name: fmt.Sprintf("Team %02d", i)})
	}
	_, err := b.routerOf(t, b.srv.Client()).Route(ctxAs(t.Context(), b.router), b.ids[0], "")
	require.ErrorIs(t, err, intercomrbac.ErrTeamNotFound)
	require.ErrorContains(t, err, `Router: topic "billing": Intercom lists team 814865 and does not take it: conversations.assign: 404 team_unavailable`)
	require.ErrorContains(t, err, `; the teams that exist: "Billing", "Sales", "Team 00", `)
	require.ErrorContains(t, err, ` and 13 more`)
	assert.Equal(t, 1, b.srv.CallCount("conversations.assign"))
}
