package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type routes = map[intercomrbac.Topic]intercomrbac.TeamRef

func newRouter(tb testing.TB, c *intercomrbac.Client, config intercomrbac.RouterConfig) *intercomrbac.Router {
	tb.Helper()
	r, err := intercomrbac.NewRouter(c, config)
	require.NoError(tb, err)
	return r
}

// assigned returns the bodies of the assignments that reached the fake.
func assigned(tb testing.TB, srv *intercomtest.Server) []map[string]any {
	tb.Helper()
	var out []map[string]any
	for _, c := range srv.Calls() {
		if c.Operation == "conversations.assign" {
			var body map[string]any
			require.NoError(tb, json.Unmarshal(c.Body, &body))
			out = append(out, body)
		}
	}
	return out
}

func TestNewRouterTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := intercomrbac.NewRouter(nil, intercomrbac.RouterConfig{Routes: routes{"": "Billing", "a": "", "b": "0", "c": "012"}, Fallback: "00", Note: "x", NoNote: true})
	require.EqualError(t, err, `intercomrbac: NewRouter: the client was not made by NewClient
a route has an empty topic
the route for topic "a" names no team
the route for topic "b" names team "0", which is no team's id: ids are digits and do not begin with 0
the route for topic "c" names team "012", which is no team's id: ids are digits and do not begin with 0
the Fallback names team "00", which is no team's id: ids are digits and do not begin with 0
there is a Note, and NoNote says that there is none: keep one`)
	_, err = intercomrbac.NewRouter(intercomtest.NewServer(t).Client(), intercomrbac.RouterConfig{Fallback: "Billing"})
	require.EqualError(t, err, "intercomrbac: NewRouter: there are no Routes")
	for _, r := range []*intercomrbac.Router{nil, {}} {
		require.Error(t, r.Verify(t.Context()))
		_, err := r.Route(t.Context(), "1", "billing")
		require.Error(t, err)
	}
}

func TestRouterVerify(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	srv.AddTeam(intercomtest.Team{ID: "5", Name: "Escalations"})
	srv.AddTeam(intercomtest.Team{ID: "6", Name: "Escalations"})
	c := srv.Client()
	good := routes{"billing": intercomrbac.TeamRef(ids.Billing), "technical": "Technical Support", "sales": "Sales"}
	require.NoError(t, newRouter(t, c, intercomrbac.RouterConfig{Routes: good, Fallback: "5"}).Verify(t.Context()))
	err := newRouter(t, c, intercomrbac.RouterConfig{
		Routes:   routes{"a": "999", "b": "Biling", "c": "sales", "d": "Escalations", "e": "Something else altogether", "f": "Sales"},
		Fallback: "Technical  Support",
	}).Verify(t.Context())
	require.EqualError(t, err, `intercomrbac: Router: topic "a": no team has the id 999
topic "b": no team has the name "Biling": did you mean "Billing"?
topic "c": no team has the name "sales": did you mean "Sales"?
topic "d": 2 teams have the name "Escalations": name the one that is meant by its id
topic "e": no team has the name "Something else altogether"
the fallback: no team has the name "Technical  Support": did you mean "Technical Support"?`)
	require.ErrorIs(t, err, intercomrbac.ErrTeamNotFound)

	srv.Inject(intercomtest.Fault{Operation: "teams.list", Status: 403, Code: "forbidden"})
	err = newRouter(t, c, intercomrbac.RouterConfig{Routes: good}).Verify(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrForbidden)
	assert.ErrorContains(t, err, "intercomrbac: Router: the teams cannot be listed: teams.list: 403")
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config intercomrbac.RouterConfig
		topic  intercomrbac.Topic
		want   intercomrbac.RouteResult
		note   string
	}{
		"by id": {intercomrbac.RouterConfig{Routes: routes{"billing": "814865"}}, "billing",
			intercomrbac.RouteResult{Topic: "billing", Team: "814865", TeamName: "Billing", Assigned: true}, "Routed to billing team"},
		"by name": {intercomrbac.RouterConfig{Routes: routes{"technical": "Technical Support"}}, "technical",
			intercomrbac.RouteResult{Topic: "technical", Team: "814866", TeamName: "Technical Support", Assigned: true}, "Routed to technical team"},
		"a note of its own": {intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}, Note: "<b>{team}</b>, for {topic} and {topic}"}, "sales",
			intercomrbac.RouteResult{Topic: "sales", Team: "814867", TeamName: "Sales", Assigned: true}, "<b>Sales</b>, for sales and sales"},
		"no note": {intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}, NoNote: true}, "sales",
			intercomrbac.RouteResult{Topic: "sales", Team: "814867", TeamName: "Sales", Assigned: true}, ""},
		"fallback": {intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}, Fallback: "Billing"}, "<script>",
			intercomrbac.RouteResult{Topic: "<script>", Team: "814865", TeamName: "Billing", Fallback: true, Assigned: true}, "Routed to fallback team"},
		"a topic of HTML": {intercomrbac.RouterConfig{Routes: routes{"<i>": "Sales"}}, "<i>",
			intercomrbac.RouteResult{Topic: "<i>", Team: "814867", TeamName: "Sales", Assigned: true}, "Routed to &lt;i&gt; team"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			ids := srv.Seed()
			r := newRouter(t, srv.Client(), tt.config)
			ctx := ctxAs(t.Context(), ids.Agent)
			id := ids.Conversations[10] // with no team
			tt.want.Conversation = id
			got, err := r.Route(ctx, id, tt.topic)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			want := map[string]any{"message_type": "assignment", "type": "team", "admin_id": string(ids.Agent), "assignee_id": string(tt.want.Team)}
			if tt.note != "" {
				want["body"] = tt.note
			}
			assert.Equal(t, []map[string]any{want}, assigned(t, srv))
			assert.Equal(t, 1, srv.CallCount("teams.list"), "a router that was never verified verifies itself")

			again, err := r.Route(ctx, id, tt.topic)
			require.NoError(t, err)
			tt.want.Assigned = false
			assert.Equal(t, tt.want, again, "what is there already is left as it is")
			assert.Len(t, assigned(t, srv), 1)
			assert.Equal(t, 1, srv.CallCount("teams.list"))
		})
	}
}

// An unknown topic is never silence.
func TestRouteWithoutARoute(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	r := newRouter(t, srv.Client(), intercomrbac.RouterConfig{Routes: routes{"billing": "Billing"}})
	for topic, want := range map[intercomrbac.Topic]string{
		"biling": `intercomrbac: no route for topic "biling": did you mean "billing"?`, "": `intercomrbac: no route for topic ""`, "Billing ": `intercomrbac: no route for topic "Billing ": did you mean "billing"?`,
	} {
		got, err := r.Route(ctxAs(t.Context(), ids.Agent), ids.Conversations[10], topic)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, intercomrbac.ErrNoRoute)
		assert.Contains(t, intercomrbac.Advice(err), "Fallback")
		assert.Equal(t, intercomrbac.RouteResult{Conversation: ids.Conversations[10], Topic: topic}, got)
	}
	assert.Empty(t, srv.Calls())
}

// A team that is deleted is an error, and is looked for again the next time.
func TestRouteToAVanishedTeam(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	r := newRouter(t, srv.Client(), intercomrbac.RouterConfig{Routes: routes{"billing": "Billing", "sales": "Sales"}})
	ctx := ctxAs(t.Context(), ids.Agent)
	require.NoError(t, r.Verify(ctx))
	srv.RemoveTeam(ids.Sales)
	got, err := r.Route(ctx, ids.Conversations[10], "sales")
	require.EqualError(t, err, `intercomrbac: Router: topic "sales": no team has the name "Sales"; the teams that exist: "Billing", "Technical Support"`)
	require.ErrorIs(t, err, intercomrbac.ErrTeamNotFound)
	assert.False(t, got.Assigned)
	_, err = r.Route(ctx, ids.Conversations[10], "sales")
	require.ErrorContains(t, err, `no team has the name "Sales"`)
	srv.AddTeam(intercomtest.Team{ID: "77", Name: "Sales"})
	got, err = r.Route(ctx, ids.Conversations[10], "sales")
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.RouteResult{Conversation: ids.Conversations[10], Topic: "sales", Team: "77", TeamName: "Sales", Assigned: true}, got)
}

// Under a guard the router may do what its principal may.
func TestRouterActsAsItsPrincipal(t *testing.T) {
	t.Parallel()
	for role, denied := range map[intercomrbac.Role]bool{"agent": true, "admin": false, "stranger": true} {
		d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
		r := newRouter(t, d.client, intercomrbac.RouterConfig{Routes: routes{"sales": "Sales"}})
		got, err := r.Route(d.as(t, role), d.Conversations[10], "sales")
		if denied {
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
		} else {
			require.NoError(t, err)
		}
		assert.Equal(t, !denied, got.Assigned)
		assert.Equal(t, !denied, slices.Contains(d.sent(), "conversations.assign"))
	}
}

// For random tables and teams, nothing is ever assigned to a team that the table does not name, and a misspelt name is
// always caught.
func TestPropertyRouterKeepsToItsTable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 150 {
		srv := intercomtest.NewServer(t)
		admin := srv.AddAdmin(intercomtest.Admin{Name: "Ada"})
		names := map[string]intercomrbac.TeamID{}
		for i := range 2 + random.IntN(6) {
			name := fmt.Sprintf("Team %c", 'A'+i)
			names[name] = srv.AddTeam(intercomtest.Team{Name: name})
		}
		all := slices.Sorted(func(yield func(string) bool) {
			for name := range names {
				if !yield(name) {
					return
				}
			}
		})
		table, allowed, misspelt := routes{}, map[intercomrbac.TeamID]bool{}, false
		for i := range 1 + random.IntN(4) {
			name := all[random.IntN(len(all))]
			ref := intercomrbac.TeamRef(name)
			switch random.IntN(5) {
			case 0:
				ref, misspelt = intercomrbac.TeamRef(strings.Replace(name, "Team", "Taem", 1)), true
			case 1, 2:
				ref = intercomrbac.TeamRef(names[name])
			}
			table[intercomrbac.Topic(fmt.Sprintf("topic-%d", i))] = ref
			allowed[names[name]] = true
		}
		r := newRouter(t, srv.Client(), intercomrbac.RouterConfig{Routes: table})
		ctx := ctxAs(context.Background(), admin) //nolint:usetesting // one context for all
		require.Equal(t, misspelt, r.Verify(ctx) != nil, "%v of %v", table, all)
		for range 6 {
			id := srv.AddConversation(intercomtest.Conversation{Body: "x"})
			topic := intercomrbac.Topic(fmt.Sprintf("topic-%d", random.IntN(6)))
			got, err := r.Route(ctx, id, topic)
			_, routed := table[topic]
			require.Equal(t, routed && !misspelt, err == nil, "%v: %v", topic, err)
			c, _ := srv.Conversation(id)
			if err != nil {
				require.Empty(t, c.TeamAssigneeID)
				continue
			}
			require.True(t, allowed[c.TeamAssigneeID])
			require.Equal(t, got.Team, c.TeamAssigneeID)
		}
	}
}

func ExampleRouter() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()
	router, err := intercomrbac.NewRouter(fake.Client(), intercomrbac.RouterConfig{
		Routes:   map[intercomrbac.Topic]intercomrbac.TeamRef{"billing": "Billing", "technical": "814866", "sales": "Sales"},
		Fallback: "Sales",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent})
	if err := router.Verify(ctx); err != nil { // a name that is misspelt shows here
		fmt.Println(err)
		return
	}
	for _, topic := range []intercomrbac.Topic{"technical", "complaints"} {
		result, err := router.Route(ctx, ids.Conversations[10], topic)
		fmt.Println(result.TeamName, result.Fallback, result.Assigned, err)
	}
	// Output:
	// Technical Support false true <nil>
	// Sales true true <nil>
}
