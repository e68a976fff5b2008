package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Resource is the thing that a permission is asked for. The zero value is none: a grant that hangs on a condition is then
// denied with ReasonNeedsResource.
type Resource struct {
	// Kind is what it is: "conversation", "contact", "admin", "team", "article", "collection", "tag", or a kind of the service's own.
	Kind string
	// ID identifies it within its kind.
	ID string
	// Value is the thing itself, for conditions to look at. For the kinds named above it is a *Conversation,
	// *Contact, *Admin, *Team, *Article, *Collection or *Tag; the stock conditions take the value itself as well.
	Value any
	// Workspace is where it belongs. The stock conditions compare ids within one workspace only: it must be that of
	// the principal, empty in both where a program serves one workspace.
	Workspace WorkspaceID
}

// Condition is what a rule's When names. It is registered with [NewChecker]. The stock ones are always there:
//
//	assigned       the conversation is assigned to the principal's admin
//	assigned_team  the conversation is assigned to a team of the principal
//	self           the admin is the principal's own
type Condition struct {
	// Name is of lower-case letters, digits and underscores.
	Name string
	// Resource is the kind of resource that it is about: it may stand on permissions of that kind only, and Met is
	// called for such resources only. Empty means any kind.
	Resource string
	// Met decides. An error means that it cannot be decided: an allow is then not given, a deny holds. Its text reaches the
	// caller and must not tell of r. Met is called by many goroutines at once, and more than once for one call to
	// Intercom; it must not change p or r.
	//
	// A guard gives it the Value of the kinds named at Resource.Kind where the condition is for that kind, with Intercom's
	// own ID. Otherwise it gives Kind and ID only, the ID as the caller wrote it: it is empty where the call names no single
	// thing, and may be another spelling of an id. So to deny by ID, let the condition be for the kind.
	Met func(ctx context.Context, p Principal, r Resource) (bool, error)

	// query is the condition as a search for conversations; ok is false where none can meet it.
	query func(p Principal) (q Query, ok bool)
	// byID says that Met looks at the ID alone.
	byID bool
}

// needsValue reports whether a guard has to fetch a resource before the condition can be decided.
func (c *Condition) needsValue() bool { return c.Resource != "" && !c.byID }

func (c *Condition) check() error {
	switch {
	case !isSegment(c.Name):
		return fmt.Errorf("condition %.80q: the name must be lower-case letters, digits and underscores", c.Name)
	case c.Resource != "" && !isSegment(c.Resource):
		return fmt.Errorf("condition %q: the resource %.80q must be lower-case letters, digits and underscores", c.Name, c.Resource)
	case c.Met == nil:
		return fmt.Errorf("condition %q has no function Met", c.Name)
	}
	return nil
}

var errNoValue = errors.New("the Value of the resource is not there")

// stockConditions are registered with every checker.
func stockConditions() []Condition {
	return []Condition{
		{
			Name: "assigned", Resource: "conversation",
			Met: func(_ context.Context, p Principal, r Resource) (bool, error) {
				c, err := conversationOf(r)
				if err != nil {
					return false, err
				}
				return sameWorkspace(p, r) && isNumber(p.AdminID) && p.AdminID == c.AdminAssigneeID, nil
			},
			query: func(p Principal) (Query, bool) {
				return Where(FieldAdminAssigneeID, Equals, p.AdminID), isNumber(p.AdminID)
			},
		},
		{
			Name: "assigned_team", Resource: "conversation",
			Met: func(_ context.Context, p Principal, r Resource) (bool, error) {
				c, err := conversationOf(r)
				if err != nil {
					return false, err
				}
				return sameWorkspace(p, r) && isNumber(c.TeamAssigneeID) && slices.Contains(p.Teams, c.TeamAssigneeID), nil
			},
			query: func(p Principal) (Query, bool) {
				teams := slices.DeleteFunc(slices.Clone(p.Teams), func(id TeamID) bool { return !isNumber(id) })
				return Where(FieldTeamAssigneeID, In, teams), len(teams) > 0
			},
		},
		{
			Name: "self", Resource: "admin", byID: true,
			Met: func(_ context.Context, p Principal, r Resource) (bool, error) {
				return sameWorkspace(p, r) && isNumber(p.AdminID) && string(p.AdminID) == r.ID, nil
			},
		},
	}
}

func sameWorkspace(p Principal, r Resource) bool { return p.Workspace == r.Workspace }

// conversationOf returns the conversation that a resource holds.
func conversationOf(r Resource) (*Conversation, error) {
	switch v := r.Value.(type) {
	case *Conversation:
		if v != nil {
			return v, nil
		}
	case Conversation:
		return &v, nil
	case nil:
	default:
		return nil, fmt.Errorf("the Value of the resource is a %T, not a *Conversation", v)
	}
	return nil, errNoValue
}
