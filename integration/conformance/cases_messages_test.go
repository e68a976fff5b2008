package conformance_test

import (
	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// messageCases are about messages, tags, who takes part in a conversation and what is taken out of it, and counts of events.
var messageCases = map[string]conformance{
	"messages.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Messages.Create(w.ctx, intercomrbac.CreateMessageParams{
					AdminID: w.Agent, Type: intercomrbac.MessageInApp, To: []intercomrbac.Recipient{{ID: w.Contacts[0]}}, Body: "Hello",
				}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Messages.Create(w.ctx, intercomrbac.CreateMessageParams{
					AdminID: w.Agent, Type: intercomrbac.MessageEmail, Subject: "A question", Body: "Hello", Template: intercomrbac.TemplatePersonal,
					To: []intercomrbac.Recipient{{ID: w.Contacts[0]}, {Role: intercomrbac.ContactLead, ID: w.Contacts[5]}},
					CC: []intercomrbac.Recipient{{ID: w.Contacts[1]}}, BCC: []intercomrbac.Recipient{{ID: w.Contacts[2]}, {ID: w.Contacts[3]}},
					StartConversation: true, CreatedAt: intercomrbac.NewTimestamp(past),
				}))
			},
		},
		refused: map[string]call{
			"404 not_found":       func(w *world) (any, error) { return send(w, w.Agent, noContact) },
			"404 admin_not_found": func(w *world) (any, error) { return send(w, noAdmin, w.Contacts[0]) },
			"403 action_forbidden": func(w *world) (any, error) {
				return send(w, w.fake.AddAdmin(intercomtest.Admin{NoInboxSeat: true}), w.Contacts[0])
			},
		},
	},

	"tags.list": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Tags.List(w.ctx)) },
	}},
	"tags.get": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Tags.Get(w.ctx, w.VIP)) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Tags.Get(w.ctx, noTag)) },
		},
	},
	"tags.create": {calls: map[string]call{
		"least":             func(w *world) (any, error) { return result(w.c.Tags.Create(w.ctx, "Chargeback")) },
		"one that is there": func(w *world) (any, error) { return result(w.c.Tags.Create(w.ctx, "vip")) },
	}},
	"tags.rename": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Tags.Rename(w.ctx, w.Bug, "Defect")) },
		},
		refused: map[string]call{
			"404 not_found":         func(w *world) (any, error) { return result(w.c.Tags.Rename(w.ctx, noTag, "Defect")) },
			"400 parameter_invalid": func(w *world) (any, error) { return result(w.c.Tags.Rename(w.ctx, w.Bug, "vip")) },
		},
	},
	"tags.apply": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Tags.Apply(w.ctx, intercomrbac.ApplyTagParams{Name: "Chargeback", ContactIDs: w.Contacts[:1]}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Tags.Apply(w.ctx, intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: w.Contacts}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Tags.Apply(w.ctx, intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: []intercomrbac.ContactID{noContact}}))
			},
		},
	},
	"tags.delete": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return nothing(w.c.Tags.Delete(w.ctx, w.Refund)) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Tags.Delete(w.ctx, noTag)) },
			"400 tag_has_dependent_objects": func(w *world) (any, error) {
				return nothing(w.c.Tags.Delete(w.ctx, w.fake.AddTag(intercomtest.Tag{Segment: "Seg 1"})))
			},
		},
	},

	"conversations.attach_contact": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.AttachContact(w.ctx, at.id, intercomrbac.AttachContactParams{AdminID: at.by, ContactID: w.Contacts[0]}))
		},
		"by external id": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.AttachContact(w.ctx, at.id, intercomrbac.AttachContactParams{AdminID: at.by, ExternalID: "customer-1"}))
		},
	}, map[string]change{
		"404 not_found: of the contact": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.AttachContact(w.ctx, at.id, intercomrbac.AttachContactParams{AdminID: at.by, ContactID: noContact}))
		},
	}),
	"conversations.detach_contact": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			if _, there := w.fake.Conversation(at.id); there {
				w.fake.UpdateConversation(at.id, func(c *intercomtest.Conversation) { c.ContactIDs = append(c.ContactIDs, w.Contacts[0]) })
			}
			return result(w.c.Conversations.DetachContact(w.ctx, at.id, intercomrbac.DetachContactParams{AdminID: at.by, ContactID: w.Contacts[0]}))
		},
	}, map[string]change{
		"404 not_found: of the contact": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.DetachContact(w.ctx, at.id, intercomrbac.DetachContactParams{AdminID: at.by, ContactID: noContact}))
		},
		"422 parameter_invalid": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.DetachContact(w.ctx, at.id, intercomrbac.DetachContactParams{AdminID: at.by, ContactID: w.Contacts[3]}))
		},
	}),
	"conversations.redact": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				w.fake.AddPart(w.Conversations[0], intercomtest.Part{ID: "9001", Body: "4111 1111 1111 1111"})
				return result(w.c.Conversations.Redact(w.ctx, w.Conversations[0], intercomrbac.RedactParams{PartID: "9001"}))
			},
			"the source": func(w *world) (any, error) {
				c, err := w.fake.Client().Conversations.Get(w.ctx, w.Conversations[0])
				if err != nil {
					return nil, err
				}
				return result(w.c.Conversations.Redact(w.ctx, w.Conversations[0], intercomrbac.RedactParams{SourceID: c.Source.ID}))
			},
		},
		refused: map[string]call{
			"404 conversation_part_or_message_not_found": func(w *world) (any, error) {
				return result(w.c.Conversations.Redact(w.ctx, w.Conversations[0], intercomrbac.RedactParams{PartID: "1"}))
			},
			"404 conversation_part_or_message_not_found: no conversation": func(w *world) (any, error) {
				return result(w.c.Conversations.Redact(w.ctx, noConversation, intercomrbac.RedactParams{SourceID: "1"}))
			},
			"400 conversation_part_not_redactable": func(w *world) (any, error) {
				w.fake.AddPart(w.Conversations[0], intercomtest.Part{ID: "9001", Type: "close"})
				return result(w.c.Conversations.Redact(w.ctx, w.Conversations[0], intercomrbac.RedactParams{PartID: "9001"}))
			},
		},
	},

	"events.summaries": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.DataEvents.Summaries(w.ctx, intercomrbac.EventSummariesParams{UserID: "customer-1"}))
			},
			"by email": func(w *world) (any, error) {
				return result(w.c.DataEvents.Summaries(w.ctx, intercomrbac.EventSummariesParams{Email: "grace@customer.example"}))
			},
			"of nothing": func(w *world) (any, error) {
				return result(w.c.DataEvents.Summaries(w.ctx, intercomrbac.EventSummariesParams{ContactID: w.Contacts[5]}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.DataEvents.Summaries(w.ctx, intercomrbac.EventSummariesParams{UserID: "nobody"}))
			},
		},
	},
	"events.create_summary": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return summarize(w, "customer-1") },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return summarize(w, "nobody") },
		},
	},
}

const noTag intercomrbac.TagID = "1"

func send(w *world, by intercomrbac.AdminID, to intercomrbac.ContactID) (any, error) {
	return result(w.c.Messages.Create(w.ctx, intercomrbac.CreateMessageParams{
		AdminID: by, Type: intercomrbac.MessageInApp, To: []intercomrbac.Recipient{{ID: to}}, Body: "Hello",
	}))
}

func summarize(w *world, userID string) (any, error) {
	return nothing(w.c.DataEvents.CreateSummary(w.ctx, intercomrbac.CreateEventSummaryParams{
		UserID: userID, Name: "placed-order", Count: 7, First: past, Last: past.AddDate(0, 1, 0),
	}))
}
