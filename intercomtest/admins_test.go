package intercomtest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestAdminJSON(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	billing := s.AddTeam(intercomtest.Team{Name: "Billing"})
	reason := s.AddAwayReason(intercomtest.AwayReason{})
	first := s.AddAdmin(intercomtest.Admin{})
	second := s.AddAdmin(intercomtest.Admin{
		Name: "Ada", Email: "ada@example.com", JobTitle: "Agent", AvatarURL: "https://example.com/a.png", RoleName: "Agent",
		Away: true, AwayReassign: true, AwayReasonID: reason, NoInboxSeat: true, TeamIDs: []intercomrbac.TeamID{billing},
	})
	r := a.get("/admins").requireOK(t)
	assert.Equal(t, "admin.list", r.at(t, "type"))
	assert.NotContains(t, r.body, "pages")
	assert.Equal(t, []string{string(first), string(second)}, r.ids(t, "admins"))
	assert.Equal(t, map[string]any{
		"type": "admin", "id": "991267459", "name": "Admin 1", "email": "admin1@example.com", "away_mode_enabled": false,
		"away_mode_reassign": false, "away_status_reason_id": nil, "has_inbox_seat": true, "team_ids": []any{}, "avatar": nil,
		"team_priority_level": nil, "role": nil,
	}, r.at(t, "admins", 0))
	want := map[string]any{
		"type": "admin", "id": "991267460", "name": "Ada", "email": "ada@example.com", "job_title": "Agent", "away_mode_enabled": true,
		"away_mode_reassign": true, "away_status_reason_id": json.Number(reason), "has_inbox_seat": false,
		"team_ids": []any{json.Number(billing)}, "avatar": "https://example.com/a.png", "team_priority_level": nil,
		"role": map[string]any{"type": "role", "id": "5401", "name": "Agent"},
	}
	assert.Equal(t, want, r.at(t, "admins", 1))
	assert.Equal(t, want, a.get("/admins/"+string(second)).requireOK(t).body)
	a.get("/admins/"+string(billing)).requireError(t, 404, "admin_not_found")
}

func TestAddAdmin(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	one := s.AddAdmin(intercomtest.Admin{RoleName: "Agent"})
	two := s.AddAdmin(intercomtest.Admin{RoleName: "Agent"})
	three := s.AddAdmin(intercomtest.Admin{RoleName: "Lead", ID: "991267461"})
	four := s.AddAdmin(intercomtest.Admin{RoleID: "9", RoleName: "Agent"})
	assert.Equal(t, []intercomrbac.AdminID{"991267459", "991267460", "991267461", "991267462"}, []intercomrbac.AdminID{one, two, three, four})
	roleOf := func(id intercomrbac.AdminID) string {
		a, ok := s.Admin(id)
		require.True(t, ok)
		return a.RoleID
	}
	assert.Equal(t, roleOf(one), roleOf(two))
	assert.NotEqual(t, roleOf(one), roleOf(three))
	assert.Equal(t, "9", roleOf(four))

	a, _ := s.Admin(one)
	a.Name = "Renamed"
	assert.Equal(t, one, s.AddAdmin(a))
	api := inMemory(t, s)
	assert.Equal(t, "Renamed", api.get("/admins").at(t, "admins", 0, "name"), "replaced where it was")
	assert.Panics(t, func() { s.AddAdmin(intercomtest.Admin{ID: "ada"}) })
	assert.Panics(t, func() { s.AddAdmin(intercomtest.Admin{TeamIDs: []intercomrbac.TeamID{"team-billing"}}) })
	assert.Panics(t, func() { s.AddAdmin(intercomtest.Admin{AwayReasonID: "lunch"}) })

	s.RemoveAdmin(one)
	_, ok := s.Admin(one)
	assert.False(t, ok)
	api.get("/admins/"+string(one)).requireError(t, 404, "admin_not_found")
	assert.Len(t, api.get("/admins").at(t, "admins"), 3)
	s.RemoveAdmin(one)
}

func TestTeams(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	assert.Equal(t, map[string]any{"type": "team.list", "teams": []any{}}, a.get("/teams").requireOK(t).body)

	ada := s.AddAdmin(intercomtest.Admin{TeamIDs: []intercomrbac.TeamID{"814900"}}) // before its team
	bob := s.AddAdmin(intercomtest.Admin{})
	assert.Equal(t, []any{}, a.get("/admins/"+string(ada)).at(t, "team_ids"))
	one := s.AddTeam(intercomtest.Team{})
	two := s.AddTeam(intercomtest.Team{
		ID: "814900", Name: "Billing", AdminIDs: []intercomrbac.AdminID{bob}, AssignmentLimit: 10, DistributionMethod: "balanced",
	})
	r := a.get("/teams").requireOK(t)
	assert.Equal(t, []string{"814865", "814900"}, r.ids(t, "teams"))
	assert.Equal(t, map[string]any{
		"type": "team", "id": "814865", "name": "Team 1", "admin_ids": []any{}, "admin_priority_level": nil,
		"assignment_limit": nil, "distribution_method": nil,
	}, a.get("/teams/"+string(one)).requireOK(t).body)
	assert.Equal(t, map[string]any{
		"type": "team", "id": "814900", "name": "Billing", "admin_ids": []any{json.Number(ada), json.Number(bob)},
		"admin_priority_level": nil, "assignment_limit": num("10"), "distribution_method": "balanced",
	}, a.get("/teams/"+string(two)).requireOK(t).body)

	team, ok := s.Team(two)
	require.True(t, ok)
	assert.Equal(t, []intercomrbac.AdminID{ada, bob}, team.AdminIDs)
	team.AdminIDs = team.AdminIDs[:1]
	s.AddTeam(team)
	b, _ := s.Admin(bob)
	assert.Empty(t, b.TeamIDs, "left")

	s.RemoveAdmin(ada)
	assert.Equal(t, []any{}, a.get("/teams/"+string(two)).at(t, "admin_ids"))
	s.RemoveTeam(two)
	_, ok = s.Team(two)
	assert.False(t, ok)
	a.get("/teams/"+string(two)).requireError(t, 404, "team_not_found")
	a.get("/teams/"+string(bob)).requireError(t, 404, "team_not_found")
	assert.Panics(t, func() { s.AddTeam(intercomtest.Team{ID: "team-billing-123"}) })
	assert.Panics(t, func() { s.AddTeam(intercomtest.Team{AdminIDs: []intercomrbac.AdminID{"ada"}}) })
}

func TestMe(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	assert.Equal(t, "Fake Owner", a.get("/me").requireOK(t).at(t, "name"), "somebody made the token")
	assert.Empty(t, a.get("/admins").at(t, "admins"))

	s.AddAdmin(intercomtest.Admin{Name: "Ada", RoleName: "Owner"})
	bob := s.AddAdmin(intercomtest.Admin{Name: "Bob", AvatarURL: "https://example.com/b.png", EmailUnverified: true})
	r := a.get("/me").requireOK(t)
	assert.Equal(t, "Ada", r.at(t, "name"))
	assert.Equal(t, true, r.at(t, "email_verified"))
	assert.Equal(t, map[string]any{"type": "avatar", "image_url": nil}, r.at(t, "avatar"))
	assert.NotContains(t, r.body, "role")
	assert.Equal(t, "fake1234", r.at(t, "app", "id_code"))
	assert.Equal(t, "US", r.at(t, "app", "region"))
	s.SetMe(bob)
	r = a.get("/me").requireOK(t)
	assert.Equal(t, "Bob", r.at(t, "name"))
	assert.Equal(t, false, r.at(t, "email_verified"))
	assert.Equal(t, "https://example.com/b.png", r.at(t, "avatar", "image_url"))
}

func TestSetAway(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddAdmin(intercomtest.Admin{})
	seatless := s.AddAdmin(intercomtest.Admin{NoInboxSeat: true})
	lunch := s.AddAwayReason(intercomtest.AwayReason{Label: "Lunch", Emoji: "🍽️"})
	gone := s.AddAwayReason(intercomtest.AwayReason{Deleted: true})
	put := func(id intercomrbac.AdminID, body string) answer {
		return a.do(http.MethodPut, "/admins/"+string(id)+"/away", body)
	}
	both := `{"away_mode_enabled":true,"away_mode_reassign":true`

	r := put(id, both+`,"away_status_reason_id":`+string(lunch)+`}`).requireOK(t)
	assert.Equal(t, true, r.at(t, "away_mode_enabled"))
	assert.Equal(t, json.Number(lunch), r.at(t, "away_status_reason_id"))
	got, _ := s.Admin(id)
	assert.True(t, got.Away && got.AwayReassign)
	assert.Equal(t, lunch, got.AwayReasonID)

	r = put(id, `{"away_mode_enabled":false,"away_mode_reassign":false,"away_status_reason_id":12345}`).requireOK(t)
	assert.Nil(t, r.at(t, "away_status_reason_id"), "back again")
	put(id, both+`}`).requireOK(t)

	put("991267499", both+`}`).requireError(t, 404, "admin_not_found")
	put(seatless, both+`}`).requireError(t, 403, "action_forbidden")
	put(id, `{"away_mode_enabled":true}`).requireError(t, 400, "parameter_not_found")
	put(id, `{"away_mode_reassign":true}`).requireError(t, 400, "parameter_not_found")
	put(id, `{"away_mode_enabled":"yes","away_mode_reassign":true}`).requireError(t, 400, "parameter_invalid")
	put(id, both+`,"away_status_reason_id":999}`).requireError(t, 400, "parameter_invalid")
	r = put(id, both+`,"away_status_reason_id":`+string(gone)+`}`).requireError(t, 400, "parameter_invalid")
	assert.Equal(t, "Away status reason is deleted", r.message(t))

	s.RequireAwayReasons(true)
	put(id, both+`}`).requireError(t, 400, "away_status_reason_mandatory")
	put(id, both+`,"away_status_reason_id":"`+string(lunch)+`"}`).requireOK(t)
	put(id, `{"away_mode_enabled":false,"away_mode_reassign":false}`).requireOK(t)
	s.RequireAwayReasons(false)
	put(id, both+`}`).requireOK(t)
}

func TestAwayReasons(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.AddAwayReason(intercomtest.AwayReason{Label: "Lunch", Emoji: "🍽️"})
	s.AddAwayReason(intercomtest.AwayReason{Deleted: true})
	r := inMemory(t, s).get("/away_status_reasons").requireOK(t)
	assert.Equal(t, "list", r.at(t, "type"))
	assert.Equal(t, []string{"12345", "12346"}, r.ids(t, "data"))
	assert.Equal(t, "Lunch", r.at(t, "data", 0, "label"))
	assert.Equal(t, num("1"), r.at(t, "data", 1, "order"))
	assert.Equal(t, true, r.at(t, "data", 1, "deleted"), "deleted ones are listed")
	assert.Panics(t, func() { s.AddAwayReason(intercomtest.AwayReason{ID: "lunch"}) })
}
