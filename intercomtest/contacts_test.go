package intercomtest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestAddContact(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	user := s.AddContact(intercomtest.Contact{})
	lead := s.AddContact(intercomtest.Contact{Role: "lead"})
	assert.Equal(t, intercomrbac.ContactID("6762f0f31bb69f9f2193bb8b"), user)
	assert.Len(t, string(lead), 24)
	c, ok := s.Contact(user)
	require.True(t, ok)
	assert.Equal(t, "user", c.Role)
	assert.Equal(t, "contact1@example.com", c.Email)
	assert.Empty(t, c.ExternalID)
	c, _ = s.Contact(lead)
	assert.Empty(t, c.Email)
	assert.Equal(t, "Contact 2", c.Name)

	c.ExternalID = "42"
	s.AddContact(c)
	api := inMemory(t, s)
	c.ExternalID = "43"
	c.Role = "user"
	s.AddContact(c)
	assert.Equal(t, string(lead), api.get("/contacts/find_by_external_id/43").requireOK(t).at(t, "id"))
	api.get("/contacts/find_by_external_id/42").requireError(t, 404, "not_found")
	assert.Panics(t, func() { s.AddContact(intercomtest.Contact{ExternalID: "43"}) })
	assert.Panics(t, func() { s.AddContact(intercomtest.Contact{Role: "visitor"}) })

	custom := map[string]any{"plan": "pro"}
	id := s.AddContact(intercomtest.Contact{CustomAttributes: custom})
	custom["plan"] = "free"
	c, _ = s.Contact(id)
	assert.Equal(t, "pro", c.CustomAttributes["plan"])
	c.CustomAttributes["plan"] = "free"
	c, _ = s.Contact(id)
	assert.Equal(t, "pro", c.CustomAttributes["plan"], "a snapshot")
}

func TestGetContact(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	at := time.Unix(1700000000, 0)
	id := s.AddContact(intercomtest.Contact{
		ExternalID: "a/b", Name: "Grace", Email: "grace@customer.example", Phone: "+353", OwnerID: "991267459", CreatedAt: at,
		SignedUpAt: at, LastSeenAt: at, UnsubscribedFromEmails: true, CustomAttributes: map[string]any{"plan": "pro"},
	})
	r := a.get("/contacts/" + string(id)).requireOK(t)
	for name, want := range map[string]any{
		"type": "contact", "id": string(id), "workspace_id": "fake1234", "external_id": "a/b", "role": "user", "name": "Grace",
		"email": "grace@customer.example", "email_domain": "customer.example", "phone": "+353", "owner_id": "991267459",
		"created_at": num("1700000000"), "updated_at": num("1700000000"), "signed_up_at": num("1700000000"),
		"last_seen_at": num("1700000000"), "last_replied_at": nil, "unsubscribed_from_emails": true, "avatar": nil,
		"custom_attributes": map[string]any{"plan": "pro"},
	} {
		assert.Equal(t, want, r.at(t, name), name)
	}
	assert.Equal(t, r.body, a.get("/contacts/find_by_external_id/a%2Fb").requireOK(t).body)

	lead := s.AddContact(intercomtest.Contact{Role: "lead", ExternalID: "lead-1"})
	r = a.get("/contacts/" + string(lead)).requireOK(t)
	assert.NotContains(t, r.body, "email")
	a.get("/contacts/find_by_external_id/lead-1").requireError(t, 404, "not_found")
	assert.Equal(t, "User Not Found", a.get("/contacts/nobody").requireError(t, 404, "not_found").message(t))
}

func TestMergedContacts(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	one := s.AddContact(intercomtest.Contact{ExternalID: "one", Email: "one@customer.example"})
	two := s.AddContact(intercomtest.Contact{ExternalID: "two"})
	three := s.AddContact(intercomtest.Contact{ExternalID: "three"})
	s.MergeContact(one, two)
	s.MergeContact(two, three)
	link := "</contacts/" + string(three) + `>; rel="canonical"`
	for _, path := range []string{"/contacts/" + string(one), "/contacts/" + string(two), "/contacts/find_by_external_id/one"} {
		r := a.get(path).requireError(t, 410, "contact_merged")
		assert.Equal(t, link, r.header.Get("Link"))
	}
	_, ok := s.Contact(one)
	assert.False(t, ok)
	a.do(http.MethodDelete, "/contacts/"+string(one), "").requireError(t, 404, "not_found")
	a.post("/events", `{"event_name":"x","created_at":1700000000,"user_id":"one"}`).requireError(t, 404, "not_found")
	a.post("/contacts", `{"external_id":"one","email":"one@customer.example"}`).requireOK(t)

	a.do(http.MethodDelete, "/contacts/"+string(three), "").requireOK(t)
	a.get("/contacts/"+string(two)).requireError(t, 404, "not_found")
	assert.Panics(t, func() { s.MergeContact(one, two) })
	assert.Panics(t, func() { s.MergeContact("nobody", one) })
}

func TestCreateContact(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	r := a.post("/contacts", `{"role":"user","external_id":"42","email":"grace@customer.example","name":"Grace","phone":"+353","owner_id":991267459,
		"signed_up_at":1700000000,"last_seen_at":1700000001,"unsubscribed_from_emails":true,"custom_attributes":{"plan":"pro"}}`).requireOK(t)
	id := intercomrbac.ContactID(r.at(t, "id").(string))
	c, ok := s.Contact(id)
	require.True(t, ok)
	assert.Equal(t, "42", c.ExternalID)
	assert.Equal(t, "pro", c.CustomAttributes["plan"])
	assert.Equal(t, intercomrbac.AdminID("991267459"), c.OwnerID)
	assert.Equal(t, int64(1700000001), c.LastSeenAt.Unix())
	assert.Equal(t, r.body, a.get("/contacts/"+string(id)).body)

	conflict := "A contact matching those details already exists with id=" + string(id)
	for _, body := range []string{
		`{"external_id":"42"}`, `{"email":"GRACE@customer.example"}`, `{"external_id":"43","email":"grace@customer.example"}`,
	} {
		assert.Equal(t, conflict, a.post("/contacts", body).requireError(t, 409, "conflict").message(t))
	}
	a.post("/contacts", `{"role":"lead","email":"grace@customer.example"}`).requireOK(t)
	a.post("/contacts", `{"role":"lead","email":"grace@customer.example"}`).requireOK(t)
	assert.Equal(t, "user", a.post("/contacts", `{"email":"new@customer.example"}`).requireOK(t).at(t, "role"))
	assert.Equal(t, map[string]any{}, a.post("/contacts", `{"role":"user"}`).requireOK(t).at(t, "custom_attributes"))

	a.post("/contacts", `{"name":"Nobody"}`).requireError(t, 400, "parameter_not_found")
	a.post("/contacts", `{"role":"visitor"}`).requireError(t, 400, "parameter_invalid")
	a.post("/contacts", `{"role":"user","email_verified":true}`).requireError(t, 400, "parameter_invalid")
}

func TestDeleteContact(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddContact(intercomtest.Contact{ExternalID: "42"})
	conversation := s.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{id}})
	assert.Equal(t, map[string]any{"type": "contact", "id": string(id), "external_id": "42", "deleted": true},
		a.do(http.MethodDelete, "/contacts/"+string(id), "").requireOK(t).body)
	a.do(http.MethodDelete, "/contacts/"+string(id), "").requireError(t, 404, "not_found")
	a.get("/contacts/"+string(id)).requireError(t, 404, "not_found")
	a.get("/contacts/find_by_external_id/42").requireError(t, 404, "not_found")
	r := a.get("/conversations/" + string(conversation)).requireOK(t)
	assert.Equal(t, string(id), r.at(t, "contacts", "contacts", 0, "id"))
	assert.Nil(t, r.at(t, "contacts", "contacts", 0, "external_id"))
	assert.Equal(t, "user", r.at(t, "source", "author", "type"))
	lead := s.AddContact(intercomtest.Contact{Role: "lead"})
	assert.Nil(t, a.do(http.MethodDelete, "/contacts/"+string(lead), "").requireOK(t).at(t, "external_id"))
}
