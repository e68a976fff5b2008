package intercomtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestListContacts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	assert.Equal(t, map[string]any{
		"type": "list", "data": []any{}, "total_count": num("0"),
		"pages": map[string]any{"type": "pages", "page": num("1"), "per_page": num("50"), "total_pages": num("0")},
	}, a.get("/contacts").requireOK(t).body)
	var ids []string
	for i := range 60 {
		ids = append(ids, string(s.AddContact(intercomtest.Contact{Archived: i == 3})))
	}
	s.MergeContact(intercomrbac.ContactID(ids[5]), intercomrbac.ContactID(ids[6]))
	live := append(append(append([]string{}, ids[:3]...), ids[4]), ids[6:]...)
	r := a.get("/contacts").requireOK(t)
	assert.Equal(t, live[:50], r.ids(t, "data"))
	assert.Equal(t, num("58"), r.at(t, "total_count"))
	r = a.get("/contacts?starting_after=" + r.at(t, "pages", "next", "starting_after").(string)).requireOK(t)
	assert.Equal(t, live[50:], r.ids(t, "data"))
	assert.NotContains(t, r.at(t, "pages"), "next")
	a.get("/contacts?per_page=150").requireOK(t)
	a.get("/contacts?per_page=151").requireError(t, 400, "parameter_invalid")
	a.get("/contacts?starting_after=x").requireError(t, 400, "client_error")

	// A contact that was replaced keeps its place.
	c, _ := s.Contact(intercomrbac.ContactID(ids[0]))
	s.AddContact(c)
	assert.Equal(t, live[:50], a.get("/contacts").ids(t, "data"))
	assert.Len(t, s.Contacts(), 59, "archived ones, too, but not the merged one")
}

func TestSearchContacts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{Timezone: "America/Los_Angeles"}))
	a := inMemory(t, s)
	s.AddTag(intercomtest.Tag{ID: "31"})
	zone, err := time.LoadLocation("America/Los_Angeles")
	require.NoError(t, err)
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, zone) }
	names := map[string]string{}
	for _, c := range []intercomtest.Contact{
		{Name: "A", ExternalID: "a", Email: "a@one.example", CreatedAt: at(10, 1), TagIDs: []intercomrbac.TagID{"31"}, CustomAttributes: map[string]any{"seats": 5, "plan": "Pro"}},
		{Name: "B", ExternalID: "b", Email: "b@one.example", CreatedAt: at(10, 23), OwnerID: "11", CustomAttributes: map[string]any{"seats": 6}},
		{Name: "C", Role: "lead", Phone: "+353", CreatedAt: at(11, 0), LastSeenAt: at(12, 0), UnsubscribedFromEmails: true},
		{Name: "D", Email: "d@two.example", CreatedAt: at(9, 12)},
		{Name: "E", Archived: true},
	} {
		names[string(s.AddContact(c))] = c.Name
	}
	noon := func(day int) string { return fmt.Sprint(at(day, 12).Unix()) }
	search := func(field, operator, value string) answer {
		return a.post("/contacts/search", fmt.Sprintf(`{"query":{"field":%q,"operator":%q,"value":%s}}`, field, operator, value))
	}
	for _, tt := range []struct{ field, operator, value, want string }{
		{"created_at", "=", noon(10), "AB"},
		{"created_at", ">", noon(9), "ABC"},
		{"created_at", ">", noon(10), "C"},
		{"created_at", "<", noon(10), "D"},
		{"created_at", "<", `"` + noon(11) + `"`, "ABD"}, // quoted
		{"last_seen_at", "=", "null", "ABD"},
		{"last_seen_at", ">", noon(9), "C"},
		{"role", "=", `"lead"`, "C"},
		{"role", "!=", `"lead"`, "ABD"},
		{"email", "=", `"A@one.example"`, "A"},
		{"email", "~", `"@one"`, "AB"},
		{"email_domain", "=", `"two.example"`, "D"},
		{"external_id", "IN", `["a","b","z"]`, "AB"},
		{"external_id", "=", "null", "CD"},
		{"phone", "^", `"+3"`, "C"},
		{"owner_id", "=", `"11"`, "B"},
		{"tag_id", "=", `"31"`, "A"},
		{"tag_id", "!=", `"31"`, "BCD"},
		{"unsubscribed_from_emails", "=", "true", "C"},
		{"custom_attributes.seats", ">", "5", "B"}, // without the value itself
		{"custom_attributes.seats", ">=", "5", "AB"},
		{"custom_attributes.seats", "<", "6", "A"},
		{"custom_attributes.seats", "<=", "6", "AB"},
		{"custom_attributes.plan", "$", `"ro"`, "A"},
		{"name", "=", `"E"`, ""},
	} {
		var got strings.Builder
		for _, id := range search(tt.field, tt.operator, tt.value).requireOK(t).ids(t, "data") {
			got.WriteString(names[id])
		}
		assert.Equal(t, tt.want, got.String(), "%s %s %s", tt.field, tt.operator, tt.value)
	}
	for _, tt := range [][3]string{
		{"created_at", "!=", noon(10)}, {"created_at", ">=", noon(10)}, {"created_at", "IN", "[" + noon(10) + "]"}, {"created_at", "=", `"x"`},
		{"tag_id", "IN", `["31"]`}, {"tag_id", "~", `"3"`}, {"tag_id", "=", "31"}, {"name", ">=", `"A"`}, {"name", ">", `"A"`}, {"no_such", "=", `"x"`},
	} {
		search(tt[0], tt[1], tt[2]).requireError(t, 400, "parameter_invalid")
	}

	// The order goes by the second, and pages follow it.
	all := `{"query":{"field":"name","operator":"!=","value":"x"},"sort":{"field":"created_at","order":"ascending"},"pagination":{"per_page":3%s}}`
	r := a.post("/contacts/search", fmt.Sprintf(all, "")).requireOK(t)
	next := r.at(t, "pages", "next", "starting_after").(string)
	ids := append(r.ids(t, "data"), a.post("/contacts/search", fmt.Sprintf(all, `,"starting_after":"`+next+`"`)).requireOK(t).ids(t, "data")...)
	var got strings.Builder
	for _, id := range ids {
		got.WriteString(names[id])
	}
	assert.Equal(t, "DABC", got.String())
	a.post("/contacts/search", `{"query":{"field":"name","operator":"!=","value":"x"},"sort":{"field":"created_at","order":"up"}}`).requireError(t, 400, "invalid_sort_order")
	a.post("/contacts/search", `{}`).requireError(t, 400, "parameter_not_found")
	assert.Panics(t, func() {
		intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{Timezone: "Mars/Olympus"}))
	})
}

func TestUpdateContactByRequest(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddContact(intercomtest.Contact{ExternalID: "1", Email: "one@x.example", Phone: "+353", OwnerID: "11", CustomAttributes: map[string]any{"plan": "pro", "seats": 5}})
	other := s.AddContact(intercomtest.Contact{ExternalID: "2", Email: "two@x.example"})
	lead := s.AddContact(intercomtest.Contact{Role: "lead"})
	put := func(id intercomrbac.ContactID, body string) answer {
		return a.do(http.MethodPut, "/contacts/"+string(id), body)
	}
	r := put(id, `{"name":"Grace","phone":null,"owner_id":null,"unsubscribed_from_emails":true,"signed_up_at":1700000000,"custom_attributes":{"plan":null,"tier":"a"}}`).requireOK(t)
	assert.Equal(t, r.body, a.get("/contacts/"+string(id)).requireOK(t).body)
	c, _ := s.Contact(id)
	assert.Equal(t, []any{"Grace", "", intercomrbac.AdminID(""), true, int64(1700000000), "one@x.example", "1"},
		[]any{c.Name, c.Phone, c.OwnerID, c.UnsubscribedFromEmails, c.SignedUpAt.Unix(), c.Email, c.ExternalID})
	assert.Equal(t, map[string]any{"seats": 5, "tier": "a"}, c.CustomAttributes)

	put(id, `{"external_id":"1","email":"ONE@x.example"}`).requireOK(t)
	put(lead, `{"role":"user","external_id":"3"}`).requireOK(t)
	a.get("/contacts/find_by_external_id/3").requireOK(t)
	put(id, `{"external_id":"9"}`).requireOK(t)
	a.get("/contacts/find_by_external_id/1").requireError(t, 404, "not_found")
	assert.Equal(t, "A contact matching those details already exists with id="+string(other), put(id, `{"external_id":"2"}`).requireError(t, 409, "conflict").message(t))
	put(id, `{"email":"TWO@x.example"}`).requireError(t, 409, "conflict")
	put(id, `{"role":"lead"}`).requireError(t, 400, "parameter_invalid")
	put(id, `{"role":"visitor"}`).requireError(t, 400, "parameter_invalid")
	put(id, `{"email_verified":true}`).requireError(t, 400, "parameter_invalid")
	put("6762f0f31bb69f9f21930000", `{"name":"x"}`).requireError(t, 404, "not_found")
	after, _ := s.Contact(id)
	assert.Equal(t, "9", after.ExternalID)
}

func TestArchivedAndBlockedContacts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	for _, how := range []string{"archive", "block"} {
		user := s.AddContact(intercomtest.Contact{ExternalID: how, Email: how + "@x.example"})
		conversation := s.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{user}})
		path := "/contacts/" + string(user)
		member := map[string]string{"archive": "archived", "block": "blocked"}[how]
		assert.Equal(t, map[string]any{"type": "contact", "id": string(user), "external_id": how, member: true}, a.do(http.MethodPost, path+"/"+how, "").requireOK(t).body)
		for _, gone := range []string{path, "/contacts/find_by_external_id/" + how, path + "/tags"} {
			assert.Equal(t, "User Not Found", a.get(gone).requireError(t, 404, "not_found").message(t))
		}
		assert.Empty(t, a.get("/contacts").requireOK(t).ids(t, "data"))
		a.do(http.MethodPost, path+"/"+how, "").requireError(t, 404, "not_found")
		a.do(http.MethodPut, path, `{"name":"x"}`).requireError(t, 404, "not_found")
		for _, body := range []string{`{"external_id":"` + how + `"}`, `{"email":"` + how + `@x.example"}`} {
			assert.Equal(t, "An archived contact matching those details already exists with id="+string(user), a.post("/contacts", body).requireError(t, 409, "conflict").message(t))
		}
		c, _ := s.Contact(user)
		assert.Equal(t, []bool{true, how == "block"}, []bool{c.Archived, c.Blocked})
		got, _ := s.Conversation(conversation)
		assert.Equal(t, map[string]string{"archive": "open", "block": "closed"}[how], got.State)
		r := a.do(http.MethodPost, path+"/unarchive", "").requireOK(t)
		assert.Equal(t, map[string]any{"type": "contact", "id": string(user), "external_id": how, "archived": false}, r.body)
		a.get(path).requireOK(t)
		a.do(http.MethodPost, path+"/archive", "").requireOK(t)
		a.do(http.MethodDelete, path, "").requireOK(t)
		a.do(http.MethodPost, path+"/unarchive", "").requireError(t, 404, "not_found")
	}
	lead := s.AddContact(intercomtest.Contact{Role: "lead", Email: "lead@x.example", ExternalID: "lead", Archived: true})
	a.post("/contacts", `{"role":"lead","email":"lead@x.example"}`).requireOK(t)
	s.UpdateContact(lead, func(c *intercomtest.Contact) { c.Archived = false })
	a.get("/contacts/" + string(lead)).requireOK(t)
	assert.Panics(t, func() { s.UpdateContact("nobody", func(*intercomtest.Contact) {}) })
	assert.Panics(t, func() { s.UpdateContact(lead, func(c *intercomtest.Contact) { c.TagIDs = []intercomrbac.TagID{"1"} }) })
	assert.Panics(t, func() { s.AddContact(intercomtest.Contact{TagIDs: []intercomrbac.TagID{"1"}}) })
}

func TestMergeContactsByRequest(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	for _, id := range []intercomrbac.TagID{"31", "32"} {
		s.AddTag(intercomtest.Tag{ID: id})
	}
	user := s.AddContact(intercomtest.Contact{ExternalID: "1", Email: "one@x.example", Phone: "+1", TagIDs: []intercomrbac.TagID{"31"}})
	lead := s.AddContact(intercomtest.Contact{Role: "lead", Email: "ONE@x.example", TagIDs: []intercomrbac.TagID{"31", "32"}})
	stranger := s.AddContact(intercomtest.Contact{Role: "lead"})
	mine := s.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{lead}})
	ours := s.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{user, lead}})
	merge := func(from, into intercomrbac.ContactID, more string) answer {
		return a.post("/contacts/merge", fmt.Sprintf(`{"from":%q,"into":%q%s}`, from, into, more))
	}
	assert.Contains(t, merge(stranger, user, "").requireError(t, 400, "invalid_merge").message(t), "skip_duplicate_validation=true")
	merge(user, user, "").requireError(t, 400, "parameter_invalid")
	merge(lead, stranger, "").requireError(t, 400, "parameter_invalid")
	merge("6762f0f31bb69f9f21930000", user, "").requireError(t, 404, "not_found")
	a.post("/contacts/merge", `{"into":"x"}`).requireError(t, 400, "parameter_not_found")
	a.post("/contacts/merge", `{"from":"x"}`).requireError(t, 400, "parameter_not_found")

	r := merge(lead, user, "").requireOK(t)
	assert.Equal(t, string(user), r.at(t, "id"))
	assert.Equal(t, num("2"), r.at(t, "tags", "total_count"))
	gone := a.get("/contacts/"+string(lead)).requireError(t, 410, "contact_merged")
	assert.Equal(t, "</contacts/"+string(user)+`>; rel="canonical"`, gone.header.Get("Link"))
	a.do(http.MethodPost, "/contacts/"+string(lead)+"/unarchive", "").requireError(t, 400, "bad_request")
	for _, id := range []intercomrbac.ConversationID{mine, ours} {
		c, _ := s.Conversation(id)
		assert.Equal(t, []intercomrbac.ContactID{user}, c.ContactIDs)
	}
	merge(stranger, user, `,"skip_duplicate_validation":true`).requireOK(t)
	assert.Equal(t, []string{string(user)}, a.get("/contacts").ids(t, "data"))
	merge(lead, user, "").requireError(t, 404, "not_found")
}

func TestTagsOfContacts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	admin := s.AddAdmin(intercomtest.Admin{})
	id := s.AddContact(intercomtest.Contact{})
	path := "/contacts/" + string(id) + "/tags"
	assert.Equal(t, map[string]any{"type": "list", "data": []any{}}, a.get(path).requireOK(t).body)
	for i := range 11 {
		s.AddTag(intercomtest.Tag{ID: intercomrbac.TagID(fmt.Sprint(31 + i)), Name: fmt.Sprint("Tag ", i)})
		r := a.post(path, fmt.Sprintf(`{"id":%d}`, 31+i)).requireOK(t) // Intercom's example has an integer
		assert.Equal(t, fmt.Sprint("Tag ", i), r.at(t, "name"))
		assert.Equal(t, map[string]any{"type": "admin", "id": string(admin)}, r.at(t, "applied_by"))
	}
	a.post(path, `{"id":"31"}`).requireOK(t)
	assert.Len(t, a.get(path).requireOK(t).at(t, "data"), 11)
	whole := a.get("/contacts/" + string(id)).requireOK(t)
	assert.Len(t, whole.at(t, "tags", "data"), 10)
	assert.Equal(t, []any{num("11"), true}, []any{whole.at(t, "tags", "total_count"), whole.at(t, "tags", "has_more")})
	assert.Equal(t, map[string]any{"type": "tag", "id": "31", "url": "/tags/31"}, whole.at(t, "tags", "data", 0))

	a.post(path, `{}`).requireError(t, 400, "parameter_not_found")
	a.post(path, `{"id":"99"}`).requireError(t, 404, "not_found")
	a.post("/contacts/nobody1/tags", `{"id":"31"}`).requireError(t, 404, "not_found")
	assert.Equal(t, "31", a.do(http.MethodDelete, path+"/31", "").requireOK(t).at(t, "id"))
	assert.Equal(t, "Resource Not Found", a.do(http.MethodDelete, path+"/31", "").requireError(t, 404, "not_found").message(t))
	assert.Equal(t, "User Not Found", a.do(http.MethodDelete, "/contacts/nobody1/tags/31", "").requireError(t, 404, "not_found").message(t))
	c, _ := s.Contact(id)
	assert.Len(t, c.TagIDs, 10)
	s.UpdateContact(id, func(c *intercomtest.Contact) { c.Name = "x" })
	assert.Equal(t, map[string]any{"type": "admin", "id": string(admin)}, a.get(path).at(t, "data", 0, "applied_by"), "who put it on is kept")
}
