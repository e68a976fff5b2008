package intercomrbac_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const fullContact = `{
	"type": "contact", "id": "66a0c1d2e3f4a5b6c7d8e9f0", "external_id": "cust-7", "workspace_id": "ws9x2k", "role": "user",
	"email": "ines@example.org", "email_domain": "example.org", "phone": "+4670000000", "name": "Ines &amp; Co", "owner_id": "4410",
	"has_hard_bounced": true, "marked_email_as_spam": true, "unsubscribed_from_emails": true, "enabled_push_messaging": true,
	"created_at": 1701000000, "updated_at": 1701000001, "signed_up_at": 1701000002, "last_seen_at": 1701000003, "last_replied_at": 1701000004,
	"last_contacted_at": 1701000005, "last_email_opened_at": 1701000006, "last_email_clicked_at": null, "language_override": null,
	"browser": "firefox", "browser_version": "140", "browser_language": "sv", "os": "Linux",
	"android_app_name": null, "android_last_seen_at": null, "ios_app_name": "Harbour", "ios_last_seen_at": 1701000007,
	"custom_attributes": {"plan": "gold", "seats": 12, "tags": ["a"], "nested": {"x": null}},
	"avatar": {"type": "avatar", "image_url": "https://img.example.org/ines.png"},
	"tags": {"type": "list", "data": [{"type": "tag", "id": "88", "url": "/tags/88"}], "url": "/contacts/x/tags", "total_count": 11, "has_more": true},
	"notes": {"type": "list", "data": []}, "companies": {"type": "list", "data": []},
	"location": {"type": "location", "country": "Sweden", "region": "Skåne", "city": "Malmö"},
	"social_profiles": {"type": "list", "data": []}, "added_later": 1
}`

func wantContact() *intercomrbac.Contact {
	return &intercomrbac.Contact{
		Type: "contact", ID: "66a0c1d2e3f4a5b6c7d8e9f0", ExternalID: "cust-7", WorkspaceID: "ws9x2k", Role: intercomrbac.ContactUser,
		Email: "ines@example.org", EmailDomain: "example.org", Phone: "+4670000000", Name: "Ines &amp; Co", OwnerID: "4410",
		HasHardBounced: true, MarkedEmailAsSpam: true, UnsubscribedFromEmails: true, EnabledPushMessaging: true,
		CreatedAt: seconds(1701000000), UpdatedAt: seconds(1701000001), SignedUpAt: seconds(1701000002), LastSeenAt: seconds(1701000003),
		LastRepliedAt: seconds(1701000004), LastContactedAt: seconds(1701000005), LastEmailOpenedAt: seconds(1701000006),
		Browser: "firefox", BrowserVersion: "140", BrowserLanguage: "sv", OS: "Linux", IOSAppName: "Harbour", IOSLastSeenAt: seconds(1701000007),
		CustomAttributes: map[string]any{"plan": "gold", "seats": 12.0, "tags": []any{"a"}, "nested": map[string]any{"x": nil}},
		Avatar:           "https://img.example.org/ines.png",
		Tags:             intercomrbac.ContactTags{Items: []intercomrbac.TagRef{{Type: "tag", ID: "88", URL: "/tags/88"}}, URL: "/contacts/x/tags", Total: 11, HasMore: true},
		Notes:            json.RawMessage(`{"type": "list", "data": []}`), Companies: json.RawMessage(`{"type": "list", "data": []}`),
		Location:       intercomrbac.ContactLocation{Type: "location", Country: "Sweden", Region: "Skåne", City: "Malmö"},
		SocialProfiles: json.RawMessage(`{"type": "list", "data": []}`),
	}
}

func gettingContact(id intercomrbac.ContactID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Get(ctx, id) }
}

func gettingByExternalID(id string) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Contacts.GetByExternalID(ctx, id)
	}
}

func creatingContact(params intercomrbac.CreateContactParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Create(ctx, params) }
}

func deletingContact(id intercomrbac.ContactID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return nil, c.Contacts.Delete(ctx, id) }
}

func updatingContact(id intercomrbac.ContactID, params intercomrbac.UpdateContactParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Contacts.Update(ctx, id, params)
	}
}

func mergingContacts(params intercomrbac.MergeContactsParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Merge(ctx, params) }
}

func listingContacts(params intercomrbac.ListParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.List(ctx, params) }
}

func searchingContacts(params intercomrbac.SearchParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Search(ctx, params) }
}

// contactWays are the methods that take one contact and nothing else.
var contactWays = map[string]func(*intercomrbac.ContactsService, context.Context, intercomrbac.ContactID) error{
	"archive":   (*intercomrbac.ContactsService).Archive,
	"unarchive": (*intercomrbac.ContactsService).Unarchive,
	"block":     (*intercomrbac.ContactsService).Block,
}

func TestContacts(t *testing.T) {
	t.Parallel()
	const least = `{"type":"contact","id":"66a0c2","role":"lead","email":null,"custom_attributes":{}}`
	wantLeast := &intercomrbac.Contact{Type: "contact", ID: "66a0c2", Role: intercomrbac.ContactLead, CustomAttributes: map[string]any{}}
	runMethodTests(t, []methodTest{
		{
			name: "Get", call: gettingContact("66a0c1d2e3f4a5b6c7d8e9f0"),
			op: "contacts.get", method: "GET", path: "/contacts/66a0c1d2e3f4a5b6c7d8e9f0",
			response: fullContact, want: wantContact(),
		},
		{
			name: "GetByExternalID", call: gettingByExternalID("cust-7"),
			op: "contacts.get_by_external_id", method: "GET", path: "/contacts/find_by_external_id/cust-7",
			response: fullContact, want: wantContact(),
		},
		{
			name: "GetByExternalID, an address", call: gettingByExternalID("ines+1@example.org"),
			op: "contacts.get_by_external_id", method: "GET", path: "/contacts/find_by_external_id/ines+1@example.org",
			response: least, want: wantLeast,
		},
		{
			name: "GetByExternalID with a slash", call: gettingByExternalID("org/7?x#y%2Fz"),
			op: "contacts.get_by_external_id", method: "GET", path: "/contacts/find_by_external_id/org%2F7%3Fx%23y%252Fz",
			response: least, want: wantLeast,
		},
		{
			name: "GetByExternalID of all kinds of characters", call: gettingByExternalID(`é ?#;+%&=:@*~'"<>|`),
			op: "contacts.get_by_external_id", method: "GET", path: `/contacts/find_by_external_id/%C3%A9%20%3F%23%3B+%25&=:@%2A~%27%22%3C%3E%7C`,
			response: least, want: wantLeast,
		},
		{
			name: "Create with all params",
			call: creatingContact(intercomrbac.CreateContactParams{Role: intercomrbac.ContactUser, ExternalID: "cust-7", Email: "ines@example.org", Phone: "+4670000000",
				Name: "Ines", Avatar: "https://img.example.org/ines.png", SignedUpAt: seconds(1701000002), LastSeenAt: seconds(1701000003), OwnerID: "4410",
				UnsubscribedFromEmails: new(false), CustomAttributes: map[string]any{"plan": "gold", "seats": 12, "since": nil}}),
			op: "contacts.create", method: "POST", path: "/contacts",
			body: `{"role":"user","external_id":"cust-7","email":"ines@example.org","phone":"+4670000000","name":"Ines","avatar":"https://img.example.org/ines.png",
				"signed_up_at":1701000002,"last_seen_at":1701000003,"owner_id":"4410","unsubscribed_from_emails":false,"custom_attributes":{"plan":"gold","seats":12,"since":null}}`,
			response: fullContact, want: wantContact(),
		},
		{
			name: "Create a user by external id", call: creatingContact(intercomrbac.CreateContactParams{ExternalID: "cust-7"}),
			op: "contacts.create", method: "POST", path: "/contacts",
			body: `{"external_id":"cust-7"}`, response: fullContact, want: wantContact(),
		},
		{
			name: "Create by e-mail", call: creatingContact(intercomrbac.CreateContactParams{Email: "ines@example.org"}),
			op: "contacts.create", method: "POST", path: "/contacts",
			body: `{"email":"ines@example.org"}`, response: fullContact, want: wantContact(),
		},
		{
			name: "Create a lead", call: creatingContact(intercomrbac.CreateContactParams{Role: intercomrbac.ContactLead}),
			op: "contacts.create", method: "POST", path: "/contacts",
			body: `{"role":"lead"}`, response: least, want: wantLeast,
		},
		{
			name: "Delete", call: deletingContact("66a0c1d2e3f4a5b6c7d8e9f0"),
			op: "contacts.delete", method: "DELETE", path: "/contacts/66a0c1d2e3f4a5b6c7d8e9f0",
			response: `{"type":"contact","id":"66a0c1d2e3f4a5b6c7d8e9f0","external_id":"cust-7","deleted":true}`,
		},
		{
			name: "List", call: listingContacts(intercomrbac.ListParams{}),
			op: "contacts.list", method: "GET", path: "/contacts",
			response: `{"type":"list","data":[` + fullContact + `,` + least + `],"total_count":9,"pages":{"type":"pages","page":1,"next":{"per_page":2,"starting_after":"WzE3XQ=="}}}`,
			want:     &intercomrbac.Page[intercomrbac.Contact]{Items: []intercomrbac.Contact{*wantContact(), *wantLeast}, Total: 9, Next: "WzE3XQ=="},
		},
		{
			name: "List from a cursor to the end", call: listingContacts(intercomrbac.ListParams{PerPage: 150, After: "WzE3XQ=="}),
			op: "contacts.list", method: "GET", path: "/contacts", query: "per_page=150&starting_after=WzE3XQ%3D%3D",
			response: `{"type":"list","data":[],"total_count":0,"pages":{"type":"pages","next":null}}`,
			want:     &intercomrbac.Page[intercomrbac.Contact]{Items: []intercomrbac.Contact{}},
		},
		{
			name: "Search",
			call: searchingContacts(intercomrbac.SearchParams{Query: where(intercomrbac.FieldEmail, intercomrbac.Equals, "ines@example.org"),
				Sort: intercomrbac.Sort{Field: intercomrbac.FieldCreatedAt, Ascending: true}, ListParams: intercomrbac.ListParams{PerPage: 5, After: "x"}}),
			op: "contacts.search", method: "POST", path: "/contacts/search",
			body: `{"query":{"field":"email","operator":"=","value":"ines@example.org"},"pagination":{"per_page":5,"starting_after":"x"},
				"sort":{"field":"created_at","order":"ascending"}}`,
			response: `{"type":"list","data":[` + fullContact + `],"total_count":1,"pages":{"type":"pages"}}`,
			want:     &intercomrbac.Page[intercomrbac.Contact]{Items: []intercomrbac.Contact{*wantContact()}, Total: 1},
		},
		{
			name: "Update with all params",
			call: updatingContact("66a0c1d2e3f4a5b6c7d8e9f0", intercomrbac.UpdateContactParams{Role: intercomrbac.ContactUser, ExternalID: "cust-7",
				Email: "ines@example.org", EmailVerified: new(false), Phone: new("+4670000000"), Name: new("Ines"), Avatar: new("https://img.example.org/ines.png"),
				SignedUpAt: seconds(1701000002), LastSeenAt: seconds(1701000003), OwnerID: new(intercomrbac.AdminID("4410")),
				UnsubscribedFromEmails: new(false), CustomAttributes: map[string]any{"plan": "gold", "since": nil}}),
			op: "contacts.update", method: "PUT", path: "/contacts/66a0c1d2e3f4a5b6c7d8e9f0",
			body: `{"role":"user","external_id":"cust-7","email":"ines@example.org","email_verified":false,"phone":"+4670000000","name":"Ines",
				"avatar":"https://img.example.org/ines.png","signed_up_at":1701000002,"last_seen_at":1701000003,"owner_id":"4410",
				"unsubscribed_from_emails":false,"custom_attributes":{"plan":"gold","since":null}}`,
			response: fullContact, want: wantContact(),
		},
		{
			name: "Update one thing", call: updatingContact("66a0c1d2e3f4a5b6c7d8e9f0", intercomrbac.UpdateContactParams{Name: new("Ines")}),
			op: "contacts.update", method: "PUT", path: "/contacts/66a0c1d2e3f4a5b6c7d8e9f0",
			body: `{"name":"Ines"}`, response: fullContact, want: wantContact(),
		},
		{
			name: "Update clears",
			call: updatingContact("66a0c1d2e3f4a5b6c7d8e9f0", intercomrbac.UpdateContactParams{Phone: new(""), Name: new(""), Avatar: new(""), OwnerID: new(intercomrbac.AdminID(""))}),
			op:   "contacts.update", method: "PUT", path: "/contacts/66a0c1d2e3f4a5b6c7d8e9f0",
			body: `{"phone":null,"name":null,"avatar":null,"owner_id":null}`, response: fullContact, want: wantContact(),
		},
		{
			name: "Archive", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return nil, c.Contacts.Archive(ctx, "66a0c1")
			},
			op: "contacts.archive", method: "POST", path: "/contacts/66a0c1/archive",
			response: `{"type":"contact","id":"66a0c1","external_id":null,"archived":true}`,
		},
		{
			name: "Unarchive", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return nil, c.Contacts.Unarchive(ctx, "66a0c1")
			},
			op: "contacts.unarchive", method: "POST", path: "/contacts/66a0c1/unarchive",
			response: `{"type":"contact","id":"66a0c1","external_id":"cust-7","archived":false}`,
		},
		{
			name: "Block", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return nil, c.Contacts.Block(ctx, "66a0c1")
			},
			op: "contacts.block", method: "POST", path: "/contacts/66a0c1/block",
			response: `{"type":"contact","id":"66a0c1","external_id":"cust-7","blocked":true}`,
		},
		{
			name: "Merge", call: mergingContacts(intercomrbac.MergeContactsParams{From: "66a0c2", Into: "66a0c1d2e3f4a5b6c7d8e9f0"}),
			op: "contacts.merge", method: "POST", path: "/contacts/merge",
			body: `{"from":"66a0c2","into":"66a0c1d2e3f4a5b6c7d8e9f0"}`, response: fullContact, want: wantContact(),
		},
		{
			name: "Merge what has nothing in common",
			call: mergingContacts(intercomrbac.MergeContactsParams{From: "66a0c2", Into: "66a0c1d2e3f4a5b6c7d8e9f0", SkipDuplicateValidation: true}),
			op:   "contacts.merge", method: "POST", path: "/contacts/merge",
			body:     `{"from":"66a0c2","into":"66a0c1d2e3f4a5b6c7d8e9f0","skip_duplicate_validation":true}`,
			response: fullContact, want: wantContact(),
		},
		{
			name: "Tags", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Tags(ctx, "66a0c1") },
			op: "contacts.tags", method: "GET", path: "/contacts/66a0c1/tags",
			response: `{"type":"list","data":[{"type":"tag","id":"88","name":"VIP","applied_at":1701000000,"applied_by":{"type":"admin","id":"4410"}},{"type":"tag","id":89,"name":"Bug"}]}`,
			want: []intercomrbac.Tag{{Type: "tag", ID: "88", Name: "VIP", AppliedAt: seconds(1701000000), AppliedBy: &intercomrbac.Reference{Type: "admin", ID: "4410"}},
				{Type: "tag", ID: "89", Name: "Bug"}},
		},
		{
			name: "AddTag", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Contacts.AddTag(ctx, "66a0c1", "88")
			},
			op: "contacts.add_tag", method: "POST", path: "/contacts/66a0c1/tags", body: `{"id":"88"}`,
			response: `{"type":"tag","id":"88","name":"VIP"}`, want: &intercomrbac.Tag{Type: "tag", ID: "88", Name: "VIP"},
		},
		{
			name: "RemoveTag", call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Contacts.RemoveTag(ctx, "66a0c1", "88")
			},
			op: "contacts.remove_tag", method: "DELETE", path: "/contacts/66a0c1/tags/88",
			response: `{"type":"tag","id":"88","name":"VIP"}`, want: &intercomrbac.Tag{Type: "tag", ID: "88", Name: "VIP"},
		},
	})
}

func TestContactsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, call clientCall) {
		tests = append(tests, refusalTest{name: name, hint: hint, call: call})
	}
	for name, segment := range badSegments {
		add("Get/"+name, "contact_id", gettingContact(intercomrbac.ContactID(segment)))
		add("GetByExternalID/"+name, "external_id", gettingByExternalID(segment))
		add("Delete/"+name, "contact_id", deletingContact(intercomrbac.ContactID(segment)))
		add("Update/"+name, "contact_id", updatingContact(intercomrbac.ContactID(segment), intercomrbac.UpdateContactParams{Name: new("x")}))
		for way, do := range contactWays {
			add(way+"/"+name, "contact_id", func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return nil, do(c.Contacts, ctx, intercomrbac.ContactID(segment))
			})
		}
		add("Tags/"+name, "contact_id", func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			return c.Contacts.Tags(ctx, intercomrbac.ContactID(segment))
		})
		add("AddTag/"+name, "contact_id", func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			return c.Contacts.AddTag(ctx, intercomrbac.ContactID(segment), "88")
		})
		add("RemoveTag/"+name, "tag_id", func(ctx context.Context, c *intercomrbac.Client) (any, error) {
			return c.Contacts.RemoveTag(ctx, "66a0c1", intercomrbac.TagID(segment))
		})
		hint := "contact_id"
		if segment == "" {
			hint = "From and Into are needed"
		}
		add("Merge/from/"+name, hint, mergingContacts(intercomrbac.MergeContactsParams{From: intercomrbac.ContactID(segment), Into: "66a0c1"}))
		add("Merge/into/"+name, hint, mergingContacts(intercomrbac.MergeContactsParams{From: "66a0c1", Into: intercomrbac.ContactID(segment)}))
	}
	add("Merge/with itself", "the same contact", mergingContacts(intercomrbac.MergeContactsParams{From: "66a0c1", Into: "66a0c1"}))
	add("AddTag/no tag", "tag's id is empty", func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Contacts.AddTag(ctx, "66a0c1", "")
	})
	add("Update/nothing", "change nothing", updatingContact("66a0c1", intercomrbac.UpdateContactParams{CustomAttributes: map[string]any{}}))
	add("Update/verified of nothing", "EmailVerified is about an Email", updatingContact("66a0c1", intercomrbac.UpdateContactParams{EmailVerified: new(true)}))
	add("Update/owner", "list the admins", updatingContact("66a0c1", intercomrbac.UpdateContactParams{OwnerID: new(intercomrbac.AdminID("billing"))}))
	add("Create/verified of nothing", "EmailVerified is about an Email", creatingContact(intercomrbac.CreateContactParams{ExternalID: "7", EmailVerified: new(true)}))
	add("List/page too large", "PerPage is 151", listingContacts(intercomrbac.ListParams{PerPage: 151}))
	add("List/page negative", "PerPage is -1", listingContacts(intercomrbac.ListParams{PerPage: -1}))
	add("List/broken cursor", "no cursor that a Page gave", listingContacts(intercomrbac.ListParams{After: "?a=%zz"}))
	for name, params := range map[string]intercomrbac.CreateContactParams{
		"nothing":            {Name: "Ines"},
		"a role alone":       {Role: intercomrbac.ContactUser},
		"a lead":             {Role: intercomrbac.ContactLead, Email: "ines@example.org"},
		"another role":       {Role: "visitor", ExternalID: "7"},
		"verified of none":   {ExternalID: "7", EmailVerified: new(true)},
		"an owner by a name": {ExternalID: "7", OwnerID: "billing"},
	} {
		add("Upsert/"+name, "contacts.upsert", func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Contacts.Upsert(ctx, params) })
	}
	add("Get/another operation", "letters, digits, - and _", gettingContact("find_by_external_id/cust-7"))
	add("GetByExternalID/another operation", "use that one", gettingByExternalID("../../admins"))
	add("Delete/another operation", "letters, digits, - and _", deletingContact("../conversations/5"))
	add("Create/nothing", "one of ExternalID, Email and Role is needed", creatingContact(intercomrbac.CreateContactParams{}))
	add("Create/name alone", "one of ExternalID, Email and Role is needed", creatingContact(intercomrbac.CreateContactParams{Name: "Ines", Phone: "+46"}))
	for name, id := range badDigits {
		if id != "" {
			add("Create/owner/"+name, "list the admins", creatingContact(intercomrbac.CreateContactParams{Email: "ines@example.org", OwnerID: intercomrbac.AdminID(id)}))
		}
	}
	add("Create/time from milliseconds", "milliseconds", creatingContact(intercomrbac.CreateContactParams{Email: "ines@example.org", SignedUpAt: seconds(1701000000000)}))
	runRefusalTests(t, tests)
}

// An update sets values: after a lost answer it is sent again, where other writes are left in doubt.
func TestContactUpdatesAreRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		ids := srv.Seed()
		srv.Inject(intercomtest.Fault{Operation: "contacts.update", Status: 502, Done: true})
		_, err := srv.Client().Contacts.Update(t.Context(), ids.Contacts[0], intercomrbac.UpdateContactParams{Name: new("Ada")})
		require.NoError(t, err)
		assert.Equal(t, 2, srv.CallCount("contacts.update"))
		srv.Inject(intercomtest.Fault{Operation: "contacts.archive", Status: 502, Done: true})
		require.ErrorIs(t, srv.Client().Contacts.Archive(t.Context(), ids.Contacts[0]), intercomrbac.ErrOutcomeUnknown)
		assert.Equal(t, 1, srv.CallCount("contacts.archive"))
	})
}
