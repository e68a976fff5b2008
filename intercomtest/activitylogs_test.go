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

func TestActivityLogs(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	ada := s.AddAdmin(intercomtest.Admin{ID: "991267464", Name: "Ada", Email: "ada@example.com"})
	id := s.AddActivityLog(intercomtest.ActivityLog{
		ID: "f48c653b", Type: "app_name_change", Description: "Ada changed your app name.", AdminID: ada, IP: "198.51.100.255",
		CreatedAt: time.Unix(1734537253, 999), Metadata: map[string]any{"before": "old", "after": map[string]any{"name": "new"}},
	})
	assert.Equal(t, "f48c653b", id)
	s.RemoveAdmin(ada)
	gone := s.AddActivityLog(intercomtest.ActivityLog{AdminID: "991260000", Email: "gone@example.com", CreatedAt: time.Unix(1734537252, 0)})

	want := map[string]any{
		"type":  "activity_log.list",
		"pages": map[string]any{"type": "pages", "next": nil, "page": num("1"), "per_page": num("20"), "total_pages": num("1")},
		"activity_logs": []any{
			map[string]any{
				"id": "f48c653b", "created_at": num("1734537253"), "activity_type": "app_name_change", "activity_description": "Ada changed your app name.",
				"metadata":     map[string]any{"before": "old", "after": map[string]any{"name": "new"}},
				"performed_by": map[string]any{"type": "admin", "id": "991267464", "email": "ada@example.com", "ip": "198.51.100.255"},
			},
			map[string]any{
				"id": gone, "created_at": num("1734537252"), "activity_type": "admin_login_success", "activity_description": "Somebody did something: admin_login_success",
				"metadata": map[string]any{}, "performed_by": map[string]any{"type": "admin", "id": "991260000", "email": "gone@example.com", "ip": "127.0.0.1"},
			},
		},
	}
	assert.Equal(t, want, a.get("/admins/activity_logs?created_at_after=1734537000").requireOK(t).body)
	assert.Equal(t, want, a.post("/admins/activity_logs/search", `{"created_at_after":1734537000}`).requireOK(t).body)

	s.AddActivityLog(intercomtest.ActivityLog{ID: "f48c653b", CreatedAt: time.Unix(1734537251, 0)})
	assert.Equal(t, []string{gone, "f48c653b"}, a.get("/admins/activity_logs?created_at_after=1").ids(t, "activity_logs"), "replaced")
	assert.Panics(t, func() { s.AddActivityLog(intercomtest.ActivityLog{AdminID: "ada"}) })
}

func TestActivityLogOfNowIsByTheFirstTeammate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t)
		owner := s.AddAdmin(intercomtest.Admin{Name: "Olivia"})
		s.AddActivityLog(intercomtest.ActivityLog{})
		r := inMemory(t, s).get(fmt.Sprint("/admins/activity_logs?created_at_after=", time.Now().Unix())).requireOK(t)
		assert.Equal(t, string(owner), r.at(t, "activity_logs", 0, "performed_by", "id"))
	})
}

func TestActivityWindowsAndTypes(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	for i, kind := range []intercomrbac.ActivityType{"role_change", "admin_logout", "role_change", "brand_new_change"} {
		s.AddActivityLog(intercomtest.ActivityLog{ID: fmt.Sprint(i), Type: kind, CreatedAt: time.Unix(100+int64(i), 0)})
	}
	for query, want := range map[string]string{
		"created_at_after=100": "3 2 1 0", "created_at_after=101": "3 2 1", "created_at_after=104": "", "created_at_after=101&created_at_before=102": "2 1",
		"created_at_after=0&created_at_before=100": "0", "created_at_after=103&created_at_before=100": "", "created_at_after=1&event_types[]=role_change": "3 2 1 0",
		"created_at_after=1&per_page=3": "3 2 1", "created_at_after=1&per_page=3&page=2": "0", "created_at_after=1&per_page=3&page=1": "3 2 1",
		"created_at_after=1&page=3": "", "created_at_after=1&page=9223372036854775807&per_page=250": "",
	} {
		r := a.get("/admins/activity_logs?" + query).requireOK(t)
		assert.Equal(t, strings.Fields(want), r.ids(t, "activity_logs"), query)
	}
	for body, want := range map[string]string{
		`"event_types":["role_change"]`: "2 0", `"event_types":["role_change","brand_new_change"]`: "3 2 0", `"event_types":[]`: "3 2 1 0", `"event_types":["nothing"]`: "",
		`"created_at_before":101`: "1 0", `"per_page":1,"page":2`: "2", `"per_page":1,"page":2,"event_types":["role_change"]`: "0", `"per_page":250`: "3 2 1 0",
	} {
		r := a.post("/admins/activity_logs/search", `{"created_at_after":100,`+body+`}`).requireOK(t)
		assert.Equal(t, strings.Fields(want), r.ids(t, "activity_logs"), body)
	}

	a.get("/admins/activity_logs").requireError(t, 400, "parameter_not_found")
	a.get("/admins/activity_logs?created_at_before=5").requireError(t, 400, "parameter_not_found")
	for _, bad := range []string{
		"created_at_after=yesterday", "created_at_after=-1", "created_at_after=1.5", "created_at_after=1700000000000", "created_at_after=1&created_at_before=x",
		"created_at_after=1&per_page=0", "created_at_after=1&per_page=251", "created_at_after=1&page=0", "created_at_after=1&page=two",
	} {
		a.get("/admins/activity_logs?"+bad).requireError(t, 400, "parameter_invalid")
	}
	a.get("/admins/activity_logs?created_at_after=1&starting_after=x").requireError(t, 400, "client_error")

	a.post("/admins/activity_logs/search", `{}`).requireError(t, 400, "parameter_not_found")
	for _, bad := range []string{
		`"created_at_after":"1"`, `"created_at_after":-1`, `"created_at_after":1700000000000`, `"created_at_after":1,"created_at_before":1700000000000`,
		`"created_at_after":1,"event_types":"role_change"`, `"created_at_after":1,"per_page":0`, `"created_at_after":1,"per_page":251`, `"created_at_after":1,"page":0`,
	} {
		a.post("/admins/activity_logs/search", `{`+bad+`}`).requireError(t, 400, "parameter_invalid")
	}
	a.post("/admins/activity_logs/search", `{"created_at_after":1,"starting_after":"x"}`).requireError(t, 400, "client_error")
	a.post("/admins/activity_logs/search", `[]`).requireError(t, 400, "bad_request")
}

func TestPagesOfActivities(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	want := make([]string, 25)
	for i := range want {
		want[i] = s.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", CreatedAt: time.Unix(200-int64(i), 0)})
		s.AddActivityLog(intercomtest.ActivityLog{Type: "admin_logout", CreatedAt: time.Unix(90, 0)})
	}
	const window = "/admins/activity_logs?created_at_after=100&created_at_before=200"
	const search = `{"created_at_after":1,"event_types":["role_change"],"per_page":10%s}`

	first := a.get(window).requireOK(t)
	assert.Equal(t, num("2"), first.at(t, "pages", "total_pages"))
	assert.Equal(t, num("20"), first.at(t, "pages", "next", "per_page"))
	second := a.get(window + "&starting_after=" + first.at(t, "pages", "next", "starting_after").(string)).requireOK(t)
	assert.Equal(t, want, append(first.ids(t, "activity_logs"), second.ids(t, "activity_logs")...))
	assert.Equal(t, num("2"), second.at(t, "pages", "page"))
	assert.Nil(t, second.at(t, "pages", "next"))

	var got []string
	cursor := ""
	for {
		r := a.post("/admins/activity_logs/search", fmt.Sprintf(search, cursor)).requireOK(t)
		got = append(got, r.ids(t, "activity_logs")...)
		next, ok := r.at(t, "pages", "next").(map[string]any)
		if !ok {
			break
		}
		cursor = fmt.Sprintf(`,"starting_after":%q`, next["starting_after"])
	}
	assert.Equal(t, want, got)

	s.UseURLCursors(true)
	got = nil
	for path := window; path != ""; {
		r := a.get(path).requireOK(t)
		got = append(got, r.ids(t, "activity_logs")...)
		path = nextPath(t, a, r)
	}
	assert.Equal(t, want, got)
	// Intercom's URL has the place alone: what is searched is sent again, and its page goes before that of the body.
	got = nil
	for path := "/admins/activity_logs/search"; path != ""; {
		r := a.post(path, fmt.Sprintf(search, `,"page":1`)).requireOK(t)
		got = append(got, r.ids(t, "activity_logs")...)
		if path = nextPath(t, a, r); path != "" {
			u, err := url.Parse(path)
			require.NoError(t, err)
			assert.Len(t, u.Query(), 2)
			assert.Equal(t, "10", u.Query().Get("per_page"))
		}
	}
	assert.Equal(t, want, got)
}

// nextPath is where the URL of the next page leads on the fake.
func nextPath(t *testing.T, a api, r answer) string {
	t.Helper()
	next, _ := r.at(t, "pages", "next").(string)
	if next == "" {
		return ""
	}
	path, ok := strings.CutPrefix(next, a.base)
	require.True(t, ok, next)
	return path
}

func TestActivityEventTypes(t *testing.T) {
	t.Parallel()
	r := inMemory(t, intercomtest.NewServer(t)).get("/admins/activity_log_event_types").requireOK(t)
	assert.Equal(t, "activity_log_event_type.list", r.at(t, "type"))
	assert.Len(t, r.at(t, "event_types"), 73)
	assert.Contains(t, r.at(t, "event_types"), "role_change")
}
