package intercomrbac

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// SwapHeld is Swap that calls hold where it compiles, for tests of what goes on meanwhile.
func (c *Checker) SwapHeld(policy Policy, hold func()) error {
	return c.swap(func() (*compiled, error) {
		hold()
		return compile(policy, c.conditions)
	})
}

// Inheritance and wildcards are gone when a policy is compiled: what is left to look at is the same as for a policy that
// lists every right of every role.
func TestInheritanceAndWildcardsAreResolvedInAdvance(t *testing.T) {
	t.Parallel()
	rich := Policy{Roles: map[Role]RoleRules{
		"agent": {Allow: []Rule{{ContactsRead, ""}, {"*:reply", ""}, {"admins:*", "self"}}},
		"lead":  {Inherits: []Role{"agent"}, Allow: Rules("contacts:*", "conversations:*", "*:write")},
		"owner": {Inherits: []Role{"agent", "lead"}, Allow: Rules("*")},
		"deep":  {Inherits: []Role{"owner"}},
	}}
	c, err := NewChecker(rich)
	require.NoError(t, err)
	flat := Policy{Roles: map[Role]RoleRules{}}
	for _, role := range c.Roles() {
		var r RoleRules
		for _, g := range c.Permissions(role) {
			r.Allow = append(r.Allow, Rule{g.Permission, g.When})
		}
		flat.Roles[role] = r
	}
	listed, err := NewChecker(flat)
	require.NoError(t, err)
	for i, r := range c.current.Load().list {
		other := listed.current.Load().list[i]
		assert.Equal(t, other.outcome, r.outcome, r.name)
		assert.ElementsMatch(t, other.conditional, r.conditional, r.name)
	}
}
