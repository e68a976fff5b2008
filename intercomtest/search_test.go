package intercomtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// newSearch is a workspace of four conversations, A to D by their titles.
func newSearch(t *testing.T) (*intercomtest.Server, api, map[string]string) {
	s := intercomtest.NewServer(t)
	s.AddAdmin(intercomtest.Admin{ID: "11"})
	s.AddTeam(intercomtest.Team{ID: "21"})
	s.AddTag(intercomtest.Tag{ID: "31"})
	s.AddTag(intercomtest.Tag{ID: "32"})
	grace := s.AddContact(intercomtest.Contact{ID: "aaaaaaaaaaaaaaaaaaaaaaaa", Name: "Grace", Email: "grace@customer.example"})
	lee := s.AddContact(intercomtest.Contact{ID: "bbbbbbbbbbbbbbbbbbbbbbbb", Name: "Lee", Role: "lead"})
	at := func(n int64) time.Time { return time.Unix(1700000000+n, 0) }
	for _, c := range []intercomtest.Conversation{
		{
			ID: "1", Title: "A", ContactIDs: []intercomrbac.ContactID{grace}, Body: "<p>I need support</p>", Subject: "Invoice 7",
			AdminAssigneeID: "11", TeamAssigneeID: "21", CreatedAt: at(0), WaitingSince: at(5), Priority: "high",
			TagIDs:           []intercomrbac.TagID{"31", "32"},
			CustomAttributes: map[string]any{"plan": "Pro", "seats": 5, "vip": true, "tiers": []string{"x", "y"}},
			Parts:            []intercomtest.Part{{AuthorType: "admin", AuthorID: "11", CreatedAt: at(1)}},
		},
		{
			ID: "2", Title: "B", ContactIDs: []intercomrbac.ContactID{lee, grace}, Body: "support me", TeamAssigneeID: "21", CreatedAt: at(10),
			State: "closed", Read: true, TagIDs: []intercomrbac.TagID{"32"}, CustomAttributes: map[string]any{"plan": "free", "seats": int64(9)},
		},
		{
			ID: "3", Title: "C", ContactIDs: []intercomrbac.ContactID{lee}, Body: "hello", State: "snoozed", SnoozedUntil: at(1e9), CreatedAt: at(20),
			CustomAttributes: map[string]any{"seats": 7.0, "vip": false},
		},
		{ID: "4", Title: "D", ContactIDs: []intercomrbac.ContactID{grace}, AdminAssigneeID: "11", CreatedAt: at(10)},
	} {
		s.AddConversation(c)
	}
	return s, inMemory(t, s), map[string]string{"1": "A", "2": "B", "3": "C", "4": "D"}
}

func TestSearchFilters(t *testing.T) {
	t.Parallel()
	_, a, titles := newSearch(t)
	for _, tt := range []struct{ field, operator, value, want string }{
		{"id", "=", `"3"`, "C"},
		{"id", "IN", `["1","4","9"]`, "AD"},
		{"id", "NIN", `["1","4"]`, "BC"},
		{"created_at", "=", `1700000010`, "BD"},
		{"created_at", "!=", `1700000010`, "AC"},
		{"created_at", ">", `1700000010`, "BCD"}, // inclusive
		{"created_at", ">", `"1700000011"`, "C"}, // quoted
		{"created_at", "<", `1700000010`, "ABD"},
		{"updated_at", "<", `1700000001`, "A"},
		{"waiting_since", ">", `0`, "A"},
		{"waiting_since", "=", `null`, "BCD"},
		{"waiting_since", "!=", `null`, "A"},
		{"snoozed_until", ">", `1`, "C"},
		{"admin_assignee_id", "=", `11`, "AD"},
		{"admin_assignee_id", "=", `"11"`, "AD"},
		{"admin_assignee_id", "=", `0`, "BC"},
		{"team_assignee_id", "IN", `[0,21]`, "ABCD"},
		{"team_assignee_id", "NIN", `[21]`, "CD"},
		{"open", "=", `true`, "ACD"},
		{"open", "!=", `true`, "B"},
		{"read", "IN", `[true]`, "B"},
		{"ai_agent_participated", "=", `false`, "ABCD"},
		{"state", "=", `"snoozed"`, "C"},
		{"state", "!=", `"open"`, "BC"},
		{"priority", "=", `"high"`, "A"},
		{"contact_ids", "=", `"aaaaaaaaaaaaaaaaaaaaaaaa"`, "ABD"},
		{"contact_ids", "!=", `"aaaaaaaaaaaaaaaaaaaaaaaa"`, "C"},
		{"tag_ids", "=", `"32"`, "AB"},
		{"tag_ids", "IN", `["31"]`, "A"},
		{"tag_ids", "!=", `"31"`, "BCD"},
		{"tag_ids", "=", `null`, "CD"},
		{"teammate_ids", "=", `"11"`, "A"},
		{"source.type", "=", `"conversation"`, "ABCD"},
		{"source.delivered_as", "^", `"customer"`, "ABCD"},
		{"source.id", "=", `"403918322"`, "B"},
		{"source.subject", "~", `"voice"`, "A"},
		{"source.subject", "!~", `"voice"`, "BCD"},
		{"source.subject", "^", `"inv"`, "A"},
		{"source.subject", "$", `"7"`, "A"},
		{"source.url", "=", `null`, "ABCD"},
		{"source.body", "=", `"support"`, "AB"},
		{"source.body", "=", `"need support"`, ""}, // word by word
		{"source.body", "~", `"upp"`, "AB"},
		{"source.body", "!=", `"support"`, "CD"},
		{"source.author.id", "=", `"bbbbbbbbbbbbbbbbbbbbbbbb"`, "BC"},
		{"source.author.type", "=", `"lead"`, "BC"},
		{"source.author.name", "=", `"grace"`, "AD"},
		{"source.author.email", "$", `"@customer.example"`, "AD"},
		{"custom_attributes.plan", "=", `"pro"`, "A"},
		{"custom_attributes.plan", "!=", `"pro"`, "BCD"},
		{"custom_attributes.plan", "IN", `["pro","free"]`, "AB"},
		{"custom_attributes.plan", "=", `null`, "CD"},
		{"custom_attributes.seats", ">", `7`, "BC"},
		{"custom_attributes.seats", "=", `5`, "A"},
		{"custom_attributes.vip", "=", `false`, "C"},
		{"custom_attributes.tiers", "=", `"y"`, "A"},
		{"custom_attributes.unknown", "=", `"x"`, ""},
	} {
		name := tt.field + tt.operator + tt.value
		query := fmt.Sprintf(`{"query":{"field":%q,"operator":%q,"value":%s}}`, tt.field, tt.operator, tt.value)
		r := a.post("/conversations/search", query)
		if !assert.Equal(t, 200, r.status, "%s: %s", name, r.raw) {
			continue
		}
		got := ""
		for _, id := range r.ids(t, "conversations") {
			got += titles[id]
		}
		assert.Equal(t, tt.want, got, name)
		assert.Equal(t, num(fmt.Sprint(len(tt.want))), r.at(t, "total_count"), name)
	}
}

func TestSearchGroups(t *testing.T) {
	t.Parallel()
	_, a, titles := newSearch(t)
	filter := func(field, value string) string {
		return fmt.Sprintf(`{"field":%q,"operator":"=","value":%s}`, field, value)
	}
	group := func(operator string, nodes ...string) string {
		return fmt.Sprintf(`{"operator":%q,"value":[%s]}`, operator, strings.Join(nodes, ","))
	}
	open, team := filter("state", `"open"`), filter("team_assignee_id", "21")
	search := func(query string) answer { return a.post("/conversations/search", `{"query":`+query+`}`) }
	for query, want := range map[string]string{
		group("AND", open, team):        "A",
		group("OR", open, team):         "ABD",
		group("AND", open):              "AD",
		group("OR", group("AND", open)): "AD",
		group("AND", group("OR", open, team), group("OR", filter("id", `"2"`), filter("id", `"3"`))): "B",
		group("OR", group("AND", open, team), group("AND", filter("id", `"3"`))):                     "AC",
	} {
		r := search(query).requireOK(t)
		got := ""
		for _, id := range r.ids(t, "conversations") {
			got += titles[id]
		}
		assert.Equal(t, want, got, query)
	}
	fifteen := make([]string, 15)
	for i := range fifteen {
		fifteen[i] = open
	}
	search(group("OR", fifteen...)).requireOK(t)
	for name, query := range map[string]string{
		"16 filters":        group("OR", append(fifteen, open)...),
		"three deep":        group("AND", group("OR", group("AND", open))),
		"mixed":             group("AND", open, group("OR", team)),
		"empty group":       group("AND"),
		"group of no list":  `{"operator":"AND","value":"x"}`,
		"unknown group":     group("XOR", open),
		"no object":         `"open"`,
		"null in a group":   group("AND", "null"),
		"no operator":       `{"field":"state","value":"open"}`,
		"unknown field":     filter("mood", `"good"`),
		"no values":         filter("statistics.count_reopens", "1"),
		"no attribute":      filter("custom_attributes.", `"x"`),
		"unknown operator":  `{"field":"state","operator":"==","value":"open"}`,
		"contacts only":     `{"field":"created_at","operator":">=","value":1}`,
		"not for text":      `{"field":"state","operator":">","value":"open"}`,
		"not for numbers":   `{"field":"created_at","operator":"~","value":1}`,
		"not for booleans":  `{"field":"open","operator":"~","value":true}`,
		"text for a number": filter("created_at", `"foobar"`),
		"number for text":   filter("state", "1"),
		"text for a bool":   filter("open", `"true"`),
		"fraction":          filter("created_at", "1.5"),
		"object":            filter("state", "{}"),
		"list with =":       filter("state", `["open"]`),
		"no list with IN":   `{"field":"state","operator":"IN","value":"open"}`,
		"empty list":        `{"field":"state","operator":"IN","value":[]}`,
		"null with >":       `{"field":"created_at","operator":">","value":null}`,
		"no value":          `{"field":"state","operator":"="}`,
	} {
		r := search(query)
		if assert.Equal(t, 400, r.status, "%s: %s", name, r.raw) {
			r.requireError(t, 400, "parameter_invalid")
		}
	}
	search("null").requireError(t, 400, "parameter_not_found")
	a.post("/conversations/search", `{}`).requireError(t, 400, "parameter_not_found")
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	ids := addConversations(s, 45) // created within 7 seconds
	walk := func(sort string) []string {
		var got []string
		after := "null"
		for {
			r := a.post("/conversations/search", fmt.Sprintf(
				`{"query":{"field":"open","operator":"=","value":true},"pagination":{"per_page":10,"starting_after":%s}%s}`, after, sort)).requireOK(t)
			got = append(got, r.ids(t, "conversations")...)
			assert.Equal(t, num("5"), r.at(t, "pages", "total_pages"))
			next, ok := r.at(t, "pages").(map[string]any)["next"].(map[string]any)
			if !ok {
				return got
			}
			after = text(next["starting_after"])
		}
	}
	assert.Equal(t, ids, walk(""))
	byTime := func(descending bool) []string {
		var want []string
		for i := range 7 {
			if descending {
				i = 6 - i
			}
			for j := i; j < 45; j += 7 {
				want = append(want, ids[j])
			}
		}
		return want
	}
	assert.Equal(t, byTime(false), walk(`,"sort":{"field":"created_at","order":"ascending"}`))
	assert.Equal(t, byTime(true), walk(`,"sort":{"field":"created_at","order":"descending"}`))
	assert.Equal(t, byTime(true), walk(`,"sort":{"field":"created_at"}`))

	with := func(more string) answer {
		return a.post("/conversations/search", `{"query":{"field":"open","operator":"=","value":true},`+more+`}`)
	}
	assert.Len(t, with(`"pagination":{}`).requireOK(t).ids(t, "conversations"), 20)
	r := with(`"sort":{"field":"created_at","order":"desc"}`).requireError(t, 400, "invalid_sort_order")
	assert.Equal(t, "Invalid sort order 'desc'. Must be one of: ascending, descending", r.message(t))
	with(`"sort":{"field":"mood"}`).requireError(t, 400, "parameter_invalid")
	with(`"sort":{"field":"state"}`).requireError(t, 400, "parameter_invalid")
	with(`"pagination":{"per_page":151}`).requireError(t, 400, "parameter_invalid")
	with(`"pagination":{"per_page":0}`).requireError(t, 400, "parameter_invalid")
	with(`"pagination":{"starting_after":"x"}`).requireError(t, 400, "client_error")
}
