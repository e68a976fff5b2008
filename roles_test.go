package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// byRoleID maps the roles of the seeded workspace.
var byRoleID = intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "boss", "5402": "lead", "5403": "agent"}}

const (
	roleTTL      = time.Minute      // the default
	roleMaxStale = 10 * time.Minute // the default
	rolePause    = 6 * time.Second  // between attempts, at this TTL
)

func directory(tb testing.TB, c *intercomrbac.Client, config intercomrbac.RoleDirectoryConfig) *intercomrbac.RoleDirectory {
	tb.Helper()
	d, err := intercomrbac.NewRoleDirectory(c, config)
	require.NoError(tb, err)
	return d
}

// office is a seeded workspace, and a directory of it whose client tries once.
type office struct {
	*intercomtest.Server
	ids intercomtest.Seeded
	d   *intercomrbac.RoleDirectory
}

// inOffice runs a test in a bubble.
func inOffice(t *testing.T, test func(t *testing.T, o office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := office{Server: intercomtest.NewServer(t)}
		o.ids = o.Seed()
		o.d = directory(t, o.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		test(t, o)
		advance(30 * time.Second) // no look-up takes longer: a bubble fails if it leaves a goroutine behind
	})
}

// promote gives the agent the manager's role.
func (o office) promote() {
	a, _ := o.Admin(o.ids.Agent)
	a.RoleID, a.RoleName = "5402", "Manager"
	o.AddAdmin(a)
}

// asked tells how many requests were sent.
func (o office) asked() int { return o.CallCount("") }

// must returns the agent's role.
func (o office) must(t *testing.T) intercomrbac.Role {
	t.Helper()
	p, err := o.d.Principal(t.Context(), o.ids.Agent)
	require.NoError(t, err)
	return p.Role
}

// down lets every request fail until up is called.
func (o office) down(f intercomtest.Fault) (up func()) {
	f.Times = -1
	return o.Inject(f)
}

// advance lets time pass, and what has become due end.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRoleMap(t *testing.T) {
	t.Parallel()
	type role = intercomrbac.Role
	all := intercomrbac.RoleMap{
		Admins:    map[intercomrbac.AdminID]role{"1": "by admin"},
		RoleIDs:   map[intercomrbac.ID]role{"51": "by role id"},
		RoleNames: map[string]role{"Support": "by role name"},
		Teams:     []intercomrbac.TeamRole{{Team: "72", Role: "by second team"}, {Team: "71", Role: "by first team"}},
	}
	teams := []intercomrbac.TeamID{"71", "72"}
	tests := map[string]struct {
		m     intercomrbac.RoleMap
		admin intercomtest.Admin
		want  role
	}{
		"admin id before all":          {all, intercomtest.Admin{ID: "1", RoleID: "51", RoleName: "Support", TeamIDs: teams}, "by admin"},
		"then the role's id":           {all, intercomtest.Admin{ID: "2", RoleID: "51", RoleName: "Support", TeamIDs: teams}, "by role id"},
		"then its name":                {all, intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "Support", TeamIDs: teams}, "by role name"},
		"then teams, in our order":     {all, intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "Sales", TeamIDs: teams}, "by second team"},
		"another team":                 {all, intercomtest.Admin{ID: "2", TeamIDs: teams[:1]}, "by first team"},
		"nothing fits":                 {all, intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "Sales", TeamIDs: []intercomrbac.TeamID{"73"}}, ""},
		"no role in Intercom":          {all, intercomtest.Admin{ID: "2"}, ""},
		"a name is exact":              {all, intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "support"}, ""},
		"a role's id is no admin id":   {all, intercomtest.Admin{ID: "51", RoleID: "1"}, ""},
		"an admin's id is no team":     {all, intercomtest.Admin{ID: "71"}, ""},
		"a role called owner":          {all, intercomtest.Admin{ID: "2", RoleID: "1", RoleName: "owner"}, ""},
		"a role called as one of ours": {all, intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "by admin"}, ""},
		"a role called owner, mapped": {intercomrbac.RoleMap{RoleNames: map[string]role{"owner": "owner"}},
			intercomtest.Admin{ID: "2", RoleID: "52", RoleName: "owner"}, "owner"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			for _, id := range []intercomrbac.TeamID{"71", "72", "73"} {
				srv.AddTeam(intercomtest.Team{ID: id})
			}
			srv.AddAdmin(tt.admin)
			p, err := directory(t, srv.Client(), intercomrbac.RoleDirectoryConfig{Map: tt.m}).Principal(t.Context(), tt.admin.ID)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Role)
			assert.Equal(t, tt.admin.ID, p.AdminID, "who it is is known, with a role or without")
		})
	}
}

func TestRolesBeforeVersion216(t *testing.T) {
	t.Parallel()
	m := newMock(t, json200(`{"type":"admin","id":"4410","email":"a@example.com","team_ids":[6101,0,null]}`))
	d := directory(t, m.Client, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{
		RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "boss"}, Teams: []intercomrbac.TeamRole{{Team: "6101", Role: "agent"}}}})
	p, err := d.Principal(t.Context(), "4410")
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Principal{AdminID: "4410", Email: "a@example.com", Role: "agent", Teams: []intercomrbac.TeamID{"6101"}}, p)
	assert.Equal(t, "GET /admins/4410", m.onlyRequest(t).Method+" "+m.onlyRequest(t).Path)
}

func TestNewRoleDirectoryRefusesBadConfigs(t *testing.T) {
	t.Parallel()
	type role = intercomrbac.Role
	good := map[intercomrbac.AdminID]role{"1": "boss"}
	tests := map[string]struct {
		config intercomrbac.RoleDirectoryConfig
		want   string
	}{
		"empty map":           {intercomrbac.RoleDirectoryConfig{}, "Map: it is empty"},
		"negative TTL":        {intercomrbac.RoleDirectoryConfig{TTL: -1}, "may be negative"},
		"negative MaxStale":   {intercomrbac.RoleDirectoryConfig{MaxStale: -1}, "may be negative"},
		"MaxStale below TTL":  {intercomrbac.RoleDirectoryConfig{TTL: time.Hour, MaxStale: time.Minute}, "MaxStale is 1m0s, less than the TTL of 1h0m0s"},
		"below the default":   {intercomrbac.RoleDirectoryConfig{MaxStale: time.Second}, "MaxStale is 1s, less than the TTL of 1m0s"},
		"no role of an admin": {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Admins: map[intercomrbac.AdminID]role{"1": ""}}}, `Admins: the role of "1" is empty`},
		"empty role id":       {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]role{"": "boss"}}}, `RoleIDs: "" is the empty id`},
		"zero role id":        {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]role{"0": "boss"}}}, `RoleIDs: "0" is the empty id`},
		"no role for an id":   {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]role{"5": ""}}}, `RoleIDs: the role for "5" is empty`},
		"empty name":          {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]role{"": "boss"}}}, "RoleNames: a name is empty"},
		"no role for a name":  {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]role{"Owner": ""}}}, `RoleNames: the role for "Owner" is empty`},
		"no role for a team":  {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Teams: []intercomrbac.TeamRole{{Team: "6101"}}}}, `Teams: the role for "6101" is empty`},
		"team listed twice": {intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{
			Teams: []intercomrbac.TeamRole{{Team: "6101", Role: "a"}, {Team: "6102", Role: "a"}, {Team: "6101", Role: "a"}}}}, `Teams: "6101" is listed twice`},
	}
	for name, bad := range badDigits {
		tests["admin id/"+name] = struct {
			config intercomrbac.RoleDirectoryConfig
			want   string
		}{intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Admins: map[intercomrbac.AdminID]role{intercomrbac.AdminID(bad): "boss"}}}, "is no admin id"}
		tests["team id/"+name] = struct {
			config intercomrbac.RoleDirectoryConfig
			want   string
		}{intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Teams: []intercomrbac.TeamRole{{Team: intercomrbac.TeamID(bad), Role: "boss"}}}}, "is no team id"}
	}
	client := newMock(t).Client
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := intercomrbac.NewRoleDirectory(client, tt.config)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, d)
			// Nothing else is wrong.
			tt.config.Map.Admins = good
			if d, err = intercomrbac.NewRoleDirectory(client, tt.config); name == "empty map" || strings.HasPrefix(name, "admin id/") || name == "no role of an admin" {
				require.NoError(t, err)
				assert.NotNil(t, d)
			} else {
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "\n")
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		_, err := intercomrbac.NewRoleDirectory(nil, intercomrbac.RoleDirectoryConfig{TTL: -1, Map: intercomrbac.RoleMap{
			Admins: map[intercomrbac.AdminID]role{"billing": ""}, Teams: []intercomrbac.TeamRole{{}}}})
		require.Error(t, err)
		assert.Equal(t, `intercomrbac: NewRoleDirectory: the client was not made by NewClient
neither TTL nor MaxStale may be negative
Map: Admins: "billing" is no admin id: admin ids are digits (list the admins)
Map: Admins: the role of "billing" is empty
Map: Teams: "" is no team id: team ids are digits (list the teams)
Map: Teams: the role for "" is empty`, err.Error())
		_, err = intercomrbac.NewRoleDirectory(new(intercomrbac.Client), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		assert.ErrorContains(t, err, "the client was not made by NewClient")
	})
}

func TestRoleDirectoryDefaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ ttl, maxStale, wantTTL, wantMaxStale time.Duration }{
		"none given":           {0, 0, roleTTL, roleMaxStale},
		"a long TTL":           {time.Hour, 0, time.Hour, time.Hour},
		"a short TTL":          {time.Second, 0, time.Second, roleMaxStale},
		"never beyond the TTL": {time.Second, time.Second, time.Second, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				o.d = directory(t, o.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})),
					intercomrbac.RoleDirectoryConfig{Map: byRoleID, TTL: tt.ttl, MaxStale: tt.maxStale})
				o.must(t)
				o.down(intercomtest.Fault{Status: 500})
				advance(tt.wantTTL - 1)
				_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, true)
				assert.True(t, ok)
				advance(1)
				_, ok = intercomrbac.PeekRole(o.d, o.ids.Agent, true)
				assert.False(t, ok)
				if tt.wantMaxStale > tt.wantTTL {
					advance(tt.wantMaxStale - tt.wantTTL - 1)
					o.must(t)
					advance(1)
				}
				_, err := o.d.Principal(t.Context(), o.ids.Agent)
				assert.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			})
		})
	}
}

func TestRoleDirectoryCopiesItsMap(t *testing.T) {
	t.Parallel()
	type role = intercomrbac.Role
	m := intercomrbac.RoleMap{
		Admins:    map[intercomrbac.AdminID]role{"1": "b"},
		RoleIDs:   map[intercomrbac.ID]role{"51": "a"},
		RoleNames: map[string]role{"Support": "c"},
		Teams:     []intercomrbac.TeamRole{{Team: "71", Role: "d"}, {Team: "72", Role: "a"}},
	}
	d := directory(t, newMock(t).Client, intercomrbac.RoleDirectoryConfig{Map: m})
	m.Admins["1"], m.RoleIDs["51"], m.RoleNames["Support"], m.Teams[0].Role = "x", "x", "x", "x"
	assert.Equal(t, []role{"a", "b", "c", "d"}, intercomrbac.MappedRoles(d), "each role once, in order")
}

func TestPrincipalOfAnAdmin(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	d := directory(t, srv.Client(intercomrbac.WithWorkspace("ws1")), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
	want := intercomrbac.Principal{AdminID: ids.Manager, Email: "marcus@example.com", Role: "lead",
		Teams: []intercomrbac.TeamID{ids.Billing, ids.Technical}, Workspace: "ws1"}
	for range 2 {
		p, err := d.Principal(t.Context(), ids.Manager)
		require.NoError(t, err)
		assert.Equal(t, want, p)
		p.Teams[0] = "999" // it is the caller's
	}
	assert.Equal(t, 1, srv.CallCount(""))
}

// It does not matter to a look-up who asks for it, nor whether its client is guarded.
func TestRoleLookupsGoUnderTheGuard(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	guarded := srv.Client(intercomrbac.WithWorkspace("ws1"), intercomrbac.WithGuard(g))
	_, err = guarded.Admins.Get(t.Context(), ids.Agent)
	require.ErrorContains(t, err, "denied")
	d := directory(t, guarded, intercomrbac.RoleDirectoryConfig{Map: byRoleID})
	for name, p := range map[string]intercomrbac.Principal{
		"nobody": {}, "another workspace": {AdminID: "1", Workspace: "ws2"}, "a service": {Service: "cron"},
	} {
		d.ForgetAll()
		got, err := d.Principal(intercomrbac.WithPrincipal(t.Context(), p), ids.Agent)
		require.NoError(t, err, name)
		assert.EqualValues(t, "agent", got.Role)
	}
	_, err = guarded.Admins.Get(t.Context(), ids.Agent)
	assert.ErrorContains(t, err, "denied", "the client itself stays guarded")
}

func TestRoleLookupsRefusedBeforeAnyIO(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	lookup := func(config intercomrbac.RoleDirectoryConfig, id intercomrbac.AdminID) func(context.Context, *intercomrbac.Client) (any, error) {
		return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			d, err := intercomrbac.NewRoleDirectory(c, config)
			if err != nil {
				return nil, errors.New("the config is wrong")
			}
			return d.Principal(ctx, id)
		}
	}
	for name, id := range badDigits {
		tests = append(tests, refusalTest{name: name, hint: "admin ids are digits (list the admins)",
			call: lookup(intercomrbac.RoleDirectoryConfig{Map: byRoleID}, intercomrbac.AdminID(id))})
	}
	tests = append(tests,
		refusalTest{name: "nil context", hint: "the context is nil", call: func(_ context.Context, c *intercomrbac.Client) (any, error) {
			var none context.Context
			return lookup(intercomrbac.RoleDirectoryConfig{Map: byRoleID}, "1")(none, c)
		}},
		refusalTest{name: "context ended", is: context.Canceled, hint: "intercomrbac: waiting for the role of admin 1", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return lookup(intercomrbac.RoleDirectoryConfig{Map: byRoleID}, "1")(ctx, c)
		}})
	runRefusalTests(t, tests)
}

func TestRoleDirectoryNotMade(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]*intercomrbac.RoleDirectory{"nil": nil, "zero": new(intercomrbac.RoleDirectory)} {
		p, err := d.Principal(t.Context(), "1")
		assert.ErrorContains(t, err, "intercomrbac: this RoleDirectory was not made by NewRoleDirectory", name)
		assert.Zero(t, p)
		_, ok := intercomrbac.PeekRole(d, "1", false)
		assert.False(t, ok, name)
		assert.Empty(t, intercomrbac.MappedRoles(d), name)
		d.Forget("1")
		d.ForgetAll()
	}
}

func TestChangedRoleIsSeen(t *testing.T) {
	t.Parallel()
	t.Run("after TTL", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			assert.EqualValues(t, "agent", o.must(t))
			o.promote()
			advance(roleTTL*3/4 - 1)
			assert.EqualValues(t, "agent", o.must(t))
			assert.Equal(t, 1, o.asked())
			advance(roleTTL / 4)
			assert.EqualValues(t, "agent", o.must(t), "TTL is not quite over")
			synctest.Wait()
			advance(1)
			assert.EqualValues(t, "lead", o.must(t))
		})
	})
	t.Run("after a long time", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			o.must(t)
			o.promote()
			advance(roleTTL)
			assert.EqualValues(t, "lead", o.must(t))
		})
	})
	t.Run("after Forget", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			o.must(t)
			o.promote()
			o.d.Forget(o.ids.Owner)
			assert.EqualValues(t, "agent", o.must(t), "another one was forgotten")
			o.d.Forget(o.ids.Agent)
			assert.EqualValues(t, "lead", o.must(t))
			assert.Equal(t, 2, o.asked())
		})
	})
	t.Run("after ForgetAll", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			o.must(t)
			o.promote()
			o.d.ForgetAll()
			_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, false)
			assert.False(t, ok)
			assert.EqualValues(t, "lead", o.must(t))
		})
	})
}

func TestRoleAgesFromWhenIntercomWasAsked(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.Inject(intercomtest.Fault{Done: true, Delay: 10 * time.Second})
		o.must(t)
		o.promote()
		advance(roleTTL - 10*time.Second)
		assert.EqualValues(t, "lead", o.must(t))
	})
}

func TestRoleLookupUnderAnEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := o.d.Principal(ctx, o.ids.Agent)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		assert.Zero(t, o.asked())
	})
}

func TestRoleIsRefreshedBeforeItExpires(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.must(t)
		o.promote()
		advance(roleTTL * 3 / 4)
		o.down(intercomtest.Fault{Delay: time.Second})
		start := time.Now()
		for range 100 {
			assert.EqualValues(t, "agent", o.must(t))
			role, err := intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, true)
			require.NoError(t, err)
			assert.EqualValues(t, "agent", role)
		}
		assert.Equal(t, start, time.Now(), "nobody waits")
		advance(time.Second)
		assert.Equal(t, 2, o.asked(), "one request for all")
		assert.EqualValues(t, "lead", o.must(t))

		advance(roleTTL * 2)
		_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, false)
		assert.False(t, ok)
		synctest.Wait()
		assert.Equal(t, 2, o.asked(), "what nobody uses is not refreshed, and a peek asks nothing")
	})
}

func TestManyRoleLookupsShareOneRequest(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.down(intercomtest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				role, err := intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, i%2 == 0)
				assert.NoError(t, err)
				assert.EqualValues(t, "agent", role)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, o.asked())
	})
}

func TestRoleLookupsEndWithTheirOwnContext(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.down(intercomtest.Fault{Delay: time.Hour})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				patience := time.Duration(i+1) * 50 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				p, err := o.d.Principal(ctx, o.ids.Agent)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.ErrorContains(t, err, "intercomrbac: waiting for the role of admin "+string(o.ids.Agent))
				assert.Zero(t, p)
				assert.Equal(t, patience, time.Since(start))
			})
		}
		_, err := o.d.Principal(t.Context(), o.ids.Agent)
		require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
		assert.Equal(t, 30*time.Second, time.Since(start), "the look-up has a time-out of its own")
		wg.Wait()
		assert.Equal(t, 1, o.asked())
		known, flights := intercomrbac.KnownRoles(o.d)
		assert.Equal(t, []int{0, 0}, []int{known, flights})
	})
}

// The time-out includes the wait for a slot of the rate limit, and no slot is no answer.
func TestRoleLookupWaitsForASlotOnlySoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		ids := srv.Seed()
		slots := &slotGate{}
		d := directory(t, srv.Client(intercomrbac.WithLimiter(slots)), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		_, err := d.Principal(t.Context(), ids.Agent)
		require.NoError(t, err)
		slots.closed = true
		advance(roleTTL)
		start := time.Now()
		p, err := d.Principal(t.Context(), ids.Agent)
		require.NoError(t, err)
		assert.EqualValues(t, "agent", p.Role)
		assert.Equal(t, 30*time.Second, time.Since(start))
		_, err = intercomrbac.LookupRole(t.Context(), d, ids.Agent, true)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, srv.CallCount(""))
	})
}

// slotGate is a limiter that gives no slot once it is closed.
type slotGate struct{ closed bool }

func (g *slotGate) Wait(ctx context.Context) error {
	if g.closed {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (g *slotGate) Observe(intercomrbac.RateLimit) {}

func TestWhoLeavesARoleLookupFailsNobodyElse(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.down(intercomtest.Fault{Delay: time.Second})
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := o.d.Principal(first, o.ids.Agent)
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() { assert.EqualValues(t, "agent", o.must(t)) })
		}
		synctest.Wait()
		leave()
		wg.Wait()
		assert.Equal(t, 1, o.asked())
	})
}

func TestRemovedAdminIsDeniedAtOnce(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, o office) {
		t.Helper()
		asked := o.asked()
		for _, fresh := range []bool{false, true} {
			role, err := intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, fresh)
			require.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			assert.NotEmpty(t, intercomrbac.Advice(err))
			assert.Empty(t, role)
			_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, fresh)
			assert.False(t, ok)
		}
		assert.Equal(t, asked, o.asked(), "it is remembered")
	}
	t.Run("with a young entry", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			o.must(t)
			o.RemoveAdmin(o.ids.Agent)
			advance(roleTTL * 3 / 4)
			o.must(t)
			synctest.Wait()
			gone(t, o)
			o.down(intercomtest.Fault{Status: 503})
			gone(t, o)
			advance(roleTTL)
			_, err := o.d.Principal(t.Context(), o.ids.Agent)
			assert.ErrorIs(t, err, intercomrbac.ErrUnavailable, "there is no role to go on with")
		})
	})
	t.Run("with a stale entry", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			o.must(t)
			up := o.down(intercomtest.Fault{Status: 503})
			advance(2 * roleTTL)
			o.must(t)
			o.RemoveAdmin(o.ids.Agent)
			up()
			advance(rolePause)
			o.must(t)
			synctest.Wait()
			gone(t, o)
		})
	})
	t.Run("who comes back", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			agent, _ := o.Admin(o.ids.Agent)
			o.RemoveAdmin(o.ids.Agent)
			_, err := o.d.Principal(t.Context(), o.ids.Agent)
			require.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			o.AddAdmin(agent)
			advance(roleTTL - 1)
			gone(t, o)
			advance(1)
			assert.EqualValues(t, "agent", o.must(t))

			o.RemoveAdmin(o.ids.Agent)
			o.d.Forget(o.ids.Agent)
			_, err = o.d.Principal(t.Context(), o.ids.Agent)
			require.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			o.AddAdmin(agent)
			o.d.Forget(o.ids.Agent)
			assert.EqualValues(t, "agent", o.must(t))
		})
	})
}

func TestRolesWhileIntercomCannotBeReached(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault intercomtest.Fault
		is    error
	}{
		"500":           {intercomtest.Fault{Status: 500}, intercomrbac.ErrUnavailable},
		"503":           {intercomtest.Fault{Status: 503}, intercomrbac.ErrUnavailable},
		"HTML 502":      {intercomtest.Fault{HTML: true}, intercomrbac.ErrUnavailable},
		"refused":       {intercomtest.Fault{Refuse: true}, syscall.ECONNREFUSED},
		"dropped":       {intercomtest.Fault{Drop: true}, io.EOF},
		"429":           {intercomtest.Fault{Status: 429}, intercomrbac.ErrRateLimited},
		"HTML 200":      {intercomtest.Fault{HTML: true, Status: 200}, intercomrbac.ErrBadResponse},
		"somebody else": {intercomtest.Fault{Body: []byte(`{"type":"admin","id":"1","role":{"id":"5401"}}`)}, intercomrbac.ErrBadResponse},
		"nobody":        {intercomtest.Fault{Body: []byte(`{}`)}, intercomrbac.ErrBadResponse},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				lookup := func(fresh bool) (intercomrbac.Role, error) {
					return intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, fresh)
				}
				start := time.Now()
				o.must(t)
				o.promote()
				up := o.down(tt.fault)
				advance(roleTTL - 1)
				role, err := lookup(true)
				require.NoError(t, err)
				assert.EqualValues(t, "agent", role)
				synctest.Wait()
				advance(1)
				for time.Since(start) < roleMaxStale-20*time.Second {
					assert.EqualValues(t, "agent", o.must(t))
					role, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, false)
					assert.True(t, ok)
					assert.EqualValues(t, "agent", role)
					_, ok = intercomrbac.PeekRole(o.d, o.ids.Agent, true)
					assert.False(t, ok)
					_, err := lookup(true)
					require.ErrorIs(t, err, tt.is)
					advance(20 * time.Second)
				}
				advance(time.Until(start.Add(roleMaxStale - 1)))
				assert.EqualValues(t, "agent", o.must(t))
				advance(1)
				_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, false)
				assert.False(t, ok)
				p, err := o.d.Principal(t.Context(), o.ids.Agent)
				require.ErrorIs(t, err, tt.is)
				require.ErrorContains(t, err, "intercomrbac: the role of admin "+string(o.ids.Agent))
				assert.Equal(t, 1, strings.Count(err.Error(), "intercomrbac: "))
				assert.NotEmpty(t, intercomrbac.Advice(err))
				assert.Zero(t, p)

				up()
				assert.EqualValues(t, "lead", o.must(t), "it is back")
				role, err = lookup(true)
				require.NoError(t, err)
				assert.EqualValues(t, "lead", role)
			})
		})
	}
}

func TestRolesWhileIntercomHangs(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.must(t)
		o.promote()
		up := o.down(intercomtest.Fault{Delay: time.Hour})
		advance(roleTTL)
		start := time.Now()
		assert.EqualValues(t, "agent", o.must(t))
		assert.Equal(t, 30*time.Second, time.Since(start), "the first one finds out")
		for range 100 {
			start = time.Now()
			assert.EqualValues(t, "agent", o.must(t))
			assert.Zero(t, time.Since(start), "the others need not wait")
			advance(4 * time.Second)
		}
		up()
		advance(30 * time.Second)
		o.must(t)
		synctest.Wait()
		assert.EqualValues(t, "lead", o.must(t))
	})
}

func TestRequestsWhileIntercomCannotBeReachedAreFew(t *testing.T) {
	t.Parallel()
	for ttl, pause := range map[time.Duration]time.Duration{roleTTL: rolePause, 4 * time.Second: time.Second, time.Hour: 10 * time.Second} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				o.d = directory(t, o.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})),
					intercomrbac.RoleDirectoryConfig{Map: byRoleID, TTL: ttl, MaxStale: 10 * time.Hour})
				o.must(t)
				up := o.down(intercomtest.Fault{Status: 503})
				advance(ttl)
				o.must(t)
				o.ResetCalls()
				const attempts = 5
				for start := time.Now(); time.Since(start) < attempts*pause; {
					for range 3 {
						assert.EqualValues(t, "agent", o.must(t))
					}
					advance(pause / 100)
				}
				assert.InDelta(t, attempts, o.asked(), 1)

				o.promote()
				up()
				advance(pause)
				assert.EqualValues(t, "agent", o.must(t))
				synctest.Wait()
				assert.EqualValues(t, "lead", o.must(t))
			})
		})
	}
}

// That Intercom failed some time ago does not mean that it fails now.
func TestOldFailureLetsNoStaleRoleServe(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.must(t)
		advance(roleTTL * 3 / 4)
		up := o.down(intercomtest.Fault{Status: 503})
		o.must(t)
		synctest.Wait()
		up()
		o.promote()
		advance(roleMaxStale / 2)
		_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, false)
		assert.False(t, ok)
		assert.EqualValues(t, "lead", o.must(t))
		assert.Equal(t, 3, o.asked())
	})
}

func TestRefusedLookupEndsTheUseOfARole(t *testing.T) {
	t.Parallel()
	scope := intercomtest.Fault{Status: 403, Code: "forbidden", Message: "a scope is missing"}
	tests := map[string]struct {
		fault intercomtest.Fault
		is    error
	}{
		"401":           {intercomtest.Fault{Status: 401, Code: "unauthorized"}, intercomrbac.ErrUnauthorized},
		"token revoked": {intercomtest.Fault{Status: 401, Code: "token_revoked"}, intercomrbac.ErrTokenRevoked},
		"scope missing": {scope, intercomrbac.ErrScopeMissing},
		"403":           {intercomtest.Fault{Status: 403, Code: "api_plan_restricted"}, intercomrbac.ErrPlanRestricted},
		"422":           {intercomtest.Fault{Status: 422}, intercomrbac.ErrInvalidRequest},
		"a proxy's 404": {intercomtest.Fault{HTML: true, Status: 404}, intercomrbac.ErrNotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				denied := func() {
					t.Helper()
					for _, fresh := range []bool{false, true} {
						_, err := intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, fresh)
						require.ErrorIs(t, err, tt.is)
						_, ok := intercomrbac.PeekRole(o.d, o.ids.Agent, fresh)
						assert.False(t, ok)
					}
				}
				// In the background, while the role is young.
				o.must(t)
				advance(roleTTL * 3 / 4)
				up := o.down(tt.fault)
				o.must(t)
				synctest.Wait()
				denied()
				up()
				assert.EqualValues(t, "agent", o.must(t), "it is not remembered")

				// After TTL, and in an outage that follows.
				advance(roleTTL)
				up = o.down(tt.fault)
				denied()
				up()
				o.down(intercomtest.Fault{Status: 503})
				_, err := o.d.Principal(t.Context(), o.ids.Agent)
				require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			})
		})
	}
}

// A page of a proxy does not say that a teammate left.
func TestProxyDoesNotRemoveAnAdmin(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.Inject(intercomtest.Fault{HTML: true, Status: 404})
		_, err := o.d.Principal(t.Context(), o.ids.Agent)
		require.ErrorIs(t, err, intercomrbac.ErrNotFound)
		require.NotErrorIs(t, err, intercomrbac.ErrAdminNotFound)
		assert.EqualValues(t, "agent", o.must(t))
	})
}

func TestForgetDuringARoleLookup(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(o office){
		"Forget":    func(o office) { o.d.Forget(o.ids.Agent) },
		"ForgetAll": func(o office) { o.d.ForgetAll() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				// Intercom answers what is so now, and the answer takes a second.
				o.Inject(intercomtest.Fault{Done: true, Delay: time.Second})
				start := time.Now()
				var wg sync.WaitGroup
				for i := range 10 {
					wg.Go(func() {
						role, err := intercomrbac.LookupRole(t.Context(), o.d, o.ids.Agent, i%2 == 0)
						assert.NoError(t, err)
						assert.EqualValues(t, "lead", role, "who began before does not get the old answer")
						assert.Equal(t, time.Second, time.Since(start))
					})
				}
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
					defer cancel()
					_, err := o.d.Principal(ctx, o.ids.Agent)
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				})
				synctest.Wait()
				o.promote()
				forget(o)
				wg.Wait()
				assert.Equal(t, 2, o.asked())
				assert.EqualValues(t, "lead", o.must(t))

				// The old answer comes after the new one.
				forget(o)
				o.Inject(intercomtest.Fault{Done: true, Delay: time.Second})
				wg.Go(func() { assert.EqualValues(t, "agent", o.must(t)) })
				synctest.Wait()
				a, _ := o.Admin(o.ids.Agent)
				a.RoleID, a.RoleName = "5403", "Support Agent"
				o.AddAdmin(a)
				forget(o)
				assert.EqualValues(t, "agent", o.must(t))
				wg.Wait()
				assert.EqualValues(t, "agent", o.must(t), "the old answer is not stored")
				assert.Equal(t, 4, o.asked())
			})
		})
	}
}

// Whoever is forgotten again and again is waited for no longer than the caller has time.
func TestForgettingForEverEndsWithTheContext(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.down(intercomtest.Fault{Delay: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := o.d.Principal(ctx, o.ids.Agent)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		for ctx.Err() == nil {
			advance(time.Second / 2)
			o.d.Forget(o.ids.Agent)
		}
		wg.Wait()
	})
}

func TestRoleLookupSurvivesItsTransport(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fail func()
		want string
	}{
		"panic":  {func() { panic(testToken) }, "the look-up panicked (string)"},
		"goexit": {func() { runtime.Goexit() }, "ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broken := true
				c := clientOf(t, func(*http.Request) (*http.Response, error) {
					if broken {
						time.Sleep(time.Second)
						tt.fail()
					}
					return reply(200, `{"id":"1","role":{"id":"5401"}}`), nil
				})
				d := directory(t, c, intercomrbac.RoleDirectoryConfig{Map: byRoleID})
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						_, err := d.Principal(t.Context(), "1")
						assert.ErrorIs(t, err, intercomrbac.ErrUnavailable)
						assert.ErrorContains(t, err, tt.want)
						assert.NotContains(t, fmt.Sprintf("%v %+v", err, err), testToken)
					})
				}
				wg.Wait()
				broken = false
				p, err := d.Principal(t.Context(), "1")
				require.NoError(t, err, "the next one asks again")
				assert.EqualValues(t, "boss", p.Role)
			})
		})
	}
}

func TestTokenSourceThatFailsEndsTheUseOfARole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ok := true
		c := sourced(t, func() (*oauth2.Token, error) {
			if !ok {
				return nil, fmt.Errorf("the vault: %w", context.DeadlineExceeded)
			}
			return &oauth2.Token{AccessToken: testToken}, nil
		}, func(*http.Request) (*http.Response, error) { return reply(200, `{"id":"1","role":{"id":"5401"}}`), nil })
		d := directory(t, c, intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		_, err := d.Principal(t.Context(), "1")
		require.NoError(t, err)
		ok = false
		advance(roleTTL)
		_, err = d.Principal(t.Context(), "1")
		assert.ErrorIs(t, err, intercomrbac.ErrNoToken)
	})
}

func TestRememberedRolesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := clientOf(t, func(r *http.Request) (*http.Response, error) {
			asked++
			id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			if len(id) == 4 {
				return reply(404, `{"errors":[{"code":"admin_not_found"}]}`), nil
			}
			return reply(200, `{"id":"`+id+`","role":{"id":"5401"}}`), nil
		}, intercomrbac.WithLimiter(nil))
		d := directory(t, c, intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		look := func(from, n int) {
			for id := range n {
				_, _ = d.Principal(t.Context(), intercomrbac.AdminID(strconv.Itoa(from+id)))
			}
		}
		kept := func(from, n int) (kept int) {
			for id := range n {
				if _, ok := intercomrbac.PeekRole(d, intercomrbac.AdminID(strconv.Itoa(from+id)), false); ok {
					kept++
				}
			}
			return kept
		}
		known := func() int {
			known, flights := intercomrbac.KnownRoles(d)
			assert.Zero(t, flights)
			return known
		}
		look(1000, 2000)                              // nobody is there
		advance(roleTTL)                              // and that is remembered no longer
		look(100000, intercomrbac.MaxKnownRoles-2000) // these are
		assert.Equal(t, intercomrbac.MaxKnownRoles, known())
		look(200000, 1)
		assert.Equal(t, intercomrbac.MaxKnownRoles-2000+1, known())
		assert.Equal(t, intercomrbac.MaxKnownRoles-2000, kept(100000, intercomrbac.MaxKnownRoles-2000), "what has expired goes first")

		look(200000, 2100)
		assert.Equal(t, intercomrbac.MaxKnownRoles, known())
		assert.Equal(t, intercomrbac.MaxKnownRoles, kept(100000, intercomrbac.MaxKnownRoles-2000)+kept(200000, 2100), "then any")

		some := 200000
		for kept(some, 1) == 0 {
			some++
		}
		advance(roleTTL)
		look(some, 1)
		assert.Equal(t, intercomrbac.MaxKnownRoles, known(), "who is known needs no room")

		advance(roleMaxStale)
		look(300000, 1)
		assert.Equal(t, 1, known())
		assert.Equal(t, 2000+intercomrbac.MaxKnownRoles-2000+2100+2, asked)
	})
}

// Look-ups, changes and forgetting all at once: each answer is one that was true.
func TestRoleDirectoryConcurrently(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		o.down(intercomtest.Fault{Delay: time.Millisecond})
		admins := []intercomrbac.AdminID{o.ids.Owner, o.ids.Manager, o.ids.Agent, o.ids.Away}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for n := range 50 {
					id := admins[(i+n)%len(admins)]
					p, err := o.d.Principal(t.Context(), id)
					assert.NoError(t, err)
					assert.Equal(t, id, p.AdminID)
					assert.Contains(t, []intercomrbac.Role{"boss", "lead", "agent"}, p.Role)
					intercomrbac.PeekRole(o.d, id, n%2 == 0)
					switch n % 20 {
					case 3:
						o.d.Forget(id)
					case 7:
						o.d.ForgetAll()
					case 11:
						time.Sleep(roleTTL * 3 / 4)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestRoleDirectoryLeavesNoGoroutines(t *testing.T) {
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	before := runtime.NumGoroutine()
	for range 50 {
		d := directory(t, srv.Client(), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
		for range 10 {
			_, err := d.Principal(t.Context(), ids.Agent)
			require.NoError(t, err)
			d.Forget(ids.Agent)
		}
	}
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, time.Millisecond)
}

func ExampleRoleDirectory() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()

	roles, err := intercomrbac.NewRoleDirectory(fake.Client(), intercomrbac.RoleDirectoryConfig{
		Map: intercomrbac.RoleMap{
			RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner", "5402": "admin"},
			Teams:   []intercomrbac.TeamRole{{Team: ids.Billing, Role: "agent"}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []intercomrbac.AdminID{ids.Owner, ids.Manager, ids.Agent, ids.Away, "991267470"} {
		p, err := roles.Principal(context.Background(), id)
		if errors.Is(err, intercomrbac.ErrAdminNotFound) {
			fmt.Println("nobody")
			continue
		}
		fmt.Printf("%s is %q\n", p.Email, p.Role)
	}
	// Output:
	// olivia@example.com is "owner"
	// marcus@example.com is "admin"
	// aiko@example.com is "agent"
	// ravi@example.com is ""
	// nobody
}
