package intercomrbac

import "context"

// The scope is not documented; Intercom has been seen to want the one for admins.
var (
	opTeamsList = Operation{
		Name: "teams.list", ID: "listTeams", Method: "GET", Path: "/teams",
		Scope: ScopeReadAdmins, Permission: TeamsRead, Resource: "team", Effect: Read, Repeatable: true,
	}
	opTeamsGet = Operation{
		Name: "teams.get", ID: "retrieveTeam", Method: "GET", Path: "/teams/{team_id}",
		Scope: ScopeReadAdmins, Permission: TeamsRead, Resource: "team", ResourceArg: "team_id", Effect: Read, Repeatable: true,
	}
)

// TeamsService is about the teams of the workspace. It is safe for concurrent use.
type TeamsService struct{ c *Client }

// Team is a team of teammates.
type Team struct {
	Type               string              `json:"type"`
	ID                 TeamID              `json:"id"`
	Name               string              `json:"name"`
	AdminIDs           []AdminID           `json:"admin_ids"`
	AdminPriorityLevel *AdminPriorityLevel `json:"admin_priority_level"`
	// AssignmentLimit is nil where there is none.
	AssignmentLimit    *int   `json:"assignment_limit"`
	DistributionMethod string `json:"distribution_method"`
}

// AdminPriorityLevel tells which teammates work for a team first and second.
type AdminPriorityLevel struct {
	PrimaryAdminIDs   []AdminID `json:"primary_admin_ids"`
	SecondaryAdminIDs []AdminID `json:"secondary_admin_ids"`
}

// List returns all teams; Intercom does not page them. Operation teams.list (listTeams).
func (s *TeamsService) List(ctx context.Context) ([]Team, error) {
	out, err := do[unpaged[Team]](ctx, s.c, call{op: opTeamsList})
	if out == nil {
		return nil, err
	}
	return out.Teams, err
}

// Get returns one team. It is ErrTeamNotFound if there is none of that id. Operation teams.get (retrieveTeam).
func (s *TeamsService) Get(ctx context.Context, id TeamID) (*Team, error) {
	return do[Team](ctx, s.c, call{op: opTeamsGet, args: []string{string(id)}})
}
