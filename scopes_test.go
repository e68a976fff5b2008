package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleScopes are the scopes of the sample that users come from, and what it says that they grant.
var sampleScopes = []struct {
	name  string
	scope intercomrbac.Scope
	calls []string // none for what has no call of its own
	note  string
}{
	{"Read admins", "Read admins", []string{"GET /admins"}, ""},
	{"Read contacts", "Read and list users and companies", []string{"GET /contacts", "POST /contacts/search"}, ""},
	{"Write contacts", "Read and write users", []string{"POST /contacts", "PUT /contacts/{id}", "DELETE /contacts/{id}"}, ""},
	{"Read conversations", "Read conversations", []string{"GET /conversations", "GET /conversations/{id}"}, ""},
	{"Write conversations", "Write conversations", []string{"POST /conversations", "POST /conversations/{id}/reply", "POST /conversations/{id}/parts"}, ""},
	{"Read messages", "Read conversations", nil, "messages that were sent have no call of their own"},
	{"Write messages", "Write conversations", []string{"POST /messages"}, ""},
	{"Read articles", "Read and list articles", []string{"GET /articles", "GET /help_center/collections"}, ""},
	{"Write articles", "Read and write articles", []string{"POST /articles", "PUT /articles/{id}", "DELETE /articles/{id}",
		"POST /help_center/collections", "PUT /help_center/collections/{id}", "DELETE /help_center/collections/{id}"}, ""},
	{"Read tags", "Read tags", []string{"GET /tags"}, ""},
	{"Write tags", "Write tags", []string{"POST /tags", "POST /contacts/{id}/tags", "DELETE /contacts/{id}/tags/{id}"}, ""},
	{"Read events", "Read events", []string{"GET /events"}, ""},
	{"Write events", "Write events", []string{"POST /events"}, ""},
}

var anyPlaceholder = regexp.MustCompile(`{[a-z_]+}`)

// plainCalls returns calls with all placeholders written alike.
func plainCalls(calls []string) []string {
	var out []string
	for _, call := range calls {
		out = append(out, anyPlaceholder.ReplaceAllString(call, "{id}"))
	}
	return out
}

// Calls that have no method go through Do, with an operation of the caller's own.
func TestScopesOfTheSampleThroughDo(t *testing.T) {
	t.Parallel()
	for _, tt := range sampleScopes {
		for _, call := range tt.calls {
			method, path, _ := strings.Cut(call, " ")
			op := intercomrbac.Operation{Name: "sample.call", Method: method, Path: path, Scope: tt.scope, Effect: intercomrbac.Write}
			if method == http.MethodGet {
				op.Effect = intercomrbac.Read
			}
			if slices.ContainsFunc(intercomrbac.Operations(), func(o intercomrbac.Operation) bool {
				return o.Method == method && anyPlaceholder.ReplaceAllString(o.Path, "{id}") == path
			}) {
				continue // with the operations of the table
			}
			if strings.Count(path, "{id}") == 2 {
				op.Path = strings.Replace(path, "{id}", "{other_id}", 1)
			}
			args := intercomrbac.Call{Path: map[string]string{}}
			for _, name := range anyPlaceholder.FindAllString(op.Path, -1) {
				args.Path[strings.Trim(name, "{}")] = "667d61c88a68186f43bafe93"
			}
			t.Run(tt.name+" "+call, func(t *testing.T) {
				t.Parallel()
				m := newMock(t, json200(`{}`))
				require.NoError(t, m.Client.Do(t.Context(), op, args, nil))
				assert.Equal(t, []intercomrbac.Scope{tt.scope}, m.Client.UsedScopes())
				for _, refused := range scopeRefusals(tt.scope) {
					err := newMock(t, refused).Client.Do(t.Context(), op, args, nil)
					assertScopeMissing(t, err, op, refused.status)
				}
			})
		}
	}
}

// scopeRefusals are the two ways in which Intercom refuses for want of a scope.
func scopeRefusals(scope intercomrbac.Scope) []mockAnswer {
	info, _ := intercomrbac.LookupScope(string(scope))
	return []mockAnswer{
		{status: 401, body: `{"type":"error.list","errors":[{"code":"token_unauthorized","message":"Not authorized to access resource"}]}`},
		{status: 403, body: `{"type":"error.list","errors":[{"code":"forbidden","message":"You do not have the required scope (` +
			info.MachineName + `) to access this resource"}]}`},
	}
}

// assertScopeMissing checks that err is about the scope of the operation, and says so in its fields, text and advice.
func assertScopeMissing(t *testing.T, err error, op intercomrbac.Operation, status int) {
	t.Helper()
	require.ErrorIs(t, err, intercomrbac.ErrScopeMissing)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, []any{status, op.Name, op.Scope}, []any{e.StatusCode, e.Operation, e.Scope})
	assert.Contains(t, err.Error(), op.Name+": ")
	assert.Contains(t, err.Error(), fmt.Sprintf("(needs the scope %q)", string(op.Scope)))
	assert.Contains(t, e.Advice(), fmt.Sprintf("tick the scope %q", string(op.Scope)))
	assertOneLine(t, err.Error())
}

// Each operation works with its scope alone; with all others it is refused, in both ways, and the error says which one
// is missing: from its method and from Do.
func TestScopeOfEachOperation(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		d := newDesk(t, deskConfig{policy: granting()})
		d.tagVIPs()
		ctx := ctxAs(t.Context(), d.Agent)
		var others []intercomrbac.Scope
		for _, info := range intercomrbac.Scopes() {
			if info.Scope != op.Scope {
				others = append(others, info.Scope)
			}
		}
		d.srv.AddToken("token-without-it", others...)
		d.client = d.srv.ClientFor("token-without-it")
		for _, status := range []int{401, 403} {
			d.srv.SetMissingScopeStatus(status)
			_, err := do(ctx, d)
			assertScopeMissing(t, err, op, status)
		}
		d.srv.AddToken("token-with-it", op.Scope)
		d.client = d.srv.ClientFor("token-with-it")
		_, err := do(ctx, d)
		require.NoError(t, err)
		assert.Equal(t, []intercomrbac.Scope{op.Scope}, d.client.UsedScopes())
		assert.Equal(t, []intercomrbac.Operation{op}, d.client.UsedOperations())
	})
}

func TestScopeTable(t *testing.T) {
	t.Parallel()
	table := intercomrbac.Scopes()
	assert.True(t, slices.IsSortedFunc(table, func(a, b intercomrbac.ScopeInfo) int { return strings.Compare(string(a.Scope), string(b.Scope)) }))
	names := map[string]intercomrbac.Scope{}
	for _, info := range table {
		require.NotEmpty(t, info.Scope)
		for _, name := range append([]string{string(info.Scope), info.MachineName}, info.AlsoKnownAs...) {
			if name == "" {
				continue
			}
			assert.Empty(t, names[strings.ToLower(name)], "%q names two scopes", name)
			names[strings.ToLower(name)] = info.Scope
			for _, spelt := range []string{name, strings.ToUpper(name)} {
				found, ok := intercomrbac.LookupScope(spelt)
				assert.True(t, ok, spelt)
				assert.Equal(t, info, found)
			}
		}
		if info.MachineName != "" {
			assert.Regexp(t, `^[a-z]+(_[a-z]+)+$`, info.MachineName)
		}
		for _, call := range info.Calls {
			assert.Regexp(t, `^(GET|POST|PUT|PATCH|DELETE) (/([a-z_]+|{[a-z_]+}))+(\?[a-z_]+=[a-z]+)?$`, call)
		}
		for _, topic := range info.Topics {
			assert.Regexp(t, `^[a-z_]+(\.[a-z_]+)*\.([a-z_]+|\*)$`, topic)
		}
		for _, list := range [][]string{info.AlsoKnownAs, info.Calls, info.Topics, info.Unconfirmed} {
			assert.Len(t, slices.Compact(slices.Sorted(slices.Values(list))), len(list), "%s says something twice", info.Scope)
		}
		said := slices.Concat([]string{string(info.Scope), info.MachineName}, info.AlsoKnownAs, info.Calls)
		assert.Subset(t, said, info.Unconfirmed, info.Scope)
	}
	for _, name := range []string{"", " ", "Read", "Read everything", "read_everything", "GET /admins"} {
		info, ok := intercomrbac.LookupScope(name)
		assert.False(t, ok, name)
		assert.Equal(t, intercomrbac.ScopeInfo{}, info)
	}
}

// The table of scopes and that of operations say the same.
func TestScopeOfEachOperationIsInTheTable(t *testing.T) {
	t.Parallel()
	for _, op := range intercomrbac.Operations() {
		info, ok := intercomrbac.LookupScope(string(op.Scope))
		require.True(t, ok, op.Name)
		assert.Equal(t, op.Scope, info.Scope)
		call := op.Method + " " + op.Path
		if op.Query != "" {
			call += "?" + op.Query
		}
		assert.Contains(t, info.Calls, call, op.Name)
	}
}

func TestMachineNamesOfScopes(t *testing.T) {
	t.Parallel()
	got := map[string]intercomrbac.Scope{}
	for _, info := range intercomrbac.Scopes() {
		if info.MachineName != "" {
			got[info.MachineName] = info.Scope
		}
	}
	assert.Equal(t, map[string]intercomrbac.Scope{
		"read_conversations": "Read conversations", "write_conversations": "Write conversations",
		"delete_conversations_and_metrics": "Delete conversations and metrics", "read_tickets": "Read tickets", "write_tickets": "Write tickets",
		"read_admins": "Read admins", "read_single_admin": "Read one admin", "read_users": "Read one user and one company",
		"read_write_users": "Read and write users", "write_users_companies": "Write users and companies", "read_tags": "Read tags",
		"write_tags": "Write tags", "read_articles_scope": "Read and list articles", "read_write_articles_scope": "Read and write articles",
		"read_content": "Read content", "read_audiences": "Read audiences",
	}, got)
}

func TestTopicsOfScopes(t *testing.T) {
	t.Parallel()
	got := map[string][]intercomrbac.Scope{}
	for _, info := range intercomrbac.Scopes() {
		for _, topic := range info.Topics {
			got[topic] = append(got[topic], info.Scope)
		}
	}
	users := []intercomrbac.Scope{"Read and list users and companies", "Read and write users", "Read one user and one company"}
	assert.Equal(t, map[string][]intercomrbac.Scope{
		"admin.*": {"Read admins"}, "conversation.*": {"Read conversations"}, "conversation_part.*": {"Read conversations"},
		"call.*": {"Read conversations"}, "contact.*": users, "visitor.*": users, "granular.*": users,
		"company.*":     {"Read and list users and companies", "Read one user and one company"},
		"event.created": {"Read events"}, "ticket.*": {"Read tickets"}, "article.*": {"Read and list articles"},
		"api.request.completed": {"Read API activity logs"}, "job.completed": {"Read jobs"}, "content_stat.*": {"Read content data"},
		"data_connector.execution.completed": {"Read data connectors"}, "content_import_source.*": {"Read content"},
		"content_snippet.*": {"Read content snippets"}, "audience.*": {"Read audiences"},
	}, got)
}

func TestUnconfirmedScopes(t *testing.T) {
	t.Parallel()
	got := map[intercomrbac.Scope][]string{}
	for _, info := range intercomrbac.Scopes() {
		if info.Unconfirmed != nil {
			got[info.Scope] = info.Unconfirmed
		}
	}
	assert.Equal(t, map[intercomrbac.Scope][]string{
		"Read admins":                   {"Read admins and teammates", "GET /away_status_reasons", "GET /teams", "GET /teams/{team_id}", "GET /admins/activity_log_event_types"},
		"Read admin activity logs":      {"POST /admins/activity_logs/search"},
		"Read one user and one company": {"read_users"},
		"Read conversations":            {"Read messages"},
		"Write conversations":           {"Write messages", "POST /messages"},
		"Read API activity logs":        {"Read API activity logs"},
		"Read jobs":                     {"Read jobs"},
		"Read content":                  {"Read content"},
		"Read content snippets":         {"Read content snippets"},
		"Read audiences":                {"Read audiences"},
	}, got)
}

func TestScopesAreCopies(t *testing.T) {
	t.Parallel()
	spoil := func(info *intercomrbac.ScopeInfo) {
		for _, list := range [][]string{info.AlsoKnownAs, info.Calls, info.Topics, info.Unconfirmed} {
			for i := range list {
				list[i] = "x"
			}
		}
		info.Scope = "x"
	}
	want := intercomrbac.Scopes()
	for _, info := range intercomrbac.Scopes() {
		found, ok := intercomrbac.LookupScope(string(info.Scope))
		require.True(t, ok)
		spoil(&found)
		spoil(&info)
	}
	assert.Equal(t, want, intercomrbac.Scopes())
}

func TestRequiredScopes(t *testing.T) {
	t.Parallel()
	op := func(name string) intercomrbac.Operation { return lookup(t, name) }
	for name, tt := range map[string]struct {
		ops  []intercomrbac.Operation
		want []intercomrbac.Scope
	}{
		"nothing":     {nil, nil},
		"one":         {[]intercomrbac.Operation{op("admins.me")}, []intercomrbac.Scope{"Read one admin"}},
		"once, twice": {[]intercomrbac.Operation{op("teams.list"), op("admins.list")}, []intercomrbac.Scope{"Read admins"}},
		"sorted": {[]intercomrbac.Operation{op("events.create"), op("conversations.close"), op("contacts.get"), op("conversations.open")},
			[]intercomrbac.Scope{"Read one user and one company", "Write conversations", "Write events"}},
		"of one's own":    {[]intercomrbac.Operation{macros, {Name: "mine", Scope: "Read minds"}}, []intercomrbac.Scope{"Read conversations", "Read minds"}},
		"without a scope": {[]intercomrbac.Operation{{Name: "mine"}}, nil},
		"all": {intercomrbac.Operations(), []intercomrbac.Scope{"Delete conversations and metrics", "Read admin activity logs", "Read admins", "Read and list articles",
			"Read and list users and companies", "Read and write articles", "Read and write users", "Read conversations", "Read events", "Read one admin",
			"Read one user and one company", "Read tags", "Update admins", "Write conversations", "Write events", "Write tags"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tt.ops)
			assert.Equal(t, tt.want, intercomrbac.RequiredScopes(tt.ops...))
			assert.Equal(t, before, tt.ops)
		})
	}
}

func TestUsedScopesOfCopies(t *testing.T) {
	t.Parallel()
	m := newMock(t, json200(`{"type":"conversation","id":"5"}`))
	assert.Nil(t, m.Client.UsedScopes())
	quick, err := m.Client.With(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	require.NoError(t, err)
	quicker, err := quick.With(intercomrbac.WithLimiter(nil))
	require.NoError(t, err)
	require.NoError(t, closeConversation(t.Context(), m.Client))
	require.NoError(t, getConversation(t.Context(), quick))
	require.NoError(t, quicker.Do(t.Context(), macros, intercomrbac.Call{Path: map[string]string{"id": "7"}}, nil))
	own := intercomrbac.Operation{Name: "minds.read", Method: "GET", Path: "/minds", Scope: "Read minds", Effect: intercomrbac.Read}
	require.NoError(t, quicker.Do(t.Context(), own, intercomrbac.Call{}, nil))
	own.Scope = ""
	require.NoError(t, quicker.Do(t.Context(), own, intercomrbac.Call{}, nil))

	want := []intercomrbac.Scope{"Read conversations", "Read minds", "Write conversations"}
	unscoped := own
	own.Scope = "Read minds"
	wantOps := []intercomrbac.Operation{lookup(t, "conversations.close"), lookup(t, "conversations.get"), macros, unscoped, own}
	for _, c := range []*intercomrbac.Client{m.Client, quick, quicker} {
		ops := c.UsedOperations()
		assert.Equal(t, wantOps, ops)
		ops[0] = intercomrbac.Operation{}
		assert.Equal(t, wantOps, c.UsedOperations())
		got := c.UsedScopes()
		assert.Equal(t, want, got)
		got[0] = "x"
		assert.Equal(t, want, c.UsedScopes())
	}
	assert.Nil(t, newMock(t).Client.UsedScopes(), "another client has a record of its own")
	assert.Nil(t, newMock(t).Client.UsedOperations())
	assert.Nil(t, new(intercomrbac.Client).UsedScopes())
	assert.Nil(t, new(intercomrbac.Client).UsedOperations())
	assert.Nil(t, (*intercomrbac.Client)(nil).UsedOperations())
	assert.Nil(t, (*intercomrbac.Client)(nil).UsedScopes())
}

// What the guard reads of a conversation, and the directory of an admin, needs its scope too.
func TestUsedScopesUnderAGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{
		policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
		roles:  intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}},
	})
	_, err := d.client.Conversations.Close(d.as(t, ""), d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
	want := []intercomrbac.Scope{"Read admins", "Read conversations", "Write conversations"}
	assert.Equal(t, want, d.client.UsedScopes())
	assert.Equal(t, want, d.plain.UsedScopes())
	assert.Equal(t, []intercomrbac.Operation{lookup(t, "admins.get"), lookup(t, "conversations.close"), lookup(t, "conversations.get")}, d.plain.UsedOperations())
}

func TestUsedScopesWithoutWhatAGuardKeepsBack(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		d := newDesk(t, deskConfig{policy: granting()})
		_, err := do(d.as(t, tester), d)
		require.ErrorIs(t, err, intercomrbac.ErrDenied)
		assert.Nil(t, d.client.UsedScopes(), "it was denied")
		if op.Effect == intercomrbac.Read {
			return
		}
		d = newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
		d.trail.refuse = refusing(intercomrbac.PhaseIntent)
		_, err = do(d.as(t, intercomrbac.RoleOwner), d)
		require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		assert.Nil(t, d.client.UsedScopes(), "it was not on record")
	})
}

func TestUsedScopesOfCallsThatFail(t *testing.T) {
	t.Parallel()
	fails := func(err error) transport {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wrote := []intercomrbac.Scope{"Write conversations"}
	for name, tt := range map[string]struct {
		ctx       context.Context
		transport transport
		option    intercomrbac.Option
		use       useOfClient
		want      []intercomrbac.Scope
	}{
		"refused":       {transport: status(401), want: wrote},
		"not found":     {transport: status(404), want: wrote},
		"lost":          {transport: fails(errors.New("reset")), want: wrote},
		"no connection": {transport: fails(&net.OpError{Op: "dial", Err: errors.New("refused")})},
		"context ended": {ctx: ended, transport: status(200)},
		"no slot":       {transport: status(200), option: intercomrbac.WithLimiter(closedLimiter{})},
		"another workspace": {transport: status(200), ctx: intercomrbac.WithPrincipal(t.Context(),
			intercomrbac.Principal{AdminID: "7", Workspace: "another"})},
		"invalid": {transport: status(200), use: func(ctx context.Context, c *intercomrbac.Client) error {
			_, err := c.Conversations.Close(ctx, "..", intercomrbac.CloseParams{AdminID: "7"})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []intercomrbac.Option{intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})}
			if tt.option != nil {
				opts = append(opts, tt.option)
			}
			ctx, use := tt.ctx, tt.use
			if ctx == nil {
				ctx = t.Context()
			}
			if use == nil {
				use = closeConversation
			}
			c := clientOf(t, tt.transport, opts...)
			require.Error(t, use(ctx, c))
			assert.Equal(t, tt.want, c.UsedScopes())
		})
	}
}

// closedLimiter lets nothing through.
type closedLimiter struct{}

func (closedLimiter) Wait(context.Context) error     { return errors.New("closed") }
func (closedLimiter) Observe(intercomrbac.RateLimit) {}

func TestUsedScopesOfConcurrentCalls(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(200, `{}`), nil }, intercomrbac.WithLimiter(nil))
	const goroutines, each = 8, 150 // 1,200 scopes: more than are kept
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			copied, err := c.With()
			if !assert.NoError(t, err) {
				return
			}
			for j := range each {
				own := intercomrbac.Operation{Name: "minds.read", Method: "GET", Path: "/minds", Effect: intercomrbac.Read,
					Scope: intercomrbac.Scope(fmt.Sprintf("Read mind %d of %d", j, i))}
				for range 2 {
					assert.NoError(t, copied.Do(t.Context(), own, intercomrbac.Call{}, nil))
				}
				got := c.UsedScopes()
				assert.True(t, slices.IsSorted(got))
				if len(got) < 1000 {
					assert.Contains(t, got, own.Scope)
				}
			}
		})
	}
	wg.Wait()
	got := c.UsedScopes()
	assert.Len(t, got, 1000)
	assert.Len(t, slices.Compact(got), 1000)
}
