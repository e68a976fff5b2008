package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// caller calls one operation by its method, and says what Do is called with for the same.
type caller struct {
	method func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error)
	call   func(d *desk) intercomrbac.Call
}

// conversation is the one that all callers are about; the agent is assigned to it.
func (d *desk) conversation() intercomrbac.ConversationID { return d.Conversations[1] }

func (d *desk) pathOfConversation() map[string]string {
	return map[string]string{"conversation_id": string(d.conversation())}
}

func (d *desk) pathOfArticle() map[string]string {
	return map[string]string{"article_id": string(d.Articles[0])}
}

func (d *desk) pathOfCollection() map[string]string {
	return map[string]string{"collection_id": string(d.Collections[0])}
}

// acting is the body of a call to manageConversation or replyConversation.
func (d *desk) acting(members map[string]any) map[string]any {
	members["admin_id"] = string(d.Agent)
	return members
}

// aboutConversation is a caller of an operation about one conversation.
func aboutConversation(method func(context.Context, *intercomrbac.Client, *desk) (any, error), body map[string]any) caller {
	return caller{method, func(d *desk) intercomrbac.Call {
		c := intercomrbac.Call{Path: d.pathOfConversation()}
		if body != nil {
			members := map[string]any{}
			for name, value := range body {
				members[name] = value
			}
			c.Body = d.acting(members)
		}
		return c
	}}
}

// addParticipant adds a contact to the conversation once, who can then be taken off it.
func (d *desk) addParticipant() {
	if c, _ := d.srv.Conversation(d.conversation()); slices.Contains(c.ContactIDs, d.Contacts[2]) {
		return
	}
	d.srv.UpdateConversation(d.conversation(), func(c *intercomtest.Conversation) { c.ContactIDs = append(c.ContactIDs, d.Contacts[2]) })
}

// cardNumber is the part that addCardNumber adds to the conversation, once.
const cardNumber = "9001"

func (d *desk) addCardNumber() {
	if c, _ := d.srv.Conversation(d.conversation()); len(c.Parts) > 0 {
		return
	}
	d.srv.AddPart(d.conversation(), intercomtest.Part{ID: cardNumber, AuthorType: "user", AuthorID: string(d.Contacts[1]), Body: "My card is 4111 1111 1111 1111"})
}

// aboutContact is a caller of an operation about the first contact, who is a VIP.
func aboutContact(method func(context.Context, *intercomrbac.Client, *desk) (any, error), body any) caller {
	return caller{method, func(d *desk) intercomrbac.Call {
		return intercomrbac.Call{Path: map[string]string{"contact_id": string(d.Contacts[0])}, Body: body}
	}}
}

// callers has one entry for each operation of the table.
var callers = map[string]caller{
	"admins.activity_event_types": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Admins.ActivityEventTypes(ctx)
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"admins.activity_logs": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Admins.ActivityLogs(ctx, intercomrbac.ActivityLogsParams{CreatedAfter: lastWeek()})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Query: url.Values{"created_at_after": {fmt.Sprint(lastWeek().Unix())}}}
		},
	},
	"admins.search_activity_logs": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Admins.SearchActivityLogs(ctx, intercomrbac.SearchActivityLogsParams{
				ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: lastWeek()}, Types: []intercomrbac.ActivityType{"role_change"}})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"created_at_after": lastWeek().Unix(), "event_types": []string{"role_change"}}}
		},
	},
	"admins.away_reasons": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Admins.AwayReasons(ctx)
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"admins.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Admins.Get(ctx, d.Manager)
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"admin_id": string(d.Manager)}}
		},
	},
	"admins.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) { return c.Admins.List(ctx) },
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"admins.me": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) { return c.Admins.Me(ctx) },
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"admins.set_away": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Admins.SetAway(ctx, d.Manager, intercomrbac.SetAwayParams{Away: true})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"admin_id": string(d.Manager)},
				Body: map[string]bool{"away_mode_enabled": true, "away_mode_reassign": false}}
		},
	},
	"articles.create": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Articles.Create(ctx, intercomrbac.CreateArticleParams{Title: "Invoices"})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"title": "Invoices", "author_id": json.Number(d.Agent)}}
		},
	},
	"articles.delete": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.Articles.Delete(ctx, d.Articles[0])
		},
		func(d *desk) intercomrbac.Call { return intercomrbac.Call{Path: d.pathOfArticle()} },
	},
	"articles.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Articles.Get(ctx, d.Articles[0])
		},
		func(d *desk) intercomrbac.Call { return intercomrbac.Call{Path: d.pathOfArticle()} },
	},
	"articles.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Articles.List(ctx, intercomrbac.ListParams{})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"articles.search": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Articles.Search(ctx, intercomrbac.SearchArticlesParams{Phrase: "refund", Highlight: true})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Query: url.Values{"phrase": {"refund"}, "highlight": {"true"}}}
		},
	},
	"articles.update": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Articles.Update(ctx, d.Articles[0], intercomrbac.UpdateArticleParams{State: intercomrbac.ArticleDraft})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: d.pathOfArticle(), Body: map[string]any{"state": "draft"}}
		},
	},
	"collections.create": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Collections.Create(ctx, intercomrbac.CreateCollectionParams{Name: "Invoices"})
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]string{"name": "Invoices"}}
		},
	},
	"collections.delete": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.Collections.Delete(ctx, d.Collections[0])
		},
		func(d *desk) intercomrbac.Call { return intercomrbac.Call{Path: d.pathOfCollection()} },
	},
	"collections.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Collections.Get(ctx, d.Collections[0])
		},
		func(d *desk) intercomrbac.Call { return intercomrbac.Call{Path: d.pathOfCollection()} },
	},
	"collections.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Collections.List(ctx, intercomrbac.ListParams{})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"collections.update": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Collections.Update(ctx, d.Collections[0], intercomrbac.UpdateCollectionParams{Name: "Invoices"})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: d.pathOfCollection(), Body: map[string]string{"name": "Invoices"}}
		},
	},
	"contacts.add_tag": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Contacts.AddTag(ctx, d.Contacts[0], d.Bug)
	}, map[string]string{"id": "7522909"}),
	"contacts.archive": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return nil, c.Contacts.Archive(ctx, d.Contacts[0])
	}, nil),
	"contacts.block": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return nil, c.Contacts.Block(ctx, d.Contacts[0])
	}, nil),
	"contacts.create": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Contacts.Create(ctx, intercomrbac.CreateContactParams{ExternalID: "customer-9"})
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]string{"external_id": "customer-10"}}
		},
	},
	"contacts.delete": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.Contacts.Delete(ctx, d.Contacts[3])
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"contact_id": string(d.Contacts[4])}}
		},
	},
	"contacts.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Contacts.Get(ctx, d.Contacts[0])
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"contact_id": string(d.Contacts[0])}}
		},
	},
	"contacts.get_by_external_id": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Contacts.GetByExternalID(ctx, "customer-1")
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"external_id": "customer-1"}}
		},
	},
	"contacts.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Contacts.List(ctx, intercomrbac.ListParams{})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"contacts.merge": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: d.Contacts[5], Into: d.Contacts[0], SkipDuplicateValidation: true})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"from": d.Contacts[5], "into": d.Contacts[0], "skip_duplicate_validation": true}}
		},
	},
	"contacts.remove_tag": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Contacts.RemoveTag(ctx, d.Contacts[0], d.VIP)
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"contact_id": string(d.Contacts[0]), "tag_id": string(d.VIP)}}
		},
	},
	"contacts.search": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Contacts.Search(ctx, intercomrbac.SearchParams{Query: intercomrbac.Where(intercomrbac.FieldRole, intercomrbac.Equals, intercomrbac.ContactUser)})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"query": map[string]string{"field": "role", "operator": "=", "value": "user"}}}
		},
	},
	"contacts.tags": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Contacts.Tags(ctx, d.Contacts[0])
	}, nil),
	"contacts.unarchive": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return nil, c.Contacts.Unarchive(ctx, d.Contacts[0])
	}, nil),
	"contacts.update": aboutContact(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Contacts.Update(ctx, d.Contacts[0], intercomrbac.UpdateContactParams{Name: new("Grace")})
	}, map[string]string{"name": "Grace"}),
	"conversations.add_tag": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.AddTag(ctx, d.conversation(), intercomrbac.TagParams{TagID: d.Bug})
	}, map[string]any{"id": "7522909"}),
	"conversations.assign": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Assign(ctx, d.conversation(), intercomrbac.AssignParams{To: intercomrbac.ToTeam(d.Sales)})
	}, map[string]any{"message_type": "assignment", "type": "team", "assignee_id": "814867"}),
	"conversations.attach_contact": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.AttachContact(ctx, d.conversation(), intercomrbac.AttachContactParams{ContactID: d.Contacts[2]})
	}, map[string]any{"customer": map[string]string{"user_id": "customer-3"}}),
	"conversations.close": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
	}, map[string]any{"message_type": "close", "type": "admin"}),
	"conversations.create": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Conversations.Create(ctx, intercomrbac.CreateConversationParams{From: d.Contacts[0], Body: "Hello"})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "user", "id": string(d.Contacts[0])}, "body": "Hello"}}
		},
	},
	"conversations.delete": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return nil, c.Conversations.Delete(ctx, d.conversation())
	}, nil),
	"conversations.delete_with_metrics": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.Conversations.DeleteWithMetrics(ctx, d.conversation())
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: d.pathOfConversation(), Query: url.Values{"retain_metrics": {"false"}}}
		},
	},
	"conversations.detach_contact": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			d.addParticipant()
			return c.Conversations.DetachContact(ctx, d.conversation(), intercomrbac.DetachContactParams{ContactID: d.Contacts[2]})
		},
		func(d *desk) intercomrbac.Call {
			d.addParticipant()
			return intercomrbac.Call{Path: map[string]string{"conversation_id": string(d.conversation()), "contact_id": string(d.Contacts[2])},
				Body: d.acting(map[string]any{})}
		},
	},
	"conversations.get": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Get(ctx, d.conversation())
	}, nil),
	"conversations.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Conversations.List(ctx, intercomrbac.ListParams{})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"conversations.note": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Note(ctx, d.conversation(), intercomrbac.NoteParams{Body: "Hello"})
	}, map[string]any{"type": "admin", "message_type": "note", "body": "Hello"}),
	"conversations.open": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Open(ctx, d.conversation(), intercomrbac.OpenParams{})
	}, map[string]any{"message_type": "open"}),
	"conversations.redact": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			d.addCardNumber()
			return c.Conversations.Redact(ctx, d.conversation(), intercomrbac.RedactParams{PartID: cardNumber})
		},
		func(d *desk) intercomrbac.Call {
			d.addCardNumber()
			return intercomrbac.Call{Body: map[string]any{"type": "conversation_part", "conversation_id": d.conversation(), "conversation_part_id": cardNumber}}
		},
	},
	"conversations.remove_tag": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Conversations.RemoveTag(ctx, d.conversation(), intercomrbac.TagParams{TagID: d.VIP})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"conversation_id": string(d.conversation()), "tag_id": string(d.VIP)},
				Body: d.acting(map[string]any{})}
		},
	},
	"conversations.reply": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: "Hello"})
	}, map[string]any{"type": "admin", "message_type": "comment", "body": "Hello"}),
	"conversations.search": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			p, err := c.Conversations.Search(ctx, intercomrbac.SearchParams{Query: intercomrbac.Where(intercomrbac.FieldState, intercomrbac.Equals, "open")})
			return itemsOf(p), err
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"query": map[string]string{"field": "state", "operator": "=", "value": "open"}}}
		},
	},
	"conversations.snooze": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Conversations.Snooze(ctx, d.conversation(), intercomrbac.SnoozeParams{Until: soon()})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: d.pathOfConversation(), Body: d.acting(map[string]any{"message_type": "snoozed", "snoozed_until": soon().Unix()})}
		},
	},
	"conversations.unassign": aboutConversation(func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
		return c.Conversations.Unassign(ctx, d.conversation(), intercomrbac.UnassignParams{})
	}, map[string]any{"message_type": "assignment", "type": "admin", "assignee_id": "0"}),
	"conversations.update": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Conversations.Update(ctx, d.conversation(), intercomrbac.UpdateConversationParams{Read: new(true)})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: d.pathOfConversation(), Body: map[string]bool{"read": true}}
		},
	},
	"events.create": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.DataEvents.Create(ctx, intercomrbac.CreateEventParams{Name: "paid-invoice", ContactID: d.Contacts[0]})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"event_name": "paid-invoice", "id": string(d.Contacts[0]), "created_at": soon().Unix()}}
		},
	},
	"events.create_summary": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return nil, c.DataEvents.CreateSummary(ctx, intercomrbac.CreateEventSummaryParams{UserID: "customer-1", Name: "paid-invoice", Count: 7, First: lastWeek(), Last: time.Now()})
		},
		func(*desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"user_id": "customer-1",
				"event_summaries": map[string]any{"event_name": "paid-invoice", "count": 7, "first": lastWeek().Unix(), "last": time.Now().Unix()}}}
		},
	},
	"events.list": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			p, err := c.DataEvents.List(ctx, intercomrbac.ListEventsParams{ContactID: d.Contacts[0]})
			return itemsOf(p), err
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Query: url.Values{"type": {"user"}, "intercom_user_id": {string(d.Contacts[0])}}}
		},
	},
	"events.summaries": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.DataEvents.Summaries(ctx, intercomrbac.EventSummariesParams{ContactID: d.Contacts[0]})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Query: url.Values{"type": {"user"}, "summary": {"true"}, "intercom_user_id": {string(d.Contacts[0])}}}
		},
	},
	"messages.create": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Messages.Create(ctx, intercomrbac.CreateMessageParams{Type: intercomrbac.MessageInApp, To: []intercomrbac.Recipient{{ID: d.Contacts[0]}}, Body: "Hello"})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"message_type": "inapp", "from": map[string]string{"type": "admin", "id": string(d.Agent)},
				"to": map[string]string{"type": "user", "id": string(d.Contacts[0])}, "body": "Hello"}}
		},
	},
	"tags.apply": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Tags.Apply(ctx, intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: d.Contacts[:2]})
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]any{"name": "VIP", "users": []any{map[string]any{"id": d.Contacts[0]}}}}
		},
	},
	"tags.create": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) {
			return c.Tags.Create(ctx, "Chargeback")
		},
		func(*desk) intercomrbac.Call { return intercomrbac.Call{Body: map[string]string{"name": "Chargeback"}} },
	},
	"tags.delete": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return nil, c.Tags.Delete(ctx, d.Bug)
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"tag_id": string(d.Refund)}}
		},
	},
	"tags.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) { return c.Tags.Get(ctx, d.VIP) },
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"tag_id": string(d.VIP)}}
		},
	},
	"tags.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) { return c.Tags.List(ctx) },
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
	"tags.rename": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Tags.Rename(ctx, d.Bug, "Defect")
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Body: map[string]string{"id": string(d.Refund), "name": "Refunds"}}
		},
	},
	"teams.get": {
		func(ctx context.Context, c *intercomrbac.Client, d *desk) (any, error) {
			return c.Teams.Get(ctx, d.Billing)
		},
		func(d *desk) intercomrbac.Call {
			return intercomrbac.Call{Path: map[string]string{"team_id": string(d.Billing)}}
		},
	},
	"teams.list": {
		func(ctx context.Context, c *intercomrbac.Client, _ *desk) (any, error) { return c.Teams.List(ctx) },
		func(*desk) intercomrbac.Call { return intercomrbac.Call{} },
	},
}

// answersNothing are the operations that Intercom answers 200 to, without a body.
var answersNothing = map[string]bool{"events.create_summary": true, "tags.delete": true}

// itemsOf returns the items of a page, and nil where there is no page.
func itemsOf[T any](p *intercomrbac.Page[T]) []T {
	if p == nil {
		return nil
	}
	return p.Items
}

// tagVIPs puts the tag that callers take off on what they take it off.
func (d *desk) tagVIPs() {
	d.srv.UpdateConversation(d.conversation(), func(c *intercomtest.Conversation) { c.TagIDs = append(c.TagIDs, d.VIP) })
	d.srv.UpdateContact(d.Contacts[0], func(c *intercomtest.Contact) { c.TagIDs = append(c.TagIDs, d.VIP) })
}

// forEveryOperation runs a test for each operation, once by its method and once through Do. Do's out is a map.
func forEveryOperation(t *testing.T, test func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error))) {
	t.Helper()
	for _, op := range intercomrbac.Operations() {
		c, ok := callers[op.Name]
		if !ok {
			t.Errorf("operation %s has no entry in callers", op.Name)
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			test(t, op, func(ctx context.Context, d *desk) (any, error) { return c.method(ctx, d.client, d) })
		})
		t.Run("Do/"+op.Name, func(t *testing.T) {
			t.Parallel()
			test(t, op, func(ctx context.Context, d *desk) (any, error) {
				if answersNothing[op.Name] {
					return nil, d.client.Do(ctx, op, c.call(d), nil)
				}
				var out map[string]any
				err := d.client.Do(ctx, op, c.call(d), &out)
				return out, err
			})
		})
	}
	assert.Len(t, callers, len(intercomrbac.Operations()), "an entry in callers is for no operation")
}

// The table is checked against the stock policy: an operation whose permission no policy could grant would be dead under
// a guard.
func TestGuardKnowsThePermissionOfEveryOperation(t *testing.T) {
	t.Parallel()
	c, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	require.NoError(t, err)
	for _, op := range intercomrbac.Operations() {
		assert.True(t, c.Can(intercomrbac.RoleOwner, op.Permission), "%s needs %q, which the owner of the stock policy does not have", op.Name, op.Permission)
	}
}

func TestGuardLetsEveryOperationThrough(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
		d.tagVIPs()
		_, err := do(d.as(t, intercomrbac.RoleOwner), d)
		require.NoError(t, err)
		assert.Equal(t, []string{op.Name}, d.sent())
		if op.Effect == intercomrbac.Read {
			assert.Empty(t, d.trail.take())
			return
		}
		assert.Equal(t, []string{"intent", "succeeded"}, d.trail.phases())
	})
}

func TestGuardDeniesEveryOperationUnsent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rules  intercomrbac.RoleRules
		role   intercomrbac.Role
		nobody bool
		reason intercomrbac.Reason
	}{
		"not granted":    {role: tester, reason: intercomrbac.ReasonNotGranted},
		"denied by rule": {intercomrbac.RoleRules{Allow: intercomrbac.Rules("*"), Deny: intercomrbac.Rules("*")}, tester, false, intercomrbac.ReasonDeniedByRule},
		"unknown role":   {intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}, "testers", false, intercomrbac.ReasonUnknownRole},
		"no role":        {intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}, "", false, intercomrbac.ReasonUnknownRole},
		"no principal":   {intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}, tester, true, intercomrbac.ReasonNoPrincipal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
				d := newDesk(t, deskConfig{policy: intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{tester: tt.rules}}})
				ctx := d.as(t, tt.role)
				if tt.nobody {
					ctx = t.Context()
				}
				got, err := do(ctx, d)
				e := denialOf(t, err, tt.reason)
				assert.Equal(t, []any{op.Name, op.Permission}, []any{e.Action, e.Permission})
				assert.Equal(t, tt.nobody, errors.Is(err, intercomrbac.ErrNoPrincipal))
				assert.Empty(t, got)
				assert.Empty(t, d.sent(), "something was sent")
				assert.Equal(t, []string{"denial"}, d.trail.phases())
			})
		})
	}
}

// readForDenial tells of each operation which one request is sent where its permission hangs on a condition that is not
// met: a write about something that Intercom can be asked for looks at that; a Get is the look itself; a list is sent
// and comes back empty; and nothing is sent about what is not there yet, or is of another kind than the condition.
var readForDenial = map[string]string{
	"admins.activity_event_types":       "",
	"admins.activity_logs":              "admins.activity_logs",
	"admins.away_reasons":               "",
	"admins.get":                        "admins.get",
	"admins.list":                       "admins.list",
	"admins.me":                         "admins.me",
	"admins.search_activity_logs":       "admins.search_activity_logs",
	"admins.set_away":                   "admins.get",
	"articles.create":                   "",
	"articles.delete":                   "articles.get",
	"articles.get":                      "articles.get",
	"articles.list":                     "articles.list",
	"articles.search":                   "articles.search",
	"articles.update":                   "articles.get",
	"collections.create":                "",
	"collections.delete":                "",
	"collections.get":                   "",
	"collections.list":                  "",
	"collections.update":                "",
	"contacts.add_tag":                  "contacts.get",
	"contacts.archive":                  "contacts.get",
	"contacts.block":                    "contacts.get",
	"contacts.create":                   "",
	"contacts.delete":                   "contacts.get",
	"contacts.get":                      "contacts.get",
	"contacts.get_by_external_id":       "contacts.get_by_external_id",
	"contacts.list":                     "contacts.list",
	"contacts.merge":                    "contacts.get", // and again for the second, if the first is permitted
	"contacts.remove_tag":               "contacts.get",
	"contacts.search":                   "contacts.search",
	"contacts.tags":                     "contacts.get",
	"contacts.unarchive":                "contacts.get",
	"contacts.update":                   "contacts.get",
	"conversations.add_tag":             "conversations.get",
	"conversations.assign":              "conversations.get",
	"conversations.attach_contact":      "conversations.get",
	"conversations.close":               "conversations.get",
	"conversations.create":              "",
	"conversations.delete":              "conversations.get",
	"conversations.delete_with_metrics": "conversations.get",
	"conversations.detach_contact":      "conversations.get",
	"conversations.get":                 "conversations.get",
	"conversations.list":                "conversations.list",
	"conversations.note":                "conversations.get",
	"conversations.open":                "conversations.get",
	"conversations.redact":              "conversations.get",
	"conversations.remove_tag":          "conversations.get",
	"conversations.reply":               "conversations.get",
	"conversations.search":              "conversations.search",
	"conversations.snooze":              "conversations.get",
	"conversations.unassign":            "conversations.get",
	"conversations.update":              "conversations.get",
	"events.create":                     "",
	"events.create_summary":             "",
	"events.list":                       "events.list",
	"events.summaries":                  "",
	"messages.create":                   "",
	"tags.apply":                        "",
	"tags.create":                       "",
	"tags.delete":                       "tags.get",
	"tags.get":                          "tags.get",
	"tags.list":                         "tags.list",
	"tags.rename":                       "tags.get",
	"teams.get":                         "teams.get",
	"teams.list":                        "teams.list",
}

// kindOf is the kind of resource that the permission of an operation is about.
func kindOf(op intercomrbac.Operation) string {
	switch op.Resource {
	case "away_reason":
		return "admin"
	case "collection":
		return "article"
	}
	return op.Resource
}

func TestGuardReadsOnceForAConditionalDenial(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		read, ok := readForDenial[op.Name]
		require.True(t, ok, "%s has no entry in readForDenial", op.Name)
		d := newDesk(t, deskConfig{
			policy:     granting(intercomrbac.Rule{Permission: op.Permission, When: "never"}),
			conditions: []intercomrbac.Condition{never(kindOf(op))},
		})
		got, err := do(d.as(t, tester), d)
		sent := d.sent()
		if read == "" {
			requireDenied(t, err, intercomrbac.ReasonNeedsResource)
			assert.Empty(t, sent)
			assert.Equal(t, []string{"denial"}, d.trail.phases())
			return
		}
		assert.Equal(t, []string{read}, sent)
		if read == op.Name && op.ResourceArg == "" && op.Name != "admins.me" { // a list
			require.NoError(t, err)
			assert.Empty(t, listed(got))
			assert.Empty(t, d.trail.take())
			return
		}
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		assert.Empty(t, got)
		assert.Equal(t, []string{"denial"}, d.trail.phases())
	})
}

// listed returns the items of a list, also of one that Do has decoded into a map.
func listed(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for _, name := range []string{"admins", "teams", "conversations", "events", "activity_logs", "data"} {
		if items, ok := m[name]; ok {
			if found, ok := items.(map[string]any); ok { // of a search for articles
				return found["articles"]
			}
			return items
		}
	}
	return m
}

// What the condition is met for goes through, and the write is sent after its one read.
func TestGuardSendsWhatAConditionAllows(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		var seen []intercomrbac.Resource
		d := newDesk(t, deskConfig{
			policy: granting(intercomrbac.Rule{Permission: op.Permission, When: "there"}),
			conditions: []intercomrbac.Condition{conditionNamed("there", kindOf(op), func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
				seen = append(seen, r)
				return r.Value != nil, nil
			})},
		})
		d.tagVIPs()
		_, err := do(d.as(t, tester), d)
		read := readForDenial[op.Name]
		if read == "" {
			requireDenied(t, err, intercomrbac.ReasonNeedsResource)
			return
		}
		require.NoError(t, err)
		want := []string{op.Name}
		if read != op.Name {
			want = []string{read, op.Name}
		}
		if op.Name == "contacts.merge" { // is about two
			want = []string{read, read, op.Name}
		}
		assert.Equal(t, want, d.sent())
		require.NotEmpty(t, seen)
		for _, r := range seen {
			assert.Equal(t, op.Resource, r.Kind)
			assert.NotEmpty(t, r.ID)
		}
	})
}
