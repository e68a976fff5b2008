package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStockConditions(t *testing.T) {
	t.Parallel()
	const (
		met       = intercomrbac.ReasonAllowed
		notMet    = intercomrbac.ReasonConditionNotMet
		undecided = intercomrbac.ReasonConditionUnknown
		needs     = intercomrbac.ReasonNeedsResource
	)
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"r": {Allow: []intercomrbac.Rule{
		when("assigned", "conversations:reply"), when("assigned_team", "conversations:close"), when("self", "admins:write"),
	}}}})
	permissions := map[string]intercomrbac.Permission{"assigned": "conversations:reply", "assigned_team": "conversations:close", "self": "admins:write"}

	type (
		principal    = intercomrbac.Principal
		resource     = intercomrbac.Resource
		conversation = intercomrbac.Conversation
		teams        = []intercomrbac.TeamID
	)
	of := func(v any) resource { return resource{Kind: "conversation", ID: "531", Value: v} }
	mine, ours := conversation{AdminAssigneeID: "814860"}, conversation{TeamAssigneeID: "814865"}
	in := func(r resource, workspace intercomrbac.WorkspaceID) resource { r.Workspace = workspace; return r }
	me := principal{AdminID: "814860", Teams: teams{"1", "814865"}}
	service := func(p principal) principal { p.Service = "nightly"; return p }

	tests := []struct {
		condition string
		name      string
		principal principal
		resource  resource
		want      intercomrbac.Reason
	}{
		{"assigned", "to me", me, of(mine), met},
		{"assigned", "to me, pointer", me, of(&mine), met},
		{"assigned", "to me, an id not of the resource", me, resource{Kind: "conversation", Value: mine}, met},
		{"assigned", "to the admin through whom a service acts", service(me), of(mine), met},
		{"assigned", "to me, same workspace", principal{AdminID: "814860", Workspace: "w"}, in(of(mine), "w"), met},
		{"assigned", "to another", me, of(conversation{AdminAssigneeID: "814861"}), notMet},
		{"assigned", "to a team with my number", me, of(conversation{TeamAssigneeID: "814860"}), notMet},
		{"assigned", "to a team of mine", me, of(ours), notMet},
		{"assigned", "to nobody", me, of(conversation{}), notMet},
		{"assigned", "to nobody, 0", me, of(conversation{AdminAssigneeID: "0"}), notMet},
		{"assigned", "to nobody, service without an admin", principal{Service: "nightly"}, of(conversation{}), notMet},
		{"assigned", "to somebody, service without an admin", principal{Service: "nightly"}, of(mine), notMet},
		{"assigned", "to 0, admin 0", service(principal{AdminID: "0"}), of(conversation{AdminAssigneeID: "0"}), notMet},
		{"assigned", "to nobody, admin 0", service(principal{AdminID: "0"}), of(conversation{}), notMet},
		{"assigned", "to what is no number", principal{AdminID: "me"}, of(conversation{AdminAssigneeID: "me"}), notMet},
		{"assigned", "to me, with a leading zero", principal{AdminID: "0814860"}, of(conversation{AdminAssigneeID: "0814860"}), notMet},
		{"assigned", "workspace of the principal only", principal{AdminID: "814860", Workspace: "w"}, of(mine), notMet},
		{"assigned", "workspace of the conversation only", me, in(of(mine), "w"), notMet},
		{"assigned", "another workspace", principal{AdminID: "814860", Workspace: "w"}, in(of(mine), "W"), notMet},
		{"assigned", "no value", me, of(nil), undecided},
		{"assigned", "nil pointer", me, of((*conversation)(nil)), undecided},
		{"assigned", "another type", me, of(intercomrbac.Contact{}), undecided},
		{"assigned", "a text", me, of("814860"), undecided},
		{"assigned", "a pointer to a pointer", me, of(new(&mine)), undecided},
		{"assigned", "wrong kind", me, resource{Kind: "contact", ID: "1", Value: mine}, undecided},
		{"assigned", "kind in another case", me, resource{Kind: "Conversation", ID: "1", Value: mine}, undecided},
		{"assigned", "no kind", me, resource{ID: "531", Value: mine}, needs},

		{"assigned_team", "to my second team", me, of(ours), met},
		{"assigned_team", "to my team, pointer", me, of(&ours), met},
		{"assigned_team", "to a team of a service", principal{Service: "nightly", Teams: teams{"814865"}}, of(ours), met},
		{"assigned_team", "same workspace", principal{AdminID: "1", Teams: teams{"814865"}, Workspace: "w"}, in(of(ours), "w"), met},
		{"assigned_team", "to another team", me, of(conversation{TeamAssigneeID: "814866"}), notMet},
		{"assigned_team", "to me, not to a team", me, of(mine), notMet},
		{"assigned_team", "to an admin with my team's number", me, of(conversation{AdminAssigneeID: "814865"}), notMet},
		{"assigned_team", "to nobody", me, of(conversation{}), notMet},
		{"assigned_team", "no teams", principal{AdminID: "814860"}, of(ours), notMet},
		{"assigned_team", "no teams, to nobody", principal{AdminID: "814860"}, of(conversation{}), notMet},
		{"assigned_team", "team 0, to nobody", principal{AdminID: "814860", Teams: teams{"0", ""}}, of(conversation{}), notMet},
		{"assigned_team", "team 0, to 0", principal{AdminID: "814860", Teams: teams{"0"}}, of(conversation{TeamAssigneeID: "0"}), notMet},
		{"assigned_team", "workspace of the principal only", principal{AdminID: "1", Teams: teams{"814865"}, Workspace: "w"}, of(ours), notMet},
		{"assigned_team", "workspace of the conversation only", me, in(of(ours), "w"), notMet},
		{"assigned_team", "no value", me, of(nil), undecided},
		{"assigned_team", "nil pointer", me, of((*conversation)(nil)), undecided},
		{"assigned_team", "a team", me, of(intercomrbac.Team{ID: "814865"}), undecided},
		{"assigned_team", "wrong kind", me, resource{Kind: "team", ID: "814865", Value: ours}, undecided},

		{"self", "me", me, resource{Kind: "admin", ID: "814860"}, met},
		{"self", "the admin through whom a service acts", service(me), resource{Kind: "admin", ID: "814860"}, met},
		{"self", "same workspace", principal{AdminID: "814860", Workspace: "w"}, resource{Kind: "admin", ID: "814860", Workspace: "w"}, met},
		{"self", "the value is not looked at", me, resource{Kind: "admin", ID: "814860", Value: intercomrbac.Admin{ID: "1"}}, met},
		{"self", "another", me, resource{Kind: "admin", ID: "814861"}, notMet},
		{"self", "a part of my number", me, resource{Kind: "admin", ID: "81486"}, notMet},
		{"self", "no id", me, resource{Kind: "admin"}, notMet},
		{"self", "0", service(principal{AdminID: "0"}), resource{Kind: "admin", ID: "0"}, notMet},
		{"self", "no id, service without an admin", principal{Service: "nightly"}, resource{Kind: "admin"}, notMet},
		{"self", "what is no number", principal{AdminID: "me"}, resource{Kind: "admin", ID: "me"}, notMet},
		{"self", "workspace of the principal only", principal{AdminID: "814860", Workspace: "w"}, resource{Kind: "admin", ID: "814860"}, notMet},
		{"self", "workspace of the admin only", me, resource{Kind: "admin", ID: "814860", Workspace: "w"}, notMet},
		{"self", "wrong kind", me, resource{Kind: "contact", ID: "814860"}, undecided},
		{"self", "no kind", me, resource{ID: "814860"}, needs},
	}
	for _, tt := range tests {
		t.Run(tt.condition+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			tt.principal.Role = "r"
			d, err := c.Check(t.Context(), tt.principal, permissions[tt.condition], tt.resource)
			assert.Equal(t, tt.want, d.Reason)
			assert.Equal(t, tt.want == met, d.Allowed)
			assert.Equal(t, tt.want == undecided, err != nil, "%v", err)
			if tt.want != needs {
				assert.Equal(t, tt.condition, d.Condition())
			}
			if err != nil {
				assert.ErrorContains(t, err, "intercomrbac: condition "+tt.condition+" ")
				assertOneLine(t, err.Error())
				assert.Equal(t, fmt.Sprintf("denied: whether role r has %s cannot be told: condition %s is undecided (policy %s)", d.Permission(), tt.condition, c.Version()), d.String())
			}
			assert.False(t, c.Can("r", permissions[tt.condition]), "Can counts nothing under a condition")
		})
	}
}

// An agent may look at and switch themself, nobody else.
func TestSelfInTheStockPolicy(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.StockPolicy())
	for _, permission := range []intercomrbac.Permission{"admins:read", "admins:write"} {
		for id, want := range map[string]bool{"814860": true, "814861": false, "": false} {
			d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "814860", Role: "agent"}, permission, intercomrbac.Resource{Kind: "admin", ID: id})
			require.NoError(t, err)
			assert.Equal(t, want, d.Allowed, "%s of %q", permission, id)
		}
	}
}

var errNoIndex = errors.New("the index is down")

// truth is what each condition of conditionsByTruth comes to; one that it does not name cannot be decided.
type truth map[string]bool

// conditionsByTruth are conditions that are decided by the truth in the resource's Value.
func conditionsByTruth(kindOf map[string]string, names ...string) []intercomrbac.Condition {
	conditions := make([]intercomrbac.Condition, len(names))
	for i, name := range names {
		conditions[i] = intercomrbac.Condition{Name: name, Resource: kindOf[name], Met: func(_ context.Context, _ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
			of, _ := r.Value.(truth)
			met, decided := of[name]
			if !decided {
				return true, errNoIndex // what is said beside an error does not count
			}
			return met, nil
		}}
	}
	return conditions
}

func TestCustomConditions(t *testing.T) {
	t.Parallel()
	rules := func(allow, deny string) intercomrbac.RoleRules {
		list := func(conditions string) (out []intercomrbac.Rule) {
			for _, c := range conditions {
				if c == '!' {
					out = append(out, intercomrbac.Rule{Permission: "invoices:refund"})
				} else {
					out = append(out, when(string(c), "invoices:refund"))
				}
			}
			return out
		}
		return intercomrbac.RoleRules{Allow: list(allow), Deny: list(deny)}
	}
	const (
		allowed   = intercomrbac.ReasonAllowed
		denied    = intercomrbac.ReasonDeniedByRule
		notMet    = intercomrbac.ReasonConditionNotMet
		undecided = intercomrbac.ReasonConditionUnknown
	)
	yes, no, unknown := truth{"a": true, "x": true}, truth{"a": false, "x": false}, truth{}
	tests := map[string]struct {
		allow, deny string // conditions, by a letter each; "!" is always
		of          truth
		want        intercomrbac.Reason
		condition   string
	}{
		"met":                        {"a", "", yes, allowed, "a"},
		"not met":                    {"a", "", no, notMet, "a"},
		"undecided":                  {"a", "", unknown, undecided, "a"},
		"one of two":                 {"ab", "", truth{"a": false, "b": true}, allowed, "b"},
		"both of two":                {"ab", "", truth{"a": true, "b": true}, allowed, "a"},
		"neither":                    {"ab", "", truth{"a": false, "b": false}, notMet, ""},
		"undecided does not spoil":   {"ab", "", truth{"b": true}, allowed, "b"},
		"undecided behind":           {"ab", "", truth{"a": true}, allowed, "a"},
		"undecided and not met":      {"ab", "", truth{"b": false}, undecided, "a"},
		"not met and undecided":      {"ab", "", truth{"a": false}, undecided, "b"},
		"both undecided":             {"ab", "", unknown, undecided, "a"},
		"always beats a condition":   {"!a", "", no, allowed, ""},
		"always, undecided":          {"!a", "", unknown, allowed, ""},
		"deny met":                   {"!", "x", yes, denied, "x"},
		"deny not met":               {"!", "x", no, allowed, ""},
		"deny undecided":             {"!", "x", unknown, undecided, "x"},
		"one of two denies":          {"!", "xy", truth{"x": false, "y": true}, denied, "y"},
		"deny met behind undecided":  {"!", "xy", truth{"y": true}, denied, "y"},
		"deny undecided behind":      {"!", "xy", truth{"x": false}, undecided, "y"},
		"neither of two denies":      {"!", "xy", truth{"x": false, "y": false}, allowed, ""},
		"deny beats a met allow":     {"a", "x", yes, denied, "x"},
		"undecided deny, met allow":  {"a", "x", truth{"a": true}, undecided, "x"},
		"undecided allow, no deny":   {"a", "x", truth{"x": false}, undecided, "a"},
		"undecided allow, deny met":  {"a", "x", truth{"x": true}, denied, "x"},
		"same condition on both":     {"a", "a", yes, denied, "a"},
		"same on both, not met":      {"a", "a", no, notMet, ""},
		"denied always":              {"a", "!", yes, denied, ""},
		"denied always and sometime": {"!", "!x", unknown, denied, ""},
		"denied sometimes, no allow": {"", "x", yes, intercomrbac.ReasonNotGranted, ""},
		"denied always, no allow":    {"", "!", unknown, denied, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := checkerOf(t, intercomrbac.Policy{
				Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {Resource: "invoice"}},
				Roles:       roles{"r": rules(tt.allow, tt.deny), "child": {Inherits: []intercomrbac.Role{"r"}}},
			}, conditionsByTruth(map[string]string{"a": "invoice", "x": "invoice"}, "a", "b", "x", "y")...)
			for _, role := range []intercomrbac.Role{"r", "child"} {
				d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: role}, "invoices:refund", intercomrbac.Resource{Kind: "invoice", ID: "7", Value: tt.of})
				assert.Equal(t, tt.want, d.Reason, role)
				assert.Equal(t, tt.want == allowed, d.Allowed, role)
				assert.Equal(t, tt.condition, d.Condition(), role)
				if tt.want != undecided {
					assert.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, errNoIndex)
				assert.EqualError(t, err, "intercomrbac: condition "+tt.condition+" cannot be decided for invoices:refund: the index is down")
			}
		})
	}
}

// A condition is asked about its own kind only; one without a kind, about any.
func TestKindsOfConditions(t *testing.T) {
	t.Parallel()
	asked := []string{}
	condition := func(name, kind string) intercomrbac.Condition {
		return intercomrbac.Condition{Name: name, Resource: kind, Met: func(_ context.Context, p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
			asked = append(asked, name+" of "+r.Kind+" "+r.ID+" for "+string(p.AdminID))
			return true, nil
		}}
	}
	c := checkerOf(t, intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"reports:read": {}},
		Roles: roles{
			"kindless": {Allow: []intercomrbac.Rule{when("any", "*")}},
			"both":     {Allow: []intercomrbac.Rule{when("any", "contacts:read"), when("vip", "contacts:*")}},
			"kind":     {Allow: []intercomrbac.Rule{when("vip", "contacts:*")}},
		},
	}, condition("vip", "contact"), condition("any", ""))
	check := func(role intercomrbac.Role, permission intercomrbac.Permission, kind string) (intercomrbac.Decision, error) {
		asked = asked[:0]
		return c.Check(t.Context(), intercomrbac.Principal{AdminID: "9", Role: role}, permission, intercomrbac.Resource{Kind: kind, ID: "5"})
	}
	for _, permission := range []intercomrbac.Permission{"reports:read", "contacts:read", "conversations:reply"} {
		d, err := check("kindless", permission, "report")
		require.NoError(t, err)
		assert.True(t, d.Allowed)
		assert.Equal(t, []string{"any of report 5 for 9"}, asked)
	}
	assert.Nil(t, c.WhoCan("admins:impersonate"), "reserved, whatever the condition")

	d, err := check("both", "contacts:read", "company")
	require.NoError(t, err)
	assert.True(t, d.Allowed, "what cannot be decided does not spoil what is met")
	assert.Equal(t, []string{"any of company 5 for 9"}, asked)

	d, err = check("kind", "contacts:read", "company\n"+string(make([]byte, 200)))
	assert.Equal(t, intercomrbac.ReasonConditionUnknown, d.Reason)
	require.ErrorContains(t, err, `intercomrbac: condition vip is about a resource of kind "contact", not "company\n`)
	assertOneLine(t, err.Error())
	assert.Empty(t, asked)
}

// A context that has ended reaches the condition, and its error the caller.
func TestConditionsGetTheContext(t *testing.T) {
	t.Parallel()
	slow := intercomrbac.Condition{Name: "slow", Met: func(ctx context.Context, _ intercomrbac.Principal, _ intercomrbac.Resource) (bool, error) {
		return true, ctx.Err()
	}}
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"r": {Allow: []intercomrbac.Rule{when("slow", "contacts:read")}}}}, slow)
	p, r := intercomrbac.Principal{AdminID: "1", Role: "r"}, intercomrbac.Resource{Kind: "contact", ID: "5"}
	d, err := c.Check(t.Context(), p, "contacts:read", r)
	require.NoError(t, err)
	assert.True(t, d.Allowed)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err = c.Check(ctx, p, "contacts:read", r)
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, d.Allowed)
	assert.Equal(t, intercomrbac.ReasonConditionUnknown, d.Reason)
}

// The conditions given to NewChecker stay over a Swap, and are at hand for the policy that comes.
func TestConditionsStayOverASwap(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.StockPolicy(), condition("vip", true))
	require.NoError(t, c.Swap(intercomrbac.Policy{Roles: roles{"r": {Allow: []intercomrbac.Rule{when("vip", "contacts:read"), when("self", "admins:read")}}}}))
	d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: "r"}, "contacts:read", intercomrbac.Resource{Kind: "contact"})
	require.NoError(t, err)
	assert.True(t, d.Allowed)
	assert.Equal(t, "vip", d.Condition())
	assert.ErrorContains(t, c.Swap(intercomrbac.Policy{Roles: roles{"r": {Allow: []intercomrbac.Rule{when("vipp", "contacts:read")}}}}), `did you mean "vip"?`)
}
