package intercomrbac_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each test here is about a way in which another authorization engine was seen to go wrong, and shows that this one does
// not. The tests elsewhere go further into each.

// P1: cached engines went on allowing what was revoked, through the role above all.
func TestP1_RevocationBitesOnTheNextCheck(t *testing.T) {
	t.Parallel()
	before := intercomrbac.Policy{Roles: roles{
		"admin": {Allow: intercomrbac.Rules("contacts:delete", "tags:write")},
		"alice": {Inherits: []intercomrbac.Role{"admin"}},
	}}
	for name, after := range map[string]roles{
		"the role's rule":      {"admin": {Allow: intercomrbac.Rules("tags:write")}, "alice": {Inherits: []intercomrbac.Role{"admin"}}},
		"the parent":           {"admin": before.Roles["admin"], "alice": {}},
		"the role":             {"admin": before.Roles["admin"]},
		"by a deny":            {"admin": before.Roles["admin"], "alice": {Inherits: []intercomrbac.Role{"admin"}, Deny: intercomrbac.Rules("contacts:*")}},
		"by a deny above":      {"admin": {Allow: intercomrbac.Rules("*"), Deny: intercomrbac.Rules("*:delete")}, "alice": {Inherits: []intercomrbac.Role{"admin"}}},
		"all but by condition": {"admin": {}, "alice": {Allow: []intercomrbac.Rule{when("never", "contacts:delete")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := checkerOf(t, before, condition("never", false))
			for range 10 { // a cache would be warm
				require.True(t, as(t, c, "alice", "contacts:delete").Allowed)
				require.True(t, c.Can("alice", "contacts:delete"))
			}
			require.NoError(t, c.Swap(intercomrbac.Policy{Roles: after}))
			assert.False(t, as(t, c, "alice", "contacts:delete").Allowed)
			assert.False(t, c.Can("alice", "contacts:delete"))
			assert.False(t, slices.ContainsFunc(c.Permissions("alice"), func(g intercomrbac.Grant) bool { return g.Permission == "contacts:delete" && g.When == "" }))
			assert.NotContains(t, c.Explain("alice", "contacts:delete"), `allowed by rule "contacts:delete"`)
		})
	}
}

// P2: a denial was cached, and the grant that came later was missed.
func TestP2_GrantCountsOnTheNextCheck(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"agent": {}}})
	for range 10 {
		require.False(t, as(t, c, "agent", "contacts:read").Allowed)
		require.False(t, as(t, c, "new", "contacts:read").Allowed)
		require.False(t, as(t, c, "new", "invoices:read").Allowed)
	}
	require.NoError(t, c.Swap(intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:read": {}},
		Roles:       roles{"agent": {Allow: intercomrbac.Rules("contacts:read")}, "new": {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("invoices:*")}},
	}))
	assert.True(t, as(t, c, "agent", "contacts:read").Allowed)
	assert.True(t, as(t, c, "new", "contacts:read").Allowed)
	assert.True(t, as(t, c, "new", "invoices:read").Allowed)
}

// P3: a grant that was added while the policy was being loaded was gone afterwards.
func TestP3_NoChangeIsLostDuringAReload(t *testing.T) {
	t.Parallel()
	old := intercomrbac.Policy{Version: "old", Roles: roles{"agent": {}}}
	c := checkerOf(t, old)
	release := held(c, old)
	added := make(chan error)
	go func() {
		added <- c.Swap(intercomrbac.Policy{Version: "new", Roles: roles{"agent": {Allow: intercomrbac.Rules("contacts:read")}}})
	}()
	require.NoError(t, release())
	require.NoError(t, <-added)
	assert.Equal(t, "new", c.Version(), "the change began after the reload, and stands")
	assert.True(t, c.Can("agent", "contacts:read"))
}

// P4: a reload of half a second, and a writer that waited for it, made every check wait.
func TestP4_ChecksDoNotWaitForAReload(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.StockPolicy())
	release := held(c, intercomrbac.Policy{})
	waiting := make(chan error)
	go func() { waiting <- c.Swap(intercomrbac.Policy{}) }()
	promptly(t, "a check", func() {
		for range 100 {
			assertStockTable(t, c)
		}
	})
	require.NoError(t, release())
	require.NoError(t, <-waiting)
	assert.False(t, c.Can("owner", "contacts:read"))
}

// P5: a row with a field missing was accepted, and broke the grants behind it.
func TestP5_BadRuleIsRefusedAndSpoilsNothing(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]intercomrbac.Rule{
		"zero": {}, "no permission": {When: "self"}, "no action": {Permission: "contacts"}, "empty action": {Permission: "contacts:"}, "no resource": {Permission: ":read"},
	} {
		p := intercomrbac.Policy{Roles: roles{"agent": {Allow: []intercomrbac.Rule{{Permission: "contacts:read"}, bad, {Permission: "tags:read"}}}}}
		_, err := intercomrbac.NewChecker(p)
		require.Error(t, err, name)
		assert.Len(t, flatten(err), 1, "%s: the rules around it are good", name)

		c := checkerOf(t, intercomrbac.StockPolicy())
		require.Error(t, c.Swap(p), name)
		assertStockTable(t, c)
	}
	_, err := intercomrbac.ParsePolicy([]byte(`{"roles": {"agent": {"allow": ["contacts:read", null, "tags:read"]}}}`))
	assert.ErrorContains(t, err, "line 1, column 49")
}

// P6: the good example. A reload that fails keeps the old policy.
func TestP6_FailedReloadKeepsTheOldPolicy(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.StockPolicy())
	version := c.Version()
	for name, bad := range map[string]intercomrbac.Policy{
		"permission": {Roles: roles{"owner": {Allow: intercomrbac.Rules("contacts:raed")}}},
		"role":       {Roles: roles{"owner": {Inherits: []intercomrbac.Role{"admn"}}}},
		"condition":  {Roles: roles{"owner": {Allow: []intercomrbac.Rule{when("never", "contacts:read")}}}},
		"circle":     {Roles: roles{"owner": {Inherits: []intercomrbac.Role{"owner"}}}},
		"version":    {Version: "\n"},
	} {
		assert.Error(t, c.Swap(bad), name)
		assert.Equal(t, version, c.Version(), name)
		assertStockTable(t, c)
	}
}

// P7: an effect of "allow unless denied" made an empty policy allow anything.
func TestP7_EmptyPolicyAllowsNothing(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]intercomrbac.Policy{
		"zero":                 {},
		"role of nought":       {Roles: roles{"owner": {}}},
		"denies alone":         {Roles: roles{"owner": {Deny: intercomrbac.Rules("contacts:delete")}}},
		"deny that is not met": {Roles: roles{"owner": {Deny: []intercomrbac.Rule{when("never", "*")}}}},
	} {
		c := checkerOf(t, p, condition("never", false))
		for _, q := range stockWorkload().questions {
			d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: q.role}, q.permission, intercomrbac.Resource{Kind: "contact", ID: "1"})
			require.NoError(t, err)
			assert.False(t, d.Allowed, "%s: %s, %s", name, q.role, q.permission)
			assert.False(t, c.Can(q.role, q.permission))
		}
	}
}

// P8: patterns matched parts of names and deeper names, and a malformed one crashed.
func TestP8_WildcardsAreWholeSegments(t *testing.T) {
	t.Parallel()
	p := intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"contacts:read_all_secrets": {}, "contacts_eu:read": {}, "my_contacts:read": {}},
		Roles: roles{
			"exact":    {Allow: intercomrbac.Rules("contacts:read")},
			"resource": {Allow: intercomrbac.Rules("contacts:*")},
			"action":   {Allow: intercomrbac.Rules("*:read")},
		},
	}
	c := checkerOf(t, p)
	for permission, want := range map[intercomrbac.Permission][]intercomrbac.Role{
		"contacts:read":             {"action", "exact", "resource"},
		"contacts:read_all_secrets": {"resource"},
		"contacts_eu:read":          {"action"},
		"my_contacts:read":          {"action"},
		"contacts:write":            {"resource"},
		"contacts:":                 nil,
		"contacts:notes:read":       nil,
	} {
		var can []intercomrbac.Role
		for _, role := range c.Roles() {
			if c.Can(role, permission) {
				can = append(can, role)
			}
		}
		assert.Equal(t, want, can, permission)
	}
	for _, malformed := range []intercomrbac.Permission{"contacts:r*", "*contacts:read", "contacts:**", "*:*", "**", "?", "[", "contacts:(", "contacts:*:read", "contacts:read|write", "*:", ":*"} {
		_, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: roles{"a": {Allow: intercomrbac.Rules(malformed)}}})
		assert.Error(t, err, malformed)
	}
}

// P9: a typing error, an unknown role and a right not granted all looked the same.
func TestP9_TypingErrorsAreTold(t *testing.T) {
	t.Parallel()
	_, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: roles{"agent": {Allow: intercomrbac.Rules("contacts:raed")}}})
	assert.ErrorContains(t, err, `did you mean "contacts:read"?`)

	c := checkerOf(t, intercomrbac.StockPolicy())
	for _, tt := range []struct {
		role       intercomrbac.Role
		permission intercomrbac.Permission
		want       intercomrbac.Reason
		explain    string
	}{
		{"agent", "contacts:delete", intercomrbac.ReasonNotGranted, "no rule grants it"},
		{"agnet", "contacts:delete", intercomrbac.ReasonUnknownRole, `did you mean "agent"?`},
		{"agent", "contacts:delte", intercomrbac.ReasonUnknownPermission, `did you mean "contacts:delete"?`},
	} {
		assert.Equal(t, tt.want, as(t, c, tt.role, tt.permission).Reason)
		assert.Contains(t, c.Explain(tt.role, tt.permission), tt.explain)
	}
}

// P10: the reasons of one decision came in another order each time.
func TestP10_ReasonsAreAlwaysTheSame(t *testing.T) {
	t.Parallel()
	rules := intercomrbac.Rules("*", "contacts:*", "*:read", "contacts:read")
	p := intercomrbac.Policy{Version: "v", Roles: roles{"child": {Inherits: []intercomrbac.Role{"c", "a", "b"}}, "a": {Allow: rules}, "b": {Allow: rules}, "c": {Allow: rules}}}
	const decision = `allowed: role child has contacts:read by rule "contacts:read" of a, which it inherits (policy v)`
	first := checkerOf(t, p)
	for range 200 {
		c := checkerOf(t, reread(t, p)) // maps in another order
		require.Equal(t, decision, as(t, c, "child", "contacts:read").String())
		require.Equal(t, first.Explain("child", "contacts:read"), c.Explain("child", "contacts:read"))
		require.Equal(t, first.WhoCan("contacts:read"), c.WhoCan("contacts:read"))
		require.Equal(t, first.Matrix(), c.Matrix())
	}
	bad := intercomrbac.Policy{Roles: roles{"a": {Inherits: []intercomrbac.Role{"x", "b"}}, "b": {Inherits: []intercomrbac.Role{"a"}, Allow: intercomrbac.Rules("no:such")}, "C": {}}}
	_, want := intercomrbac.NewChecker(bad)
	for range 50 {
		_, err := intercomrbac.NewChecker(reread(t, bad))
		require.EqualError(t, err, want.Error())
	}
}

// P11: parents in a circle were accepted, and the next check overflowed the stack.
func TestP11_CirclesAreRefused(t *testing.T) {
	t.Parallel()
	chain := roles{}
	names := []intercomrbac.Role{}
	for i := range 1000 {
		names = append(names, intercomrbac.Role("role-"+strings.Repeat("i", i%50)+string(rune('a'+i/50))))
	}
	for i, name := range names {
		chain[name] = intercomrbac.RoleRules{Inherits: []intercomrbac.Role{names[(i+1)%len(names)]}}
	}
	for name, r := range map[string]roles{
		"itself":      {"a": {Inherits: []intercomrbac.Role{"a"}}},
		"two":         {"a": {Inherits: []intercomrbac.Role{"b"}}, "b": {Inherits: []intercomrbac.Role{"a"}}},
		"behind both": {"a": {Inherits: []intercomrbac.Role{"b", "c"}}, "b": {}, "c": {Inherits: []intercomrbac.Role{"b", "a"}}},
		"thousand":    chain,
	} {
		c, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: r})
		assert.ErrorContains(t, err, "roles inherit in a circle: ", name)
		assert.Nil(t, c, name)
		stock := checkerOf(t, intercomrbac.StockPolicy())
		assert.ErrorContains(t, stock.Swap(intercomrbac.Policy{Roles: r}), "roles inherit in a circle: ", name)
		assertStockTable(t, stock)
	}
	chain[names[999]] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("contacts:read")}
	c := checkerOf(t, intercomrbac.Policy{Roles: chain})
	assert.True(t, as(t, c, names[0], "contacts:read").Allowed, "a long line is no circle")
	assert.Equal(t, names[999], as(t, c, names[0], "contacts:read").Role())
}

// P12: "safe" ways to change roles in place raced with checks.
func TestP12_ChangingWhatWasGivenRacesWithNothing(t *testing.T) {
	t.Parallel()
	p := intercomrbac.StockPolicy()
	c := checkerOf(t, p)
	var writers sync.WaitGroup
	writers.Go(func() { // the policy that it was made from
		for range 100 {
			p.Roles["agent"].Allow[0] = intercomrbac.Rule{Permission: "*"}
			p.Roles["agent"] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}
			delete(p.Roles, "owner")
		}
	})
	for range 2 {
		writers.Go(func() { // what it gives out
			for range 100 {
				given, roles := c.Policy(), c.Roles()
				given.Roles["agent"] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}
				given.Roles["owner"].Allow[0] = intercomrbac.Rule{}
				roles[0] = "owner"
				for _, grants := range [][]intercomrbac.Grant{c.Permissions("agent"), c.WhoCan("contacts:read")} {
					grants[0] = intercomrbac.Grant{}
				}
			}
		})
	}
	for range 10 {
		assertStockTable(t, c)
	}
	writers.Wait()
	assertStockTable(t, c)
}

// P13: changing a policy while it decides was a data race, or the end of the process.
func TestP13_SwapRacesWithNothing(t *testing.T) {
	t.Parallel()
	stock, rich := intercomrbac.StockPolicy(), richWorkload().policy // the same 30 answers
	c := checkerOf(t, stock)
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for range 50 {
				assert.NoError(t, c.Swap(rich))
				assert.NoError(t, c.Swap(stock))
			}
		})
	}
	others.Go(func() {
		for range 20 {
			_ = c.Matrix() + c.Version() + c.Explain("agent", "contacts:read")
			_ = c.Policy()
		}
	})
	for range 20 {
		for _, q := range stockWorkload().questions {
			assert.Equal(t, q.allowed, as(t, c, q.role, q.permission).Allowed)
		}
	}
	others.Wait()
}

// P14: the question was taken for a pattern, so that a role with one right was granted "*".
func TestP14_QuestionIsNeverAPattern(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{"one": {Allow: intercomrbac.Rules("contacts:read")}, "all": {Allow: intercomrbac.Rules("*", "contacts:*", "*:read")}}})
	for _, role := range c.Roles() {
		for _, pattern := range []intercomrbac.Permission{"*", "**", "contacts:*", "contacts.*", "*:read", "*:*", "contacts:r*", "contacts:.*", "contacts:rea?", ""} {
			assert.False(t, c.Can(role, pattern), "%s, %s", role, pattern)
			assert.Equal(t, intercomrbac.ReasonUnknownPermission, as(t, c, role, pattern).Reason, "%s, %s", role, pattern)
			assert.Nil(t, c.WhoCan(pattern))
		}
	}
	assert.Equal(t, intercomrbac.ReasonUnknownRole, as(t, c, "*", "contacts:read").Reason)
}

// P15: a role that had any right on a resource hid its parents' rights there.
func TestP15_InheritanceIsAUnion(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Roles: roles{
		"agent": {Allow: intercomrbac.Rules("contacts:read", "conversations:read", "conversations:reply")},
		"admin": {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("contacts:write", "conversations:assign", "conversations:close", "articles:read", "articles:write")},
		"owner": {Inherits: []intercomrbac.Role{"admin"}, Allow: intercomrbac.Rules("contacts:delete", "settings:manage")},
	}})
	assertStockTable(t, c)
	assert.Equal(t, intercomrbac.Role("agent"), as(t, c, "owner", "contacts:read").Role())
}
