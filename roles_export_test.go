package intercomrbac

import "context"

// What the tests of the role directory see of its inside. They are outside, for intercomtest imports this package.

// LookupRole is RoleDirectory.lookup.
func LookupRole(ctx context.Context, d *RoleDirectory, id AdminID, fresh bool) (Role, error) {
	e, err := d.lookup(ctx, id, fresh)
	return e.role, err
}

// PeekRole is RoleDirectory.peek.
func PeekRole(d *RoleDirectory, id AdminID, fresh bool) (Role, bool) {
	e, ok := d.peek(id, fresh)
	return e.role, ok
}

// MappedRoles is RoleDirectory.roles.
func MappedRoles(d *RoleDirectory) []Role { return d.roles() }

// KnownRoles tells how many admins a directory remembers, and how many look-ups are under way.
func KnownRoles(d *RoleDirectory) (known, flights int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.known), len(d.flights)
}

// MaxKnownRoles is how many admins a directory remembers.
const MaxKnownRoles = maxKnownRoles
