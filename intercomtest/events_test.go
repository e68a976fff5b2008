package intercomtest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestCreateEvent(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	grace := s.AddContact(intercomtest.Contact{ExternalID: "42", Email: "grace@customer.example"})
	lead := s.AddContact(intercomtest.Contact{Role: "lead"})
	send := func(body string) answer { return a.post("/events", body) }
	for _, who := range []string{`"user_id":"42"`, `"email":"GRACE@customer.example"`, `"id":"` + string(grace) + `"`, `"id":"` + string(lead) + `"`} {
		r := send(`{"event_name":"Placed.$Order","created_at":1700000000,` + who + `,"metadata":{"price":{"amount":5,"currency":"eur"}}}`)
		assert.Equal(t, 202, r.status, "%s", r.raw)
		assert.Empty(t, r.raw)
	}
	events := s.Events()
	require.Len(t, events, 2, "one for each person, name and second")
	assert.Equal(t, intercomtest.Event{
		Name: "Placed--Order", ContactID: grace, CreatedAt: time.Unix(1700000000, 0),
		Metadata: map[string]any{"price": map[string]any{"amount": 5.0, "currency": "eur"}},
	}, events[0])
	assert.Equal(t, lead, events[1].ContactID)
	assert.Equal(t, 202, send(`{"event_name":"placed--order","created_at":1700000000,"user_id":"42"}`).status, "case does not matter")
	assert.Len(t, s.Events(), 2)
	assert.Equal(t, 202, send(`{"event_name":"placed--order","created_at":1700000001,"user_id":"42"}`).status)
	assert.Len(t, s.Events(), 3)

	base := `{"event_name":"x","created_at":1700000000,`
	assert.Equal(t, "User Not Found", send(base+`"user_id":"99"}`).requireError(t, 404, "not_found").message(t))
	send(base+`"email":"nobody@customer.example"}`).requireError(t, 404, "not_found")
	send(base+`"id":"99"}`).requireError(t, 404, "not_found")
	send(base+`"name":"x"}`).requireError(t, 422, "parameter_not_found")
	send(`{"created_at":1700000000,"user_id":"42"}`).requireError(t, 422, "parameter_not_found")
	send(`{"event_name":"x","user_id":"42"}`).requireError(t, 422, "parameter_not_found")
	for _, at := range []string{`"1700000000"`, "1700000000.5", "1700000000000", "-1"} {
		send(`{"event_name":"x","created_at":`+at+`,"user_id":"42"}`).requireError(t, 422, "parameter_invalid")
	}
	send(base+`"user_id":"42","metadata":[]}`).requireError(t, 422, "parameter_invalid")
	assert.Len(t, s.Events(), 3)
}

func TestEventMetadataKeepsTheFirstTenKeys(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.AddContact(intercomtest.Contact{ExternalID: "42"})
	var members []string
	for i := range 12 {
		members = append(members, fmt.Sprintf(`"z%d":%d`, 20-i, i))
	}
	r := inMemory(t, s).post("/events", `{"event_name":"x","created_at":1,"user_id":"42","metadata":{`+strings.Join(members, ",")+`}}`)
	require.Equal(t, 202, r.status)
	got := s.Events()[0].Metadata
	assert.Len(t, got, 10)
	assert.Contains(t, got, "z20")
	assert.NotContains(t, got, "z10")
}

func TestEventNamesAreLimited(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	s.AddContact(intercomtest.Contact{ExternalID: "42"})
	send := func(name string) answer {
		return a.post("/events", fmt.Sprintf(`{"event_name":%q,"created_at":1700000000,"user_id":"42"}`, name))
	}
	for i := range 120 {
		require.Equal(t, 202, send(fmt.Sprintf("event-%d", i)).status)
	}
	send("event-120").requireError(t, 422, "parameter_invalid")
	assert.Equal(t, 202, send("event-5").status)
}

func TestListEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t)
		a := inMemory(t, s)
		grace := s.AddContact(intercomtest.Contact{ExternalID: "42", Email: "grace@customer.example"})
		lead := s.AddContact(intercomtest.Contact{Role: "lead"})
		s.AddEvent(intercomtest.Event{Name: "too-old", ContactID: grace, CreatedAt: time.Now().Add(-91 * 24 * time.Hour)})
		s.AddEvent(intercomtest.Event{ContactID: lead})
		for i := range 5 {
			s.AddEvent(intercomtest.Event{Name: fmt.Sprint("e", i), ContactID: grace, CreatedAt: time.Now().Add(time.Duration(i/2) * time.Second)})
		}
		names := func(r answer) (names []string) {
			for _, e := range r.requireOK(t).at(t, "events").([]any) {
				names = append(names, e.(map[string]any)["event_name"].(string))
			}
			return names
		}
		for _, who := range []string{"user_id=42", "email=grace%40customer.example", "intercom_user_id=" + string(grace)} {
			r := a.get("/events?type=user&" + who)
			assert.Equal(t, []string{"e4", "e3", "e2", "e1", "e0"}, names(r), "newest first, the last 90 days")
			assert.Equal(t, map[string]any{}, r.at(t, "pages"))
			assert.Equal(t, "event.summary", r.at(t, "type"))
			assert.Equal(t, "42", r.at(t, "user_id"))
			assert.Equal(t, string(grace), r.at(t, "events", 0, "intercom_user_id"))
			assert.Equal(t, map[string]any{}, r.at(t, "events", 0, "metadata"))
		}
		r := a.get("/events?type=user&intercom_user_id=" + string(lead))
		assert.Equal(t, []string{"did-something"}, names(r))
		assert.NotContains(t, r.body, "email")
		assert.NotContains(t, r.body, "user_id")

		var got []string
		path := "/events?type=user&per_page=2&email=grace%40customer.example"
		for path != "" {
			r := a.get(path)
			got = append(got, names(r)...)
			next, _ := r.at(t, "pages").(map[string]any)["next"].(string)
			if path = ""; next != "" {
				u, err := url.Parse(next)
				require.NoError(t, err)
				assert.Equal(t, "api.intercom.test", u.Host)
				path = u.RequestURI()
			}
		}
		assert.Equal(t, []string{"e4", "e3", "e2", "e1", "e0"}, got)

		var all []string
		for e, err := range s.Client().DataEvents.All(t.Context(), intercomrbac.ListEventsParams{
			UserID: "42", ListParams: intercomrbac.ListParams{PerPage: 2},
		}) {
			require.NoError(t, err)
			all = append(all, e.Name)
		}
		assert.Equal(t, got, all)

		summary := a.get("/events?type=user&user_id=42&summary=true").requireOK(t)
		assert.Len(t, summary.at(t, "events"), 6, "older ones are counted")
		assert.Equal(t, map[string]any{
			"name": "too-old", "first": "1999-10-02T00:00:00.000+00:00", "last": "1999-10-02T00:00:00.000+00:00",
			"count": num("1"), "description": "",
		}, summary.at(t, "events", 0))

		for _, bad := range []string{"", "?type=user", "?type=admin&user_id=42", "?type=user&user_id=42&email=x", "?type=user&user_id=42&per_page=500"} {
			a.get("/events"+bad).requireError(t, 400, "parameter_invalid")
		}
		a.get("/events?type=user&user_id=42&starting_after=x").requireError(t, 400, "client_error")
		a.get("/events?type=user&user_id=99").requireError(t, 404, "not_found")
		assert.Panics(t, func() { s.AddEvent(intercomtest.Event{ContactID: "nobody"}) })
	})
}

func TestEventPagesDefaultTo50(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	id := s.AddContact(intercomtest.Contact{ExternalID: "42"})
	for i := range 51 {
		s.AddEvent(intercomtest.Event{Name: "x", ContactID: id, CreatedAt: time.Now().Add(-time.Duration(i) * time.Minute)})
	}
	r := inMemory(t, s).get("/events?type=user&user_id=42").requireOK(t)
	assert.Len(t, r.at(t, "events"), 50)
	assert.NotEmpty(t, r.at(t, "pages", "next"))
	counts := inMemory(t, s).get("/events?type=user&user_id=42&summary=true").requireOK(t)
	assert.Equal(t, num("51"), counts.at(t, "events", 0, "count"))
}

func TestCreateEventSummary(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	s.AddContact(intercomtest.Contact{ExternalID: "42"})
	const sum = `"event_summaries":{"event_name":"placed-order","count":3,"first":1700000000,"last":1700000009}`
	r := a.post("/events/summaries", `{"user_id":42,`+sum+`}`).requireOK(t)
	assert.Empty(t, r.raw)
	assert.Empty(t, s.Events())
	a.post("/events/summaries", `{"user_id":"43",`+sum+`}`).requireError(t, 404, "not_found")
	a.post("/events/summaries", `{`+sum+`}`).requireError(t, 400, "parameter_not_found")
	a.post("/events/summaries", `{"user_id":"42","event_summaries":{"count":3}}`).requireError(t, 400, "parameter_not_found")
	a.post("/events/summaries", `{"user_id":"42","event_summaries":{"event_name":"placed-order"}}`).requireError(t, 400, "parameter_invalid")
}
