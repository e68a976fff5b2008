package conformance_test

import (
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// target is what a change is made to, and in whose name.
type target struct {
	id intercomrbac.ConversationID
	by intercomrbac.AdminID
}

// change is a call that changes a conversation in a teammate's name.
type change func(w *world, at target) (any, error)

// changes makes the cases of an operation that changes a conversation in a teammate's name.
func changes(made map[string]change, refused map[string]change) conformance {
	plain := func(f change) call {
		return func(w *world) (any, error) { return f(w, target{w.Conversations[3], w.Agent}) }
	}
	out := conformance{calls: map[string]call{}, refused: map[string]call{}}
	for name, f := range made {
		out.calls[name] = plain(f)
	}
	for name, f := range refused {
		out.refused[name] = plain(f)
	}
	least := made["least"]
	out.refused["404 not_found: no conversation"] = func(w *world) (any, error) { return least(w, target{noConversation, w.Agent}) }
	out.refused["404 admin_not_found: of the one who acts"] = func(w *world) (any, error) { return least(w, target{w.Conversations[3], noAdmin}) }
	out.refused["403 action_forbidden"] = func(w *world) (any, error) {
		return least(w, target{w.Conversations[3], w.fake.AddAdmin(intercomtest.Admin{NoInboxSeat: true})})
	}
	return out
}

var (
	later   = time.Now().Add(time.Hour)
	choices = []intercomrbac.QuickReply{{Text: "Yes", UUID: "9cfb68f0-2f1b-4ba7-8a4e-2f38f5a9d0c1"}}
	open    = intercomrbac.Where(intercomrbac.FieldState, intercomrbac.Equals, "open")
)

var conversationCases = map[string]conformance{
	"conversations.list": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Conversations.List(w.ctx, intercomrbac.ListParams{})) },
			"most": func(w *world) (any, error) {
				page, err := w.fake.Client().Conversations.List(w.ctx, intercomrbac.ListParams{PerPage: 5})
				if err != nil {
					return nil, err
				}
				return result(w.c.Conversations.List(w.ctx, intercomrbac.ListParams{PerPage: 5, After: page.Next}))
			},
			"cursors that are URLs": func(w *world) (any, error) {
				w.fake.UseURLCursors(true)
				return result(w.c.Conversations.List(w.ctx, intercomrbac.ListParams{PerPage: 5}))
			},
		},
		refused: map[string]call{
			"400 client_error": func(w *world) (any, error) {
				return result(w.c.Conversations.List(w.ctx, intercomrbac.ListParams{After: "x"}))
			},
		},
	},
	"conversations.search": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Conversations.Search(w.ctx, intercomrbac.SearchParams{Query: open}))
			},
			"most": func(w *world) (any, error) {
				params := intercomrbac.SearchParams{
					Query: intercomrbac.Or(
						intercomrbac.And(open, intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.In, []intercomrbac.TeamID{w.Billing, w.Sales})),
						intercomrbac.And(
							intercomrbac.Where(intercomrbac.FieldUpdatedAt, intercomrbac.GreaterThan, past),
							intercomrbac.Where(intercomrbac.FieldRead, intercomrbac.Equals, false),
						),
						intercomrbac.Where(intercomrbac.FieldSourceBody, intercomrbac.Contains, "invoice"),
					),
					Sort:       intercomrbac.Sort{Field: intercomrbac.FieldUpdatedAt, Ascending: true},
					ListParams: intercomrbac.ListParams{PerPage: 2},
				}
				page, err := w.fake.Client().Conversations.Search(w.ctx, params)
				if err != nil {
					return nil, err
				}
				params.After = page.Next
				return result(w.c.Conversations.Search(w.ctx, params))
			},
			"one filter": func(w *world) (any, error) {
				return result(w.c.Conversations.Search(w.ctx, intercomrbac.SearchParams{Query: intercomrbac.And(open)}))
			},
			"unset": func(w *world) (any, error) {
				query := intercomrbac.Where(intercomrbac.FieldSnoozedUntil, intercomrbac.Equals, nil)
				return result(w.c.Conversations.Search(w.ctx, intercomrbac.SearchParams{Query: query}))
			},
			"cursors that are URLs": func(w *world) (any, error) {
				w.fake.UseURLCursors(true)
				return result(w.c.Conversations.Search(w.ctx, intercomrbac.SearchParams{Query: open, ListParams: intercomrbac.ListParams{PerPage: 2}}))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				query := intercomrbac.Where("no_such_field", intercomrbac.Equals, "x")
				return result(w.c.Conversations.Search(w.ctx, intercomrbac.SearchParams{Query: query}))
			},
		},
	},
	"conversations.get": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Conversations.Get(w.ctx, w.Conversations[8])) },
			"with all kinds of parts": func(w *world) (any, error) {
				id := w.Conversations[3]
				for _, do := range []func(c *intercomrbac.ConversationsService) (any, error){
					func(c *intercomrbac.ConversationsService) (any, error) {
						return c.Reply(w.ctx, id, intercomrbac.ReplyParams{AdminID: w.Agent, QuickReplies: choices})
					},
					func(c *intercomrbac.ConversationsService) (any, error) {
						return c.Reply(w.ctx, id, intercomrbac.ReplyParams{AdminID: w.Agent, AttachmentURLs: urls})
					},
					func(c *intercomrbac.ConversationsService) (any, error) {
						return c.Assign(w.ctx, id, intercomrbac.AssignParams{AdminID: w.Agent, To: intercomrbac.ToTeam(w.Sales)})
					},
					func(c *intercomrbac.ConversationsService) (any, error) {
						return c.Unassign(w.ctx, id, intercomrbac.UnassignParams{AdminID: w.Agent})
					},
					func(c *intercomrbac.ConversationsService) (any, error) {
						return c.Update(w.ctx, id, intercomrbac.UpdateConversationParams{CompanyID: "c-1", CustomAttributes: map[string]any{"x": "1"}})
					},
				} {
					if _, err := do(w.fake.Client().Conversations); err != nil {
						return nil, err
					}
				}
				w.fake.AddPart(id, intercomtest.Part{AuthorType: "user", AuthorID: string(w.Contacts[3]), Body: "Thanks!"})
				return result(w.c.Conversations.Get(w.ctx, id))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Conversations.Get(w.ctx, noConversation)) },
		},
	},
	"conversations.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Conversations.Create(w.ctx, intercomrbac.CreateConversationParams{From: w.Contacts[0], Body: "Hello"}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Conversations.Create(w.ctx, intercomrbac.CreateConversationParams{
					From: w.Contacts[5], FromRole: intercomrbac.ContactLead, Body: "Hello", Subject: "A question", AttachmentURLs: urls,
					CreatedAt: intercomrbac.NewTimestamp(past), BrandID: "10",
				}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Conversations.Create(w.ctx, intercomrbac.CreateConversationParams{From: noContact, Body: "Hello"}))
			},
		},
	},
	"conversations.update": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Conversations.Update(w.ctx, w.Conversations[0], intercomrbac.UpdateConversationParams{Read: new(false)}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Conversations.Update(w.ctx, w.Conversations[0], intercomrbac.UpdateConversationParams{
					Read: new(true), Title: new("Charged twice in March"), CompanyID: "6762f0f31bb69f9f2193bc01",
					CustomAttributes: map[string]any{"ticket": "ENG-205", "amount": 12},
				}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Conversations.Update(w.ctx, noConversation, intercomrbac.UpdateConversationParams{Read: new(true)}))
			},
		},
	},
	"conversations.delete": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return nothing(w.c.Conversations.Delete(w.ctx, w.Conversations[9])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Conversations.Delete(w.ctx, noConversation)) },
		},
	},
	"conversations.delete_with_metrics": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return nothing(w.c.Conversations.DeleteWithMetrics(w.ctx, w.Conversations[9]))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return nothing(w.c.Conversations.DeleteWithMetrics(w.ctx, noConversation))
			},
		},
	},
	"conversations.reply": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Reply(w.ctx, at.id, intercomrbac.ReplyParams{AdminID: at.by, Body: "On its way."}))
		},
		"most": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Reply(w.ctx, at.id, intercomrbac.ReplyParams{
				AdminID: at.by, Body: "Does it work now?", AttachmentURLs: urls, AttachmentFiles: uploads, QuickReplies: choices,
				SkipNotifications: true, CreatedAt: intercomrbac.NewTimestamp(past),
			}))
		},
		"files alone": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Reply(w.ctx, at.id, intercomrbac.ReplyParams{AdminID: at.by, AttachmentFiles: uploads}))
		},
	}, nil),
	"conversations.note": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Note(w.ctx, at.id, intercomrbac.NoteParams{AdminID: at.by, Body: "Look at this."}))
		},
		"most": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Note(w.ctx, at.id, intercomrbac.NoteParams{
				AdminID: at.by, Body: "Look at this.", AttachmentURLs: urls, AttachmentFiles: uploads, SkipNotifications: true,
				CreatedAt: intercomrbac.NewTimestamp(past),
			}))
		},
	}, nil),
	"conversations.assign": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Assign(w.ctx, at.id, intercomrbac.AssignParams{AdminID: at.by, To: intercomrbac.ToTeam(w.Sales)}))
		},
		"most": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Assign(w.ctx, at.id, intercomrbac.AssignParams{AdminID: at.by, To: intercomrbac.ToAdmin(w.Owner), Body: "For you."}))
		},
	}, map[string]change{
		"404 team_not_found": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Assign(w.ctx, at.id, intercomrbac.AssignParams{AdminID: at.by, To: intercomrbac.ToTeam(noTeam)}))
		},
		"404 admin_not_found: of the assignee": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Assign(w.ctx, at.id, intercomrbac.AssignParams{AdminID: at.by, To: intercomrbac.ToAdmin(noAdmin)}))
		},
	}),
	"conversations.unassign": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Unassign(w.ctx, at.id, intercomrbac.UnassignParams{AdminID: at.by}))
		},
		"most": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Unassign(w.ctx, at.id, intercomrbac.UnassignParams{AdminID: at.by, Team: true, Body: "Not for us."}))
		},
	}, nil),
	"conversations.close": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Close(w.ctx, at.id, intercomrbac.CloseParams{AdminID: at.by}))
		},
		"most": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Close(w.ctx, at.id, intercomrbac.CloseParams{AdminID: at.by, Body: "Glad it works."}))
		},
	}, nil),
	"conversations.open": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Open(w.ctx, at.id, intercomrbac.OpenParams{AdminID: at.by}))
		},
	}, nil),
	"conversations.snooze": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.Snooze(w.ctx, at.id, intercomrbac.SnoozeParams{AdminID: at.by, Until: later}))
		},
	}, nil),
	"conversations.add_tag": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.AddTag(w.ctx, at.id, intercomrbac.TagParams{AdminID: at.by, TagID: w.VIP}))
		},
	}, map[string]change{
		"404 tag_not_found": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.AddTag(w.ctx, at.id, intercomrbac.TagParams{AdminID: at.by, TagID: "1"}))
		},
	}),
	"conversations.remove_tag": changes(map[string]change{
		"least": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.RemoveTag(w.ctx, at.id, intercomrbac.TagParams{AdminID: at.by, TagID: w.Bug}))
		},
	}, map[string]change{
		"404 tag_not_found": func(w *world, at target) (any, error) {
			return result(w.c.Conversations.RemoveTag(w.ctx, at.id, intercomrbac.TagParams{AdminID: at.by, TagID: w.VIP}))
		},
	}),
}
