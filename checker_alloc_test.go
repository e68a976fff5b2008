//go:build !race

package intercomrbac_test

import (
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Deciding allocates nothing: allowed or denied, in a small policy and in a large one, with inheritance and wildcards.
func TestDecidingAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	for name, w := range workloads() {
		c := w.checker(t)
		for _, q := range w.questions[:min(30, len(w.questions))] {
			p := intercomrbac.Principal{AdminID: "991267459", Role: q.role, Teams: []intercomrbac.TeamID{"1"}, Email: "a@example.com"}
			var allowed, can bool
			var err error
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				var d intercomrbac.Decision
				d, err = c.Check(ctx, p, q.permission, intercomrbac.Resource{})
				allowed, can = d.Allowed, c.Can(q.role, q.permission)
			}), "%s: %s, %s", name, q.role, q.permission)
			require.NoError(t, err)
			assert.Equal(t, []bool{q.allowed, q.allowed}, []bool{allowed, can})
		}
	}
}

// So does denying for any other reason, and what a condition needs beside its own work.
func TestDecidingConditionsAllocatesNothing(t *testing.T) {
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{
		"r":     {Allow: []intercomrbac.Rule{when("self", "admins:write"), when("assigned", "conversations:*"), {Permission: "contacts:read"}}, Deny: []intercomrbac.Rule{when("spam", "contacts:read")}},
		"child": {Inherits: []intercomrbac.Role{"r"}, Allow: []intercomrbac.Rule{when("assigned_team", "conversations:reply")}},
	}}, condition("spam", false))
	me := intercomrbac.Principal{AdminID: "814860", Role: "child", Teams: []intercomrbac.TeamID{"814865"}}
	as := func(role intercomrbac.Role) intercomrbac.Principal { p := me; p.Role = role; return p }
	conversation := func(c intercomrbac.Conversation) intercomrbac.Resource {
		return intercomrbac.Resource{Kind: "conversation", ID: "531", Value: &c}
	}
	tests := map[string]struct {
		principal  intercomrbac.Principal
		permission intercomrbac.Permission
		resource   intercomrbac.Resource
		want       intercomrbac.Reason
	}{
		"unknown role":       {as("boss"), "contacts:read", intercomrbac.Resource{}, intercomrbac.ReasonUnknownRole},
		"unknown permission": {me, "contacts:own", intercomrbac.Resource{}, intercomrbac.ReasonUnknownPermission},
		"nobody":             {intercomrbac.Principal{Role: "r"}, "contacts:read", intercomrbac.Resource{}, intercomrbac.ReasonNoPrincipal},
		"needs a resource":   {me, "admins:write", intercomrbac.Resource{}, intercomrbac.ReasonNeedsResource},
		"self":               {me, "admins:write", intercomrbac.Resource{Kind: "admin", ID: "814860"}, intercomrbac.ReasonAllowed},
		"another":            {me, "admins:write", intercomrbac.Resource{Kind: "admin", ID: "814861"}, intercomrbac.ReasonConditionNotMet},
		"assigned":           {me, "conversations:reply", conversation(intercomrbac.Conversation{AdminAssigneeID: "814860"}), intercomrbac.ReasonAllowed},
		"to my team":         {me, "conversations:reply", conversation(intercomrbac.Conversation{TeamAssigneeID: "814865"}), intercomrbac.ReasonAllowed},
		"to another":         {me, "conversations:reply", conversation(intercomrbac.Conversation{AdminAssigneeID: "1"}), intercomrbac.ReasonConditionNotMet},
		"a deny not met":     {me, "contacts:read", intercomrbac.Resource{Kind: "contact", ID: "1"}, intercomrbac.ReasonAllowed},
	}
	ctx := t.Context()
	for name, tt := range tests {
		var d intercomrbac.Decision
		var err error
		assert.Zero(t, testing.AllocsPerRun(100, func() { d, err = c.Check(ctx, tt.principal, tt.permission, tt.resource) }), name)
		require.NoError(t, err)
		assert.Equal(t, tt.want, d.Reason, name)
	}
}

// A checker of 1,000 roles and 200 permissions lives in a mebibyte.
func TestMemoryOfALargePolicy(t *testing.T) {
	w := largeWorkload()
	live := liveHeap(t, w)
	t.Logf("%d KiB", live/1024)
	assert.LessOrEqual(t, live, int64(1<<20))
	assert.Positive(t, live, "nothing was measured")
}
