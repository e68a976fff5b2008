package intercomrbac

import (
	"context"
	"slices"
)

// Principal is who acts: a teammate, or a service that acts through one. It is a snapshot of role and teams at the
// time it was made. The zero value is nobody.
type Principal struct {
	// AdminID is the teammate who acts, or through whom Service acts. Writes that Intercom wants an acting admin
	// for take it where their params name none.
	AdminID AdminID
	// Service names a program that acts on its own; empty for a person.
	Service string
	// Email is the teammate's address, for the record only.
	Email string
	// Role is what a [Policy] decides by. Empty has no rights.
	Role Role
	// Teams are the teams the teammate is in; the condition assigned_team goes by them.
	Teams []TeamID
	// Workspace is the workspace that the ids above belong to; empty where the program serves one only.
	Workspace WorkspaceID
	// IP is the address that the service found for the request, for the record only.
	IP string
}

// IsZero reports whether p is nobody: it names neither an admin nor a service. The admin "0" is none.
func (p Principal) IsZero() bool { return isNobody(p.AdminID, p.Service) }

func isNobody(admin AdminID, service string) bool {
	return (admin == "" || admin == "0") && service == ""
}

type principalKey struct{}

// WithPrincipal returns a context in which p acts. It is the only value that this package puts into a context.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	p.Teams = slices.Clone(p.Teams)
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns who acts in ctx, and whether anybody does. Its Teams are shared: do not change them.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p, !p.IsZero()
}
