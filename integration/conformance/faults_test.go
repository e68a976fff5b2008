package conformance_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFaultsAreFound makes faults in exchanges that have none, and wants each to be found.
func TestFaultsAreFound(t *testing.T) {
	d := theDescription(t)
	for _, tt := range []struct {
		name, operation, call string
		spoil                 func(e *exchange)
		want                  string
	}{
		{"integer for text", "conversations.add_tag", "least", replaceSent(`"admin_id":"`, `"admin_id":1,"x":"`), "attachTagToConversation admin_id"},
		{"unknown member", "conversations.close", "least", replaceSent(`{`, `{"color":"red",`), "manageConversation color"},
		{"unknown kind", "conversations.close", "least", replaceSent(`"close"`, `"shut"`), "manageConversation message_type"},
		{"missing member", "conversations.create", "least", replaceSent(`"body"`, `"text"`), "createConversation body"},
		{"no body", "conversations.create", "least", func(e *exchange) { e.sent = nil }, "createConversation body"},
		{"no JSON", "conversations.create", "least", func(e *exchange) { e.sent = []byte("x") }, "createConversation body"},
		{"body where there is none", "teams.list", "least", func(e *exchange) { e.sent = []byte("{}") }, "listTeams body"},
		{"unknown parameter", "teams.list", "least", query("page=2"), "listTeams page"},
		{"parameter out of bounds", "conversations.list", "least", query("per_page=151"), "listConversations params"},
		{"path of another type", "conversations.get", "least", func(e *exchange) { e.request.URL.Path = "/conversations/x1" }, "retrieveConversation params"},
		{"no such operation", "teams.list", "least", func(e *exchange) { e.request.URL.Path = "/team" }, "GET /team"},
		{"events of two", "events.list", "least", query("type=user&user_id=a&email=b"), "lisDataEvents params"},
		{"events of nobody", "events.list", "least", query("type=user"), "lisDataEvents params"},
		{"no token", "teams.list", "least", func(e *exchange) { e.request.Header.Del("Authorization") }, "listTeams params"},
		{"unknown version", "teams.list", "least", func(e *exchange) { e.request.Header.Set("Intercom-Version", "3.0") }, "listTeams params"},

		{"answer of another type", "teams.get", "least", replaceAnswer(`"id":"`, `"id":1,"x":"`), "retrieveTeam 200 id"},
		{"unknown member of an answer", "teams.get", "least", replaceAnswer(`{`, `{"color":"red",`), "retrieveTeam 200 color"},
		{"unknown value", "conversations.get", "least", replaceAnswer(`"state":"open"`, `"state":"ajar"`), "retrieveConversation 200 state"},
		{"null", "teams.get", "least", replaceAnswer(`"name":"Technical Support"`, `"name":null`), "retrieveTeam 200 name"},
		{"unknown status", "teams.get", "least", func(e *exchange) { e.status = http.StatusTeapot }, "retrieveTeam 418 undeclared"},
		{"content of an answer that has none", "events.create", "least", func(e *exchange) { e.answer = []byte("{}") }, "createDataEvent 202 body"},
		{"not said to be JSON", "teams.get", "least", func(e *exchange) { e.header.Set("Content-Type", "text/html") }, "retrieveTeam 200 body"},
		{"answer that is no JSON", "teams.get", "least", func(e *exchange) { e.answer = []byte("<html>") }, "retrieveTeam 200 body"},
		{"no code of an error", "teams.get", "404 team_not_found", replaceAnswer(`"code"`, `"kind"`), "retrieveTeam 404 errors.code"},
		{"request id that is no UUID", "teams.get", "404 team_not_found", replaceAnswer(`"request_id":"`, `"request_id":"req_`), "retrieveTeam 404 request_id"},
		{"no link to the contact that is left", "contacts.get", "410 contact_merged", func(e *exchange) { e.header.Del("Link") }, "ShowContact 410 Link"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			do := cases[tt.operation].calls[tt.call]
			if do == nil {
				do = cases[tt.operation].refused[tt.call]
			}
			require.NotNil(t, do)
			w, r := newRecordedWorld(t)
			_, _ = do(w) // how it ends is looked at elsewhere
			require.Len(t, r.exchanges, 1)
			assert.Empty(t, faults(d, tt.operation, r.exchanges[0]), "before")
			tt.spoil(&r.exchanges[0])
			assert.Contains(t, faults(d, tt.operation, r.exchanges[0]), tt.want)
		})
	}
}

// faults are what is found in an exchange and no exception.
func faults(d *description, operation string, e exchange) []string {
	seen := newTraffic(d)
	seen.exchange(operation, e)
	return slices.AppendSeq(slices.Collect(maps.Keys(seen.requests.found)), maps.Keys(seen.answers.found))
}

func replaceSent(what, by string) func(*exchange) {
	return func(e *exchange) { e.sent = replaced(e.sent, what, by) }
}

func replaceAnswer(what, by string) func(*exchange) {
	return func(e *exchange) { e.answer = replaced(e.answer, what, by) }
}

func replaced(in []byte, what, by string) []byte {
	return []byte(strings.Replace(string(in), what, by, 1))
}

func query(q string) func(*exchange) {
	return func(e *exchange) { e.request.URL.RawQuery = q }
}

func TestLosses(t *testing.T) {
	for _, tt := range []struct {
		name, sent, kept string
		want             []string
	}{
		{"all kept", `{"id":7,"at":1700000000,"list":[{"x":true}],"p":{"image_url":"u"}}`, `{"id":"7","at":1700000000,"list":[{"x":true}],"p":"u"}`, nil},
		{"nothing said", `{"a":null,"b":0,"c":"","d":[],"e":{},"f":false}`, `{"e":{"type":"list","data":[]}}`, nil},
		{"a time in other words", `{"at":"2023-11-14T22:13:20Z"}`, `{"at":1700000000}`, nil},
		{"a member is gone", `{"a":1,"b":{"c":2}}`, `{"a":1}`, []string{"b.c"}},
		{"a member is another", `{"a":1,"b":true}`, `{"a":2,"b":false}`, []string{"a", "b"}},
		{"a member came from nowhere", `{"a":null,"b":false}`, `{"a":1,"b":true}`, []string{"a", "b"}},
		{"an element is gone", `{"list":[{"a":1},{"a":2}]}`, `{"list":[{"a":1}]}`, []string{"list"}},
		{"a member of an element is gone", `{"list":[{"a":1,"b":2}]}`, `{"list":[{"a":1}]}`, []string{"list.b"}},
		{"an envelope", `{"type":"list","data":[{"a":1}],"more":true}`, `[{"a":1}]`, []string{"more", "type"}},
		{"a picture", `{"p":{"type":"avatar","image_url":"u"}}`, `{"p":"v"}`, []string{"p.image_url", "p.type"}},
		{"all is gone", `{"a":{"b":[1]}}`, `null`, []string{"a.b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent, kept any
			require.NoError(t, json.Unmarshal([]byte(tt.sent), &sent))
			require.NoError(t, json.Unmarshal([]byte(tt.kept), &kept))
			var got []string
			eachLoss(sent, kept, "", func(path string) { got = append(got, path) })
			slices.Sort(got)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestSpecimen(t *testing.T) {
	var schema openapi3.Schema
	require.NoError(t, json.Unmarshal([]byte(`{"type":"object","nullable":true,"properties":{
		"kind":{"type":"string","enum":["one","two"]},"done":{"type":"boolean"},"count":{"type":"integer","nullable":true},
		"list":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}}}},
		"part":{"allOf":[{"type":"object","properties":{"a":{"type":"string"}}}],"properties":{"b":{"type":"string","format":"email"}}},
		"any":{"anyOf":[{"type":"object","properties":{"c":{"type":"integer"}}},{"type":"object","properties":{"d":{"type":"integer"}}}]},
		"open":{"type":"object","additionalProperties":{"type":"string"}}}}`), &schema))
	full := plainJSON(t, (&specimen{}).whole(&schema))
	require.NoError(t, schema.VisitJSON(full))
	var missing, present []string
	eachMember(&schema, full, "", func(m member) {
		if m.present {
			present = append(present, m.path)
		} else {
			missing = append(missing, m.path)
		}
	})
	slices.Sort(present)
	assert.Equal(t, strings.Fields("any any.c any.d count done kind list list.name open open.some_name part part.a part.b"), present)
	assert.Empty(t, missing)

	assert.Nil(t, (&specimen{nulls: true}).whole(&schema).(object)["count"])
	assert.NotNil(t, (&specimen{nulls: true}).whole(&schema).(object)["done"])
}

func TestLedger(t *testing.T) {
	l := newLedger([]exception{{"* a", "known"}, {"x b", "gone"}})
	l.note("x a", "seen")
	l.note("x c", "seen")
	assert.Equal(t, []string{"x b: this exception is not needed any more: take it away", "x c: seen"}, l.complaints())
}
