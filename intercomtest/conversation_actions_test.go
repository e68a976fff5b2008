package intercomtest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// desk is a workspace with a conversation in it.
type desk struct {
	t        *testing.T
	s        *intercomtest.Server
	api      api
	ada, bob intercomrbac.AdminID
	seatless intercomrbac.AdminID
	billing  intercomrbac.TeamID
	id       intercomrbac.ConversationID
	tag      intercomrbac.TagID
}

func newDesk(t *testing.T) desk {
	s := intercomtest.NewServer(t)
	return desk{
		t: t, s: s, api: inMemory(t, s),
		ada: s.AddAdmin(intercomtest.Admin{Name: "Ada"}), bob: s.AddAdmin(intercomtest.Admin{Name: "Bob"}),
		seatless: s.AddAdmin(intercomtest.Admin{NoInboxSeat: true}),
		billing:  s.AddTeam(intercomtest.Team{Name: "Billing"}),
		id:       s.AddConversation(intercomtest.Conversation{CreatedAt: time.Now().Add(-time.Hour), WaitingSince: time.Now()}),
		tag:      s.AddTag(intercomtest.Tag{Name: "VIP"}),
	}
}

func (d desk) part(body map[string]any) answer {
	d.t.Helper()
	return d.api.post("/conversations/"+string(d.id)+"/parts", text(body))
}

func (d desk) reply(body map[string]any) answer {
	d.t.Helper()
	return d.api.post("/conversations/"+string(d.id)+"/reply", text(body))
}

func (d desk) conversation() intercomtest.Conversation {
	c, ok := d.s.Conversation(d.id)
	require.True(d.t, ok)
	return c
}

func (d desk) assignment(kind string, to any) map[string]any {
	return map[string]any{"message_type": "assignment", "type": kind, "admin_id": d.ada, "assignee_id": to}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := time.Now().Truncate(time.Second)
	r := d.part(d.assignment("team", d.billing)).requireOK(t)
	assert.Equal(t, "assignment", r.at(t, "conversation_parts", "conversation_parts", 0, "part_type"))
	d.part(d.assignment("admin", d.bob)).requireOK(t)
	c := d.conversation()
	assert.Equal(t, d.billing, c.TeamAssigneeID, "both at once")
	assert.Equal(t, d.bob, c.AdminAssigneeID)
	assert.False(t, c.UpdatedAt.Before(before))
	require.Len(t, c.Parts, 2)
	assert.Equal(t, "team", c.Parts[0].AssignedToType)
	assert.Equal(t, string(d.bob), c.Parts[1].AssignedToID)
	assert.Equal(t, string(d.ada), c.Parts[1].AuthorID)

	d.part(d.assignment("team", "0")).requireOK(t)
	c = d.conversation()
	assert.Empty(t, c.TeamAssigneeID)
	assert.Equal(t, d.bob, c.AdminAssigneeID, "the other side stays")
	assert.Equal(t, "nobody_admin", c.Parts[2].AssignedToType)
	r = d.part(d.assignment("admin", 0)).requireOK(t)
	assert.Equal(t, num("0"), r.at(t, "admin_assignee_id"))
	assert.Equal(t, 2, d.s.CallCount("conversations.assign"))
	assert.Equal(t, 2, d.s.CallCount("conversations.unassign"))

	d.part(map[string]any{"message_type": "close", "type": "admin", "admin_id": d.ada}).requireOK(t)
	d.part(d.assignment("admin", "0")).requireOK(t)
	assert.Equal(t, "closed", d.conversation().State)
	r = d.part(d.assignment("admin", d.bob)).requireOK(t)
	assert.Equal(t, "open", r.at(t, "state"))
	parts := d.conversation().Parts
	assert.Equal(t, "assign_and_reopen", parts[len(parts)-1].Type)
}

func TestAssignFailures(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	with := func(name string, value any) map[string]any {
		body := d.assignment("admin", d.bob)
		body[name] = value
		return body
	}
	d.part(d.assignment("team", "999")).requireError(t, 404, "team_not_found")
	d.part(d.assignment("team", d.bob)).requireError(t, 404, "team_not_found")
	d.part(d.assignment("admin", "999")).requireError(t, 404, "admin_not_found")
	d.part(d.assignment("admin", d.billing)).requireError(t, 404, "admin_not_found")
	d.part(with("admin_id", d.billing)).requireError(t, 404, "admin_not_found")
	d.part(with("admin_id", d.seatless)).requireError(t, 403, "action_forbidden")
	d.part(with("admin_id", nil)).requireError(t, 400, "parameter_not_found")
	d.part(with("assignee_id", nil)).requireError(t, 400, "parameter_not_found")
	d.part(with("type", "bot")).requireError(t, 400, "parameter_invalid")
	d.s.RemoveTeam(d.billing)
	d.part(d.assignment("team", d.billing)).requireError(t, 404, "team_not_found")
	assert.Empty(t, d.conversation().Parts, "nothing was done")
	d.id = "1"
	assert.Equal(t, "Resource Not Found", d.part(d.assignment("admin", d.bob)).requireError(t, 404, "not_found").message(t))
}

func TestCloseOpenSnooze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		act := func(kind string, more ...any) answer {
			body := map[string]any{"message_type": kind, "admin_id": d.ada}
			if len(more) > 0 {
				body["snoozed_until"] = more[0]
			}
			return d.part(body)
		}
		time.Sleep(time.Minute)
		r := d.part(map[string]any{"message_type": "close", "type": "admin", "admin_id": d.ada, "body": "Bye"}).requireOK(t)
		assert.Equal(t, false, r.at(t, "open"))
		assert.Equal(t, "closed", r.at(t, "state"))
		assert.Equal(t, fmt.Sprint(time.Now().Unix()), fmt.Sprint(r.at(t, "updated_at")))
		assert.Equal(t, "<p>Bye</p>", r.at(t, "conversation_parts", "conversation_parts", 0, "body"))
		assert.Equal(t, "closed", r.at(t, "conversation_parts", "conversation_parts", 0, "state"))
		assert.Equal(t, "open", act("open").requireOK(t).at(t, "state"))

		act("snoozed").requireError(t, 400, "parameter_not_found")
		act("snoozed", time.Now().Unix()).requireError(t, 400, "parameter_invalid")
		act("snoozed", "tomorrow").requireError(t, 400, "parameter_invalid")
		until := time.Now().Add(time.Hour)
		r = act("snoozed", until.Unix()).requireOK(t)
		assert.Equal(t, "snoozed", r.at(t, "state"))
		assert.Equal(t, true, r.at(t, "open"))
		assert.Equal(t, num(fmt.Sprint(until.Unix())), r.at(t, "snoozed_until"))
		time.Sleep(time.Hour - time.Second)
		assert.Equal(t, "snoozed", d.conversation().State)
		time.Sleep(time.Second)
		r = d.api.get("/conversations").requireOK(t)
		assert.Equal(t, "open", r.at(t, "conversations", 0, "state"), "time has come")
		assert.Nil(t, r.at(t, "conversations", 0, "snoozed_until"))
		assert.Equal(t, "open", d.conversation().State)

		act("snoozed", time.Now().Add(time.Hour).Unix()).requireOK(t)
		act("close").requireOK(t)
		time.Sleep(2 * time.Hour)
		assert.Equal(t, "closed", d.conversation().State, "no longer snoozed")
		var types []string
		for _, p := range d.conversation().Parts {
			types = append(types, p.Type)
		}
		assert.Equal(t, []string{"close", "open", "snoozed", "snoozed", "close"}, types)

		d.ada = d.seatless
		act("close").requireError(t, 403, "action_forbidden")
		act("snoozed", time.Now().Add(time.Hour).Unix()).requireError(t, 403, "action_forbidden")
		d.ada = "999"
		act("open").requireError(t, 404, "admin_not_found")
	})
}

func TestReply(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	body := func(kind string, more ...any) map[string]any {
		b := map[string]any{"message_type": kind, "type": "admin", "admin_id": d.ada}
		for i := 0; i+1 < len(more); i += 2 {
			b[more[i].(string)] = more[i+1]
		}
		return b
	}
	d.reply(body("note", "body", "<h2>Look</h2>")).requireOK(t)
	assert.NotZero(t, d.conversation().WaitingSince, "the customer sees no note")
	r := d.reply(body("comment", "body", "Hello", "attachment_urls", []string{"https://example.com/a.png"}, "created_at", 1700000000)).requireOK(t)
	assert.Nil(t, r.at(t, "waiting_since"))
	parts := r.at(t, "conversation_parts", "conversation_parts").([]any)
	require.Len(t, parts, 2)
	comment := parts[1].(map[string]any)
	assert.Equal(t, "comment", comment["part_type"])
	assert.Equal(t, "<p>Hello</p>", comment["body"])
	assert.Equal(t, num("1700000000"), comment["created_at"])
	assert.Equal(t, "https://example.com/a.png", comment["attachments"].([]any)[0].(map[string]any)["url"])
	assert.Greater(t, d.conversation().UpdatedAt.Unix(), int64(1700000000))
	option := map[string]any{"text": "Yes", "uuid": "a5e1c524-5ddd-4c3e-9328-6bca5d6e3edb"}
	r = d.reply(body("quick_reply", "reply_options", []any{option})).requireOK(t)
	assert.Equal(t, []any{option}, r.at(t, "conversation_parts", "conversation_parts", 2, "metadata", "quick_reply_options"))
	file := map[string]any{"name": "my invoice.pdf", "content_type": "application/pdf", "data": "JVBERg=="}
	r = d.reply(body("comment", "attachment_files", []any{file})).requireOK(t)
	sent := r.at(t, "conversation_parts", "conversation_parts", 3, "attachments", 0).(map[string]any)
	assert.Equal(t, "my invoice.pdf", sent["name"])
	assert.Equal(t, "https://downloads.intercom.test/my%20invoice.pdf", sent["url"])
	assert.Equal(t, 1, d.s.CallCount("conversations.note"))
	assert.Equal(t, 3, d.s.CallCount("conversations.reply"))

	d.reply(body("comment")).requireError(t, 400, "parameter_invalid")
	d.reply(body("note")).requireError(t, 400, "parameter_invalid")
	d.reply(body("quick_reply")).requireError(t, 400, "parameter_not_found")
	d.reply(body("quick_reply", "reply_options", []any{map[string]any{"text": "Yes"}})).requireError(t, 400, "parameter_invalid")
	d.reply(body("comment", "body", "x", "attachment_urls", make([]string, 11))).requireError(t, 400, "parameter_invalid")
	d.reply(body("comment", "attachment_files", slices.Repeat([]any{file}, 11))).requireError(t, 400, "parameter_invalid")
	d.reply(body("comment", "attachment_files", []any{map[string]any{"name": "x"}})).requireError(t, 400, "parameter_invalid")
	d.reply(body("comment", "body", "x", "admin_id", d.billing)).requireError(t, 404, "admin_not_found")
	d.reply(body("comment", "body", "x", "admin_id", d.seatless)).requireError(t, 403, "action_forbidden")
	d.reply(body("comment", "body", "x", "admin_id", "")).requireError(t, 400, "parameter_not_found")
	d.reply(body("shout", "body", "x")).requireError(t, 400, "parameter_invalid")
	assert.Len(t, d.conversation().Parts, 4)
	d.id = "1"
	d.reply(body("comment", "body", "x")).requireError(t, 404, "not_found")
}

func TestTags(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := "/conversations/" + string(d.id) + "/tags"
	attach := text(map[string]any{"id": d.tag, "admin_id": d.ada})
	detach := text(map[string]any{"admin_id": d.ada})
	r := d.api.post(path, attach).requireOK(t)
	assert.Equal(t, map[string]any{"type": "admin", "id": string(d.ada)}, r.at(t, "applied_by"))
	assert.Equal(t, "VIP", r.at(t, "name"))
	assert.NotNil(t, r.at(t, "applied_at"))
	assert.Equal(t, r.body, d.api.post(path, attach).requireOK(t).body, "once is enough")
	assert.Equal(t, []intercomrbac.TagID{d.tag}, d.conversation().TagIDs)

	assert.Equal(t, r.body, d.api.do(http.MethodDelete, path+"/"+string(d.tag), detach).requireOK(t).body)
	assert.Empty(t, d.conversation().TagIDs)
	d.api.do(http.MethodDelete, path+"/"+string(d.tag), detach).requireError(t, 404, "tag_not_found")
	d.api.do(http.MethodDelete, path+"/1", detach).requireError(t, 404, "tag_not_found")
	d.api.do(http.MethodDelete, path+"/"+string(d.tag), `{}`).requireError(t, 400, "parameter_not_found")
	d.api.do(http.MethodDelete, path+"/"+string(d.tag), "").requireError(t, 400, "bad_request")
	d.api.post(path, text(map[string]any{"id": "1", "admin_id": d.ada})).requireError(t, 404, "tag_not_found")
	d.api.post(path, text(map[string]any{"admin_id": d.ada})).requireError(t, 400, "parameter_not_found")
	d.api.post(path, text(map[string]any{"id": d.tag, "admin_id": d.billing})).requireError(t, 404, "admin_not_found")
	r = d.api.post("/conversations/1/tags", attach).requireError(t, 404, "not_found")
	assert.Equal(t, "Conversation not found", r.message(t))
}
