package intercomrbac_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// windowStart and windowEnd have fractions and a zone, which must not reach the wire.
var (
	windowStart = time.Unix(1701000000, 900_000_000).In(time.FixedZone("x", 3600))
	windowEnd   = time.Unix(1701086400, 100_000_000)
)

func listingActivities(params intercomrbac.ActivityLogsParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Admins.ActivityLogs(ctx, params)
	}
}

func searchingActivities(params intercomrbac.SearchActivityLogsParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Admins.SearchActivityLogs(ctx, params)
	}
}

// activities are two: one as Intercom's examples have it, and one of a type that it does not list, done by nobody.
const activitiesJSON = `[
	{"id":"fca05814-4b72","performed_by":{"type":"admin","id":"4410","email":"mara@example.org","ip":"203.0.113.7"},
		"metadata":{"before":"Harbor","after":{"name":"Harbour"},"update_by":93,"external_id":null},
		"created_at":1701000001,"activity_type":"app_name_change","activity_description":"Mara changed your app name."},
	{"id":7,"performed_by":null,"metadata":null,"created_at":1701000000,"activity_type":"brand_new_change"}]`

func activities() []intercomrbac.ActivityLog {
	return []intercomrbac.ActivityLog{
		{ID: "fca05814-4b72", PerformedBy: intercomrbac.ActivityPerformer{Type: "admin", ID: "4410", Email: "mara@example.org", IP: "203.0.113.7"},
			CreatedAt: seconds(1701000001), Type: "app_name_change", Description: "Mara changed your app name.",
			Metadata: map[string]json.RawMessage{"before": json.RawMessage(`"Harbor"`), "after": json.RawMessage(`{"name":"Harbour"}`),
				"update_by": json.RawMessage(`93`), "external_id": json.RawMessage(`null`)}},
		{ID: "7", CreatedAt: seconds(1701000000), Type: "brand_new_change"},
	}
}

func TestActivityLogs(t *testing.T) {
	t.Parallel()
	page := func(next string) string {
		return `{"type":"activity_log.list","pages":{"type":"pages","next":` + next + `,"page":1,"per_page":20,"total_pages":2},"activity_logs":` + activitiesJSON + `}`
	}
	items := &intercomrbac.Page[intercomrbac.ActivityLog]{Items: activities()}
	none := &intercomrbac.Page[intercomrbac.ActivityLog]{Items: []intercomrbac.ActivityLog{}}
	const empty = `{"type":"activity_log.list","activity_logs":[]}`
	runMethodTests(t, []methodTest{
		{
			name: "ActivityLogs", call: listingActivities(intercomrbac.ActivityLogsParams{CreatedAfter: windowStart}),
			op: "admins.activity_logs", method: "GET", path: "/admins/activity_logs", query: "created_at_after=1701000000",
			response: page("null"), want: items,
		},
		{
			name: "ActivityLogs with all params", call: listingActivities(intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: windowEnd, After: "c="}),
			op: "admins.activity_logs", method: "GET", path: "/admins/activity_logs", query: "created_at_after=1701000000&created_at_before=1701086400&starting_after=c%3D",
			response: page(`{"per_page":20,"starting_after":"d"}`), want: &intercomrbac.Page[intercomrbac.ActivityLog]{Items: activities(), Next: "d"},
		},
		{
			name: "ActivityLogs, a page by its number", call: listingActivities(intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, After: "?page=2&per_page=20"}),
			op: "admins.activity_logs", method: "GET", path: "/admins/activity_logs", query: "created_at_after=1701000000&page=2&per_page=20",
			response: page(`"https://api.intercom.test/base/admins/activity_logs?page=3&per_page=20"`),
			want:     &intercomrbac.Page[intercomrbac.ActivityLog]{Items: activities(), Next: "?page=3&per_page=20"},
		},
		{
			name: "ActivityLogs from the beginning", call: listingActivities(intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(0, 0)}),
			op: "admins.activity_logs", method: "GET", path: "/admins/activity_logs", query: "created_at_after=0",
			response: empty, want: none,
		},
		{
			name: "SearchActivityLogs", call: searchingActivities(intercomrbac.SearchActivityLogsParams{ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: windowStart}}),
			op: "admins.search_activity_logs", method: "POST", path: "/admins/activity_logs/search", body: `{"created_at_after":1701000000}`,
			response: page("null"), want: items,
		},
		{
			name: "SearchActivityLogs with all params",
			call: searchingActivities(intercomrbac.SearchActivityLogsParams{
				ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: windowEnd, After: "?page=2&per_page=20"},
				Types:              []intercomrbac.ActivityType{"role_change", "brand_new_change"}, PerPage: 250}),
			op: "admins.search_activity_logs", method: "POST", path: "/admins/activity_logs/search",
			body:     `{"created_at_after":1701000000,"created_at_before":1701086400,"event_types":["role_change","brand_new_change"],"page":2,"per_page":250}`,
			response: page(`"https://api.intercom.test/base/admins/activity_logs/search?page=3&per_page=250"`),
			want:     &intercomrbac.Page[intercomrbac.ActivityLog]{Items: activities(), Next: "?page=3&per_page=250"},
		},
		{
			name: "SearchActivityLogs after a cursor, from the beginning",
			call: searchingActivities(intercomrbac.SearchActivityLogsParams{ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(0, 0), After: "c="}}),
			op:   "admins.search_activity_logs", method: "POST", path: "/admins/activity_logs/search", body: `{"created_at_after":0,"starting_after":"c="}`,
			response: empty, want: none,
		},
		{
			name: "ActivityEventTypes",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Admins.ActivityEventTypes(ctx)
			},
			op: "admins.activity_event_types", method: "GET", path: "/admins/activity_log_event_types",
			response: `{"type":"activity_log_event_type.list","event_types":["admin_logout","brand_new_change"]}`,
			want:     []intercomrbac.ActivityType{"admin_logout", "brand_new_change"},
		},
	})
}

func TestActivityLogsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	window := func(name, hint string, params intercomrbac.ActivityLogsParams) {
		tests = append(tests, refusalTest{name: "ActivityLogs/" + name, hint: hint, call: listingActivities(params)},
			refusalTest{name: "SearchActivityLogs/" + name, hint: hint, call: searchingActivities(intercomrbac.SearchActivityLogsParams{ActivityLogsParams: params})})
	}
	window("no window", "CreatedAfter is zero", intercomrbac.ActivityLogsParams{})
	window("an end alone", "CreatedAfter is zero", intercomrbac.ActivityLogsParams{CreatedBefore: windowEnd})
	window("backwards", "CreatedBefore is before CreatedAfter", intercomrbac.ActivityLogsParams{CreatedAfter: windowEnd, CreatedBefore: windowStart})
	window("begin from milliseconds", "milliseconds", intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(1701000000_000, 0)})
	window("end from milliseconds", "milliseconds", intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: time.Unix(1701000000_000, 0)})
	window("before the epoch", "in the year 1969", intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(-1, 0).UTC()})
	window("to the epoch", "in the year 1970", intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(0, 0), CreatedBefore: time.Unix(0, 0).UTC()})
	window("broken cursor", "no cursor that a Page gave", intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, After: "?;"})

	search := func(name, hint string, change func(*intercomrbac.SearchActivityLogsParams)) {
		params := intercomrbac.SearchActivityLogsParams{ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: windowStart}}
		change(&params)
		tests = append(tests, refusalTest{name: "SearchActivityLogs/" + name, hint: hint, call: searchingActivities(params)})
	}
	type params = intercomrbac.SearchActivityLogsParams
	search("PerPage 251", "PerPage is 251: use 1 to 250", func(p *params) { p.PerPage = 251 })
	search("PerPage -1", "PerPage is -1", func(p *params) { p.PerPage = -1 })
	search("empty type", "Types has an empty one", func(p *params) { p.Types = []intercomrbac.ActivityType{"role_change", ""} })
	for name, cursor := range map[string]string{
		"no place": "?per_page=2", "word for a number": "?page=two", "page 0": "?page=0", "page -1": "?page=-1", "endless number": "?page=99999999999999999999",
		"empty number": "?page=", "spelling of an array": "?page[]=2",
	} {
		search("cursor/"+name, "After is no cursor of a search", func(p *params) { p.After = cursor })
	}
	runRefusalTests(t, tests)
}

func TestAnswersWithoutActivitiesAreRefused(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"activity_logs":null}`, `{"type":"activity_log.list"}`, `{"activity_logs":{}}`, `[]`} {
		for name, call := range map[string]clientCall{
			"list":   listingActivities(intercomrbac.ActivityLogsParams{CreatedAfter: windowStart}),
			"search": searchingActivities(intercomrbac.SearchActivityLogsParams{ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: windowStart}}),
		} {
			_, err := call(t.Context(), newMock(t, json200(body)).Client)
			assert.ErrorIs(t, err, intercomrbac.ErrBadResponse, "%s %s", name, body)
		}
	}
	for _, body := range []string{`{}`, `{"event_types":null}`, `{"event_types":[7]}`} {
		_, err := newMock(t, json200(body)).Client.Admins.ActivityEventTypes(t.Context())
		assert.ErrorIs(t, err, intercomrbac.ErrBadResponse, body)
	}
}

// A page serves as the answer of a mock.
func TestPageOfActivitiesIsWrittenAsIntercomDoes(t *testing.T) {
	t.Parallel()
	page := intercomrbac.Page[intercomrbac.ActivityLog]{Items: activities(), Next: "?page=2"}
	body, err := json.Marshal(page)
	require.NoError(t, err)
	got, err := newMock(t, json200(string(body))).Client.Admins.ActivityLogs(t.Context(), intercomrbac.ActivityLogsParams{CreatedAfter: windowStart})
	require.NoError(t, err)
	assert.Equal(t, &page, got)
}

// What comes from the network says where the next page is, and nothing of what is looked for.
func TestNextDoesNotDecideWhichActivitiesAreShown(t *testing.T) {
	t.Parallel()
	evil := url.Values{"page": {"2"}, "per_page": {"50"}}
	for _, name := range []string{"created_at_after", "created_at_before", "event_types"} {
		for _, spelling := range []string{name, name + "[]", name + "[x]", "[" + name + "]", "[[" + name + "]]", " " + name, strings.ToUpper(name)} {
			evil.Add(spelling, "1801000000")
		}
	}
	next := `"https://evil.test/admins?` + evil.Encode() + `"`
	page := func(next, id string) mockAnswer {
		return json200(`{"activity_logs":[{"id":"` + id + `"}],"pages":{"next":` + next + `}}`)
	}
	for name, before := range map[string]time.Time{"an open window": {}, "a closed window": windowEnd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			window := intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: before}
			query, body := url.Values{"created_at_after": {"1701000000"}, "page": {"2"}, "per_page": {"50"}}, `"created_at_after":1701000000,"event_types":["role_change"],"page":2`
			if !before.IsZero() {
				query.Set("created_at_before", "1701086400")
				body += `,"created_at_before":1701086400`
			}

			m := newMock(t, page(next, "1"), page("null", "2"))
			ids, err := collect(activityIDs(m.Client.Admins.AllActivityLogs(t.Context(), window)))
			require.NoError(t, err)
			assert.Equal(t, []string{"1", "2"}, ids)
			sent := m.requests()[1]
			assert.Equal(t, mockHost+" GET /admins/activity_logs", sent.Host+" "+sent.Method+" "+sent.Path)
			assert.Equal(t, query, sent.Query)

			m = newMock(t, page(next, "1"), page("null", "2"))
			ids, err = collect(activityIDs(m.Client.Admins.SearchAllActivityLogs(t.Context(),
				intercomrbac.SearchActivityLogsParams{ActivityLogsParams: window, Types: []intercomrbac.ActivityType{"role_change"}})))
			require.NoError(t, err)
			assert.Equal(t, []string{"1", "2"}, ids)
			sent = m.requests()[1]
			assert.Equal(t, mockHost+" POST /admins/activity_logs/search", sent.Host+" "+sent.Method+" "+sent.Path)
			assert.Empty(t, sent.Query)
			assert.JSONEq(t, "{"+body+"}", sent.Body)
		})
	}
}

func FuzzActivityCursors(f *testing.F) {
	for _, seed := range []string{"", "c", "?page=2", "?page=2&created_at_after=1", "?%5Bcreated_at_after%5D=1", "?event_types[]=x", "?starting_after=%3F", "?;", "?page=-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		m := newMock(t, json200(`{"activity_logs":[]}`))
		window := intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, After: cursor}
		_, listErr := m.Client.Admins.ActivityLogs(t.Context(), window)
		_, searchErr := m.Client.Admins.SearchActivityLogs(t.Context(), intercomrbac.SearchActivityLogsParams{ActivityLogsParams: window})
		sent := 0
		for _, err := range []error{listErr, searchErr} {
			if err == nil {
				sent++
				continue
			}
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assertOneLine(t, err.Error())
		}
		require.Len(t, m.requests(), sent)
		for _, r := range m.requests() {
			require.Equal(t, mockHost, r.Host)
			if r.Method == "POST" {
				require.Empty(t, r.Query)
				var body map[string]json.RawMessage
				require.NoError(t, json.Unmarshal([]byte(r.Body), &body))
				require.Equal(t, "1701000000", string(body["created_at_after"]))
				require.NotContains(t, body, "created_at_before")
				require.NotContains(t, body, "event_types")
				continue
			}
			require.Equal(t, []string{"1701000000"}, r.Query["created_at_after"])
			for key := range r.Query {
				inner := strings.FieldsFunc(strings.ToLower(key), func(c rune) bool { return strings.ContainsRune("[] ", c) })
				if len(inner) > 0 && slices.Contains([]string{"created_at_after", "created_at_before", "event_types"}, inner[0]) {
					require.Equal(t, "created_at_after", key)
				}
			}
		}
	})
}

func TestActivityRisk(t *testing.T) {
	t.Parallel()
	for risk, types := range map[intercomrbac.Risk][]intercomrbac.ActivityType{
		intercomrbac.RiskHigh: {
			"role_change", "role_creation", "role_deletion", "admin_permission_change", "inbox_access_change", "seat_change", "app_team_membership_modification",
			"app_data_export", "bulk_export", "conversation_pdf_export", "macro_usage_export",
			"app_package_token_regeneration", "custom_authentication_token_creation", "oauth_token_revocation", "messenger_api_secret_creation",
			"admin_impersonation_start", "admin_impersonation_end", "admin_impersonation_consent_approved", "admin_impersonation_consent_revoked",
			"security_settings_change", "admin_two_factor_auth_change", "bulk_delete", "workspace_deletion_request",
		},
		intercomrbac.RiskMedium: {"app_team_creation", "admin_login_failure", "ruleset_creation", "csv_import_creation"},
		intercomrbac.RiskLow:    {"admin_away_mode_change", "admin_login_success", "app_name_change"},
		intercomrbac.RiskReview: {"", "brand_new_change", "Role_Change", "role_change ", "role"},
	} {
		for _, kind := range types {
			assert.Equal(t, risk, kind.Risk(), kind)
		}
	}
}

// Whatever Intercom lists is graded.
func TestListedActivityTypesHaveAGrade(t *testing.T) {
	t.Parallel()
	types, err := intercomtest.NewServer(t).Client().Admins.ActivityEventTypes(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(types), 70)
	for _, kind := range types {
		assert.NotEqual(t, intercomrbac.RiskReview, kind.Risk(), kind)
	}
}

// The same activities come whichever shape the cursors have, by list, search and what is made of them.
func TestAllActivitiesOfTheFake(t *testing.T) {
	t.Parallel()
	for _, urls := range []bool{false, true} {
		srv := intercomtest.NewServer(t)
		srv.UseURLCursors(urls)
		var every, roles []string
		for i := range 45 { // the newest first
			l := intercomtest.ActivityLog{Type: "admin_logout", CreatedAt: windowEnd.Add(-time.Duration(i/2) * time.Second)}
			if i%2 == 0 {
				l.Type = "role_change"
			}
			id := srv.AddActivityLog(l)
			every = append(every, id)
			if i%2 == 0 {
				roles = append(roles, id)
			}
		}
		srv.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", CreatedAt: windowStart.Add(-time.Minute)})
		srv.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", CreatedAt: windowEnd.Add(time.Minute)})
		admins := srv.Client().Admins
		window := intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: windowEnd}
		search := func(perPage int, types ...intercomrbac.ActivityType) iter.Seq2[intercomrbac.ActivityLog, error] {
			return admins.SearchAllActivityLogs(t.Context(), intercomrbac.SearchActivityLogsParams{ActivityLogsParams: window, PerPage: perPage, Types: types})
		}
		for name, tt := range map[string]struct {
			seq   iter.Seq2[intercomrbac.ActivityLog, error]
			want  []string
			calls int
		}{
			"list":                    {admins.AllActivityLogs(t.Context(), window), every, 3},
			"search":                  {search(0), every, 3},
			"search, small pages":     {search(7), every, 7},
			"search, one large page":  {search(250), every, 1},
			"search by type":          {search(5, "role_change"), roles, 5},
			"search by several types": {search(0, "role_change", "admin_logout"), every, 3},
			"search by another type":  {search(0, "bulk_export"), nil, 1},
		} {
			srv.ResetCalls()
			got, err := collect(activityIDs(tt.seq))
			require.NoError(t, err, name)
			assert.ElementsMatch(t, tt.want, got, "%s, URLs %t", name, urls)
			assert.Equal(t, tt.calls, srv.CallCount(""), "%s, URLs %t", name, urls)
		}
	}
}

// A condition of the service's own filters both, and pages go on over what is hidden.
func TestConditionsHideActivities(t *testing.T) {
	t.Parallel()
	mine := conditionNamed("own", "activity_log", func(p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		l, ok := r.Value.(*intercomrbac.ActivityLog)
		return ok && r.ID == string(l.ID) && l.PerformedBy.ID == p.AdminID, nil
	})
	for _, urls := range []bool{false, true} {
		d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ActivityLogsRead, When: "own"}), conditions: []intercomrbac.Condition{mine}})
		d.srv.UseURLCursors(urls)
		var own []string
		for i := range 60 {
			by := d.Owner
			if i%30 == 0 {
				by = d.Agent
			}
			id := d.srv.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", AdminID: by, CreatedAt: windowEnd.Add(time.Duration(-i) * time.Second)})
			if by == d.Agent {
				own = append(own, id)
			}
		}
		ctx := d.as(t, tester)
		window := intercomrbac.ActivityLogsParams{CreatedAfter: windowStart, CreatedBefore: windowEnd}
		search := intercomrbac.SearchActivityLogsParams{ActivityLogsParams: window, Types: []intercomrbac.ActivityType{"role_change"}, PerPage: 15}
		for name, seq := range map[string]iter.Seq2[intercomrbac.ActivityLog, error]{
			"list": d.client.Admins.AllActivityLogs(ctx, window), "search": d.client.Admins.SearchAllActivityLogs(ctx, search),
		} {
			ids, err := collect(activityIDs(seq))
			require.NoError(t, err)
			assert.Equal(t, own, ids, "%s, URLs %t", name, urls)
		}
		types, err := d.client.Admins.ActivityEventTypes(ctx)
		requireDenied(t, err, intercomrbac.ReasonNeedsResource)
		assert.Nil(t, types)
	}
}
