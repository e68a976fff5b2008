package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const fullConversation = `{
	"type": "conversation", "id": "70551", "title": "Invoice twice", "created_at": 1701000000, "updated_at": 1701000500,
	"waiting_since": 1701000400, "snoozed_until": null, "open": true, "state": "open", "read": false, "priority": "high",
	"admin_assignee_id": 4410, "team_assignee_id": 6101,
	"tags": {"type": "tag.list", "tags": [{"type": "tag", "id": "88", "name": "billing", "applied_at": 1701000100, "applied_by": {"type": "admin", "id": "4410"}}]},
	"conversation_rating": {"rating": 4, "remark": "quick", "created_at": 1701000450, "updated_at": 1701000460,
		"contact": {"type": "contact", "id": "66a0c1", "external_id": "cust-7"}, "teammate": {"type": "admin", "id": "4410"}},
	"source": {"type": "email", "id": "m-1", "delivered_as": "customer_initiated", "subject": "Invoice", "body": "<p>I paid twice</p>", "url": null, "redacted": false,
		"author": {"type": "user", "id": "66a0c1", "name": "Ines", "email": "ines@example.org"},
		"attachments": [{"type": "upload", "name": "scan.png", "url": "https://files.example.org/scan.png", "content_type": "image/png", "filesize": 2048, "width": 64, "height": 32}]},
	"contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "66a0c1", "external_id": "cust-7"}]},
	"teammates": {"type": "admin.list", "teammates": [{"type": "admin", "id": "4410"}]},
	"custom_attributes": {"Plan": "gold", "Seats": 12, "Trial": false, "Notes": null},
	"first_contact_reply": {"type": "email", "created_at": 1701000000, "url": "https://example.org"},
	"sla_applied": {"type": "conversation_sla_summary", "sla_name": "VIP", "sla_status": "hit"},
	"statistics": {"type": "conversation_statistics", "time_to_assignment": 30, "median_time_to_reply": 90, "first_close_at": null,
		"last_closed_by_id": "4410", "count_reopens": 1, "count_assignments": 2, "count_conversation_parts": 3, "handling_time": 60},
	"conversation_parts": {"type": "conversation_part.list", "total_count": 501, "conversation_parts": [
		{"type": "conversation_part", "id": "9001", "part_type": "assignment", "body": null, "created_at": 1701000200, "updated_at": 1701000200, "notified_at": 1701000200,
			"assigned_to": {"type": "team", "id": "6101"}, "author": {"type": "bot", "id": "12", "name": "Fin", "email": "fin@example.org", "from_ai_agent": true},
			"attachments": [], "external_id": null, "redacted": false}]},
	"linked_objects": {"type": "list", "data": [], "total_count": 0},
	"ai_agent_participated": true, "ai_agent": {"resolution_state": "assumed_resolution"},
	"something_new": {"a": 1}
}`

func seconds(n int64) intercomrbac.Timestamp { return intercomrbac.NewTimestamp(time.Unix(n, 0)) }

func wantConversation() *intercomrbac.Conversation {
	ines := intercomrbac.ContactRef{Type: "contact", ID: "66a0c1", ExternalID: "cust-7"}
	mara := intercomrbac.Reference{Type: "admin", ID: "4410"}
	return &intercomrbac.Conversation{
		Type: "conversation", ID: "70551", Title: "Invoice twice", CreatedAt: seconds(1701000000), UpdatedAt: seconds(1701000500),
		WaitingSince: seconds(1701000400), Open: true, State: intercomrbac.StateOpen, Priority: "high",
		AdminAssigneeID: "4410", TeamAssigneeID: "6101",
		Tags: intercomrbac.Tags{{Type: "tag", ID: "88", Name: "billing", AppliedAt: seconds(1701000100), AppliedBy: &mara}},
		Rating: &intercomrbac.ConversationRating{Rating: 4, Remark: "quick", CreatedAt: seconds(1701000450), UpdatedAt: seconds(1701000460),
			Contact: &ines, Teammate: &mara},
		Source: intercomrbac.ConversationSource{Type: "email", ID: "m-1", DeliveredAs: "customer_initiated", Subject: "Invoice", Body: "<p>I paid twice</p>",
			Author:      intercomrbac.Author{Type: "user", ID: "66a0c1", Name: "Ines", Email: "ines@example.org"},
			Attachments: []intercomrbac.Attachment{{Type: "upload", Name: "scan.png", URL: "https://files.example.org/scan.png", ContentType: "image/png", Size: 2048, Width: 64, Height: 32}}},
		Contacts:          intercomrbac.ContactRefs{ines},
		Teammates:         intercomrbac.Teammates{mara},
		CustomAttributes:  map[string]any{"Plan": "gold", "Seats": 12.0, "Trial": false, "Notes": nil},
		FirstContactReply: &intercomrbac.FirstContactReply{Type: "email", CreatedAt: seconds(1701000000), URL: "https://example.org"},
		SLA:               &intercomrbac.SLA{Type: "conversation_sla_summary", Name: "VIP", Status: "hit"},
		Statistics: &intercomrbac.ConversationStatistics{Type: "conversation_statistics", TimeToAssignment: 30, MedianTimeToReply: 90,
			LastClosedByID: "4410", CountReopens: 1, CountAssignments: 2, CountConversationParts: 3, HandlingTime: 60},
		Parts: intercomrbac.ConversationParts{Type: "conversation_part.list", Total: 501, Items: []intercomrbac.ConversationPart{{
			Type: "conversation_part", ID: "9001", PartType: "assignment", CreatedAt: seconds(1701000200), UpdatedAt: seconds(1701000200), NotifiedAt: seconds(1701000200),
			AssignedTo: &intercomrbac.Reference{Type: "team", ID: "6101"}, Attachments: []intercomrbac.Attachment{},
			Author: intercomrbac.Author{Type: "bot", ID: "12", Name: "Fin", Email: "fin@example.org", FromAIAgent: true}}}},
		LinkedObjects:       json.RawMessage(`{"type": "list", "data": [], "total_count": 0}`),
		AIAgentParticipated: true,
		AIAgent:             json.RawMessage(`{"resolution_state": "assumed_resolution"}`),
	}
}

type (
	clientCall = func(context.Context, *intercomrbac.Client) (any, error)
	convos     = intercomrbac.ConversationsService
	convoID    = intercomrbac.ConversationID
)

// onConversation calls a method of the conversations with an id and params.
func onConversation[P, R any](method func(*convos, context.Context, convoID, P) (R, error), id convoID, params P) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return method(c.Conversations, ctx, id, params)
	}
}

// onConversations calls a method of the conversations with params.
func onConversations[P, R any](method func(*convos, context.Context, P) (R, error), params P) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return method(c.Conversations, ctx, params)
	}
}

// deletion calls a method that returns nothing but an error.
func deletion(method func(*convos, context.Context, convoID) error, id convoID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return nil, method(c.Conversations, ctx, id)
	}
}

func getting(id convoID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Conversations.Get(ctx, id) }
}

func TestConversations(t *testing.T) {
	t.Parallel()
	const (
		closed = `{"type":"conversation","id":"70551","state":"closed","open":false}`
		parts  = "/conversations/70551/parts"
		reply  = "/conversations/70551/reply"
		tag    = `{"type":"tag","id":"88","name":"billing","applied_at":1701000100,"applied_by":{"type":"admin","id":4410}}`
	)
	wantClosed := &intercomrbac.Conversation{Type: "conversation", ID: "70551", State: intercomrbac.StateClosed}
	wantTag := &intercomrbac.Tag{Type: "tag", ID: "88", Name: "billing", AppliedAt: seconds(1701000100), AppliedBy: &intercomrbac.Reference{Type: "admin", ID: "4410"}}
	until := time.Now().Add(time.Hour)
	const images = `["https://a.example.org/1.png","https://a.example.org/2.png"]`
	urls := []string{"https://a.example.org/1.png", "https://a.example.org/2.png"}
	files := []intercomrbac.AttachmentFile{{Name: "a.txt", ContentType: "text/plain", Data: []byte("hi?>")}}
	const filesJSON = `[{"name":"a.txt","content_type":"text/plain","data":"aGk/Pg=="}]`

	tests := []methodTest{
		{
			name: "List",
			call: onConversations((*convos).List, intercomrbac.ListParams{}),
			op:   "conversations.list", method: "GET", path: "/conversations",
			response: `{"type":"conversation.list","conversations":[` + fullConversation + `],"total_count":41,"pages":{"type":"pages","page":1,"per_page":20,"total_pages":3,"next":{"per_page":20,"starting_after":"WzE3MDEsNV0="}}}`,
			want:     &intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{*wantConversation()}, Next: "WzE3MDEsNV0=", Total: 41},
		},
		{
			name: "List with all params",
			call: onConversations((*convos).List, intercomrbac.ListParams{PerPage: 150, After: "WzE3MDEsNV0="}),
			op:   "conversations.list", method: "GET", path: "/conversations", query: "per_page=150&starting_after=WzE3MDEsNV0%3D",
			response: `{"type":"conversation.list","conversations":[],"total_count":41,"pages":{"type":"pages","next":null}}`,
			want:     &intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{}, Total: 41},
		},
		{
			name: "Get",
			call: getting("70551"),
			op:   "conversations.get", method: "GET", path: "/conversations/70551",
			response: fullConversation, want: wantConversation(),
		},
		{
			name: "Search",
			call: onConversations((*convos).Search, intercomrbac.SearchParams{Query: where("state", "=", "open")}),
			op:   "conversations.search", method: "POST", path: "/conversations/search",
			body:     `{"query":{"field":"state","operator":"=","value":"open"}}`,
			response: `{"type":"conversation.list","conversations":[` + closed + `],"total_count":1,"pages":{"type":"pages"}}`,
			want:     &intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{*wantClosed}, Total: 1},
		},
		{
			name: "Search with all params",
			call: onConversations((*convos).Search, intercomrbac.SearchParams{Query: and(where("state", "=", "open"), where("tag_ids", "IN", []intercomrbac.TagID{"88"})),
				Sort: intercomrbac.Sort{Field: "updated_at", Ascending: true}, ListParams: intercomrbac.ListParams{PerPage: 5, After: "c"}}),
			op: "conversations.search", method: "POST", path: "/conversations/search",
			body: `{"query":{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"},{"field":"tag_ids","operator":"IN","value":["88"]}]},
				"pagination":{"per_page":5,"starting_after":"c"},"sort":{"field":"updated_at","order":"ascending"}}`,
			response: `{"type":"conversation.list","conversations":[],"total_count":0,"pages":null}`,
			want:     &intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{}},
		},
		{
			name: "Create with all params",
			call: onConversations((*convos).Create, intercomrbac.CreateConversationParams{From: "66a0c1", FromRole: intercomrbac.ContactLead, Body: "Hi", Subject: "Re",
				AttachmentURLs: urls, CreatedAt: seconds(1701000000), BrandID: "3"}),
			op: "conversations.create", method: "POST", path: "/conversations",
			body:     `{"from":{"type":"lead","id":"66a0c1"},"body":"Hi","subject":"Re","attachment_urls":` + images + `,"created_at":1701000000,"brand_id":"3"}`,
			response: `{"type":"user_message","id":"40307","created_at":1701000000,"subject":"Re","body":"Hi","message_type":"inapp","conversation_id":"70552"}`,
			want: &intercomrbac.CreatedConversation{ID: "70552", MessageID: "40307", Type: "user_message", CreatedAt: seconds(1701000000), Subject: "Re", Body: "Hi",
				MessageType: "inapp"},
		},
		{
			name: "Create",
			call: onConversations((*convos).Create, intercomrbac.CreateConversationParams{From: "66a0c1", Body: "Hi"}),
			op:   "conversations.create", method: "POST", path: "/conversations",
			body:     `{"from":{"type":"user","id":"66a0c1"},"body":"Hi"}`,
			response: `{"id":"40307","conversation_id":70552}`,
			want:     &intercomrbac.CreatedConversation{ID: "70552", MessageID: "40307"},
		},
		{
			name: "Update with all params",
			call: onConversation((*convos).Update, "70551", intercomrbac.UpdateConversationParams{Read: new(true), Title: new("T"), CompanyID: "c1",
				CustomAttributes: map[string]any{"Plan": "gold", "Notes": nil}}),
			op: "conversations.update", method: "PUT", path: "/conversations/70551",
			body:     `{"read":true,"title":"T","company_id":"c1","custom_attributes":{"Plan":"gold","Notes":null}}`,
			response: fullConversation, want: wantConversation(),
		},
		{
			name: "Update to false and empty",
			call: onConversation((*convos).Update, "70551", intercomrbac.UpdateConversationParams{Read: new(false), Title: new("")}),
			op:   "conversations.update", method: "PUT", path: "/conversations/70551",
			body: `{"read":false,"title":""}`, response: closed, want: wantClosed,
		},
		{
			name: "Reply with all params",
			call: onConversation((*convos).Reply, "70551", intercomrbac.ReplyParams{AdminID: "4410", Body: "<p>Done</p>", AttachmentURLs: urls, AttachmentFiles: files,
				SkipNotifications: true, CreatedAt: seconds(1701000600)}),
			op: "conversations.reply", method: "POST", path: reply,
			body: `{"message_type":"comment","type":"admin","admin_id":"4410","body":"<p>Done</p>","attachment_urls":` + images + `,"attachment_files":` + filesJSON + `,
				"skip_notifications":true,"created_at":1701000600}`,
			response: fullConversation, want: wantConversation(),
		},
		{
			name: "Reply",
			call: onConversation((*convos).Reply, "70551", intercomrbac.ReplyParams{AdminID: "4410", Body: "Done"}),
			op:   "conversations.reply", method: "POST", path: reply,
			body: `{"message_type":"comment","type":"admin","admin_id":"4410","body":"Done"}`, response: closed, want: wantClosed,
		},
		{
			name: "Reply of attachments alone",
			call: onConversation((*convos).Reply, "70551", intercomrbac.ReplyParams{AdminID: "4410", AttachmentURLs: urls}),
			op:   "conversations.reply", method: "POST", path: reply,
			body: `{"message_type":"comment","type":"admin","admin_id":"4410","attachment_urls":` + images + `}`, response: closed, want: wantClosed,
		},
		{
			name: "Reply of buttons",
			call: onConversation((*convos).Reply, "70551", intercomrbac.ReplyParams{AdminID: "4410",
				QuickReplies: []intercomrbac.QuickReply{{Text: "Yes", UUID: "u-1"}, {Text: "No", UUID: "u-2"}}}),
			op: "conversations.reply", method: "POST", path: reply,
			body: `{"message_type":"quick_reply","type":"admin","admin_id":"4410","reply_options":[{"text":"Yes","uuid":"u-1"},{"text":"No","uuid":"u-2"}]}`, response: closed,
			want: wantClosed,
		},
		{
			name: "Note with all params",
			call: onConversation((*convos).Note, "70551", intercomrbac.NoteParams{AdminID: "4410", Body: "look", AttachmentURLs: urls, AttachmentFiles: files,
				SkipNotifications: true, CreatedAt: seconds(1701000600)}),
			op: "conversations.note", method: "POST", path: reply,
			body: `{"message_type":"note","type":"admin","admin_id":"4410","body":"look","attachment_urls":` + images + `,"attachment_files":` + filesJSON + `,
				"skip_notifications":true,"created_at":1701000600}`,
			response: fullConversation, want: wantConversation(),
		},
		{
			name: "Note",
			call: onConversation((*convos).Note, "70551", intercomrbac.NoteParams{AdminID: "4410", Body: "look"}),
			op:   "conversations.note", method: "POST", path: reply,
			body: `{"message_type":"note","type":"admin","admin_id":"4410","body":"look"}`, response: closed, want: wantClosed,
		},
		{
			name: "Assign to a team with all params",
			call: onConversation((*convos).Assign, "70551", intercomrbac.AssignParams{To: intercomrbac.ToTeam("6101"), AdminID: "4410", Body: "yours"}),
			op:   "conversations.assign", method: "POST", path: parts,
			body:     `{"message_type":"assignment","type":"team","admin_id":"4410","assignee_id":"6101","body":"yours"}`,
			response: fullConversation, want: wantConversation(),
		},
		{
			name: "Assign to an admin",
			call: onConversation((*convos).Assign, "70551", intercomrbac.AssignParams{To: intercomrbac.ToAdmin("4411"), AdminID: "4410"}),
			op:   "conversations.assign", method: "POST", path: parts,
			body: `{"message_type":"assignment","type":"admin","admin_id":"4410","assignee_id":"4411"}`, response: closed, want: wantClosed,
		},
		{
			name: "Unassign",
			call: onConversation((*convos).Unassign, "70551", intercomrbac.UnassignParams{AdminID: "4410"}),
			op:   "conversations.unassign", method: "POST", path: parts,
			body: `{"message_type":"assignment","type":"admin","admin_id":"4410","assignee_id":"0"}`, response: closed, want: wantClosed,
		},
		{
			name: "Unassign with all params",
			call: onConversation((*convos).Unassign, "70551", intercomrbac.UnassignParams{Team: true, AdminID: "4410", Body: "free"}),
			op:   "conversations.unassign", method: "POST", path: parts,
			body: `{"message_type":"assignment","type":"team","admin_id":"4410","assignee_id":"0","body":"free"}`, response: closed, want: wantClosed,
		},
		{
			name: "Close",
			call: onConversation((*convos).Close, "70551", intercomrbac.CloseParams{AdminID: "4410"}),
			op:   "conversations.close", method: "POST", path: parts,
			body: `{"message_type":"close","type":"admin","admin_id":"4410"}`, response: closed, want: wantClosed,
		},
		{
			name: "Close with all params",
			call: onConversation((*convos).Close, "70551", intercomrbac.CloseParams{AdminID: "4410", Body: "bye"}),
			op:   "conversations.close", method: "POST", path: parts,
			body: `{"message_type":"close","type":"admin","admin_id":"4410","body":"bye"}`, response: closed, want: wantClosed,
		},
		{
			name: "Open",
			call: onConversation((*convos).Open, "70551", intercomrbac.OpenParams{AdminID: "4410"}),
			op:   "conversations.open", method: "POST", path: parts,
			body: `{"message_type":"open","admin_id":"4410"}`, response: fullConversation, want: wantConversation(),
		},
		{
			name: "Snooze",
			call: onConversation((*convos).Snooze, "70551", intercomrbac.SnoozeParams{Until: until, AdminID: "4410"}),
			op:   "conversations.snooze", method: "POST", path: parts,
			body: fmt.Sprintf(`{"message_type":"snoozed","admin_id":"4410","snoozed_until":%d}`, until.Unix()), response: closed, want: wantClosed,
		},
		{
			name: "AddTag",
			call: onConversation((*convos).AddTag, "70551", intercomrbac.TagParams{TagID: "88", AdminID: "4410"}),
			op:   "conversations.add_tag", method: "POST", path: "/conversations/70551/tags",
			body: `{"id":"88","admin_id":"4410"}`, response: tag, want: wantTag,
		},
		{
			name: "RemoveTag",
			call: onConversation((*convos).RemoveTag, "70551", intercomrbac.TagParams{TagID: "88", AdminID: "4410"}),
			op:   "conversations.remove_tag", method: "DELETE", path: "/conversations/70551/tags/88",
			body: `{"admin_id":"4410"}`, response: tag, want: wantTag,
		},
		{
			name: "Delete",
			call: deletion((*convos).Delete, "70551"),
			op:   "conversations.delete", method: "DELETE", path: "/conversations/70551",
			response: `{"id":"70551","object":"conversation","deleted":true}`,
		},
		{
			name: "DeleteWithMetrics",
			call: deletion((*convos).DeleteWithMetrics, "70551"),
			op:   "conversations.delete_with_metrics", method: "DELETE", path: "/conversations/70551", query: "retain_metrics=false",
			response: `{"id":"70551","object":"conversation","deleted":true}`,
		},
	}
	runMethodTests(t, tests)
}

// actingCalls are the usual calls of all methods that act in an admin's name.
func actingCalls(id convoID, admin intercomrbac.AdminID) map[string]clientCall {
	return map[string]clientCall{
		"Reply":     onConversation((*convos).Reply, id, intercomrbac.ReplyParams{AdminID: admin, Body: "x"}),
		"Note":      onConversation((*convos).Note, id, intercomrbac.NoteParams{AdminID: admin, Body: "x"}),
		"Assign":    onConversation((*convos).Assign, id, intercomrbac.AssignParams{AdminID: admin, To: intercomrbac.ToTeam("6101")}),
		"Unassign":  onConversation((*convos).Unassign, id, intercomrbac.UnassignParams{AdminID: admin}),
		"Close":     onConversation((*convos).Close, id, intercomrbac.CloseParams{AdminID: admin}),
		"Open":      onConversation((*convos).Open, id, intercomrbac.OpenParams{AdminID: admin}),
		"Snooze":    onConversation((*convos).Snooze, id, intercomrbac.SnoozeParams{AdminID: admin, Until: time.Now().Add(time.Hour)}),
		"AddTag":    onConversation((*convos).AddTag, id, intercomrbac.TagParams{AdminID: admin, TagID: "88"}),
		"RemoveTag": onConversation((*convos).RemoveTag, id, intercomrbac.TagParams{AdminID: admin, TagID: "88"}),
	}
}

func TestActingAdmin(t *testing.T) {
	t.Parallel()
	principals := map[string]struct {
		principal intercomrbac.Principal
		params    intercomrbac.AdminID
		want      intercomrbac.AdminID
	}{
		"of the context":              {intercomrbac.Principal{AdminID: "4410"}, "", "4410"},
		"of a service in the context": {intercomrbac.Principal{Service: "router", AdminID: "4412"}, "", "4412"},
		"of the params":               {intercomrbac.Principal{AdminID: "4410"}, "4411", "4411"},
		"of the params alone":         {intercomrbac.Principal{}, "4411", "4411"},
	}
	for name, tt := range principals {
		for method, call := range actingCalls("70551", tt.params) {
			t.Run(method+"/"+name, func(t *testing.T) {
				t.Parallel()
				m := newMock(t, json200(`{"id":"70551"}`))
				_, err := call(intercomrbac.WithPrincipal(t.Context(), tt.principal), m.Client)
				require.NoError(t, err)
				var body struct {
					AdminID string `json:"admin_id"`
				}
				require.NoError(t, json.Unmarshal([]byte(m.onlyRequest(t).Body), &body))
				assert.Equal(t, string(tt.want), body.AdminID)
			})
		}
	}
	for method, call := range actingCalls("70551", "") {
		t.Run(method+"/nobody", func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			for _, ctx := range []context.Context{
				t.Context(),
				intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{}),
				intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{Service: "router"}),
				intercomrbac.WithPrincipal(ctxAs(t.Context(), "4410"), intercomrbac.Principal{}),
			} {
				got, err := call(ctx, m.Client)
				require.ErrorIs(t, err, intercomrbac.ErrNoActingAdmin)
				assert.ErrorContains(t, err, "AdminID")
				assert.ErrorContains(t, err, "Principal")
				assert.Empty(t, got)
			}
			assert.Empty(t, m.requests())
		})
		t.Run(method+"/principal that is no admin", func(t *testing.T) {
			t.Parallel()
			for _, id := range []intercomrbac.AdminID{"mara", "0", "1/2", "..", "-4"} {
				m := newMock(t)
				_, err := call(ctxAs(t.Context(), id), m.Client)
				require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
				assert.ErrorContains(t, err, "list the admins")
				assert.Empty(t, m.requests())
			}
		})
	}
}

func TestConversationsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, call clientCall) {
		tests = append(tests, refusalTest{name: name, hint: hint, call: call})
	}
	for name, segment := range badSegments {
		id := convoID(segment)
		for method, call := range actingCalls(id, "4410") {
			add(method+"/id/"+name, "conversation_id", call)
		}
		add("Get/id/"+name, "conversation_id", getting(id))
		add("Update/id/"+name, "conversation_id", onConversation((*convos).Update, id, intercomrbac.UpdateConversationParams{Read: new(true)}))
		add("Delete/id/"+name, "conversation_id", deletion((*convos).Delete, id))
		add("DeleteWithMetrics/id/"+name, "conversation_id", deletion((*convos).DeleteWithMetrics, id))
		add("RemoveTag/tag/"+name, "tag_id", onConversation((*convos).RemoveTag, "70551", intercomrbac.TagParams{TagID: intercomrbac.TagID(segment), AdminID: "4410"}))
	}
	for name, digits := range badDigits {
		if digits != "" { // means the principal
			for method, call := range actingCalls("70551", intercomrbac.AdminID(digits)) {
				add(method+"/admin/"+name, "list the admins", call)
			}
		}
		if digits != "0" {
			add("Assign/to admin/"+name, "list the admins", onConversation((*convos).Assign, "70551", intercomrbac.AssignParams{To: intercomrbac.ToAdmin(intercomrbac.AdminID(digits)), AdminID: "4410"}))
			add("Assign/to team/"+name, "list the teams", onConversation((*convos).Assign, "70551", intercomrbac.AssignParams{To: intercomrbac.ToTeam(intercomrbac.TeamID(digits)), AdminID: "4410"}))
		}
	}
	assign := func(to intercomrbac.Assignee) clientCall {
		return onConversation((*convos).Assign, "70551", intercomrbac.AssignParams{To: to, AdminID: "4410"})
	}
	add("Assign/to nobody", "use ToTeam or ToAdmin, or Unassign", assign(intercomrbac.Assignee{}))
	add("Assign/to team 0", "use Unassign", assign(intercomrbac.ToTeam("0")))
	add("Assign/to admin 0", "use Unassign", assign(intercomrbac.ToAdmin("0")))
	add("Assign/to a team's name", `"team-billing-123" is no team id`, assign(intercomrbac.ToTeam("team-billing-123")))

	eleven := slices.Repeat([]string{"https://a.example.org/1.png"}, 11)
	elevenFiles := slices.Repeat([]intercomrbac.AttachmentFile{{Name: "a", ContentType: "text/plain", Data: []byte("a")}}, 11)
	reply := func(p intercomrbac.ReplyParams) clientCall {
		p.AdminID = "4410"
		return onConversation((*convos).Reply, "70551", p)
	}
	note := func(p intercomrbac.NoteParams) clientCall {
		p.AdminID = "4410"
		return onConversation((*convos).Note, "70551", p)
	}
	add("Reply/nothing", "Body is needed", reply(intercomrbac.ReplyParams{}))
	add("Reply/11 URLs", "more than 10 attachments", reply(intercomrbac.ReplyParams{Body: "x", AttachmentURLs: eleven}))
	add("Reply/11 files", "more than 10 attachments", reply(intercomrbac.ReplyParams{Body: "x", AttachmentFiles: elevenFiles}))
	add("Reply/button without a UUID", "UUID", reply(intercomrbac.ReplyParams{QuickReplies: []intercomrbac.QuickReply{{Text: "Yes"}}}))
	add("Reply/button without a text", "Text", reply(intercomrbac.ReplyParams{QuickReplies: []intercomrbac.QuickReply{{Text: "Yes", UUID: "u-1"}, {UUID: "u-2"}}}))
	add("Reply/too large", "at most 8388608", reply(intercomrbac.ReplyParams{Body: strings.Repeat("x", 8<<20)}))
	add("Note/nothing", "Body is needed", note(intercomrbac.NoteParams{}))
	add("Note/11 URLs", "more than 10 attachments", note(intercomrbac.NoteParams{Body: "x", AttachmentURLs: eleven}))
	add("Note/11 files", "more than 10 attachments", note(intercomrbac.NoteParams{Body: "x", AttachmentFiles: elevenFiles}))

	create := func(p intercomrbac.CreateConversationParams) clientCall { return onConversations((*convos).Create, p) }
	add("Create/nothing", "From and Body are needed", create(intercomrbac.CreateConversationParams{}))
	add("Create/no contact", "From and Body are needed", create(intercomrbac.CreateConversationParams{Body: "x"}))
	add("Create/no body", "From and Body are needed", create(intercomrbac.CreateConversationParams{From: "66a0c1"}))
	add("Create/11 URLs", "more than 10 attachments", create(intercomrbac.CreateConversationParams{From: "66a0c1", Body: "x", AttachmentURLs: eleven}))

	update := func(p intercomrbac.UpdateConversationParams) clientCall {
		return onConversation((*convos).Update, "70551", p)
	}
	add("Update/nothing", "change nothing", update(intercomrbac.UpdateConversationParams{}))
	add("Update/no attributes", "change nothing", update(intercomrbac.UpdateConversationParams{CustomAttributes: map[string]any{}}))
	add("Update/attribute that is no JSON", "cannot be written as JSON", update(intercomrbac.UpdateConversationParams{CustomAttributes: map[string]any{"f": func() {}}}))

	snooze := func(until time.Time) clientCall {
		return onConversation((*convos).Snooze, "70551", intercomrbac.SnoozeParams{Until: until, AdminID: "4410"})
	}
	add("Snooze/no time", "must be in the future", snooze(time.Time{}))
	add("Snooze/past", "must be in the future", snooze(time.Now().Add(-time.Minute)))
	add("Snooze/made from milliseconds", "milliseconds", snooze(time.Unix(time.Now().Add(time.Hour).UnixMilli(), 0)))

	add("RemoveTag/tag/slash", "tag_id", onConversation((*convos).RemoveTag, "70551", intercomrbac.TagParams{TagID: "7/8", AdminID: "4410"}))
	add("AddTag/no tag", "TagID is needed", onConversation((*convos).AddTag, "70551", intercomrbac.TagParams{AdminID: "4410"}))
	for _, n := range []int{-1, 151} {
		add(fmt.Sprint("List/PerPage ", n), fmt.Sprintf("PerPage is %d: use 1 to 150", n), onConversations((*convos).List, intercomrbac.ListParams{PerPage: n}))
	}
	add("List/broken cursor", "no cursor that a Page gave", onConversations((*convos).List, intercomrbac.ListParams{After: "?a=%zz"}))
	runRefusalTests(t, tests)
}

func TestConversationsEncodeAsIntercomWritesThem(t *testing.T) {
	t.Parallel()
	want := wantConversation()
	assert.Equal(t, want.Tags, reread(t, want.Tags))
	assert.Equal(t, want.Contacts, reread(t, want.Contacts))
	assert.Equal(t, want.Teammates, reread(t, want.Teammates))
	b, err := json.Marshal(intercomrbac.Conversation{})
	require.NoError(t, err)
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &object))
	assert.JSONEq(t, `{"type":"tag.list","tags":[]}`, string(object["tags"]))
	assert.JSONEq(t, `{"type":"contact.list","contacts":[]}`, string(object["contacts"]))
	assert.JSONEq(t, `{"type":"admin.list","teammates":[]}`, string(object["teammates"]))

	again := reread(t, *want)
	assert.JSONEq(t, string(want.LinkedObjects), string(again.LinkedObjects))
	again.LinkedObjects, again.AIAgent = want.LinkedObjects, want.AIAgent // differ in white space
	assert.Equal(t, *want, again)
}

func TestListsOfAConversationRefuseOtherTypes(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`7`, `"billing"`, `{"tags":"billing"}`, `[7]`} {
		_, err := newMock(t, json200(`{"id":"1","tags":`+list+`}`)).Client.Conversations.Get(t.Context(), "1")
		assert.ErrorIs(t, err, intercomrbac.ErrBadResponse, list)
	}
}
