package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func creatingEvent(params intercomrbac.CreateEventParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return nil, c.DataEvents.Create(ctx, params)
	}
}

func listingEvents(params intercomrbac.ListEventsParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.DataEvents.List(ctx, params) }
}

func TestDataEvents(t *testing.T) {
	t.Parallel()
	at := time.Unix(1701000000, 999_000_000).In(time.FixedZone("x", 3600))
	page := intercomrbac.Page[intercomrbac.DataEvent]{
		Items: []intercomrbac.DataEvent{{Type: "event", Name: "signed-in", CreatedAt: seconds(1701000000), UserID: "cust-7", ID: "e-1", ContactID: "66a0c1",
			Email: "ines@example.org", Metadata: map[string]any{"n": 1.0, "s": "x", "link": map[string]any{"url": "https://example.org", "value": "v"}, "none": nil}}},
		Next: "?before=1700000000&per_page=2&type=user&user_id=cust-7",
	}
	const response = `{"type":"event.list","events":[{"type":"event","event_name":"signed-in","created_at":1701000000,"user_id":"cust-7","id":"e-1",
		"intercom_user_id":"66a0c1","email":"ines@example.org","metadata":{"n":1,"s":"x","link":{"url":"https://example.org","value":"v"},"none":null}}],
		"pages":{"next":"https://api.intercom.test/base/events?type=user&user_id=cust-7&before=1700000000&per_page=2"}}`
	runMethodTests(t, []methodTest{
		{
			name: "Create with all params",
			call: creatingEvent(intercomrbac.CreateEventParams{Name: "upgraded-plan", CreatedAt: at, UserID: "cust-7", Metadata: map[string]any{
				"text": strings.Repeat("å", 255), "number": 1.5, "whole": int64(9007199254740993), "exact": json.Number("12.50"), "truth": true, "none": nil,
				"renewal_date": 1701000000, "link": map[string]any{"url": "https://example.org", "value": "plan"}, "price": map[string]any{"amount": 1250, "currency": "sek"},
				"with space": "x",
			}}),
			op: "events.create", method: "POST", path: "/events",
			body: `{"event_name":"upgraded-plan","created_at":1701000000,"user_id":"cust-7","metadata":{"text":"` + strings.Repeat("å", 255) + `","number":1.5,
				"whole":9007199254740993,"exact":12.50,"truth":true,"none":null,"renewal_date":1701000000,"link":{"url":"https://example.org","value":"plan"},
				"price":{"amount":1250,"currency":"sek"},"with space":"x"}}`,
			status: 202,
		},
		{
			name: "Create by contact id", call: creatingEvent(intercomrbac.CreateEventParams{Name: "signed-in", CreatedAt: at, ContactID: "66a0c1"}),
			op: "events.create", method: "POST", path: "/events",
			body: `{"event_name":"signed-in","created_at":1701000000,"id":"66a0c1"}`, status: 202,
		},
		{
			name: "Create by e-mail", call: creatingEvent(intercomrbac.CreateEventParams{Name: "signed-in", CreatedAt: at, Email: "ines@example.org", Metadata: map[string]any{}}),
			op: "events.create", method: "POST", path: "/events",
			body: `{"event_name":"signed-in","created_at":1701000000,"email":"ines@example.org"}`, status: 202,
		},
		{
			name: "List by user id", call: listingEvents(intercomrbac.ListEventsParams{UserID: "cust-7", ListParams: intercomrbac.ListParams{PerPage: 2}}),
			op: "events.list", method: "GET", path: "/events", query: "per_page=2&type=user&user_id=cust-7",
			response: response, want: &page,
		},
		{
			name: "List by contact id", call: listingEvents(intercomrbac.ListEventsParams{ContactID: "66a0c1"}),
			op: "events.list", method: "GET", path: "/events", query: "intercom_user_id=66a0c1&type=user",
			response: `{"type":"event.list","events":[],"pages":{}}`, want: &intercomrbac.Page[intercomrbac.DataEvent]{Items: []intercomrbac.DataEvent{}},
		},
		{
			name: "List by e-mail", call: listingEvents(intercomrbac.ListEventsParams{Email: "a+b@example.org"}),
			op: "events.list", method: "GET", path: "/events", query: "email=a%2Bb%40example.org&type=user",
			response: `{"type":"event.list","events":[]}`, want: &intercomrbac.Page[intercomrbac.DataEvent]{Items: []intercomrbac.DataEvent{}},
		},
		{
			name: "List of a later page", call: listingEvents(intercomrbac.ListEventsParams{UserID: "cust-7", ListParams: intercomrbac.ListParams{After: page.Next}}),
			op: "events.list", method: "GET", path: "/events", query: "before=1700000000&per_page=2&type=user&user_id=cust-7",
			response: response, want: &page,
		},
	})
}

func TestEventSummaries(t *testing.T) {
	t.Parallel()
	summarizing := func(params intercomrbac.EventSummariesParams) clientCall {
		return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			return c.DataEvents.Summaries(ctx, params)
		}
	}
	const response = `{"type":"event.summary","email":"ines@example.org","intercom_user_id":"66a0c1","user_id":"cust-7","events":[{"name":"placed-order",
		"first":"2014-01-16T23:12:21.000+00:00","last":"2014-02-16T23:12:21.500+01:00 ","count":31,"description":"A user placed an order"}]}`
	want := []intercomrbac.EventSummary{{Name: "placed-order", First: seconds(1389913941),
		Last: intercomrbac.Timestamp{Time: time.Unix(1392588741, 500e6).UTC()}, Count: 31, Description: "A user placed an order"}}
	runMethodTests(t, []methodTest{
		{
			name: "Summaries by user id", call: summarizing(intercomrbac.EventSummariesParams{UserID: "cust-7"}),
			op: "events.summaries", method: "GET", path: "/events", query: "summary=true&type=user&user_id=cust-7", response: response, want: want,
		},
		{
			name: "Summaries by contact id", call: summarizing(intercomrbac.EventSummariesParams{ContactID: "66a0c1"}),
			op: "events.summaries", method: "GET", path: "/events", query: "intercom_user_id=66a0c1&summary=true&type=user", response: response, want: want,
		},
		{
			name: "Summaries of none, by e-mail", call: summarizing(intercomrbac.EventSummariesParams{Email: "ines@example.org"}),
			op: "events.summaries", method: "GET", path: "/events", query: "email=ines%40example.org&summary=true&type=user",
			response: `{"type":"event.summary","events":[]}`, want: []intercomrbac.EventSummary{},
		},
		{
			name: "CreateSummary",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return nil, c.DataEvents.CreateSummary(ctx, intercomrbac.CreateEventSummaryParams{UserID: "cust-7", Name: "placed-order", Count: 31,
					First: time.Unix(1389913941, 0), Last: time.Unix(1392588741, 999)})
			},
			op: "events.create_summary", method: "POST", path: "/events/summaries",
			body: `{"user_id":"cust-7","event_summaries":{"event_name":"placed-order","count":31,"first":1389913941,"last":1392588741}}`,
		},
	})
	var tests []refusalTest
	type params = intercomrbac.CreateEventSummaryParams
	create := func(name, hint string, change func(*params)) {
		p := params{UserID: "cust-7", Name: "placed-order", Count: 1, First: time.Unix(1389913941, 0), Last: time.Unix(1389913941, 0)}
		change(&p)
		tests = append(tests, refusalTest{name: "CreateSummary/" + name, hint: hint, call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			return nil, c.DataEvents.CreateSummary(ctx, p)
		}})
	}
	create("nobody", "UserID is needed", func(p *params) { p.UserID = " " })
	create("no name", "Name is needed", func(p *params) { p.Name = "\t" })
	create("no count", "Count is 0", func(p *params) { p.Count = 0 })
	create("ends before it begins", "Last is before First", func(p *params) { p.Last = p.Last.Add(-time.Second) })
	create("no first time", "both are needed", func(p *params) { p.First = time.Time{} })
	create("no times", "both are needed", func(p *params) { p.First, p.Last = time.Time{}, time.Time{} })
	create("made from milliseconds", "milliseconds", func(p *params) { p.Last = time.Unix(p.Last.UnixMilli(), 0) })
	tests = append(tests,
		refusalTest{name: "Summaries/nobody", hint: "0 of UserID, Email and ContactID", call: summarizing(intercomrbac.EventSummariesParams{})},
		refusalTest{name: "Summaries/two", hint: "2 of UserID, Email and ContactID", call: summarizing(intercomrbac.EventSummariesParams{UserID: "cust-7", Email: "ines@example.org"})})
	runRefusalTests(t, tests)
}

// The counts of what a condition hides are not to be had through the list.
func TestSummariesAreNoList(t *testing.T) {
	t.Parallel()
	m := newMock(t)
	for _, query := range []string{"summary=true", "summary[]=true", "[summary]=true"} {
		q, err := url.ParseQuery("type=user&user_id=cust-7&" + query)
		require.NoError(t, err)
		require.ErrorIs(t, m.Client.Do(t.Context(), lookup(t, "events.list"), intercomrbac.Call{Query: q}, nil), intercomrbac.ErrInvalidRequest, query)
	}
	q := url.Values{"type": {"user"}, "user_id": {"cust-7"}}
	require.ErrorIs(t, m.Client.Do(t.Context(), lookup(t, "events.summaries"), intercomrbac.Call{Query: q}, nil), intercomrbac.ErrInvalidRequest)
	assert.Empty(t, m.requests())
}

func TestEventWithoutATimeIsOfNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMock(t, mockAnswer{status: 202})
		require.NoError(t, m.Client.DataEvents.Create(t.Context(), intercomrbac.CreateEventParams{Name: "signed-in", UserID: "cust-7"}))
		assert.JSONEq(t, fmt.Sprintf(`{"event_name":"signed-in","created_at":%d,"user_id":"cust-7"}`, time.Now().Unix()), m.onlyRequest(t).Body)
	})
}

func TestDataEventsRefusals(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var tests []refusalTest
	create := func(name, hint string, change func(*intercomrbac.CreateEventParams)) {
		params := intercomrbac.CreateEventParams{Name: "signed-in", CreatedAt: now, UserID: "cust-7"}
		change(&params)
		tests = append(tests, refusalTest{name: "Create/" + name, hint: hint, call: creatingEvent(params)})
	}
	type params = intercomrbac.CreateEventParams
	create("no name", "no Name", func(p *params) { p.Name = "" })
	create("blank name", "no Name", func(p *params) { p.Name = " \t" })
	create("nobody", "0 of UserID, Email and ContactID", func(p *params) { p.UserID = "" })
	create("two identities", "2 of UserID, Email and ContactID", func(p *params) { p.Email = "ines@example.org" })
	create("three identities", "3 of UserID, Email and ContactID", func(p *params) { p.Email, p.ContactID = "ines@example.org", "66a0c1" })
	create("time from milliseconds", "milliseconds", func(p *params) { p.CreatedAt = time.Unix(now.UnixMilli(), 0) })
	create("the epoch", "CreatedAt", func(p *params) { p.CreatedAt = time.Unix(0, 0) })
	create("before the epoch", "CreatedAt", func(p *params) { p.CreatedAt = time.Unix(-1, 0) })

	metadata := func(name, hint string, m map[string]any) {
		create("metadata/"+name, hint, func(p *params) { p.Metadata = m })
	}
	eleven := map[string]any{}
	for i := range 11 {
		eleven[fmt.Sprint("k", i)] = i
	}
	metadata("11 keys", "11 keys: Intercom keeps 10", eleven)
	metadata("256 characters", "256 characters: at most 255", map[string]any{"k": strings.Repeat("å", 256)})
	metadata("nested object", "is not kept", map[string]any{"k": map[string]any{"a": 1}})
	metadata("nested object of two", "is not kept", map[string]any{"k": map[string]any{"a": 1, "b": 2}})
	metadata("link with more", "is not kept", map[string]any{"k": map[string]any{"url": "u", "value": "v", "more": 1}})
	metadata("link without a value", "is not kept", map[string]any{"k": map[string]any{"url": "u"}})
	metadata("half link, half amount", "is not kept", map[string]any{"k": map[string]any{"url": "u", "currency": "sek"}})
	metadata("object within a link", "is not kept", map[string]any{"k": map[string]any{"url": "u", "value": map[string]any{"a": 1}}})
	metadata("long text within a link", "at most 255", map[string]any{"k": map[string]any{"url": "u", "value": strings.Repeat("x", 256)}})
	metadata("list", "is not kept", map[string]any{"k": []string{"a"}})
	metadata("time", "is not kept", map[string]any{"k": now})
	metadata("struct", "is not kept", map[string]any{"k": struct{}{}})
	metadata("function", "is not kept", map[string]any{"k": func() {}})
	metadata("infinite number", "", map[string]any{"k": math.Inf(1)})
	metadata("empty key", "metadata key", map[string]any{"": 1})
	for _, char := range `.$~` + "`" + `!@#%^&*` {
		metadata("key with "+string(char), "use letters, digits, - and _", map[string]any{"a" + string(char) + "b": 1})
	}
	metadata("key with a line break", "use letters, digits, - and _", map[string]any{"a\nb": 1})

	list := func(name, hint string, params intercomrbac.ListEventsParams) {
		tests = append(tests, refusalTest{name: "List/" + name, hint: hint, call: listingEvents(params)})
	}
	list("nobody", "0 of UserID, Email and ContactID", intercomrbac.ListEventsParams{})
	list("two identities", "2 of UserID, Email and ContactID", intercomrbac.ListEventsParams{UserID: "cust-7", ContactID: "66a0c1"})
	list("PerPage 151", "PerPage is 151", intercomrbac.ListEventsParams{UserID: "cust-7", ListParams: intercomrbac.ListParams{PerPage: 151}})
	list("PerPage -1", "PerPage is -1", intercomrbac.ListEventsParams{UserID: "cust-7", ListParams: intercomrbac.ListParams{PerPage: -1}})
	list("broken cursor", "no cursor that a Page gave", intercomrbac.ListEventsParams{UserID: "cust-7", ListParams: intercomrbac.ListParams{After: "?;"}})
	runRefusalTests(t, tests)
}
