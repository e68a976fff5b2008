package intercomtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestConversationJSON(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	at := time.Unix(1700000000, 0)
	ada := s.AddAdmin(intercomtest.Admin{Name: "Ada", Email: "ada@example.com"})
	billing := s.AddTeam(intercomtest.Team{})
	vip := s.AddTag(intercomtest.Tag{Name: "VIP"})
	grace := s.AddContact(intercomtest.Contact{ExternalID: "42", Name: "Grace", Email: "grace@customer.example"})
	id := s.AddConversation(intercomtest.Conversation{
		ContactIDs: []intercomrbac.ContactID{grace}, Title: "Invoice", Subject: "Hi", Body: "a < b", Priority: "high", Read: true,
		State: "snoozed", SnoozedUntil: at.Add(100 * 365 * 24 * time.Hour), WaitingSince: at, CreatedAt: at,
		AdminAssigneeID: ada, TeamAssigneeID: billing, TagIDs: []intercomrbac.TagID{vip}, CompanyID: "c1",
		CustomAttributes: map[string]any{"plan": "pro"},
		Parts: []intercomtest.Part{
			{Body: "<p>Hello &amp; welcome</p>", AuthorType: "admin", AuthorID: string(ada), CreatedAt: at.Add(time.Second)},
			{Type: "assignment", AuthorType: "admin", AuthorID: string(ada), AssignedToType: "team", AssignedToID: string(billing)},
			{Type: "assignment", AssignedToType: "nobody_admin", AttachmentURLs: []string{"https://example.com/f/x.png"},
				QuickReplies: []intercomtest.QuickReply{{Text: "Yes", UUID: "u1"}}},
			{AuthorType: "user", AuthorID: string(grace)},
		},
	})
	r := a.get("/conversations/" + string(id)).requireOK(t)
	grants := map[string]any{"type": "user", "id": string(grace), "name": "Grace", "email": "grace@customer.example"}
	for name, want := range map[string]any{
		"type": "conversation", "id": string(id), "title": "Invoice", "created_at": num("1700000000"), "updated_at": num("1700000001"),
		"waiting_since": num("1700000000"), "snoozed_until": num("4853600000"), "open": true, "state": "snoozed", "read": true,
		"priority": "high", "admin_assignee_id": json.Number(ada), "team_assignee_id": json.Number(billing),
		"tags": map[string]any{"type": "tag.list", "tags": []any{map[string]any{
			"type": "tag", "id": string(vip), "name": "VIP", "applied_at": num("1700000001"), "applied_by": nil,
		}}},
		"contacts": map[string]any{"type": "contact.list", "contacts": []any{
			map[string]any{"type": "contact", "id": string(grace), "external_id": "42"},
		}},
		"source": map[string]any{
			"type": "conversation", "id": "403918321", "delivered_as": "customer_initiated", "subject": "<p>Hi</p>",
			"body": "<p>a &lt; b</p>", "author": grants, "attachments": []any{}, "url": nil, "redacted": false,
		},
		"teammates": map[string]any{
			"type": "admin.list", "teammates": []any{map[string]any{"type": "admin", "id": string(ada)}},
			"admins": []any{map[string]any{"type": "admin", "id": string(ada)}},
		},
		"custom_attributes": map[string]any{"plan": "pro"}, "company": map[string]any{"type": "company", "id": "c1"},
	} {
		assert.Equal(t, want, r.at(t, name), name)
	}
	parts := []any{"conversation_parts", "conversation_parts"}
	part := func(i int, name string) any { return r.at(t, append(parts, i, name)...) }
	assert.Equal(t, num("4"), r.at(t, "conversation_parts", "total_count"))
	assert.Equal(t, "comment", part(0, "part_type"))
	assert.Equal(t, "<p>Hello &amp; welcome</p>", part(0, "body"))
	assert.Nil(t, part(0, "assigned_to"))
	assert.Equal(t, map[string]any{"type": "admin", "id": string(ada), "name": "Ada", "email": "ada@example.com"}, part(0, "author"))
	assert.Equal(t, map[string]any{"type": "team", "id": string(billing)}, part(1, "assigned_to"))
	assert.Nil(t, part(1, "body"))
	assert.Equal(t, map[string]any{"type": "nobody_admin", "id": nil}, part(2, "assigned_to"))
	assert.Equal(t, "bot", part(2, "author").(map[string]any)["type"])
	assert.Len(t, part(2, "attachments"), 1)
	assert.Equal(t, map[string]any{"quick_reply_options": []any{map[string]any{"text": "Yes", "uuid": "u1"}}}, part(2, "metadata"))
	assert.Equal(t, grants, part(3, "author"))

	plain := a.get("/conversations/" + string(id) + "?display_as=plaintext").requireOK(t)
	assert.Equal(t, "a < b", plain.at(t, "source", "body"))
	assert.Equal(t, "Hello & welcome", plain.at(t, append(parts, 0, "body")...))

	item := a.get("/conversations").requireOK(t).at(t, "conversations", 0).(map[string]any)
	assert.NotContains(t, item, "conversation_parts")
	delete(r.body, "conversation_parts")
	assert.Equal(t, r.body, item)
}

func TestBareConversation(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddConversation(intercomtest.Conversation{})
	r := a.get("/conversations/" + string(id)).requireOK(t)
	for name, want := range map[string]any{
		"admin_assignee_id": num("0"), "team_assignee_id": num("0"), "state": "open", "open": true, "priority": "none", "title": nil,
		"waiting_since": nil, "snoozed_until": nil, "teammates": nil, "custom_attributes": map[string]any{}, "statistics": nil,
	} {
		assert.Equal(t, want, r.at(t, name), name)
	}
	assert.Len(t, r.at(t, "contacts", "contacts"), 1, "somebody began it")
	assert.Equal(t, []any{}, r.at(t, "conversation_parts", "conversation_parts"))
	a.get("/conversations/1").requireError(t, 404, "not_found")

	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{ID: "c1"}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{State: "pending"}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{TagIDs: []intercomrbac.TagID{"9"}}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{"9"}}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{AdminAssigneeID: "ada"}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{TeamAssigneeID: "billing"}) })
	assert.Panics(t, func() { s.AddConversation(intercomtest.Conversation{AdminAssigneeID: "0"}) })
	assert.Panics(t, func() { s.UpdateConversation("9", func(*intercomtest.Conversation) {}) })
	assert.Panics(t, func() { s.AddPart("9", intercomtest.Part{}) })
}

func TestUpdateConversationBehindTheAPI(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	ada := s.AddAdmin(intercomtest.Admin{})
	vip := s.AddTag(intercomtest.Tag{})
	first := s.AddConversation(intercomtest.Conversation{Title: "one", CreatedAt: time.Unix(1700000000, 0)})
	s.AddConversation(intercomtest.Conversation{Title: "two"})
	a.post("/conversations/"+string(first)+"/tags", text(map[string]any{"id": vip, "admin_id": ada})).requireOK(t)
	s.UpdateConversation(first, func(c *intercomtest.Conversation) {
		c.ID, c.Title, c.AdminAssigneeID = "777", "changed", ada
	})
	c, ok := s.Conversation(first)
	require.True(t, ok)
	assert.Equal(t, "changed", c.Title)
	assert.Greater(t, c.UpdatedAt.Unix(), int64(1700000000))
	r := a.get("/conversations").requireOK(t)
	assert.Equal(t, string(first), r.at(t, "conversations", 0, "id"), "where it was")
	assert.Equal(t, string(ada), r.at(t, "conversations", 0, "tags", "tags", 0, "applied_by", "id"), "the tag is still hers")
	_, ok = s.Conversation("777")
	assert.False(t, ok)

	c.Title, c.Parts = "mine", append(c.Parts, intercomtest.Part{})
	again, _ := s.Conversation(first)
	assert.Equal(t, "changed", again.Title, "a snapshot")
	assert.Empty(t, again.Parts)
}

func TestMoreThan500Parts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddConversation(intercomtest.Conversation{})
	for i := range 501 {
		s.AddPart(id, intercomtest.Part{Body: fmt.Sprint("<b>", i)})
	}
	r := a.get("/conversations/" + string(id)).requireOK(t)
	parts := r.at(t, "conversation_parts", "conversation_parts").([]any)
	require.Len(t, parts, 500)
	assert.Equal(t, "<b>1", parts[0].(map[string]any)["body"], "the oldest is left out")
	assert.Equal(t, num("501"), r.at(t, "conversation_parts", "total_count"))
}

func TestCustomerAnswerOpens(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	id := s.AddConversation(intercomtest.Conversation{State: "snoozed", SnoozedUntil: time.Now().Add(time.Hour)})
	s.AddPart(id, intercomtest.Part{Body: "still?", AuthorType: "user"})
	c, _ := s.Conversation(id)
	assert.Equal(t, "open", c.State)
	assert.Zero(t, c.SnoozedUntil)
	assert.NotZero(t, c.WaitingSince)
	assert.Equal(t, "open", c.Parts[0].State)
	assert.Equal(t, "comment", c.Parts[0].Type)
}

func TestCreateConversation(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	lead := s.AddContact(intercomtest.Contact{Role: "lead", Name: "Lee"})
	from := func(kind, id string) string {
		return fmt.Sprintf(`{"from":{"type":%q,"id":%q},"body":"Hello there","subject":"Hi"}`, kind, id)
	}
	r := a.post("/conversations", from("lead", string(lead))).requireOK(t)
	assert.Equal(t, "user_message", r.at(t, "type"))
	assert.Equal(t, "Hello there", r.at(t, "body"))
	assert.Equal(t, "inapp", r.at(t, "message_type"))
	id := intercomrbac.ConversationID(r.at(t, "conversation_id").(string))
	assert.NotEqual(t, string(id), r.at(t, "id"), "the message's")
	c, ok := s.Conversation(id)
	require.True(t, ok)
	assert.Equal(t, "Hello there", c.Body)
	assert.Equal(t, "Hi", c.Subject)
	assert.Equal(t, "open", c.State)
	assert.Equal(t, r.at(t, "created_at"), json.Number(fmt.Sprint(c.CreatedAt.Unix())))
	got := a.get("/conversations/" + string(id)).requireOK(t)
	assert.Equal(t, r.at(t, "id"), got.at(t, "source", "id"))
	assert.Equal(t, "lead", got.at(t, "source", "author", "type"))

	r = a.post("/conversations", fmt.Sprintf(`{"from":{"type":"user","id":%q},"body":"x","created_at":1700000000}`, lead)).requireOK(t)
	assert.Equal(t, num("1700000000"), r.at(t, "created_at"))
	assert.Equal(t, "User Not Found", a.post("/conversations", from("user", "123_doesnt_exist")).requireError(t, 404, "not_found").message(t))
	a.post("/conversations", from("admin", string(lead))).requireError(t, 400, "parameter_invalid")
	a.post("/conversations", `{"body":"x"}`).requireError(t, 400, "parameter_not_found")
	a.post("/conversations", fmt.Sprintf(`{"from":{"type":"user","id":%q}}`, lead)).requireError(t, 400, "parameter_not_found")
	a.post("/conversations", text(map[string]any{
		"from": map[string]any{"type": "user", "id": lead}, "body": "x", "attachment_urls": make([]string, 11),
	})).requireError(t, 400, "parameter_invalid")
}

func TestUpdateConversation(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddConversation(intercomtest.Conversation{CustomAttributes: map[string]any{"old": "x", "gone": "y"}})
	put := func(body string) answer { return a.do(http.MethodPut, "/conversations/"+string(id), body) }
	body := `{"read":true,"title":"New","custom_attributes":{"issue_type":"Billing","old":"x","gone":null},"company_id":"77"}`
	r := put(body).requireOK(t)
	assert.Equal(t, "New", r.at(t, "title"))
	assert.Equal(t, true, r.at(t, "read"))
	assert.Equal(t, map[string]any{"issue_type": "Billing", "old": "x"}, r.at(t, "custom_attributes"))
	assert.Equal(t, "77", r.at(t, "company", "id"))
	assert.Equal(t, num("2"), r.at(t, "conversation_parts", "total_count"), "one for each attribute that changed")
	assert.Equal(t, "conversation_attribute_updated_by_admin", r.at(t, "conversation_parts", "conversation_parts", 0, "part_type"))
	assert.Equal(t, num("2"), put(body).requireOK(t).at(t, "conversation_parts", "total_count"), "no change, no part")

	r = put(`{"company_id":null}`).requireOK(t)
	assert.NotContains(t, r.body, "company")
	assert.Equal(t, "New", r.at(t, "title"), "what is not given stays")
	put(`{"read":"yes"}`).requireError(t, 400, "parameter_invalid")
	a.do(http.MethodPut, "/conversations/1", `{}`).requireError(t, 404, "not_found")
}

func TestDeleteConversation(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	var ids []string
	for range 5 {
		ids = append(ids, string(s.AddConversation(intercomtest.Conversation{State: "snoozed"})))
	}
	r := a.do(http.MethodDelete, "/conversations/"+ids[2], "").requireOK(t)
	assert.Equal(t, map[string]any{"id": ids[2], "object": "conversation", "deleted": true}, r.body)
	a.do(http.MethodDelete, "/conversations/"+ids[4]+"?retain_metrics=false", "").requireOK(t)
	a.do(http.MethodDelete, "/conversations/"+ids[2], "").requireError(t, 404, "not_found")
	a.get("/conversations/"+ids[2]).requireError(t, 404, "not_found")
	assert.Equal(t, []string{ids[0], ids[1], ids[3]}, a.get("/conversations").ids(t, "conversations"))
	_, ok := s.Conversation(intercomrbac.ConversationID(ids[2]))
	assert.False(t, ok)
	assert.Equal(t, 1, s.CallCount("conversations.delete_with_metrics"))
}
