package conformance_test

import (
	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// aboutContact makes the cases of an operation that changes one contact and has no params.
func aboutContact(change func(w *world, id intercomrbac.ContactID) error) conformance {
	return conformance{
		calls: map[string]call{
			"least":  func(w *world) (any, error) { return nothing(change(w, w.Contacts[0])) },
			"a lead": func(w *world) (any, error) { return nothing(change(w, w.Contacts[5])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(change(w, noContact)) },
		},
	}
}

// tagged puts a tag on the first contact.
func (w *world) tagged() intercomrbac.ContactID {
	w.fake.UpdateContact(w.Contacts[0], func(c *intercomtest.Contact) { c.TagIDs = []intercomrbac.TagID{w.VIP} })
	return w.Contacts[0]
}

var users = intercomrbac.Where(intercomrbac.FieldRole, intercomrbac.Equals, intercomrbac.ContactUser)

var contactCases = map[string]conformance{
	"contacts.list": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Contacts.List(w.ctx, intercomrbac.ListParams{})) },
			"most": func(w *world) (any, error) {
				w.tagged()
				page, err := w.fake.Client().Contacts.List(w.ctx, intercomrbac.ListParams{PerPage: 2})
				if err != nil {
					return nil, err
				}
				return result(w.c.Contacts.List(w.ctx, intercomrbac.ListParams{PerPage: 2, After: page.Next}))
			},
			"cursors that are URLs": func(w *world) (any, error) {
				w.fake.UseURLCursors(true)
				return result(w.c.Contacts.List(w.ctx, intercomrbac.ListParams{PerPage: 2}))
			},
		},
		refused: map[string]call{
			"400 client_error": func(w *world) (any, error) {
				return result(w.c.Contacts.List(w.ctx, intercomrbac.ListParams{After: "x"}))
			},
		},
	},
	"contacts.search": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Contacts.Search(w.ctx, intercomrbac.SearchParams{Query: users}))
			},
			"most": func(w *world) (any, error) {
				params := intercomrbac.SearchParams{
					Query: intercomrbac.Or(
						intercomrbac.And(users, intercomrbac.Where(intercomrbac.FieldExternalID, intercomrbac.In, []string{"customer-1", "customer-2"})),
						intercomrbac.And(
							intercomrbac.Where(intercomrbac.FieldCreatedAt, intercomrbac.GreaterThan, past),
							intercomrbac.Where(intercomrbac.FieldUnsubscribedFromEmails, intercomrbac.Equals, false),
							intercomrbac.Where(intercomrbac.FieldTagID, intercomrbac.NotEquals, w.Bug),
						),
						intercomrbac.Where("custom_attributes.seats", intercomrbac.GreaterOrEqual, 20),
					),
					Sort:       intercomrbac.Sort{Field: intercomrbac.FieldUpdatedAt, Ascending: true},
					ListParams: intercomrbac.ListParams{PerPage: 2},
				}
				page, err := w.fake.Client().Contacts.Search(w.ctx, params)
				if err != nil {
					return nil, err
				}
				params.After = page.Next
				return result(w.c.Contacts.Search(w.ctx, params))
			},
			"cursors that are URLs": func(w *world) (any, error) {
				w.fake.UseURLCursors(true)
				return result(w.c.Contacts.Search(w.ctx, intercomrbac.SearchParams{Query: users, ListParams: intercomrbac.ListParams{PerPage: 2}}))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				query := intercomrbac.Where("no_such_field", intercomrbac.Equals, "x")
				return result(w.c.Contacts.Search(w.ctx, intercomrbac.SearchParams{Query: query}))
			},
		},
	},
	"contacts.get": {
		calls: map[string]call{
			"least":  func(w *world) (any, error) { return result(w.c.Contacts.Get(w.ctx, w.Contacts[0])) },
			"a lead": func(w *world) (any, error) { return result(w.c.Contacts.Get(w.ctx, w.Contacts[5])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Contacts.Get(w.ctx, noContact)) },
			"404 not_found: archived": func(w *world) (any, error) {
				w.fake.UpdateContact(w.Contacts[0], func(c *intercomtest.Contact) { c.Archived = true })
				return result(w.c.Contacts.Get(w.ctx, w.Contacts[0]))
			},
			"410 contact_merged": func(w *world) (any, error) {
				w.fake.MergeContact(w.Contacts[5], w.Contacts[0])
				return result(w.c.Contacts.Get(w.ctx, w.Contacts[5]))
			},
		},
	},
	"contacts.get_by_external_id": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Contacts.GetByExternalID(w.ctx, "customer-1")) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Contacts.GetByExternalID(w.ctx, "nobody")) },
			"410 contact_merged": func(w *world) (any, error) {
				w.fake.MergeContact(w.Contacts[1], w.Contacts[0])
				return result(w.c.Contacts.GetByExternalID(w.ctx, "customer-2"))
			},
		},
	},
	"contacts.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Contacts.Create(w.ctx, intercomrbac.CreateContactParams{Role: intercomrbac.ContactLead}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Contacts.Create(w.ctx, intercomrbac.CreateContactParams{
					Role: intercomrbac.ContactUser, ExternalID: "customer-6", Email: "kofi@customer.example", EmailVerified: new(true),
					Phone: "+233201234567", Name: "Kofi Mensah", Avatar: urls[0], SignedUpAt: intercomrbac.NewTimestamp(past),
					LastSeenAt: intercomrbac.NewTimestamp(past), OwnerID: w.Owner, UnsubscribedFromEmails: new(true),
					CustomAttributes: map[string]any{"plan": "yearly", "seats": 20, "trial": false},
				}))
			},
		},
		refused: map[string]call{
			"409 conflict: archived": func(w *world) (any, error) {
				w.fake.UpdateContact(w.Contacts[0], func(c *intercomtest.Contact) { c.Archived = true })
				return result(w.c.Contacts.Create(w.ctx, intercomrbac.CreateContactParams{ExternalID: "customer-1"}))
			},
			"409 conflict": func(w *world) (any, error) {
				return result(w.c.Contacts.Create(w.ctx, intercomrbac.CreateContactParams{ExternalID: "customer-1"}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Contacts.Create(w.ctx, intercomrbac.CreateContactParams{Role: "visitor"}))
			},
		},
	},
	"contacts.delete": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return nothing(w.c.Contacts.Delete(w.ctx, w.Contacts[4])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Contacts.Delete(w.ctx, noContact)) },
		},
	},
	"contacts.update": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, w.Contacts[0], intercomrbac.UpdateContactParams{Name: new("Grace")}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, w.Contacts[5], intercomrbac.UpdateContactParams{
					Role: intercomrbac.ContactUser, ExternalID: "customer-6", Email: "kofi@customer.example", EmailVerified: new(true),
					Phone: new("+233201234567"), Name: new("Kofi Mensah"), Avatar: new(urls[0]), SignedUpAt: intercomrbac.NewTimestamp(past),
					LastSeenAt: intercomrbac.NewTimestamp(past), OwnerID: new(w.Owner), UnsubscribedFromEmails: new(true),
					CustomAttributes: map[string]any{"plan": "yearly", "seats": 20, "trial": nil},
				}))
			},
			"cleared": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, w.Contacts[0], intercomrbac.UpdateContactParams{
					Phone: new(""), Name: new(""), Avatar: new(""), OwnerID: new(intercomrbac.AdminID("")),
				}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, noContact, intercomrbac.UpdateContactParams{Name: new("Grace")}))
			},
			"409 conflict": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, w.Contacts[0], intercomrbac.UpdateContactParams{ExternalID: "customer-2"}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Contacts.Update(w.ctx, w.Contacts[0], intercomrbac.UpdateContactParams{Role: intercomrbac.ContactLead}))
			},
		},
	},
	"contacts.archive": aboutContact(func(w *world, id intercomrbac.ContactID) error { return w.c.Contacts.Archive(w.ctx, id) }),
	"contacts.unarchive": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				w.fake.UpdateContact(w.Contacts[0], func(c *intercomtest.Contact) { c.Archived = true })
				return nothing(w.c.Contacts.Unarchive(w.ctx, w.Contacts[0]))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Contacts.Unarchive(w.ctx, noContact)) },
			"400 bad_request: merged": func(w *world) (any, error) {
				w.fake.MergeContact(w.Contacts[5], w.Contacts[0])
				return nothing(w.c.Contacts.Unarchive(w.ctx, w.Contacts[5]))
			},
		},
	},
	"contacts.block": aboutContact(func(w *world, id intercomrbac.ContactID) error { return w.c.Contacts.Block(w.ctx, id) }),
	"contacts.merge": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				w.fake.UpdateContact(w.Contacts[5], func(c *intercomtest.Contact) { c.Email = "grace@customer.example" })
				return result(w.c.Contacts.Merge(w.ctx, intercomrbac.MergeContactsParams{From: w.Contacts[5], Into: w.Contacts[0]}))
			},
			"most": func(w *world) (any, error) {
				params := intercomrbac.MergeContactsParams{From: w.Contacts[5], Into: w.Contacts[0], SkipDuplicateValidation: true}
				return result(w.c.Contacts.Merge(w.ctx, params))
			},
		},
		refused: map[string]call{
			"400 invalid_merge": func(w *world) (any, error) {
				return result(w.c.Contacts.Merge(w.ctx, intercomrbac.MergeContactsParams{From: w.Contacts[5], Into: w.Contacts[0]}))
			},
			"400 parameter_invalid: two users": func(w *world) (any, error) {
				return result(w.c.Contacts.Merge(w.ctx, intercomrbac.MergeContactsParams{From: w.Contacts[1], Into: w.Contacts[0]}))
			},
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Contacts.Merge(w.ctx, intercomrbac.MergeContactsParams{From: noContact, Into: w.Contacts[0]}))
			},
		},
	},
	"contacts.tags": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Contacts.Tags(w.ctx, w.Contacts[0])) },
			"some": func(w *world) (any, error) {
				if _, err := w.fake.Client().Contacts.AddTag(w.ctx, w.tagged(), w.Bug); err != nil {
					return nil, err
				}
				return result(w.c.Contacts.Tags(w.ctx, w.Contacts[0]))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Contacts.Tags(w.ctx, noContact)) },
		},
	},
	"contacts.add_tag": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Contacts.AddTag(w.ctx, w.Contacts[0], w.VIP)) },
		},
		refused: map[string]call{
			"404 not_found: contact": func(w *world) (any, error) { return result(w.c.Contacts.AddTag(w.ctx, noContact, w.VIP)) },
			"404 not_found: tag":     func(w *world) (any, error) { return result(w.c.Contacts.AddTag(w.ctx, w.Contacts[0], "1")) },
		},
	},
	"contacts.remove_tag": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Contacts.RemoveTag(w.ctx, w.tagged(), w.VIP)) },
		},
		refused: map[string]call{
			"404 not_found: contact": func(w *world) (any, error) { return result(w.c.Contacts.RemoveTag(w.ctx, noContact, w.VIP)) },
			"404 not_found: tag":     func(w *world) (any, error) { return result(w.c.Contacts.RemoveTag(w.ctx, w.Contacts[0], w.VIP)) },
		},
	},
}
