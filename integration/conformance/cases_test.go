package conformance_test

import (
	"context"
	"maps"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// world is what a call meets: a workspace that was just seeded, and a client of it.
type world struct {
	ctx  context.Context
	c    *intercomrbac.Client
	fake *intercomtest.Server
	intercomtest.Seeded
}

// call calls one method once, and returns its result; nil from a method that has none.
type call func(w *world) (any, error)

// conformance is what is called of one operation.
type conformance struct {
	// calls succeed: "least" with as little as the method takes, "most" with all that it takes, and more where params
	// exclude each other.
	calls map[string]call
	// refused are calls that the fake refuses, by status and code, and what follows a colon. What any operation can be
	// refused for, such as a wrong token, is tried without being listed.
	refused map[string]call
}

func result[T any](v T, err error) (any, error) { return v, err }

func nothing(err error) (any, error) { return nil, err }

const (
	noAdmin        intercomrbac.AdminID        = "991260000"
	noTeam         intercomrbac.TeamID         = "810000"
	noContact      intercomrbac.ContactID      = "6762f0f31bb69f9f21930000"
	noConversation intercomrbac.ConversationID = "999"
)

var (
	past    = time.Date(2024, 12, 18, 15, 57, 17, 0, time.UTC)
	uploads = []intercomrbac.AttachmentFile{{Name: "invoice.pdf", ContentType: "application/pdf", Data: []byte("%PDF")}}
	urls    = []string{"https://example.com/picture.png"}
)

// cases has an entry for each operation, by its name.
var cases = together(peopleCases, contactCases, activityCases, articleCases, conversationCases, messageCases)

func together(tables ...map[string]conformance) map[string]conformance {
	all := map[string]conformance{}
	for _, table := range tables {
		maps.Copy(all, table)
	}
	return all
}

// peopleCases are about teammates and teams, and what contacts did.
var peopleCases = map[string]conformance{
	"admins.list": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Admins.List(w.ctx)) },
	}},
	"admins.get": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Admins.Get(w.ctx, w.Away)) },
		},
		refused: map[string]call{
			"404 admin_not_found": func(w *world) (any, error) { return result(w.c.Admins.Get(w.ctx, noAdmin)) },
		},
	},
	"admins.me": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Admins.Me(w.ctx)) },
	}},
	"admins.set_away": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Admins.SetAway(w.ctx, w.Away, intercomrbac.SetAwayParams{}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Admins.SetAway(w.ctx, w.Agent, intercomrbac.SetAwayParams{Away: true, Reassign: true, Reason: w.Lunch}))
			},
		},
		refused: map[string]call{
			"404 admin_not_found": func(w *world) (any, error) {
				return result(w.c.Admins.SetAway(w.ctx, noAdmin, intercomrbac.SetAwayParams{}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Admins.SetAway(w.ctx, w.Agent, intercomrbac.SetAwayParams{Away: true, Reason: "1"}))
			},
			"400 away_status_reason_mandatory": func(w *world) (any, error) {
				w.fake.RequireAwayReasons(true)
				return result(w.c.Admins.SetAway(w.ctx, w.Agent, intercomrbac.SetAwayParams{Away: true}))
			},
			"403 action_forbidden": func(w *world) (any, error) {
				seatless := w.fake.AddAdmin(intercomtest.Admin{NoInboxSeat: true})
				return result(w.c.Admins.SetAway(w.ctx, seatless, intercomrbac.SetAwayParams{Away: true}))
			},
		},
	},
	"admins.away_reasons": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Admins.AwayReasons(w.ctx)) },
	}},

	"teams.list": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Teams.List(w.ctx)) },
	}},
	"teams.get": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Teams.Get(w.ctx, w.Technical)) },
		},
		refused: map[string]call{
			"404 team_not_found": func(w *world) (any, error) { return result(w.c.Teams.Get(w.ctx, noTeam)) },
		},
	},

	"events.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{Name: "upgraded-plan", ContactID: w.Contacts[5]}))
			},
			"most": func(w *world) (any, error) {
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{
					Name: "upgraded-plan", UserID: "customer-1", CreatedAt: past, Metadata: map[string]any{"plan": "yearly", "order": "A-1002"},
				}))
			},
			"by email": func(w *world) (any, error) {
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{Name: "upgraded-plan", Email: "grace@customer.example"}))
			},
			"metadata of other types": func(w *world) (any, error) {
				metadata := map[string]any{
					"seats": 20, "trial": false, "invoice": map[string]any{"url": urls[0], "value": "A-1002"},
					"price": map[string]any{"amount": 1000, "currency": "eur"},
				}
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{Name: "upgraded-plan", UserID: "customer-1", Metadata: metadata}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{Name: "upgraded-plan", UserID: "nobody"}))
			},
			"422 parameter_invalid": func(w *world) (any, error) {
				return nothing(w.c.DataEvents.Create(w.ctx, intercomrbac.CreateEventParams{
					Name: "upgraded-plan", UserID: "customer-1", CreatedAt: past.AddDate(4000, 0, 0),
				}))
			},
		},
	},
	"events.list": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.DataEvents.List(w.ctx, intercomrbac.ListEventsParams{UserID: "customer-1"}))
			},
			"by email, with more to come": func(w *world) (any, error) {
				params := intercomrbac.ListEventsParams{Email: "grace@customer.example", ListParams: intercomrbac.ListParams{PerPage: 1}}
				return result(w.c.DataEvents.List(w.ctx, params))
			},
			"most": func(w *world) (any, error) {
				params := intercomrbac.ListEventsParams{ContactID: w.Contacts[0], ListParams: intercomrbac.ListParams{PerPage: 1}}
				page, err := w.fake.Client().DataEvents.List(w.ctx, params)
				if err != nil {
					return nil, err
				}
				params.After = page.Next
				return result(w.c.DataEvents.List(w.ctx, params))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.DataEvents.List(w.ctx, intercomrbac.ListEventsParams{UserID: "nobody"}))
			},
			"400 client_error": func(w *world) (any, error) {
				return result(w.c.DataEvents.List(w.ctx, intercomrbac.ListEventsParams{UserID: "customer-1", ListParams: intercomrbac.ListParams{After: "x"}}))
			},
		},
	},
}
