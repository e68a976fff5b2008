package intercomtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/intercomrbac/intercomrbac"
)

// Team is a group of teammates.
type Team struct {
	ID   intercomrbac.TeamID // digits
	Name string
	// AdminIDs are the teammates in the team. Admin.TeamIDs follows it, and it follows that.
	AdminIDs []intercomrbac.AdminID
	// AssignmentLimit is shown where it is not 0.
	AssignmentLimit int
	// DistributionMethod is "manual", "round_robin" or "balanced"; empty shows as null.
	DistributionMethod string
}

// AddTeam adds a team, or replaces the one with that ID. An empty ID or Name is made up. A new team has the teammates
// of AdminIDs and those who list it; a replaced one has those of AdminIDs alone.
func (s *Server) AddTeam(t Team) intercomrbac.TeamID {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.ID = freeID(s, &s.teams, t.ID, "team", 814865)
	mustDigits("team id", string(t.ID))
	t.Name = cmp.Or(t.Name, fmt.Sprintf("Team %d", len(s.teams.items)+1))
	if _, replaced := s.teams.get(t.ID); replaced {
		s.members = slices.DeleteFunc(s.members, func(m membership) bool { return m.team == t.ID })
	}
	for _, a := range t.AdminIDs {
		mustDigits("admin id", string(a))
		s.join(membership{a, t.ID})
	}
	t.AdminIDs = nil
	s.teams.put(t.ID, t)
	return t.ID
}

// RemoveTeam takes the team out of the workspace. Conversations stay assigned to it.
func (s *Server) RemoveTeam(id intercomrbac.TeamID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams.remove(id)
	s.members = slices.DeleteFunc(s.members, func(m membership) bool { return m.team == id })
}

// Team returns the team as it is now, and whether there is one.
func (s *Server) Team(id intercomrbac.TeamID) (Team, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.teams.get(id)
	if !ok {
		return Team{}, false
	}
	snapshot := *t
	snapshot.AdminIDs = s.adminsOf(id)
	return snapshot, true
}

// adminsOf returns the teammates of the workspace who are in the team.
func (s *Server) adminsOf(id intercomrbac.TeamID) []intercomrbac.AdminID {
	var ids []intercomrbac.AdminID
	for _, m := range s.members {
		if _, ok := s.admins.get(m.admin); ok && m.team == id {
			ids = append(ids, m.admin)
		}
	}
	return ids
}

func (s *Server) teamJSON(t *Team) object {
	return object{
		"type": "team", "id": string(t.ID), "name": t.Name, "admin_ids": numbers(s.adminsOf(t.ID)),
		"admin_priority_level": nil, "assignment_limit": orNull(t.AssignmentLimit), "distribution_method": orNull(t.DistributionMethod),
	}
}

func (s *Server) listTeams(*request) (any, error) {
	list := make([]object, 0, len(s.teams.items))
	for _, t := range s.teams.items {
		list = append(list, s.teamJSON(t))
	}
	return object{"type": "team.list", "teams": list}, nil
}

var errTeamNotFound = fail(http.StatusNotFound, "team_not_found", "Team not found")

func (s *Server) getTeam(r *request) (any, error) {
	t, ok := s.teams.get(intercomrbac.TeamID(r.args["team_id"]))
	if !ok {
		return nil, errTeamNotFound
	}
	return s.teamJSON(t), nil
}
