package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// delivered returns what a handler gets of a notification whose item is JSON text.
func delivered(t *testing.T, topic intercomrbac.EventTopic, item any) intercomrbac.Notification {
	t.Helper()
	h := newHooks(t)
	var got []intercomrbac.Notification
	var mu sync.Mutex
	h.On(topic, func(_ context.Context, n intercomrbac.Notification) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, n)
		return nil
	})
	if text, ok := item.(string); ok {
		item = json.RawMessage(text)
	}
	require.Equal(t, intercomtest.Answer{Status: 200}, h.srv.Notification(hookSecret, intercomtest.Notification{Topic: topic, Item: item}).To(h))
	h.drain(t)
	require.Empty(t, h.reported())
	require.Len(t, got, 1)
	return got[0]
}

// onTime is a time of a payload.
func onTime(y int, m time.Month, d, hour, minute, sec, ms int) intercomrbac.Timestamp {
	return intercomrbac.Timestamp{Time: time.Date(y, m, d, hour, minute, sec, ms*1e6, time.UTC)}
}

func TestNotificationEnvelope(t *testing.T) {
	t.Parallel()
	created := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	for name, tt := range map[string]struct {
		body string
		want intercomrbac.Notification
	}{
		"as documented": {
			`{"type":"notification_event","app_id":"fake1234","data":{"type":"notification_event_data","item":{"type":"company", "id":"9"}},"links":{},
				"id":"notif_1","topic":"company.created","delivery_status":"pending","delivery_attempts":1,"delivered_at":0,"first_sent_at":1,"created_at":%d,"self":null}`,
			intercomrbac.Notification{ID: "notif_1", Item: json.RawMessage(`{"type":"company", "id":"9"}`)},
		},
		"odd where it does not matter": {
			`{"type":7,"app_id":"fake1234","id":4711,"topic":"company.created","delivery_attempts":"many","delivered_at":null,"first_sent_at":{},"created_at":"%d","self":["x"],"links":null,"new":true}`,
			intercomrbac.Notification{ID: "4711"},
		},
		"null id": {`{"app_id":"fake1234","id":null,"topic":"company.created","data":null,"created_at":%d}`, intercomrbac.Notification{}},
		"ISO time": {`{"app_id":"fake1234","id":"n","topic":"company.created","data":{"item":null},"created_at":"` + created.Format(time.RFC3339) + `","x":%d}`,
			intercomrbac.Notification{ID: "n", Item: json.RawMessage(`null`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHooks(t)
			var got intercomrbac.Notification
			h.On("company.created", func(_ context.Context, n intercomrbac.Notification) error { got = n; return nil })
			body := fmt.Sprintf(tt.body, created.Unix())
			require.Equal(t, 200, sent("/", body, "X-Hub-Signature", intercomtest.SignNotification(hookSecret, []byte(body))).To(h).Status)
			h.drain(t)
			tt.want.Topic, tt.want.Workspace, tt.want.CreatedAt, tt.want.Attempt = "company.created", hookWorkspace, intercomrbac.Timestamp{Time: created}, 1
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestAdminNotifications(t *testing.T) {
	t.Parallel()
	for _, topic := range []intercomrbac.EventTopic{intercomrbac.EventAdminAddedToWorkspace, intercomrbac.EventAdminRemovedFromWorkspace,
		intercomrbac.EventAdminAwayModeUpdated, intercomrbac.EventAdminLoggedIn, intercomrbac.EventAdminLoggedOut} {
		n := delivered(t, topic, `{"type":"admin","id":9007199254740993,"name":"Kim Osei","email":"kim@example.com","job_title":null,"away_mode_enabled":true,
			"away_mode_reassign":false,"away_status_reason":"On lunch","has_inbox_seat":true,"team_ids":[814865],
			"avatar":{"type":"avatar","image_url":"https://static.example.com/a.png"}}`)
		a, err := n.Admin()
		require.NoError(t, err)
		assert.Equal(t, &intercomrbac.Admin{Type: "admin", ID: "9007199254740993", Name: "Kim Osei", Email: "kim@example.com", AwayModeEnabled: true,
			HasInboxSeat: true, TeamIDs: []intercomrbac.TeamID{"814865"}, Avatar: "https://static.example.com/a.png"}, a)
	}
	a, err := delivered(t, intercomrbac.EventAdminLoggedIn, `{"type":"admin","id":"17"}`).Admin() // as the documentation has it
	require.NoError(t, err)
	assert.EqualValues(t, "17", a.ID)
}

func TestConversationNotifications(t *testing.T) {
	t.Parallel()
	const common = `{"type":"conversation","id":"215472","created_at":1768031789,"updated_at":1768033204,"waiting_since":null,"snoozed_until":null,
		"source":{"type":"conversation","id":"3381","delivered_as":"customer_initiated","subject":"","body":%s,"author":{"type":"lead","id":"6962","name":null,"email":""},
		"attachments":[],"url":null,"redacted":false},"contacts":{"type":"contact.list","contacts":[{"type":"contact","id":"6962","external_id":"e-1"}]},
		"admin_assignee_id":%s,"team_assignee_id":%s,"open":true,"state":"open","read":true,"tags":{"type":"tag.list","tags":[]},"priority":%s,
		"statistics":{"type":"conversation_statistics","time_to_assignment":211,"first_contact_reply_at":%s,"first_close_at":null,"last_closed_by_id":9608799,
		"assigned_team_first_response_time":[]},"conversation_rating":null,
		"teammates":{"type":"admin.list","admins":[{"type":"admin","id":"9608799"}]},"title":"","custom_attributes":{"Copilot used":false},
		"topics":{"type":"topic.list","topics":[],"total_count":0},"ticket":null,"ai_agent":null,"ai_agent_participated":false,
		"conversation_parts":{"type":"conversation_part.list","conversation_parts":[{"type":"conversation_part","id":"373","part_type":"comment","body":%s,
		"created_at":1768032812,"assigned_to":null,"author":{"id":"9608799","type":"admin","name":"Kim","email":"kim@example.com","from_ai_agent":false},
		"attachments":[],"redacted":true,"metadata":{},"state":"open","tags":[],"event_details":{}}],"total_count":1}}`
	want := func(body, priority string, reply intercomrbac.Timestamp, admin intercomrbac.AdminID) *intercomrbac.Conversation {
		return &intercomrbac.Conversation{
			Type: "conversation", ID: "215472", CreatedAt: onTime(2026, 1, 10, 7, 56, 29, 0), UpdatedAt: onTime(2026, 1, 10, 8, 20, 4, 0), Open: true, State: "open",
			Read: true, Priority: priority, AdminAssigneeID: admin, Tags: intercomrbac.Tags{},
			Source: intercomrbac.ConversationSource{Type: "conversation", ID: "3381", DeliveredAs: "customer_initiated", Body: body,
				Author: intercomrbac.Author{Type: "lead", ID: "6962"}, Attachments: []intercomrbac.Attachment{}},
			Contacts:         intercomrbac.ContactRefs{{Type: "contact", ID: "6962", ExternalID: "e-1"}},
			Teammates:        intercomrbac.Teammates{{Type: "admin", ID: "9608799"}},
			CustomAttributes: map[string]any{"Copilot used": false},
			Statistics: &intercomrbac.ConversationStatistics{Type: "conversation_statistics", TimeToAssignment: 211, FirstContactReplyAt: reply, LastClosedByID: "9608799",
				AssignedTeamFirstResponseTime: json.RawMessage(`[]`)},
			Parts: intercomrbac.ConversationParts{Type: "conversation_part.list", Total: 1, Items: []intercomrbac.ConversationPart{{Type: "conversation_part", ID: "373",
				PartType: "comment", Body: body, CreatedAt: onTime(2026, 1, 10, 8, 13, 32, 0),
				Author:      intercomrbac.Author{Type: "admin", ID: "9608799", Name: "Kim", Email: "kim@example.com"},
				Attachments: []intercomrbac.Attachment{}, Redacted: true, State: "open", Tags: []intercomrbac.Tag{},
				Metadata: json.RawMessage(`{}`), EventDetails: json.RawMessage(`{}`)}}},
			AIAgent: json.RawMessage(`null`),
		}
	}
	for name, tt := range map[string]struct {
		topic intercomrbac.EventTopic
		item  string
		want  *intercomrbac.Conversation
	}{
		"before 2.15": {intercomrbac.EventConversationPartRedacted,
			fmt.Sprintf(common, `"<p>Hello</p>"`, `9608799`, `null`, `"not_priority"`, `"2026-01-10T07:56:29.000Z"`, `"<p>Hello</p>"`),
			want("<p>Hello</p>", "not_priority", onTime(2026, 1, 10, 7, 56, 29, 0), "9608799")},
		"since 2.15": {intercomrbac.EventConversationAdminReplied, fmt.Sprintf(common, `"Hello"`, `9608799`, `null`, `"not_priority"`, `1768031789`, `"Hello"`),
			want("Hello", "not_priority", onTime(2026, 1, 10, 7, 56, 29, 0), "9608799")},
		"since 2.16": {intercomrbac.EventConversationUserCreated, fmt.Sprintf(common, `"Hello"`, `0`, `0`, `"none"`, `null`, `"Hello"`),
			want("Hello", "none", intercomrbac.Timestamp{}, "")},
		"deleted": {intercomrbac.EventConversationDeleted, `{"type":"conversation","conversation_id":"215472621305755"}`,
			&intercomrbac.Conversation{Type: "conversation", ID: "215472621305755"}},
		"a contact was attached": {intercomrbac.EventConversationContactAttached,
			`{"conversation":{"parts":[{"id":37358461336,"conversation_id":215472621202693,"created_at":"2026-01-10T08:10:14.000Z"}],"options":{"expand_for_notification":true},
				"model":{"app_id":3239765,"id":215472621202693,"created_at":"2026-01-10T07:56:29.000Z","updated_at":"2026-01-10T08:10:14.000Z","read":false}},
				"contact":{"type":"contact","id":"6961cf78"}}`,
			&intercomrbac.Conversation{ID: "215472621202693", CreatedAt: onTime(2026, 1, 10, 7, 56, 29, 0), UpdatedAt: onTime(2026, 1, 10, 8, 10, 14, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := delivered(t, tt.topic, tt.item).Conversation()
			require.NoError(t, err)
			if len(got.LinkedObjects) == 0 {
				got.LinkedObjects = nil
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestContactNotifications(t *testing.T) {
	t.Parallel()
	const whole = `{"type":"contact","id":"6961d404","workspace_id":"fake1234","external_id":"24","role":"user","email":"user@example.com","phone":null,"name":"Sam Oyelaran",
		"avatar":null,"owner_id":9608799,"has_hard_bounced":false,"created_at":"2026-01-10T04:22:28.240+00:00","updated_at":"2026-01-10T04:22:28.238+00:00","signed_up_at":null,
		"location":{"type":"location","country":null},"custom_attributes":{},"enabled_push_messaging":null,"sms_consent":false,
		"tags":{"type":"list","data":[{"id":"12934044","type":"tag","url":"/tags/12934044"}],"url":"/contacts/6961d404/tags","total_count":1,"has_more":false}}`
	want := &intercomrbac.Contact{Type: "contact", ID: "6961d404", WorkspaceID: "fake1234", ExternalID: "24", Role: "user", Email: "user@example.com", Name: "Sam Oyelaran",
		OwnerID: "9608799", CreatedAt: onTime(2026, 1, 10, 4, 22, 28, 240), UpdatedAt: onTime(2026, 1, 10, 4, 22, 28, 238), CustomAttributes: map[string]any{},
		Location: intercomrbac.ContactLocation{Type: "location"},
		Tags:     intercomrbac.ContactTags{Items: []intercomrbac.TagRef{{Type: "tag", ID: "12934044", URL: "/tags/12934044"}}, URL: "/contacts/6961d404/tags", Total: 1}}
	for name, tt := range map[string]struct {
		topic intercomrbac.EventTopic
		item  string
		want  *intercomrbac.Contact
	}{
		"created": {intercomrbac.EventContactUserCreated, whole, want},
		"merged":  {intercomrbac.EventContactMerged, whole[:len(whole)-1] + `,"merged_from":{"type":"contact","id":"6a3b"}}`, want},
		"tagged":  {intercomrbac.EventContactLeadTagCreated, `{"type":"contact_tag","tag":{"type":"tag","id":"12934044","name":"VIP"},"contact":` + whole + `}`, want},
		"attached to a conversation": {intercomrbac.EventConversationContactAttached, `{"conversation":{"model":{"id":7}},"contact":` + whole + `}`,
			want},
		"deleted": {intercomrbac.EventContactDeleted, `{"id":"696122fb","external_id":null,"type":"contact","deleted":true}`,
			&intercomrbac.Contact{Type: "contact", ID: "696122fb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := delivered(t, tt.topic, tt.item).Contact()
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestAPIRequestNotifications(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		item string
		want *intercomrbac.APIRequest
	}{
		"as sent": {
			`{"type":"api.request.completed","request_id":"0003pno49p6c","timestamp":1779078713,"request":{"method":"GET","path":"/admins","ip_address":"192.0.2.7","user_agent":"curl/8"},
				"authentication":{"method":"oauth","token_id":"adc1872d","oauth_client_id":"438cab76","app_package_code":"an-app"},"response":{"status":200},
				"admin":{"id":"10628207","email":"kim@example.com"}}`,
			&intercomrbac.APIRequest{ID: "0003pno49p6c", CompletedAt: onTime(2026, 5, 18, 4, 31, 53, 0), Method: "GET", Path: "/admins", IP: "192.0.2.7", UserAgent: "curl/8",
				Status: 200, AdminID: "10628207", Email: "kim@example.com", AuthMethod: "oauth", TokenID: "adc1872d", OAuthClientID: "438cab76", AppPackageCode: "an-app"},
		},
		"as documented, with nulls": {
			`{"type":"api.request.completed","request_id":null,"timestamp":"2026-05-18T04:31:53Z","request":{"method":"GET","path":"/me","ip":"192.0.2.8"},"authentication":null,
				"response":{"status":204},"admin":{"id":10628207,"email":null}}`,
			&intercomrbac.APIRequest{CompletedAt: onTime(2026, 5, 18, 4, 31, 53, 0), Method: "GET", Path: "/me", IP: "192.0.2.8", Status: 204, AdminID: "10628207"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := delivered(t, intercomrbac.EventAPIRequestCompleted, tt.item).APIRequest()
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestActivityNotifications(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		item string
		want *intercomrbac.ActivityLog
	}{
		"of a type in no list": {
			`{"type":"admin_activity_log_event","id":"f98f9a55","performed_by":{"type":"admin","id":"1234567","email":"kim@example.com","ip":"192.0.2.1"},
				"metadata":{"enabled":false},"created_at":1768016203,"activity_type":"ai_inbox_translation_setting_change","activity_description":"Kim disabled it."}`,
			&intercomrbac.ActivityLog{ID: "f98f9a55", PerformedBy: intercomrbac.ActivityPerformer{Type: "admin", ID: "1234567", Email: "kim@example.com", IP: "192.0.2.1"},
				CreatedAt: onTime(2026, 1, 10, 3, 36, 43, 0), Type: "ai_inbox_translation_setting_change", Description: "Kim disabled it.",
				Metadata: map[string]json.RawMessage{"enabled": json.RawMessage(`false`)}},
		},
		"with odd metadata": {
			`{"type":"admin_activity_log_event","id":"f9","performed_by":null,"metadata":{"before":"x","after":{"id":5},"auto_changed":"true"},"created_at":null,"activity_type":"role_change"}`,
			&intercomrbac.ActivityLog{ID: "f9", Type: "role_change", Metadata: map[string]json.RawMessage{"before": json.RawMessage(`"x"`),
				"after": json.RawMessage(`{"id":5}`), "auto_changed": json.RawMessage(`"true"`)}},
		},
		"without metadata": {`{"type":"admin_activity_log_event","id":"f9","metadata":null}`, &intercomrbac.ActivityLog{ID: "f9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := delivered(t, intercomrbac.EventAdminActivityLogEventCreated, tt.item).ActivityLog()
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

// A reader of another kind does not take an id for one of its own.
func TestReadersRefuseOtherItems(t *testing.T) {
	t.Parallel()
	readers := map[string]func(intercomrbac.Notification) (any, error){
		"admin":                 func(n intercomrbac.Notification) (any, error) { return n.Admin() },
		"conversation":          func(n intercomrbac.Notification) (any, error) { return n.Conversation() },
		"contact":               func(n intercomrbac.Notification) (any, error) { return n.Contact() },
		"api.request.completed": func(n intercomrbac.Notification) (any, error) { return n.APIRequest() },

		"admin_activity_log_event": func(n intercomrbac.Notification) (any, error) { return n.ActivityLog() },
	}
	items := map[string]string{"nothing": ``, "null": `null`, "a list": `[]`, "a text": `"admin"`, "a type of 7": `{"type":7,"id":"5"}`, "a fraction": `{"type":"admin","id":1.5}`}
	for _, kind := range []string{"admin", "conversation", "contact", "api.request.completed", "admin_activity_log_event", "ticket", "team", "contact_tag", ""} {
		items["of type "+kind] = fmt.Sprintf(`{"type":%q,"id":"5"}`, kind)
	}
	for _, kind := range []string{"admin", "conversation", "contact", "admin_activity_log_event"} {
		items[kind+" without an id"] = fmt.Sprintf(`{"type":%q,"id":null}`, kind)
	}
	for name, item := range items {
		for kind, read := range readers {
			got, err := read(intercomrbac.Notification{Topic: "some\ntopic", Item: json.RawMessage(item)})
			if name == "of type "+kind {
				assert.NoError(t, err, name)
				continue
			}
			assert.Nil(t, got, "%s as %s", name, kind)
			assert.ErrorIs(t, err, intercomrbac.ErrBadResponse, "%s as %s", name, kind)
			if err != nil {
				assertOneLine(t, err.Error())
			}
		}
	}
}

// What the fake sends can be read, oddities included.
func TestItemsOfTheFakeCanBeRead(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	_, err := srv.Client().Admins.List(t.Context())
	require.NoError(t, err)

	a, err := delivered(t, intercomrbac.EventAdminAwayModeUpdated, srv.AdminItem(ids.Away)).Admin()
	require.NoError(t, err)
	assert.Equal(t, ids.Away, a.ID)
	assert.True(t, a.AwayModeEnabled)
	assert.Equal(t, []intercomrbac.TeamID{ids.Technical}, a.TeamIDs)
	assert.Nil(t, a.Role)

	for _, item := range []any{srv.ConversationItem(ids.Conversations[0]), srv.ConversationItem214(ids.Conversations[0])} {
		c, err := delivered(t, intercomrbac.EventConversationUserCreated, item).Conversation()
		require.NoError(t, err)
		assert.Equal(t, ids.Conversations[0], c.ID)
		assert.Contains(t, []string{"I was charged twice for March.", "<p>I was charged twice for March.</p>"}, c.Source.Body)
		assert.Equal(t, c.CreatedAt, c.Statistics.FirstContactReplyAt)
		assert.Equal(t, ids.Billing, c.TeamAssigneeID)
	}
	c, err := delivered(t, intercomrbac.EventConversationDeleted, intercomtest.DeletedConversationItem("5")).Conversation()
	require.NoError(t, err)
	assert.EqualValues(t, "5", c.ID)

	person, err := delivered(t, intercomrbac.EventContactUserCreated, srv.ContactItem(ids.Contacts[0])).Contact()
	require.NoError(t, err)
	assert.Equal(t, "Grace Adeyemi", person.Name)
	known, err := srv.Client().Contacts.Get(t.Context(), ids.Contacts[0])
	require.NoError(t, err)
	assert.Equal(t, known.CreatedAt, person.CreatedAt)
	person, err = delivered(t, intercomrbac.EventContactDeleted, intercomtest.DeletedContactItem("66", "e")).Contact()
	require.NoError(t, err)
	assert.Equal(t, &intercomrbac.Contact{Type: "contact", ID: "66", ExternalID: "e"}, person)

	log, err := delivered(t, intercomrbac.EventAdminActivityLogEventCreated, srv.ActivityLogItem(srv.AddActivityLog(intercomtest.ActivityLog{Type: "role_change", AdminID: ids.Owner}))).ActivityLog()
	require.NoError(t, err)
	assert.Equal(t, ids.Owner, log.PerformedBy.ID)
	assert.EqualValues(t, "role_change", log.Type)

	r, err := delivered(t, intercomrbac.EventAPIRequestCompleted, srv.APIRequestItem(srv.Calls()[0])).APIRequest()
	require.NoError(t, err)
	assert.Equal(t, "/admins", r.Path)
	assert.Equal(t, 200, r.Status)
	assert.Equal(t, ids.Owner, r.AdminID)
}

// Each topic stands once, under a name that is made of it, and under a scope that unlocks it.
func TestEventTopics(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "webhook_topics.go", nil, 0)
	require.NoError(t, err)
	var patterns []string
	for _, info := range intercomrbac.Scopes() {
		patterns = append(patterns, info.Topics...)
	}
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		topic, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		assert.False(t, seen[topic], topic)
		seen[topic] = true
		name := strings.NewReplacer(".", "", "_", "").Replace(topic)
		assert.Equal(t, "event"+name, strings.ToLower(spec.Names[0].Name))
		unlocked := topic == "ping"
		for _, p := range patterns {
			prefix, wild := strings.CutSuffix(p, "*")
			unlocked = unlocked || p == topic || wild && strings.HasPrefix(topic, prefix)
		}
		assert.True(t, unlocked, "no scope unlocks %s", topic)
		return true
	})
	assert.Len(t, seen, 97)
}
