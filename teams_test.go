package intercomrbac_test

import (
	"context"
	"testing"

	"github.com/intercomrbac/intercomrbac"
)

func TestTeams(t *testing.T) {
	t.Parallel()
	const team = `{"type":"team","id":"6101","name":"Billing","admin_ids":[4410,4411],
		"admin_priority_level":{"primary_admin_ids":[4410],"secondary_admin_ids":[4411]},"assignment_limit":12,"distribution_method":"round_robin"}`
	billing := intercomrbac.Team{Type: "team", ID: "6101", Name: "Billing", AdminIDs: []intercomrbac.AdminID{"4410", "4411"},
		AdminPriorityLevel: &intercomrbac.AdminPriorityLevel{PrimaryAdminIDs: []intercomrbac.AdminID{"4410"}, SecondaryAdminIDs: []intercomrbac.AdminID{"4411"}},
		AssignmentLimit:    new(12), DistributionMethod: "round_robin"}
	runMethodTests(t, []methodTest{
		{
			name: "List",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Teams.List(ctx) },
			op:   "teams.list", method: "GET", path: "/teams",
			response: `{"type":"team.list","teams":[` + team + `,{"type":"team","id":6102,"name":"Sales","admin_ids":[],
				"admin_priority_level":null,"assignment_limit":null,"distribution_method":null}]}`,
			want: []intercomrbac.Team{billing, {Type: "team", ID: "6102", Name: "Sales", AdminIDs: []intercomrbac.AdminID{}}},
		},
		{
			name: "List of none",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Teams.List(ctx) },
			op:   "teams.list", method: "GET", path: "/teams",
			response: `{"type":"team.list","teams":[]}`,
			want:     []intercomrbac.Team{},
		},
		{
			name: "Get",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Teams.Get(ctx, "6101") },
			op:   "teams.get", method: "GET", path: "/teams/6101",
			response: team,
			want:     &billing,
		},
	})
}

func TestTeamsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	for name, id := range badDigits {
		tests = append(tests, refusalTest{name: "Get/" + name, hint: "team ids are digits (list the teams)",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Teams.Get(ctx, intercomrbac.TeamID(id))
			}})
	}
	runRefusalTests(t, tests)
}
