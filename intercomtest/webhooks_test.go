package intercomtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSignatures(t *testing.T) {
	t.Parallel()
	// By openssl dgst -hmac.
	body := []byte(`{"topic":"ping"}`)
	assert.Equal(t, "sha1=0e1091a2207823e376277e22dea73d61aafaa890", intercomtest.SignNotification("key", body))
	assert.Equal(t, "f36d93228577c8e9f8af7194af30fa939ea5715dae3834f332211132a5efbee0", intercomtest.SignBody("key", body))
}

func TestNotificationsAreInIntercomsForm(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	at := time.Date(2026, 9, 3, 14, 15, 16, 0, time.UTC)
	for name, tt := range map[string]struct {
		n    intercomtest.Notification
		want string
	}{
		"ping": {intercomtest.Notification{Topic: intercomrbac.EventPing, CreatedAt: at}, `{"type":"notification_event","app_id":"fake1234",
			"data":{"type":"notification_event_data","item":{"type":"ping","message":"is anybody there?"}},"links":{},"id":null,"topic":"ping","delivery_status":null,
			"delivery_attempts":1,"delivered_at":0,"first_sent_at":1788444916,"created_at":1788444916,"self":null}`},
		"a teammate": {intercomtest.Notification{Topic: intercomrbac.EventAdminLoggedIn, ID: "notif_1", Item: srv.AdminItem(ids.Agent), CreatedAt: at},
			`{"type":"notification_event","app_id":"fake1234","data":{"type":"notification_event_data","item":{"type":"admin","id":991267461,"name":"Aiko Tanaka",
			"email":"aiko@example.com","job_title":"Support Specialist","away_mode_enabled":false,"away_mode_reassign":false,"away_status_reason":"","has_inbox_seat":true,
			"team_ids":[814865],"avatar":{"type":"avatar","image_url":null}}},"links":{},"id":"notif_1","topic":"admin.logged_in","delivery_status":"pending",
			"delivery_attempts":1,"delivered_at":0,"first_sent_at":1788444916,"created_at":1788444916,"self":null}`},
		"without an id": {intercomtest.Notification{Topic: "x", ID: "notif_1", NoID: true, Item: []int{1}, CreatedAt: at},
			`{"type":"notification_event","app_id":"fake1234","data":{"type":"notification_event_data","item":[1]},"links":{},"id":null,"topic":"x","delivery_status":"pending",
			"delivery_attempts":1,"delivered_at":0,"first_sent_at":1788444916,"created_at":1788444916,"self":null}`},
	} {
		d := srv.Notification("key", tt.n)
		assert.JSONEq(t, tt.want, string(d.Body), name)
		assert.Equal(t, "/", d.Path)
		assert.Equal(t, intercomtest.SignNotification("key", d.Body), d.Header.Get("X-Hub-Signature"))
		assert.Equal(t, "intercom-parrot-service-client/1.0", d.Header.Get("User-Agent"))
	}
	first, second := srv.Notification("key", intercomtest.Notification{Topic: "x", Item: 1}), srv.Notification("key", intercomtest.Notification{Topic: "x", Item: 1})
	assert.NotEqual(t, first.Body, second.Body, "each has an id of its own")
	assert.Panics(t, func() { srv.Notification("key", intercomtest.Notification{Topic: "x"}) })
	assert.Panics(t, func() { srv.Notification("key", intercomtest.Notification{Item: 1}) })
	assert.Panics(t, func() { srv.Notification("key", intercomtest.Notification{Topic: "x", Item: make(chan int)}) })
}

func TestNoticesAreInIntercomsForm(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	d := srv.HealthCheck("key")
	assert.Equal(t, "/health", d.Path)
	assert.JSONEq(t, `{"workspace_id":"fake1234"}`, string(d.Body))
	assert.Equal(t, intercomtest.SignBody("key", d.Body), d.Header.Get("X-Body-Signature"))
	assert.Empty(t, d.Header.Get("X-Hub-Signature"))

	d = srv.UninstallNotice("key")
	assert.Equal(t, "/uninstall", d.Path)
	assert.JSONEq(t, `{"app_id":"fake1234"}`, string(d.Body))
	assert.Equal(t, intercomtest.SignNotification("key", d.Body), d.Header.Get("X-Hub-Signature"))
	d = srv.UninstallNotice("")
	assert.Empty(t, d.Header.Get("X-Hub-Signature"))
}

// Numbers and texts are where Intercom has them.
func TestItemsKeepIntercomsOddities(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	members := func(item any) map[string]any {
		b, err := json.Marshal(item)
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(b, &m))
		return m
	}
	assert.IsType(t, 1.0, members(srv.AdminItem("4711"))["id"], "one who is gone")
	assert.IsType(t, "", members(srv.ContactItem(ids.Contacts[0]))["created_at"])
	assert.IsType(t, 1.0, members(srv.ConversationItem(ids.Conversations[0]))["created_at"])
	statistics := func(item any) any { return members(item)["statistics"].(map[string]any)["first_contact_reply_at"] }
	assert.IsType(t, 1.0, statistics(srv.ConversationItem(ids.Conversations[0])))
	assert.IsType(t, "", statistics(srv.ConversationItem214(ids.Conversations[0])))
	assert.Equal(t, map[string]any{"type": "conversation", "conversation_id": "5"}, members(intercomtest.DeletedConversationItem("5")))
	assert.Equal(t, map[string]any{"type": "contact", "id": "66", "external_id": nil, "deleted": true}, members(intercomtest.DeletedContactItem("66", "")))
	activity := members(srv.ActivityLogItem(srv.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", AdminID: ids.Owner, Metadata: map[string]any{"before": "x"}})))
	assert.Equal(t, "admin_activity_log_event", activity["type"])
	assert.Equal(t, "role_change", activity["activity_type"])
	assert.Equal(t, map[string]any{"before": "x"}, activity["metadata"])
	assert.Equal(t, map[string]any{"type": "admin", "id": string(ids.Owner), "email": "olivia@example.com", "ip": "127.0.0.1"}, activity["performed_by"])
	assert.Panics(t, func() { srv.ActivityLogItem("none") })
	assert.Panics(t, func() { srv.ConversationItem("none") })
	assert.Panics(t, func() { srv.ContactItem("none") })
	assert.Panics(t, func() { srv.AdminItem("none") })
}

func TestADeliveryOverLoopback(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	d := srv.HealthCheck("key")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, d.Body, body)
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "/webhooks/health", r.URL.Path)
		assert.Equal(t, d.Header.Get("X-Body-Signature"), r.Header.Get("X-Body-Signature"))
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	}))
	defer app.Close()
	for _, client := range []*http.Client{nil, app.Client()} {
		a, err := d.Post(t.Context(), client, app.URL+"/webhooks/")
		require.NoError(t, err)
		assert.Equal(t, intercomtest.Answer{Status: http.StatusTeapot, Body: "short and stout"}, a)
	}
	app.Close()
	_, err := d.Post(t.Context(), nil, app.URL)
	assert.Error(t, err)
	_, err = d.Post(t.Context(), nil, ":")
	assert.Error(t, err)
}
