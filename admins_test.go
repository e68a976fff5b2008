package intercomrbac_test

import (
	"context"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const adminJSON = `{
	"type": "admin", "id": "4410", "name": "Mara Lindqvist", "email": "mara@example.org", "job_title": "Support lead",
	"away_mode_enabled": true, "away_mode_reassign": true, "away_status_reason_id": 31, "has_inbox_seat": true,
	"team_ids": [6101, 6102], "avatar": "https://img.example.org/mara.png",
	"team_priority_level": {"primary_team_ids": [6101], "secondary_team_ids": [6102]},
	"role": {"type": "role", "id": "r-19", "name": "Ledare"}
}`

func mara() intercomrbac.Admin {
	return intercomrbac.Admin{
		Type: "admin", ID: "4410", Name: "Mara Lindqvist", Email: "mara@example.org", JobTitle: "Support lead",
		AwayModeEnabled: true, AwayModeReassign: true, AwayReasonID: "31", HasInboxSeat: true,
		TeamIDs: []intercomrbac.TeamID{"6101", "6102"}, Avatar: "https://img.example.org/mara.png",
		TeamPriorityLevel: &intercomrbac.TeamPriorityLevel{PrimaryTeamIDs: []intercomrbac.TeamID{"6101"}, SecondaryTeamIDs: []intercomrbac.TeamID{"6102"}},
		Role:              &intercomrbac.AdminRole{Type: "role", ID: "r-19", Name: "Ledare"},
	}
}

func setAwayAs(id intercomrbac.AdminID, params intercomrbac.SetAwayParams) func(context.Context, *intercomrbac.Client) (any, error) {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Admins.SetAway(ctx, id, params)
	}
}

func TestAdmins(t *testing.T) {
	t.Parallel()
	runMethodTests(t, []methodTest{
		{
			name: "List",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Admins.List(ctx) },
			op:   "admins.list", method: "GET", path: "/admins",
			response: `{"type":"admin.list","admins":[` + adminJSON + `,{"type":"admin","id":"4411","name":"Teo","team_ids":[],"avatar":null,"role":null}]}`,
			want:     []intercomrbac.Admin{mara(), {Type: "admin", ID: "4411", Name: "Teo", TeamIDs: []intercomrbac.TeamID{}}},
		},
		{
			name: "List of none",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Admins.List(ctx) },
			op:   "admins.list", method: "GET", path: "/admins",
			response: `{"type":"admin.list","admins":[]}`,
			want:     []intercomrbac.Admin{},
		},
		{
			name: "Get",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Admins.Get(ctx, "4410") },
			op:   "admins.get", method: "GET", path: "/admins/4410",
			response: adminJSON,
			want:     new(mara()),
		},
		{
			name: "Me",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Admins.Me(ctx) },
			op:   "admins.me", method: "GET", path: "/me",
			response: `{"type":"admin","id":"4410","name":"Mara Lindqvist","email":"mara@example.org","email_verified":true,"has_inbox_seat":true,
				"avatar":{"type":"avatar","image_url":"https://img.example.org/mara.png"},
				"app":{"type":"app","id_code":"ws9x2k","name":"Harbour","region":"EU","timezone":"Europe/Stockholm","created_at":1650000000,"identity_verification":true}}`,
			want: &intercomrbac.Me{
				Admin: intercomrbac.Admin{Type: "admin", ID: "4410", Name: "Mara Lindqvist", Email: "mara@example.org", HasInboxSeat: true,
					Avatar: "https://img.example.org/mara.png"},
				EmailVerified: true,
				App: intercomrbac.App{Type: "app", ID: "ws9x2k", Name: "Harbour", Region: intercomrbac.EU, Timezone: "Europe/Stockholm",
					CreatedAt: intercomrbac.NewTimestamp(time.Unix(1650000000, 0)), IdentityVerification: true},
			},
		},
		{
			name: "SetAway with all params",
			call: setAwayAs("4410", intercomrbac.SetAwayParams{Away: true, Reassign: true, Reason: "31"}),
			op:   "admins.set_away", method: "PUT", path: "/admins/4410/away",
			body:     `{"away_mode_enabled":true,"away_mode_reassign":true,"away_status_reason_id":31}`,
			response: adminJSON,
			want:     new(mara()),
		},
		{
			name: "SetAway back",
			call: setAwayAs("4410", intercomrbac.SetAwayParams{}),
			op:   "admins.set_away", method: "PUT", path: "/admins/4410/away",
			body:     `{"away_mode_enabled":false,"away_mode_reassign":false}`,
			response: `{"type":"admin","id":"4410","away_mode_enabled":false}`,
			want:     &intercomrbac.Admin{Type: "admin", ID: "4410"},
		},
		{
			name: "AwayReasons",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Admins.AwayReasons(ctx) },
			op:   "admins.away_reasons", method: "GET", path: "/away_status_reasons",
			response: `{"type":"list","data":[
				{"type":"away_status_reason","id":"31","label":"Lunch","emoji":"🍜","order":1,"deleted":false,"created_at":1650000000,"updated_at":1650000060},
				{"type":"away_status_reason","id":32,"label":"Training","emoji":"","order":2,"deleted":true,"created_at":null}]}`,
			want: []intercomrbac.AwayReason{
				{Type: "away_status_reason", ID: "31", Label: "Lunch", Emoji: "🍜", Order: 1,
					CreatedAt: intercomrbac.NewTimestamp(time.Unix(1650000000, 0)), UpdatedAt: intercomrbac.NewTimestamp(time.Unix(1650000060, 0))},
				{Type: "away_status_reason", ID: "32", Label: "Training", Order: 2, Deleted: true},
			},
		},
	})
}

func TestAdminsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	for name, id := range badDigits {
		tests = append(tests,
			refusalTest{name: "Get/" + name, hint: "admin ids are digits (list the admins)",
				call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
					return c.Admins.Get(ctx, intercomrbac.AdminID(id))
				}},
			refusalTest{name: "SetAway/" + name, hint: "admin ids are digits (list the admins)",
				call: setAwayAs(intercomrbac.AdminID(id), intercomrbac.SetAwayParams{Away: true})})
	}
	tests = append(tests,
		refusalTest{name: "SetAway/reason that is a word", hint: "no away reason id: they are digits (list the away reasons)",
			call: setAwayAs("4410", intercomrbac.SetAwayParams{Away: true, Reason: "lunch"})},
		refusalTest{name: "SetAway/reason with a leading zero", hint: "away reason",
			call: setAwayAs("4410", intercomrbac.SetAwayParams{Away: true, Reason: "031"})},
		refusalTest{name: "SetAway/reason 0", hint: "away reason",
			call: setAwayAs("4410", intercomrbac.SetAwayParams{Away: true, Reason: "0"})},
	)
	runRefusalTests(t, tests)
}

func TestAvatarRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	for _, avatar := range []string{`7`, `true`, `["https://img.example.org/a.png"]`} {
		_, err := newMock(t, json200(`{"id":"4410","avatar":`+avatar+`}`)).Client.Admins.Get(t.Context(), "4410")
		require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
		assertOneLine(t, err.Error())
	}
	var avatar intercomrbac.Avatar
	assert.Error(t, avatar.UnmarshalJSON(nil))
	assert.Error(t, avatar.UnmarshalJSON([]byte(`"`)))
}
