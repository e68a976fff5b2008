package intercomrbac_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/intercomrbac/intercomrbac"
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
