package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// as is the question of an admin with a role, without a resource. Its decision must come without an error.
func as(tb testing.TB, c *intercomrbac.Checker, role intercomrbac.Role, permission intercomrbac.Permission) intercomrbac.Decision {
	tb.Helper()
	d, err := c.Check(tb.Context(), intercomrbac.Principal{AdminID: "814860", Role: role}, permission, intercomrbac.Resource{})
	require.NoError(tb, err)
	return d
}

// assertStockTable checks the 30 pairs of the stock table.
func assertStockTable(t *testing.T, c *intercomrbac.Checker) {
	t.Helper()
	questions := stockWorkload().questions
	require.Len(t, questions, 30)
	for _, q := range questions {
		want := intercomrbac.ReasonNotGranted
		if q.allowed {
			want = intercomrbac.ReasonAllowed
		}
		d := as(t, c, q.role, q.permission)
		assert.Equal(t, q.allowed, d.Allowed, "%s, %s", q.role, q.permission)
		assert.Equal(t, want, d.Reason, "%s, %s", q.role, q.permission)
		assert.Equal(t, q.allowed, c.Can(q.role, q.permission), "%s, %s", q.role, q.permission)
	}
}

func TestStockTable(t *testing.T) {
	t.Parallel()
	assertStockTable(t, checkerOf(t, intercomrbac.StockPolicy()))
}

// Any change of the rights that the stock roles have, or a permission that is new, shows in this file:
//
//	go test -run TestStockMatrix -update .
func TestStockMatrix(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "testdata/stock_matrix.txt", checkerOf(t, intercomrbac.StockPolicy()).Matrix())
}

// What a call needs is in the catalogue, or nobody could ever make it.
func TestOperationsNeedKnownPermissions(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"all": {Allow: intercomrbac.Rules("*")}}})
	for _, op := range intercomrbac.Operations() {
		assert.True(t, c.Can("all", op.Permission), "%s needs %q", op.Name, op.Permission)
	}
}

// Each of these is asked of a policy that allows all that there is, so that nothing but the question denies.
func TestDeniedQuestions(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"all": {Allow: intercomrbac.Rules("*", "admins:impersonate")}, "none": {}}})
	require.True(t, as(t, c, "all", "contacts:read").Allowed)

	tests := map[string]struct {
		role       intercomrbac.Role
		permission intercomrbac.Permission
		want       intercomrbac.Reason
	}{
		"no rule":                {"none", "contacts:read", intercomrbac.ReasonNotGranted},
		"no role":                {"", "contacts:read", intercomrbac.ReasonUnknownRole},
		"unknown role":           {"boss", "contacts:read", intercomrbac.ReasonUnknownRole},
		"role in another case":   {"All", "contacts:read", intercomrbac.ReasonUnknownRole},
		"role with a space":      {"all ", "contacts:read", intercomrbac.ReasonUnknownRole},
		"role with a NUL":        {"all\x00", "contacts:read", intercomrbac.ReasonUnknownRole},
		"part of a role":         {"al", "contacts:read", intercomrbac.ReasonUnknownRole},
		"wildcard as role":       {"*", "contacts:read", intercomrbac.ReasonUnknownRole},
		"a stock role":           {"owner", "contacts:read", intercomrbac.ReasonUnknownRole},
		"neither is known":       {"boss", "contacts:own", intercomrbac.ReasonUnknownPermission},
		"no permission":          {"all", "", intercomrbac.ReasonUnknownPermission},
		"unknown permission":     {"all", "contacts:own", intercomrbac.ReasonUnknownPermission},
		"unknown resource":       {"all", "invoices:read", intercomrbac.ReasonUnknownPermission},
		"another case":           {"all", "Contacts:Read", intercomrbac.ReasonUnknownPermission},
		"space behind":           {"all", "contacts:read ", intercomrbac.ReasonUnknownPermission},
		"space before":           {"all", " contacts:read", intercomrbac.ReasonUnknownPermission},
		"line break behind":      {"all", "contacts:read\n", intercomrbac.ReasonUnknownPermission},
		"NUL behind":             {"all", "contacts:read\x00", intercomrbac.ReasonUnknownPermission},
		"longer":                 {"all", "contacts:read_all_secrets", intercomrbac.ReasonUnknownPermission},
		"shorter":                {"all", "contacts:rea", intercomrbac.ReasonUnknownPermission},
		"three segments":         {"all", "contacts:read:all", intercomrbac.ReasonUnknownPermission},
		"no action":              {"all", "contacts:", intercomrbac.ReasonUnknownPermission},
		"one segment":            {"all", "contacts", intercomrbac.ReasonUnknownPermission},
		"no resource":            {"all", ":read", intercomrbac.ReasonUnknownPermission},
		"dot for colon":          {"all", "contacts.read", intercomrbac.ReasonUnknownPermission},
		"look-alike letter":      {"all", "contacts:r\u0435ad", intercomrbac.ReasonUnknownPermission},
		"wildcard":               {"all", "*", intercomrbac.ReasonUnknownPermission},
		"wildcard, two":          {"all", "**", intercomrbac.ReasonUnknownPermission},
		"wildcard, two segments": {"all", "*:*", intercomrbac.ReasonUnknownPermission},
		"wildcard of a resource": {"all", "contacts:*", intercomrbac.ReasonUnknownPermission},
		"wildcard of an action":  {"all", "*:read", intercomrbac.ReasonUnknownPermission},
		"text of a rule":         {"all", "conversations:reply when assigned", intercomrbac.ReasonUnknownPermission},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := as(t, c, tt.role, tt.permission)
			assert.False(t, d.Allowed)
			assert.Equal(t, tt.want, d.Reason)
			assert.Equal(t, []any{intercomrbac.Role(""), intercomrbac.Rule{}, "", c.Version()}, []any{d.Role(), d.Rule(), d.Condition(), d.Version()})
			assert.False(t, c.Can(tt.role, tt.permission))
			assert.Contains(t, c.Explain(tt.role, tt.permission), ": denied: ")
			assertOneLine(t, d.String())
			assertOneLine(t, c.Explain(tt.role, tt.permission))
		})
	}
}

func TestNobodyActs(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.StockPolicy())
	for name, p := range map[string]intercomrbac.Principal{
		"nobody":       {},
		"a role alone": {Role: "owner", Email: "a@example.com", Teams: []intercomrbac.TeamID{"1"}, Workspace: "w", IP: "192.0.2.1"},
		"admin 0":      {AdminID: "0", Role: "owner"},
	} {
		d, err := c.Check(t.Context(), p, "contacts:read", intercomrbac.Resource{})
		require.NoError(t, err, name)
		assert.False(t, d.Allowed, name)
		assert.Equal(t, intercomrbac.ReasonNoPrincipal, d.Reason, name)
		assert.Equal(t, "denied: nobody acts: there is no principal (policy "+c.Version()+")", d.String(), name)
		assert.Empty(t, d.Permission(), name)
	}
	d, err := c.Check(t.Context(), intercomrbac.Principal{Service: "nightly", Role: "owner"}, "contacts:read", intercomrbac.Resource{})
	require.NoError(t, err)
	assert.True(t, d.Allowed, "a service is somebody")
	d, err = c.Check(t.Context(), intercomrbac.Principal{}, "no:such", intercomrbac.Resource{})
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.ReasonNoPrincipal, d.Reason, "whoever is nobody learns nothing of the policy")
}

func TestZeroValuesDeny(t *testing.T) {
	t.Parallel()
	var d intercomrbac.Decision
	assert.False(t, d.Allowed)
	assert.Equal(t, intercomrbac.ReasonNone, d.Reason)
	assert.Equal(t, []any{intercomrbac.Permission(""), intercomrbac.Role(""), intercomrbac.Rule{}, "", "", "denied: nothing was decided"},
		[]any{d.Permission(), d.Role(), d.Rule(), d.Condition(), d.Version(), d.String()})

	for name, c := range map[string]*intercomrbac.Checker{"zero": new(intercomrbac.Checker), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for role := range stockTable {
				d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: role}, "contacts:read", intercomrbac.Resource{})
				assert.Error(t, err)
				assert.Equal(t, intercomrbac.Decision{}, d)
				assert.False(t, c.Can(role, "contacts:read"))
				assert.Nil(t, c.Permissions(role))
				assert.Contains(t, c.Explain(role, "contacts:read"), "it denies everything")
			}
			assert.Nil(t, c.Roles())
			assert.Nil(t, c.WhoCan("contacts:read"))
			assert.Empty(t, c.Version())
			assert.Empty(t, c.Matrix())
			assert.Equal(t, intercomrbac.Policy{}, c.Policy())
			assert.Error(t, c.Swap(intercomrbac.StockPolicy()), "it does not become a checker: its conditions were never checked")
			assert.False(t, c.Can("owner", "contacts:read"))
		})
	}

	empty := checkerOf(t, intercomrbac.Policy{})
	assert.False(t, empty.Can("owner", "contacts:read"))
	assert.Equal(t, intercomrbac.ReasonUnknownRole, as(t, empty, "owner", "contacts:read").Reason)
	assert.Empty(t, empty.Roles())
}

// family is a policy with all that a policy can have. Its version is "v7".
func family() (intercomrbac.Policy, []intercomrbac.Condition) {
	return intercomrbac.Policy{
		Version: "v7",
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{
			"invoices:read": {Resource: "invoice"}, "invoices:refund": {Resource: "invoice", Reserved: true}, "contacts:delete": {Reserved: true},
		},
		Roles: roles{
			"base":   {Allow: []intercomrbac.Rule{{Permission: "contacts:read"}, when("assigned", "conversations:reply"), {Permission: "teams:read"}}},
			"bill":   {Allow: []intercomrbac.Rule{when("cheap", "invoices:refund"), {Permission: "invoices:read"}, {Permission: "*:read"}}},
			"lead":   {Inherits: []intercomrbac.Role{"base", "bill"}, Allow: intercomrbac.Rules("conversations:*", "*:write", "contacts:*"), Deny: intercomrbac.Rules("conversations:delete")},
			"head":   {Inherits: []intercomrbac.Role{"lead"}, Allow: []intercomrbac.Rule{when("assigned", "conversations:*")}, Deny: []intercomrbac.Rule{when("vip", "contacts:write"), when("old", "contacts:write")}},
			"intern": {Inherits: []intercomrbac.Role{"base"}, Deny: []intercomrbac.Rule{{Permission: "teams:*"}, {Permission: "teams:read"}, when("vip", "*")}},
		},
	}, []intercomrbac.Condition{condition("vip", false), condition("old", true), {Name: "cheap", Resource: "invoice", Met: condition("", true).Met}}
}

func TestDecisionsExplainThemselves(t *testing.T) {
	t.Parallel()
	policy, conditions := family()
	c := checkerOf(t, policy, conditions...)
	contact := intercomrbac.Resource{Kind: "contact", ID: "c1"}
	mine := intercomrbac.Resource{Kind: "conversation", ID: "1", Value: intercomrbac.Conversation{AdminAssigneeID: "814860"}}
	other := intercomrbac.Resource{Kind: "conversation", ID: "1", Value: intercomrbac.Conversation{AdminAssigneeID: "814861"}}
	type want struct {
		reason    intercomrbac.Reason
		role      intercomrbac.Role
		rule      intercomrbac.Rule
		condition string
		text      string
	}
	tests := map[string]struct {
		role       intercomrbac.Role
		permission intercomrbac.Permission
		resource   intercomrbac.Resource
		want       want
	}{
		"own rule": {"base", "contacts:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "base", intercomrbac.Rule{Permission: "contacts:read"}, "", `allowed: role base has contacts:read by rule "contacts:read"`}},
		"exact before the wildcard": {"bill", "invoices:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "bill", intercomrbac.Rule{Permission: "invoices:read"}, "", `allowed: role bill has invoices:read by rule "invoices:read"`}},
		"wildcard of the nearest role before an exact rule farther off": {"lead", "contacts:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "lead", intercomrbac.Rule{Permission: "contacts:*"}, "", `allowed: role lead has contacts:read by rule "contacts:*"`}},
		"of two wildcards, the first by name": {"lead", "contacts:write", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "lead", intercomrbac.Rule{Permission: "*:write"}, "", `allowed: role lead has contacts:write by rule "*:write"`}},
		"of two parents, the first by name": {"lead", "teams:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "base", intercomrbac.Rule{Permission: "teams:read"}, "", `allowed: role lead has teams:read by rule "teams:read" of base, which it inherits`}},
		"two steps away": {"head", "tags:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonAllowed, "bill", intercomrbac.Rule{Permission: "*:read"}, "", `allowed: role head has tags:read by rule "*:read" of bill, which it inherits`}},
		"not granted": {"base", "invoices:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonNotGranted, "", intercomrbac.Rule{}, "", `denied: no rule grants invoices:read to role base`}},
		"reserved, by a wildcard": {"lead", "contacts:delete", intercomrbac.Resource{},
			want{intercomrbac.ReasonNotGranted, "", intercomrbac.Rule{}, "", `denied: no rule grants contacts:delete to role lead`}},
		"denied by an inherited rule": {"head", "conversations:delete", intercomrbac.Resource{},
			want{intercomrbac.ReasonDeniedByRule, "lead", intercomrbac.Rule{Permission: "conversations:delete"}, "", `denied: role head is denied conversations:delete by rule "conversations:delete" of lead, which it inherits`}},
		"denied, exact before the wildcard": {"intern", "teams:read", intercomrbac.Resource{},
			want{intercomrbac.ReasonDeniedByRule, "intern", intercomrbac.Rule{Permission: "teams:read"}, "", `denied: role intern is denied teams:read by rule "teams:read"`}},
		"unknown permission, beneath a wildcard": {"intern", "teams:write", intercomrbac.Resource{},
			want{intercomrbac.ReasonUnknownPermission, "", intercomrbac.Rule{}, "", `denied: the policy does not name the permission`}},
		"condition met, not denied": {"head", "conversations:reply", mine,
			want{intercomrbac.ReasonAllowed, "lead", intercomrbac.Rule{Permission: "conversations:*"}, "", `allowed: role head has conversations:reply by rule "conversations:*" of lead, which it inherits`}},
		"condition met": {"base", "conversations:reply", mine,
			want{intercomrbac.ReasonAllowed, "base", when("assigned", "conversations:reply"), "assigned", `allowed: role base has conversations:reply by rule "conversations:reply when assigned"`}},
		"condition met, inherited, and a deny not met": {"intern", "conversations:reply", mine,
			want{intercomrbac.ReasonAllowed, "base", when("assigned", "conversations:reply"), "assigned", `allowed: role intern has conversations:reply by rule "conversations:reply when assigned" of base, which it inherits`}},
		"condition not met": {"base", "conversations:reply", other,
			want{intercomrbac.ReasonConditionNotMet, "", intercomrbac.Rule{}, "assigned", `denied: role base has conversations:reply under a condition that is not met`}},
		"condition not met, nor that of a deny": {"intern", "conversations:reply", other,
			want{intercomrbac.ReasonConditionNotMet, "", intercomrbac.Rule{}, "", `denied: role intern has conversations:reply under a condition that is not met`}},
		"no resource": {"intern", "conversations:reply", intercomrbac.Resource{},
			want{intercomrbac.ReasonNeedsResource, "", intercomrbac.Rule{}, "", `denied: role intern has conversations:reply under a condition, and there is no resource to decide it by`}},
		"no resource, allowed unless": {"head", "contacts:write", intercomrbac.Resource{},
			want{intercomrbac.ReasonNeedsResource, "", intercomrbac.Rule{}, "", `denied: role head has contacts:write under a condition, and there is no resource to decide it by`}},
		"a resource without a kind": {"base", "conversations:reply", intercomrbac.Resource{ID: "1", Value: mine.Value},
			want{intercomrbac.ReasonNeedsResource, "", intercomrbac.Rule{}, "", `denied: role base has conversations:reply under a condition, and there is no resource to decide it by`}},
		"denied under a condition": {"head", "contacts:write", contact,
			want{intercomrbac.ReasonDeniedByRule, "head", when("old", "contacts:write"), "old", `denied: role head is denied contacts:write by rule "contacts:write when old"`}},
		"allowed, the conditions of denies not met": {"intern", "contacts:read", contact,
			want{intercomrbac.ReasonAllowed, "base", intercomrbac.Rule{Permission: "contacts:read"}, "", `allowed: role intern has contacts:read by rule "contacts:read" of base, which it inherits`}},
		"reserved, by its name": {"bill", "invoices:refund", intercomrbac.Resource{Kind: "invoice"},
			want{intercomrbac.ReasonAllowed, "bill", when("cheap", "invoices:refund"), "cheap", `allowed: role bill has invoices:refund by rule "invoices:refund when cheap"`}},
		"denied under a condition alone": {"intern", "tags:write", contact,
			want{intercomrbac.ReasonNotGranted, "", intercomrbac.Rule{}, "", `denied: no rule grants tags:write to role intern`}},
		"unknown role": {"boss", "contacts:read", contact,
			want{intercomrbac.ReasonUnknownRole, "", intercomrbac.Rule{}, "", `denied: the policy does not name the principal's role`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "814860", Role: tt.role}, tt.permission, tt.resource)
			require.NoError(t, err)
			assert.Equal(t, tt.want, want{d.Reason, d.Role(), d.Rule(), d.Condition(), strings.TrimSuffix(d.String(), " (policy v7)")})
			assert.Equal(t, tt.want.reason == intercomrbac.ReasonAllowed, d.Allowed)
			assert.Equal(t, "v7", d.Version())
			assert.Equal(t, tt.want.reason != intercomrbac.ReasonUnknownPermission, d.Permission() == tt.permission)

			again, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "814860", Role: tt.role, Email: "other@example.com"}, tt.permission, tt.resource)
			require.NoError(t, err)
			assert.Equal(t, d, again, "the same question has the same decision")
		})
	}
}

// Can says yes to what is allowed always, whatever the resource.
func TestCanCountsNothingUnderACondition(t *testing.T) {
	t.Parallel()
	policy, conditions := family()
	c := checkerOf(t, policy, conditions...)
	assert.True(t, c.Can("lead", "contacts:write"))
	assert.True(t, c.Can("lead", "conversations:reply"), "a grant under a condition beside it takes nothing")
	assert.True(t, c.Can("head", "conversations:reply"))
	assert.False(t, c.Can("base", "conversations:reply"), "allowed when assigned")
	assert.False(t, c.Can("head", "contacts:write"), "allowed unless vip or old")
	assert.False(t, c.Can("intern", "contacts:read"), "allowed unless vip")
	assert.False(t, c.Can("lead", "invoices:refund"), "allowed when cheap")
	assert.False(t, c.Can("head", "conversations:delete"), "denied")
}

// A decision is of the policy that took it, also when that is no longer in force.
func TestDecisionsOutliveTheirPolicy(t *testing.T) {
	t.Parallel()
	policy, conditions := family()
	c := checkerOf(t, policy, conditions...)
	d := as(t, c, "head", "tags:read")
	before := d.String()
	require.NoError(t, c.Swap(intercomrbac.Policy{Version: "v8"}))
	assert.Equal(t, before, d.String())
	assert.Equal(t, intercomrbac.Rule{Permission: "*:read"}, d.Rule())
	assert.Equal(t, "v7", d.Version())
	assert.Equal(t, "v8", as(t, c, "head", "tags:read").Version())
}

func TestExplain(t *testing.T) {
	t.Parallel()
	policy, conditions := family()
	c := checkerOf(t, policy, conditions...)
	tests := []struct {
		role       intercomrbac.Role
		permission intercomrbac.Permission
		want       string
	}{
		{"base", "contacts:read", `"base", "contacts:read": allowed by rule "contacts:read"`},
		{"head", "tags:read", `"head", "tags:read": allowed by rule "*:read" of bill, which it inherits`},
		{"base", "tags:read", `"base", "tags:read": denied: no rule grants it`},
		{"intern", "tags:read", `"intern", "tags:read": denied: no rule grants it`},
		{"head", "conversations:delete", `"head", "conversations:delete": denied by rule "conversations:delete" of lead, which it inherits`},
		{"base", "conversations:reply", `"base", "conversations:reply": allowed by rule "conversations:reply when assigned"`},
		{"lead", "conversations:reply", `"lead", "conversations:reply": allowed by rule "conversations:*"`},
		{"intern", "conversations:reply", `"intern", "conversations:reply": allowed by rule "conversations:reply when assigned" of base, which it inherits; denied by rule "* when vip"`},
		{"head", "contacts:write", `"head", "contacts:write": allowed by rule "*:write" of lead, which it inherits; denied by rule "contacts:write when vip" or rule "contacts:write when old"`},
		{"boss", "contacts:read", `"boss", "contacts:read": denied: the policy has no such role: did you mean "base"?`},
		{"Lead", "contacts:read", `"Lead", "contacts:read": denied: the policy has no such role: did you mean "lead"?`},
		{"", "contacts:read", `"", "contacts:read": denied: the policy has no such role`},
		{"lead", "contact:read", `"lead", "contact:read": denied: the policy has no such permission: did you mean "contacts:read"?`},
		{"lead", "invoices:refnud", `"lead", "invoices:refnud": denied: the policy has no such permission: did you mean "invoices:refund"?`},
		{"lead", "*", `"lead", "*": denied: the policy has no such permission`},
		{"no\none", "x\x1b[2J", `"no\none", "x\x1b[2J": denied: the policy has no such permission`},
		{intercomrbac.Role(strings.Repeat("a", 500)), "teams:read", `"` + strings.Repeat("a", 80) + `", "teams:read": denied: the policy has no such role`},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, c.Explain(tt.role, tt.permission))
	}

	c = checkerOf(t, intercomrbac.Policy{Roles: roles{"a": {Allow: []intercomrbac.Rule{when("assigned_team", "conversations:*"), when("assigned", "conversations:read")}}}})
	assert.Equal(t, `"a", "conversations:read": allowed by rule "conversations:read when assigned" or rule "conversations:* when assigned_team"`, c.Explain("a", "conversations:read"))
}

func TestListings(t *testing.T) {
	t.Parallel()
	policy, conditions := family()
	c := checkerOf(t, policy, conditions...)
	assert.Equal(t, []intercomrbac.Role{"base", "bill", "head", "intern", "lead"}, c.Roles())
	assert.Equal(t, "v7", c.Version())

	assert.Equal(t, []intercomrbac.Grant{
		{Role: "intern", Permission: "contacts:read", Unless: []string{"vip"}},
		{Role: "intern", Permission: "conversations:reply", When: "assigned", Unless: []string{"vip"}},
	}, c.Permissions("intern"))
	assert.Equal(t, []intercomrbac.Grant{
		{Role: "base", Permission: "contacts:read"}, {Role: "base", Permission: "conversations:reply", When: "assigned"}, {Role: "base", Permission: "teams:read"},
	}, c.Permissions("base"))
	for _, role := range []intercomrbac.Role{"", "boss", "Base", "*"} {
		assert.Nil(t, c.Permissions(role))
	}

	assert.Equal(t, []intercomrbac.Grant{
		{Role: "base", Permission: "conversations:reply", When: "assigned"},
		{Role: "head", Permission: "conversations:reply"},
		{Role: "intern", Permission: "conversations:reply", When: "assigned", Unless: []string{"vip"}},
		{Role: "lead", Permission: "conversations:reply"},
	}, c.WhoCan("conversations:reply"))
	assert.Equal(t, []intercomrbac.Grant{{Role: "head", Permission: "contacts:write", Unless: []string{"old", "vip"}}, {Role: "lead", Permission: "contacts:write"}},
		c.WhoCan("contacts:write"))
	assert.Equal(t, []intercomrbac.Grant{
		{Role: "bill", Permission: "invoices:refund", When: "cheap"}, {Role: "head", Permission: "invoices:refund", When: "cheap"}, {Role: "lead", Permission: "invoices:refund", When: "cheap"},
	}, c.WhoCan("invoices:refund"))
	for _, permission := range []intercomrbac.Permission{"", "*", "contacts:*", "conversations:delete", "contacts:delete", "admins:impersonate", "Contacts:read"} {
		assert.Nil(t, c.WhoCan(permission), permission)
	}

	// The same policy, each list in order.
	slices.Reverse(policy.Roles["bill"].Allow)
	assert.Equal(t, intercomrbac.Policy{
		Version:     "v7",
		Permissions: policy.Permissions,
		Roles: roles{
			"base":   policy.Roles["base"],
			"bill":   {Allow: []intercomrbac.Rule{{Permission: "*:read"}, {Permission: "invoices:read"}, when("cheap", "invoices:refund")}},
			"lead":   {Inherits: []intercomrbac.Role{"base", "bill"}, Allow: intercomrbac.Rules("*:write", "contacts:*", "conversations:*"), Deny: intercomrbac.Rules("conversations:delete")},
			"head":   {Inherits: []intercomrbac.Role{"lead"}, Allow: []intercomrbac.Rule{when("assigned", "conversations:*")}, Deny: []intercomrbac.Rule{when("old", "contacts:write"), when("vip", "contacts:write")}},
			"intern": {Inherits: []intercomrbac.Role{"base"}, Deny: []intercomrbac.Rule{when("vip", "*"), {Permission: "teams:*"}, {Permission: "teams:read"}}},
		},
	}, c.Policy())

	require.NoError(t, c.Swap(intercomrbac.Policy{Permissions: policy.Permissions, Roles: roles{
		"a": {Allow: []intercomrbac.Rule{when("assigned", "conversations:read"), when("assigned_team", "conversations:read"), {Permission: "contacts:read"}},
			Deny: []intercomrbac.Rule{when("vip", "*:read")}},
		"longer-name": {Allow: []intercomrbac.Rule{{Permission: "*"}, {Permission: "invoices:refund"}}},
	}}))
	lines := strings.Split(c.Matrix(), "\n")
	require.Len(t, lines, 1+26+1, "a head, the stock permissions and two of the service's own")
	for _, want := range []string{
		"permission            a                                      longer-name",
		"contacts:delete       -                                      -",
		"contacts:read         yes unless vip                         yes",
		"conversations:read    assigned or assigned_team unless vip   yes",
		"invoices:refund       -                                      yes",
		"admins:impersonate    -                                      -",
	} {
		assert.True(t, slices.ContainsFunc(lines, func(line string) bool {
			return strings.Join(strings.Fields(line), " ") == strings.Join(strings.Fields(want), " ")
		}), "%q is not in\n%s", want, c.Matrix())
	}
}

// An empty version is a hash of what the policy says, however it is written.
func TestVersionOfContent(t *testing.T) {
	t.Parallel()
	version := func(change func(*intercomrbac.Policy)) string {
		p, conditions := family()
		p.Version = ""
		change(&p)
		return checkerOf(t, p, conditions...).Version()
	}
	same := version(func(*intercomrbac.Policy) {})
	assert.Regexp(t, `^[0-9a-f]{16}$`, same)
	assert.Equal(t, same, version(func(*intercomrbac.Policy) {}))
	assert.Equal(t, same, version(func(p *intercomrbac.Policy) { slices.Reverse(p.Roles["bill"].Allow) }))
	assert.Equal(t, same, version(func(p *intercomrbac.Policy) { p.Roles = reread(t, *p).Roles }))

	seen := map[string]string{same: "nothing"}
	for name, change := range map[string]func(*intercomrbac.Policy){
		"a permission":       func(p *intercomrbac.Policy) { p.Permissions["reports:read"] = intercomrbac.Declaration{} },
		"a kind of resource": func(p *intercomrbac.Policy) { p.Permissions["invoices:read"] = intercomrbac.Declaration{} },
		"a role":             func(p *intercomrbac.Policy) { p.Roles["boss"] = intercomrbac.RoleRules{} },
		"a parent": func(p *intercomrbac.Policy) {
			p.Roles["bill"] = intercomrbac.RoleRules{Inherits: []intercomrbac.Role{"base"}}
		},
		"a rule":                func(p *intercomrbac.Policy) { p.Roles["bill"].Allow[1] = intercomrbac.Rule{Permission: "tags:read"} },
		"a condition":           func(p *intercomrbac.Policy) { p.Roles["intern"].Deny[2].When = "old" },
		"an allow that is deny": func(p *intercomrbac.Policy) { p.Roles["base"] = intercomrbac.RoleRules{Deny: p.Roles["base"].Allow} },
		"the version":           func(p *intercomrbac.Policy) { p.Version = "v8" },
	} {
		v := version(change)
		assert.Empty(t, seen[v], "%s", name)
		seen[v] = name
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	codes := []string{"none", "allowed", "not_granted", "denied_by_rule", "unknown_role", "unknown_permission", "condition_not_met", "condition_unknown",
		"needs_resource", "no_principal", "wrong_workspace", "role_unavailable"}
	for i, code := range codes {
		r := intercomrbac.Reason(i)
		assert.Equal(t, code, r.String())
		assert.Equal(t, r, reread(t, r))
		b, err := json.Marshal(map[intercomrbac.Reason]intercomrbac.Reason{r: r})
		require.NoError(t, err)
		assert.JSONEq(t, fmt.Sprintf(`{%q:%q}`, code, code), string(b))
	}
	assert.Equal(t, "unknown", intercomrbac.Reason(len(codes)).String())
	r := intercomrbac.ReasonAllowed
	for _, bad := range []string{"", "Allowed", "unknown", "allowed "} {
		assert.Error(t, r.UnmarshalText([]byte(bad)), bad)
	}
	assert.Equal(t, intercomrbac.ReasonAllowed, r)

	// Some a guard gives by itself.
	d := intercomrbac.Decision{Reason: intercomrbac.ReasonWrongWorkspace}
	assert.Equal(t, []any{false, intercomrbac.Rule{}, "denied: nothing was decided"}, []any{d.Allowed, d.Rule(), d.String()})
}

// What a caller's context holds changes nothing: a decision without a condition never looks at it.
func TestDecisionsNeedNoLiveContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := checkerOf(t, intercomrbac.StockPolicy())
	d, err := c.Check(ctx, intercomrbac.Principal{AdminID: "1", Role: "agent"}, "contacts:read", intercomrbac.Resource{})
	require.NoError(t, err)
	assert.True(t, d.Allowed)
}
