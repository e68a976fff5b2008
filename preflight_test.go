package intercomrbac_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quick makes a client that takes the first answer.
var quick = intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})

// preflightOf runs a preflight and checks what holds for each: the results are those of the scopes, each is one line, and
// nothing but reads was sent, each once.
func preflightOf(ctx context.Context, t *testing.T, srv *intercomtest.Server, c *intercomrbac.Client, ops ...intercomrbac.Operation) map[intercomrbac.Scope]intercomrbac.PreflightResult {
	t.Helper()
	srv.ResetCalls()
	results, err := intercomrbac.Preflight(ctx, c, ops...)
	require.NoError(t, err)
	got := map[intercomrbac.Scope]intercomrbac.PreflightResult{}
	var order []intercomrbac.Scope
	for _, r := range results {
		got[r.Scope] = r
		order = append(order, r.Scope)
		assert.NotEmpty(t, r.Why)
		assertOneLine(t, r.String())
		var want []string
		for _, op := range ops {
			if op.Scope == r.Scope {
				want = append(want, op.Name)
			}
		}
		slices.Sort(want)
		assert.Equal(t, slices.Compact(want), r.Operations)
	}
	want := intercomrbac.RequiredScopes(ops...)
	if len(order) > 0 && order[0] == "" {
		want = append([]intercomrbac.Scope{""}, want...)
	}
	assert.Equal(t, want, order)
	sent := map[string]int{}
	for _, call := range srv.Calls() {
		op, ok := intercomrbac.LookupOperation(call.Operation)
		require.True(t, ok, "%s %s", call.Method, call.Path)
		assert.Equal(t, intercomrbac.Read, op.Effect, "Preflight wrote: %s", op.Name)
		sent[op.Name]++
	}
	for name, n := range sent {
		assert.Equal(t, 1, n, name)
	}
	return got
}

// statusOf leaves the statuses of results.
func statusOf(results map[intercomrbac.Scope]intercomrbac.PreflightResult) map[intercomrbac.Scope]intercomrbac.PreflightStatus {
	out := map[intercomrbac.Scope]intercomrbac.PreflightStatus{}
	for scope, r := range results {
		out[scope] = r.Status
	}
	return out
}

// Of a token with all scopes, each that some read needs is found out; those to write stay unknown.
func TestPreflightFindsWhatReadsNeed(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	srv.Seed()
	want := map[intercomrbac.Scope]intercomrbac.PreflightStatus{}
	for _, op := range intercomrbac.Operations() {
		if op.Effect == intercomrbac.Read {
			want[op.Scope] = intercomrbac.PreflightGranted
		} else if want[op.Scope] == "" {
			want[op.Scope] = intercomrbac.PreflightUnknown
		}
	}
	got := preflightOf(t.Context(), t, srv, srv.Client(), intercomrbac.Operations()...)
	assert.Equal(t, want, statusOf(got), "a scope of a new read wants an entry in probes")
	for scope, r := range got {
		require.NoError(t, r.Err, scope)
		if r.Status == intercomrbac.PreflightUnknown {
			assert.Empty(t, r.Probe)
			assert.Contains(t, r.Why, "does not write")
		}
	}
	assert.Equal(t, intercomrbac.PreflightResult{
		Scope: "Read conversations", Operations: []string{"conversations.get", "conversations.list", "conversations.search"},
		Status: "granted", Probe: "conversations.list", Why: "GET /conversations was answered",
	}, got[intercomrbac.ScopeReadConversations])
}

// A probe asks for as little as there is.
func TestPreflightAsksForLittle(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	preflightOf(t.Context(), t, srv, srv.Client(), intercomrbac.Operations()...)
	for _, call := range srv.Calls() {
		assert.Equal(t, http.MethodGet, call.Method)
		assert.Empty(t, call.Body)
		switch call.Path {
		case "/me", "/admins", "/tags":
			assert.Empty(t, call.Query)
		case "/admins/activity_logs":
			assert.Len(t, call.Query, 1)
		case "/contacts/find_by_external_id/intercomrbac-preflight-nobody":
			assert.Empty(t, call.Query)
		default:
			assert.Equal(t, "1", call.Query.Get("per_page"), call.Path)
		}
	}
}

// With each scope alone, Intercom's word about all others is that they are missing, in both of its ways.
func TestPreflightOfOneScope(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		srv := intercomtest.NewServer(t)
		srv.SetMissingScopeStatus(status)
		all := preflightOf(t.Context(), t, srv, srv.Client(), intercomrbac.Operations()...)
		for _, only := range intercomrbac.RequiredScopes(intercomrbac.Operations()...) {
			srv.AddToken("token-of-one-scope", only)
			for scope, r := range preflightOf(t.Context(), t, srv, srv.ClientFor("token-of-one-scope"), intercomrbac.Operations()...) {
				switch {
				case all[scope].Status == intercomrbac.PreflightUnknown, scope == only:
					assert.Equal(t, all[scope], r)
				default:
					assert.Equal(t, intercomrbac.PreflightScopeMissing, r.Status, "%s, with %s", scope, only)
					require.ErrorIs(t, r.Err, intercomrbac.ErrScopeMissing)
					assert.Contains(t, r.Why, "tick the scope \""+string(scope)+"\"")
				}
			}
		}
	}
}

func TestPreflightOutcomes(t *testing.T) {
	t.Parallel()
	refused := func(status int, code, message string) intercomtest.Fault {
		return intercomtest.Fault{Operation: "admins.list", Status: status, Code: code, Message: message, Times: -1}
	}
	unknown := intercomrbac.PreflightUnknown
	for name, tt := range map[string]struct {
		fault intercomtest.Fault
		want  intercomrbac.PreflightStatus
		is    error
		why   string
	}{
		"plan":                         {refused(403, "api_plan_restricted", "Active subscription needed."), intercomrbac.PreflightPlanRestricted, intercomrbac.ErrPlanRestricted, "it is the plan, not the scope"},
		"plan, by status":              {refused(402, "client_error", ""), intercomrbac.PreflightPlanRestricted, intercomrbac.ErrPlanRestricted, "plan"},
		"forbidden, a scope named":     {refused(403, "forbidden", "You do not have the required scope (read_admins) to access this resource"), intercomrbac.PreflightScopeMissing, intercomrbac.ErrScopeMissing, "read_admins"},
		"forbidden, none named":        {refused(403, "forbidden", "Forbidden request"), unknown, intercomrbac.ErrForbidden, `most likely the scope "Read admins" is not ticked`},
		"action forbidden":             {refused(403, "action_forbidden", ""), unknown, intercomrbac.ErrActionForbidden, "inbox seat"},
		"not found":                    {refused(404, "not_found", "User Not Found"), unknown, intercomrbac.ErrNotFound, "404"},
		"header lost":                  {refused(401, "missing_authorization", ""), unknown, intercomrbac.ErrUnauthorized, "check the token"},
		"unauthorized, but not at /me": {refused(401, "unauthorized", "Access Token Invalid"), unknown, intercomrbac.ErrUnauthorized, "Access Token Invalid"},
		"parameter":                    {refused(422, "parameter_invalid", "No."), unknown, intercomrbac.ErrInvalidRequest, "422"},
		"rate limited":                 {refused(429, "rate_limit_exceeded", ""), unknown, intercomrbac.ErrRateLimited, "wait"},
		"down":                         {refused(503, "", ""), unknown, intercomrbac.ErrUnavailable, "try again later"},
		"page of a proxy":              {intercomtest.Fault{Operation: "admins.list", HTML: true, Status: 200, Times: -1}, unknown, intercomrbac.ErrBadResponse, "proxies"},
		"page of a proxy, 401":         {intercomtest.Fault{Operation: "admins.list", HTML: true, Status: 401, Times: -1}, unknown, intercomrbac.ErrUnauthorized, "check the token"},
		"lost":                         {intercomtest.Fault{Operation: "admins.list", Drop: true, Times: -1}, unknown, intercomrbac.ErrUnavailable, "cannot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			srv.Inject(tt.fault)
			c := srv.Client(quick)
			got := preflightOf(t.Context(), t, srv, c, lookup(t, "admins.get"), lookup(t, "conversations.get"))
			r := got[intercomrbac.ScopeReadAdmins]
			assert.Equal(t, []any{tt.want, "admins.list"}, []any{r.Status, r.Probe})
			require.ErrorIs(t, r.Err, tt.is)
			if name != "lost" {
				assert.Contains(t, r.Why, tt.why)
			}
			assert.Equal(t, intercomrbac.PreflightGranted, got[intercomrbac.ScopeReadConversations].Status, "the others are found out all the same")
		})
	}
}

// A dead token has no scopes: after the first answer that says so nothing is sent, and what was found out before does not
// count.
func TestPreflightOfADeadToken(t *testing.T) {
	t.Parallel()
	for code, sent := range map[string][]string{
		"token_revoked": {"admins.list"}, "token_expired": {"admins.list"}, "token_suspended": {"admins.list"}, "token_blocked": {"admins.list"},
		"token_not_found": {"admins.list"}, "unauthorized": {"admins.list", "admins.me"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			srv.RevokeToken(srv.Token(), code)
			got := preflightOf(t.Context(), t, srv, srv.Client(), lookup(t, "admins.get"), lookup(t, "conversations.get"), lookup(t, "conversations.close"))
			assert.Len(t, got, 3)
			for _, r := range got {
				assert.Equal(t, intercomrbac.PreflightTokenDead, r.Status)
				require.ErrorIs(t, r.Err, intercomrbac.ErrUnauthorized)
				assert.Contains(t, r.Why, code)
			}
			assert.Equal(t, sent, operationsOf(srv))
		})
	}
	t.Run("it dies meanwhile", func(t *testing.T) {
		t.Parallel()
		srv := intercomtest.NewServer(t)
		srv.Inject(intercomtest.Fault{Operation: "conversations.list", Status: 401, Code: "token_revoked"})
		got := preflightOf(t.Context(), t, srv, srv.Client(), lookup(t, "admins.get"), lookup(t, "conversations.get"), lookup(t, "admins.me"))
		for _, r := range got {
			assert.Equal(t, intercomrbac.PreflightTokenDead, r.Status, r.Scope)
		}
		assert.Equal(t, []string{"admins.list", "conversations.list"}, operationsOf(srv))
	})
	t.Run("GET /me says so", func(t *testing.T) {
		t.Parallel()
		srv := intercomtest.NewServer(t)
		srv.RevokeToken(srv.Token(), "unauthorized")
		got := preflightOf(t.Context(), t, srv, srv.Client(), lookup(t, "admins.me"), lookup(t, "contacts.get"))
		assert.Equal(t, intercomrbac.PreflightTokenDead, got[intercomrbac.ScopeReadUsers].Status)
		assert.Equal(t, []string{"admins.me"}, operationsOf(srv))
	})
}

// operationsOf returns the operations that reached the fake.
func operationsOf(srv *intercomtest.Server) []string {
	var out []string
	for _, call := range srv.Calls() {
		out = append(out, call.Operation)
	}
	return out
}

// A 404 shows the scope only as Intercom's own word about the contact.
func TestPreflightAndNotFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer mockAnswer
		want   intercomrbac.PreflightStatus
	}{
		"no such contact": {mockAnswer{status: 404, body: `{"type":"error.list","errors":[{"code":"not_found","message":"User Not Found"}]}`}, "granted"},
		"such a contact":  {json200(`{"type":"contact","id":"7"}`), "granted"},
		"no such address": {mockAnswer{status: 404, body: `{"type":"error.list","errors":[{"code":"not_found","message":"Resource Not Found"}]}`}, "unknown"},
		"another code":    {mockAnswer{status: 404, body: `{"type":"error.list","errors":[{"code":"workspace_not_found","message":"User Not Found"}]}`}, "unknown"},
		"a proxy's page":  {mockAnswer{status: 404, body: `<h1>User Not Found</h1>`}, "unknown"},
		"no body":         {mockAnswer{status: 404}, "unknown"},
		"merged":          {mockAnswer{status: 410, body: `{"type":"error.list","errors":[{"code":"contact_merged","message":"User Not Found"}]}`}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for op, request := range map[string]string{
				"contacts.get": "GET /contacts/find_by_external_id/intercomrbac-preflight-nobody?",
				"events.list":  "GET /events?per_page=1&type=user&user_id=intercomrbac-preflight-nobody",
			} {
				m := newMock(t, tt.answer)
				results, err := intercomrbac.Preflight(t.Context(), m.Client, lookup(t, op))
				require.NoError(t, err)
				require.Len(t, results, 1)
				assert.Equal(t, tt.want, results[0].Status, op)
				assert.Equal(t, tt.want == "granted", results[0].Err == nil)
				sent := m.onlyRequest(t)
				assert.Equal(t, request, sent.Method+" "+sent.Path+"?"+sent.Query.Encode())
			}
		})
	}
}

// Only what looks like an answer of Intercom's is one: a proxy may say 200 and nothing, or something of its own.
func TestPreflightDoesNotTakeSilenceForAYes(t *testing.T) {
	t.Parallel()
	for _, answer := range []mockAnswer{{status: 200}, {status: 202}, {status: 204}, json200("{}"), json200("[]"), json200(`{"status":"ok"}`), json200(`{"type":null}`), json200(`{"type":[]}`)} {
		m := newMock(t, answer)
		results, err := intercomrbac.Preflight(t.Context(), m.Client, lookup(t, "admins.list"))
		require.NoError(t, err)
		assert.Equal(t, intercomrbac.PreflightUnknown, results[0].Status, "%d %s", answer.status, answer.body)
		require.ErrorIs(t, results[0].Err, intercomrbac.ErrBadResponse)
	}
}

// A workspace is as well after a preflight as before: what was looked for is not what the app needs.
func TestPreflightLeavesTheHealthOfAWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.fake.AddToken(r.token, intercomrbac.ScopeReadOneAdmin)
		results, err := intercomrbac.Preflight(t.Context(), r.client, lookup(t, "tags.list"))
		require.NoError(t, err)
		require.Equal(t, intercomrbac.PreflightScopeMissing, results[0].Status)
		h, err := r.all.Health(t.Context(), "acme0001", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, intercomrbac.HealthOK, h.State)
		_, err = r.client.Tags.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrScopeMissing)
		h, err = r.all.Health(t.Context(), "acme0001", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, intercomrbac.HealthUnhealthy, h.State, "a call that the app makes is one that it needs")
		r.fake.AddToken(r.token)
		_, err = intercomrbac.Preflight(t.Context(), r.client, lookup(t, "tags.list"))
		require.NoError(t, err)
		h, err = r.all.Health(t.Context(), "acme0001", time.Time{})
		require.NoError(t, err)
		assert.Equal(t, intercomrbac.HealthOK, h.State, "a scope that turns out to be there is not lacking")
	})
}

func TestPreflightUnderAGuard(t *testing.T) {
	t.Parallel()
	ops := []intercomrbac.Operation{lookup(t, "admins.get"), lookup(t, "contacts.get"), lookup(t, "conversations.get")}
	granted, unknown := intercomrbac.PreflightGranted, intercomrbac.PreflightUnknown
	rule := func(p intercomrbac.Permission, when string) intercomrbac.Rule {
		return intercomrbac.Rule{Permission: p, When: when}
	}
	for name, tt := range map[string]struct {
		rules  []intercomrbac.Rule
		want   []intercomrbac.PreflightStatus // of admins, conversations, contacts
		sent   []string
		denied int
	}{
		"all":              {intercomrbac.Rules("*"), []intercomrbac.PreflightStatus{granted, granted, granted}, []string{"admins.list", "conversations.list", "contacts.get_by_external_id"}, 0},
		"nothing":          {nil, []intercomrbac.PreflightStatus{unknown, unknown, unknown}, nil, 3},
		"some":             {intercomrbac.Rules("admins:read"), []intercomrbac.PreflightStatus{granted, unknown, unknown}, []string{"admins.list"}, 2},
		"under conditions": {[]intercomrbac.Rule{rule("admins:read", "self"), rule("conversations:read", "assigned"), rule("contacts:read", "never")}, []intercomrbac.PreflightStatus{granted, granted, unknown}, []string{"admins.list", "conversations.search", "contacts.get_by_external_id"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(tt.rules...), conditions: []intercomrbac.Condition{never("contact")}})
			got := preflightOf(d.as(t, tester), t, d.srv, d.client, ops...)
			assert.Equal(t, tt.want, []intercomrbac.PreflightStatus{got[intercomrbac.ScopeReadAdmins].Status,
				got[intercomrbac.ScopeReadConversations].Status, got[intercomrbac.ScopeReadUsers].Status})
			assert.Equal(t, tt.sent, operationsOf(d.srv))
			for _, r := range got {
				if r.Status == unknown {
					require.ErrorIs(t, r.Err, intercomrbac.ErrDenied)
					assert.True(t, strings.HasPrefix(r.Why, "denied by the guard: "), r.Why)
				}
			}
			assert.Len(t, d.trail.take(), tt.denied)
		})
	}
}

// What the guard answers without Intercom shows nothing of the token.
func TestPreflightDoesNotTakeTheGuardForIntercom(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "conversations:read", When: "assigned_team"})})
	p := d.principal(tester)
	p.Teams = nil
	got := preflightOf(intercomrbac.WithPrincipal(t.Context(), p), t, d.srv, d.client, lookup(t, "conversations.get"))
	r := got[intercomrbac.ScopeReadConversations]
	assert.Equal(t, intercomrbac.PreflightUnknown, r.Status)
	assert.Contains(t, r.Why, "the guard answered")
	assert.Empty(t, operationsOf(d.srv))
}

// A directory that cannot find out the role because its token is dead denies: what that says is about the directory.
func TestPreflightAndTheTokenOfADirectory(t *testing.T) {
	t.Parallel()
	for code, is := range map[string]error{"token_revoked": intercomrbac.ErrTokenRevoked, "unauthorized": intercomrbac.ErrUnauthorized} {
		d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("*")...), roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}}})
		d.srv.RevokeToken(d.srv.Token(), code)
		got := preflightOf(d.as(t, ""), t, d.srv, d.client, lookup(t, "conversations.get"))
		r := got[intercomrbac.ScopeReadConversations]
		assert.Equal(t, intercomrbac.PreflightUnknown, r.Status)
		require.ErrorIs(t, r.Err, intercomrbac.ErrDenied)
		require.ErrorIs(t, r.Err, is)
		assert.Equal(t, []string{"admins.get"}, operationsOf(d.srv))
	}
}

// A read that is on record as far as its intent was answered, whatever the sink says of the rest.
func TestPreflightAndTheRecordOfReads(t *testing.T) {
	t.Parallel()
	ops := []intercomrbac.Operation{lookup(t, "admins.get"), lookup(t, "contacts.get")}
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("*")...), guard: intercomrbac.GuardConfig{AuditReads: true}})
	d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
	for _, r := range preflightOf(d.as(t, tester), t, d.srv, d.client, ops...) {
		assert.Equal(t, intercomrbac.PreflightGranted, r.Status)
		require.ErrorIs(t, r.Err, intercomrbac.ErrAuditIncomplete)
	}
	d.trail.refuse = refusing(intercomrbac.PhaseIntent)
	for _, r := range preflightOf(d.as(t, tester), t, d.srv, d.client, ops...) {
		assert.Equal(t, intercomrbac.PreflightUnknown, r.Status)
		require.ErrorIs(t, r.Err, intercomrbac.ErrAuditUnavailable)
	}
	assert.Empty(t, operationsOf(d.srv))
}

func TestPreflightRefusals(t *testing.T) {
	t.Parallel()
	m := newMock(t)
	good := lookup(t, "admins.me")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		c    *intercomrbac.Client
		ops  []intercomrbac.Operation
		is   error
		hint string
	}{
		"no client":      {t.Context(), nil, []intercomrbac.Operation{good}, nil, "not made by NewClient"},
		"zero client":    {t.Context(), new(intercomrbac.Client), []intercomrbac.Operation{good}, nil, "not made by NewClient"},
		"no context":     {nil, m.Client, []intercomrbac.Operation{good}, intercomrbac.ErrInvalidRequest, "context is nil"},
		"no operations":  {t.Context(), m.Client, nil, intercomrbac.ErrInvalidRequest, "Operations() returns all"},
		"zero operation": {t.Context(), m.Client, []intercomrbac.Operation{good, {}}, intercomrbac.ErrInvalidRequest, "no Name"},
		"context ended":  {ended, m.Client, []intercomrbac.Operation{good}, context.Canceled, "ended before all was found out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, err := intercomrbac.Preflight(tt.ctx, tt.c, tt.ops...)
			require.ErrorContains(t, err, tt.hint)
			assert.Nil(t, results)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assertOneLine(t, err.Error())
			assert.Empty(t, m.requests())
		})
	}
}

// The context ends while a probe waits: for its answer, or for a slot that comes too late.
func TestPreflightEndsWithItsContext(t *testing.T) {
	t.Parallel()
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			srv.Inject(intercomtest.Fault{Operation: "admins.list", Delay: time.Minute})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			results, err := intercomrbac.Preflight(ctx, srv.Client(), intercomrbac.Operations()...)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Nil(t, results)
		})
	})
	t.Run("slot", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := intercomtest.NewServer(t, intercomtest.WithRateLimit(2))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			results, err := intercomrbac.Preflight(ctx, srv.Client(), intercomrbac.Operations()...)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Nil(t, results)
			require.NoError(t, ctx.Err(), "it does not wait for what comes too late")
		})
	})
}

// A small window paces the probes; none is refused.
func TestPreflightKeepsToTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t, intercomtest.WithRateLimit(2))
		preflightOf(t.Context(), t, srv, srv.Client(), intercomrbac.Operations()...)
		for _, call := range srv.Calls() {
			assert.NotEqual(t, http.StatusTooManyRequests, call.Status)
		}
	})
}

func TestPreflightOfOperationsOfOnesOwn(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	own := func(name, method string, scope intercomrbac.Scope, effect intercomrbac.Effect) intercomrbac.Operation {
		return intercomrbac.Operation{Name: name, Method: method, Path: "/minds", Scope: scope, Effect: effect}
	}
	got := preflightOf(t.Context(), t, srv, srv.Client(),
		own("minds.read", "GET", "Read minds", intercomrbac.Read), own("minds.write", "POST", "Write minds", intercomrbac.Write),
		own("minds.guess", "GET", "", intercomrbac.Read), macros, macros)
	assert.Equal(t, map[intercomrbac.Scope]intercomrbac.PreflightStatus{"Read minds": "unknown", "Write minds": "unknown", "": "unknown", "Read conversations": "granted"}, statusOf(got))
	assert.Equal(t, `no scope: unknown: the operation names no scope (needed by minds.guess)`, got[""].String())
	assert.Equal(t, `"Read minds": unknown: no read that does without the id of a resource shows it (needed by minds.read)`, got["Read minds"].String())
	assert.Equal(t, `"Write minds": unknown: it is for writing, which no read shows, and Preflight does not write (needed by minds.write)`, got["Write minds"].String())
	assert.Equal(t, []string{"conversations.list"}, operationsOf(srv))
	b, err := json.Marshal(got["Read conversations"])
	require.NoError(t, err)
	assert.JSONEq(t, `{"scope":"Read conversations","operations":["`+macros.Name+`"],"status":"granted","probe":"conversations.list","why":"GET /conversations was answered"}`, string(b))
}

// Preflight finds out what is needed, it does not need it.
func TestPreflightLeavesTheRecordOfUse(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	c := srv.Client()
	preflightOf(t.Context(), t, srv, c, intercomrbac.Operations()...)
	assert.Nil(t, c.UsedOperations())
	_, err := c.Admins.Me(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []intercomrbac.Operation{lookup(t, "admins.me")}, c.UsedOperations())
}

func TestPreflightHoldsNoSecret(t *testing.T) {
	t.Parallel()
	m := newMock(t, mockAnswer{status: 403, body: `{"errors":[{"code":"forbidden","message":"no ` + mockToken + `\nscope\u001b[31m"}]}`})
	results, err := intercomrbac.Preflight(t.Context(), m.Client, lookup(t, "admins.me"))
	require.NoError(t, err)
	for _, text := range []string{results[0].Why, results[0].String(), results[0].Err.Error()} {
		assert.NotContains(t, text, mockToken)
		assertOneLine(t, text)
	}
	assert.NotErrorIs(t, results[0].Err, intercomrbac.ErrTokenRevoked)
}
