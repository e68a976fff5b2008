package intercomrbac_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	graceID intercomrbac.ContactID = "6762f0f31bb69f9f2193bb8b" // customer-1, grace@customer.example
	jonasID intercomrbac.ContactID = "6762f0f31bb69f9f2193bb8c" // customer-2, jonas@customer.example
)

// sentOperations are the operations that reached the fake since the last look.
func sentOperations(srv *intercomtest.Server) (names []string) {
	for _, c := range srv.Calls() {
		names = append(names, strings.TrimPrefix(c.Operation, "contacts."))
	}
	srv.ResetCalls()
	return names
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	archive := func(id intercomrbac.ContactID) func(*intercomtest.Server) {
		return func(srv *intercomtest.Server) {
			srv.UpdateContact(id, func(c *intercomtest.Contact) { c.Archived = true })
		}
	}
	conflict := func(message string) func(*intercomtest.Server) {
		return func(srv *intercomtest.Server) {
			srv.Inject(intercomtest.Fault{Operation: "contacts.create", Times: -1, Status: 409, Code: "conflict", Message: message})
		}
	}
	name := func(p intercomrbac.CreateContactParams) intercomrbac.CreateContactParams {
		p.Name = "Upserted"
		return p
	}
	byGracesID := intercomrbac.CreateContactParams{ExternalID: "customer-1"}
	byGracesAddress := intercomrbac.CreateContactParams{Email: "Grace@CUSTOMER.example"}
	tests := map[string]struct {
		before func(*intercomtest.Server)
		params intercomrbac.CreateContactParams
		sent   string
		want   intercomrbac.ContactID // empty for a new one
		is     error
	}{
		"new":                           {nil, name(intercomrbac.CreateContactParams{ExternalID: "customer-9"}), "create", "", nil},
		"new, by e-mail":                {nil, name(intercomrbac.CreateContactParams{Email: "new@customer.example"}), "create", "", nil},
		"there":                         {nil, name(byGracesID), "create get update", graceID, nil},
		"there, by e-mail":              {nil, name(byGracesAddress), "create get update", graceID, nil},
		"there, with nothing to change": {nil, byGracesID, "create get", graceID, nil},
		"there, with their own address": {nil, name(intercomrbac.CreateContactParams{ExternalID: "customer-1", Email: "grace@customer.example"}), "create get update", graceID, nil},
		"there, with a new address":     {nil, name(intercomrbac.CreateContactParams{ExternalID: "customer-1", Email: "new@customer.example", EmailVerified: new(true)}), "create get update", graceID, nil},
		"there, verified, by e-mail":    {nil, intercomrbac.CreateContactParams{Email: "grace@customer.example", EmailVerified: new(true)}, "create get update", graceID, nil},
		"with the address of a lead": {func(srv *intercomtest.Server) {
			srv.AddContact(intercomtest.Contact{Role: "lead", Email: "l@x.example"})
		}, name(intercomrbac.CreateContactParams{Email: "l@x.example"}), "create", "", nil},
		"archived":                              {archive(graceID), name(byGracesID), "create get unarchive get update", graceID, nil},
		"archived, by e-mail":                   {archive(graceID), name(byGracesAddress), "create get unarchive get update", graceID, nil},
		"new, with another's address":           {nil, name(intercomrbac.CreateContactParams{ExternalID: "customer-9", Email: "grace@customer.example"}), "create get", "", intercomrbac.ErrConflict},
		"there, with another's address":         {nil, name(intercomrbac.CreateContactParams{ExternalID: "customer-2", Email: "grace@customer.example"}), "create get", "", intercomrbac.ErrConflict},
		"new, with the address of an archived":  {archive(graceID), name(intercomrbac.CreateContactParams{ExternalID: "customer-9", Email: "grace@customer.example"}), "create get unarchive get archive", "", intercomrbac.ErrConflict},
		"there, without an id in the text":      {conflict("Already there"), name(byGracesID), "create get_by_external_id update", graceID, nil},
		"there, by e-mail, no id in the text":   {conflict("Already there"), name(byGracesAddress), "create search update", graceID, nil},
		"none, without an id in the text":       {conflict("Already there"), name(intercomrbac.CreateContactParams{ExternalID: "customer-9"}), "create get_by_external_id", "", intercomrbac.ErrConflict},
		"none, by e-mail, no id in the text":    {conflict("Already there"), name(intercomrbac.CreateContactParams{Email: "x@x.example"}), "create search", "", intercomrbac.ErrConflict},
		"the id of another in the text":         {conflict("already exists with id=" + string(jonasID)), name(byGracesID), "create get", "", intercomrbac.ErrConflict},
		"the id of another, by e-mail":          {conflict("already exists with id=" + string(jonasID)), name(byGracesAddress), "create get", "", intercomrbac.ErrConflict},
		"two ids in the text":                   {conflict("id=" + string(jonasID) + " id=" + string(graceID)), name(byGracesID), "create get_by_external_id update", graceID, nil},
		"an id that climbs in the text":         {conflict("exists with id=../admins"), name(byGracesID), "create get_by_external_id update", graceID, nil},
		"an id with more behind it in the text": {conflict("exists with id=" + string(graceID) + "/archive"), name(byGracesID), "create get_by_external_id update", graceID, nil},
		"an id with a full stop":                {conflict("exists with id=" + string(graceID) + "."), name(byGracesID), "create get update", graceID, nil},
		"a long text":                           {conflict(strings.Repeat("x ", 300) + "id=" + string(jonasID)), name(byGracesID), "create get_by_external_id update", graceID, nil},
		"gone, and there again": {func(srv *intercomtest.Server) {
			srv.Inject(intercomtest.Fault{Operation: "contacts.get", Status: 404, Code: "not_found"})
		}, name(byGracesID), "create get create get update", graceID, nil},
		"gone before the update": {func(srv *intercomtest.Server) {
			srv.Inject(intercomtest.Fault{Operation: "contacts.update", Status: 404, Code: "not_found"})
		}, name(byGracesID), "create get update create get update", graceID, nil},
		"never there": {conflict("exists with id=6762f0f31bb69f9f21930000"), name(byGracesID), "create get create get create get", "", intercomrbac.ErrConflict},
		"archived, and not back at once": {func(srv *intercomtest.Server) {
			archive(graceID)(srv)
			srv.Inject(intercomtest.Fault{Operation: "contacts.get", Times: 2, Status: 404, Code: "not_found"})
		}, name(byGracesID), "create get unarchive get archive create get unarchive get update", graceID, nil},
		"not archived, whatever the text says": {conflict("An archived contact matching those details already exists with id=" + string(jonasID)),
			name(byGracesID), "create get", "", intercomrbac.ErrConflict},
		"merged while archived": {func(srv *intercomtest.Server) {
			conflict("An archived contact matching those details already exists with id=" + string(graceID))(srv)
			srv.MergeContact(graceID, jonasID)
		}, name(byGracesID), "create get unarchive", "", intercomrbac.ErrInvalidRequest},
		"refused for another reason": {func(srv *intercomtest.Server) {
			srv.Inject(intercomtest.Fault{Operation: "contacts.create", Status: 403, Code: "api_plan_restricted"})
		}, name(byGracesID), "create", "", intercomrbac.ErrPlanRestricted},
		"in doubt": {func(srv *intercomtest.Server) {
			srv.Inject(intercomtest.Fault{Operation: "contacts.create", Drop: true, Done: true})
		}, name(byGracesID), "create", "", intercomrbac.ErrOutcomeUnknown},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			srv.Seed()
			if tt.before != nil {
				tt.before(srv)
			}
			before := srv.Contacts()
			got, err := srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})).Contacts.Upsert(t.Context(), tt.params)
			assert.Equal(t, tt.sent, strings.Join(sentOperations(srv), " "))
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
				assertOneLine(t, err.Error())
				assert.Nil(t, got)
				after := srv.Contacts()
				require.Len(t, after, len(before))
				for i := range before {
					before[i].UpdatedAt = after[i].UpdatedAt // an unarchived one was changed for a moment
				}
				assert.Equal(t, before, after, "nobody else's record is touched")
				return
			}
			require.NoError(t, err)
			if tt.want == "" {
				assert.Len(t, srv.Contacts(), len(before)+1)
			} else {
				assert.Len(t, srv.Contacts(), len(before))
				assert.Equal(t, tt.want, got.ID)
			}
			now, ok := srv.Contact(got.ID)
			require.True(t, ok)
			assert.False(t, now.Archived)
			if tt.params.Name != "" {
				assert.Equal(t, "Upserted", now.Name)
			}
			if tt.params.ExternalID != "" {
				assert.Equal(t, tt.params.ExternalID, now.ExternalID)
			}
			if tt.params.Email != "" {
				assert.True(t, strings.EqualFold(tt.params.Email, now.Email))
			}
		})
	}
}

// The whole of what is sent for a user who is there: what they are known by is not set again.
func TestUpsertOnTheWire(t *testing.T) {
	t.Parallel()
	conflict := mockAnswer{status: 409, body: `{"type":"error.list","errors":[{"code":"conflict","message":"A contact matching those details already exists with id=66a0c1d2e3f4a5b6c7d8e9f0"}]}`}
	m := newMock(t, conflict, json200(fullContact), json200(fullContact))
	params := intercomrbac.CreateContactParams{Role: intercomrbac.ContactUser, ExternalID: "cust-7", Email: "ines@example.org", EmailVerified: new(true),
		Phone: "+4670000000", Name: "Ines", Avatar: "https://img.example.org/ines.png", SignedUpAt: seconds(1701000002), LastSeenAt: seconds(1701000003),
		OwnerID: "4410", UnsubscribedFromEmails: new(false), CustomAttributes: map[string]any{"plan": "gold"}}
	got, err := m.Client.Contacts.Upsert(t.Context(), params)
	require.NoError(t, err)
	assert.Equal(t, wantContact(), got)
	sent := m.requests()
	require.Len(t, sent, 3)
	const rest = `"role":"user","email":"ines@example.org","email_verified":true,"phone":"+4670000000","name":"Ines","avatar":"https://img.example.org/ines.png",
		"signed_up_at":1701000002,"last_seen_at":1701000003,"owner_id":"4410","unsubscribed_from_emails":false,"custom_attributes":{"plan":"gold"}`
	assert.JSONEq(t, `{"external_id":"cust-7",`+rest+`}`, sent[0].Body)
	assert.Equal(t, "GET /contacts/66a0c1d2e3f4a5b6c7d8e9f0", sent[1].Method+" "+sent[1].Path)
	assert.Equal(t, "PUT /contacts/66a0c1d2e3f4a5b6c7d8e9f0", sent[2].Method+" "+sent[2].Path)
	assert.JSONEq(t, `{`+rest+`}`, sent[2].Body)

	// Entities in what Intercom sends; and letters that only look like those of an address.
	for _, tt := range []struct {
		params intercomrbac.CreateContactParams
		there  string
		same   bool
	}{
		{intercomrbac.CreateContactParams{ExternalID: "a&b"}, `"external_id":"a&amp;b"`, true},
		{intercomrbac.CreateContactParams{ExternalID: "a&amp;b"}, `"external_id":"a&amp;b"`, true},
		{intercomrbac.CreateContactParams{ExternalID: "A"}, `"external_id":"a"`, false},
		{intercomrbac.CreateContactParams{ExternalID: "a"}, `"external_id":null`, false},
		{intercomrbac.CreateContactParams{Email: "o'hara@Example.org"}, `"email":"o&#39;hara@example.org"`, true},
		{intercomrbac.CreateContactParams{Email: "\u212Aim@example.org"}, `"email":"kim@example.org"`, false},
		{intercomrbac.CreateContactParams{Email: "kim@example.org"}, `"email":null`, false},
		{intercomrbac.CreateContactParams{Email: "kim@example.org"}, `"role":"lead","email":"kim@example.org"`, false},
	} {
		there := `{"type":"contact","id":"66a0c1d2e3f4a5b6c7d8e9f0","role":"user",` + tt.there + `}`
		got, err := newMock(t, conflict, json200(there)).Client.Contacts.Upsert(t.Context(), tt.params)
		if !tt.same {
			require.ErrorIs(t, err, intercomrbac.ErrConflict, tt.there)
			require.ErrorContains(t, err, "then use Update")
			continue
		}
		require.NoError(t, err, tt.there)
		assert.NotEmpty(t, got.ID)
	}
}

// Where the 409 names nobody, a user is searched for by the e-mail, and only if there is one of them they are changed.
func TestUpsertSearchesForOneUser(t *testing.T) {
	t.Parallel()
	const grace = `{"type":"contact","id":"6762f0f31bb69f9f2193bb8b","role":"user","email":"grace@customer.example"}`
	const next = `{"type":"pages","next":{"starting_after":"x"}}`
	for what, found := range map[string]string{
		"none":         `{"data":[]}`,
		"two":          `{"data":[` + grace + `,` + grace + `]}`,
		"perhaps more": `{"data":[` + grace + `],"pages":` + next + `}`,
		"another":      `{"data":[{"type":"contact","id":"6762f0f31bb69f9f2193bb8c","role":"user","email":"jonas@customer.example"}]}`,
		"one":          `{"data":[` + grace + `],"pages":{"type":"pages"}}`,
	} {
		m := newMock(t, mockAnswer{status: 409, body: `{"errors":[{"code":"conflict","message":"Already there"}]}`}, json200(found), json200(grace))
		_, err := m.Client.Contacts.Upsert(t.Context(), intercomrbac.CreateContactParams{Email: "grace@customer.example", Name: "Grace"})
		sent := m.requests()
		assert.JSONEq(t, `{"query":{"operator":"AND","value":[{"field":"email","operator":"=","value":"grace@customer.example"},
			{"field":"role","operator":"=","value":"user"}]}}`, sent[1].Body, what)
		if what == "one" {
			require.NoError(t, err)
			assert.Equal(t, "PUT /contacts/6762f0f31bb69f9f2193bb8b", sent[2].Method+" "+sent[2].Path)
			continue
		}
		require.ErrorIs(t, err, intercomrbac.ErrConflict, what)
		assert.Len(t, sent, 2, what)
	}
}

// However many call it at once, there is one contact of an external id, and nobody gets an error.
func TestUpsertMakesOneContact(t *testing.T) {
	t.Parallel()
	n := soak.N(50, 500)
	for what, before := range map[string]func(*intercomtest.Server){
		"new":   func(*intercomtest.Server) {},
		"there": func(srv *intercomtest.Server) { srv.AddContact(intercomtest.Contact{ExternalID: "customer-9"}) },
		"archived": func(srv *intercomtest.Server) {
			srv.AddContact(intercomtest.Contact{ExternalID: "customer-9", Archived: true})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			before(srv)
			c := srv.Client()
			ids := make([]intercomrbac.ContactID, n)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					<-start
					got, err := c.Contacts.Upsert(t.Context(), intercomrbac.CreateContactParams{ExternalID: "customer-9", Name: fmt.Sprint("Name ", i)})
					if assert.NoError(t, err) {
						ids[i] = got.ID
					}
				})
			}
			close(start)
			wg.Wait()
			all := srv.Contacts()
			require.Len(t, all, 1)
			assert.Equal(t, "customer-9", all[0].ExternalID)
			assert.False(t, all[0].Archived)
			assert.Regexp(t, `^Name \d+$`, all[0].Name)
			for _, id := range ids {
				assert.Equal(t, all[0].ID, id)
			}
			soak.Report(t, "contacts", "upsert: %d at once for one external id (%s), 1 contact, 0 errors", n, what)
		})
	}
}

// Each step is the caller's own, decided and on record.
func TestUpsertUnderAGuard(t *testing.T) {
	t.Parallel()
	params := intercomrbac.CreateContactParams{ExternalID: "customer-1", Name: "Upserted"}
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("contacts:read", "contacts:write")...)})
	_, err := d.client.Contacts.Upsert(d.as(t, tester), params)
	require.NoError(t, err)
	var record []string
	for _, e := range d.trail.take() {
		assert.Equal(t, d.Agent, e.AdminID)
		record = append(record, strings.TrimSpace(fmt.Sprint(e.Action, " ", e.Phase, " ", e.ResourceID, " ", e.Error)))
	}
	assert.Equal(t, []string{"contacts.create intent", "contacts.create outcome  409 conflict",
		"contacts.update intent " + string(graceID), "contacts.update outcome " + string(graceID)}, record)

	_, err = d.client.Contacts.Upsert(t.Context(), params)
	requireDenied(t, err, intercomrbac.ReasonNoPrincipal)

	for name, tt := range map[string]struct {
		rules  []intercomrbac.Rule
		reason intercomrbac.Reason
		sent   string
	}{
		"no right":           {nil, intercomrbac.ReasonNotGranted, ""},
		"reads only":         {intercomrbac.Rules("contacts:read"), intercomrbac.ReasonNotGranted, ""},
		"writes only":        {intercomrbac.Rules("contacts:write"), intercomrbac.ReasonNotGranted, "create"},
		"reads some":         {append(intercomrbac.Rules("contacts:write"), intercomrbac.Rule{Permission: "contacts:read", When: "never"}), intercomrbac.ReasonConditionNotMet, "create get"},
		"writes some":        {append(intercomrbac.Rules("contacts:read"), intercomrbac.Rule{Permission: "contacts:write", When: "never"}), intercomrbac.ReasonNeedsResource, ""},
		"reads, writes some": {[]intercomrbac.Rule{{Permission: "contacts:*", When: "never"}}, intercomrbac.ReasonNeedsResource, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(tt.rules...), conditions: []intercomrbac.Condition{never("contact")}})
			before := d.srv.Contacts()
			got, err := d.client.Contacts.Upsert(d.as(t, tester), params)
			requireDenied(t, err, tt.reason)
			assert.Nil(t, got)
			assert.Equal(t, tt.sent, strings.Join(sentOperations(d.srv), " "))
			assert.Equal(t, before, d.srv.Contacts())
		})
	}

	// What the record misses ends it: nothing more is sent.
	d.srv.ResetCalls()
	d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
	_, err = d.client.Contacts.Upsert(d.as(t, tester), params)
	require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
	assert.Equal(t, []string{"create"}, sentOperations(d.srv))
}

// An archived user that was unarchived by mistake, and cannot be archived again, is named.
func TestUpsertTellsWhatItLeftBehind(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	srv.Seed()
	srv.UpdateContact(graceID, func(c *intercomtest.Contact) { c.Archived = true })
	srv.Inject(intercomtest.Fault{Operation: "contacts.archive", Status: 403, Code: "forbidden"})
	_, err := srv.Client().Contacts.Upsert(t.Context(), intercomrbac.CreateContactParams{ExternalID: "customer-9", Email: "grace@customer.example"})
	require.ErrorIs(t, err, intercomrbac.ErrConflict)
	require.ErrorIs(t, err, intercomrbac.ErrForbidden)
	require.ErrorContains(t, err, "contact "+string(graceID)+" was unarchived for it, and not archived again")
	assertOneLine(t, err.Error())
}

// What was unarchived and may still be so is named, and ends it: nobody would put it back.
func TestUpsertDoesNotForgetWhatItLeftBehind(t *testing.T) {
	t.Parallel()
	missing := func(op string, times int) intercomtest.Fault {
		return intercomtest.Fault{Operation: op, Times: times, Status: 404, Code: "not_found"}
	}
	for what, tt := range map[string]struct {
		faults []intercomtest.Fault
		sent   string
		hint   string
	}{
		"neither seen nor archived yet": {[]intercomtest.Fault{missing("contacts.get", 2), missing("contacts.archive", 1)},
			"create get unarchive get archive", "was unarchived for it, and not archived again"},
		"in doubt": {[]intercomtest.Fault{{Operation: "contacts.unarchive", Drop: true, Done: true}}, "create get unarchive", "may be unarchived now"},
	} {
		srv := intercomtest.NewServer(t)
		srv.Seed()
		srv.UpdateContact(graceID, func(c *intercomtest.Contact) { c.Archived = true })
		for _, f := range tt.faults {
			srv.Inject(f)
		}
		_, err := srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})).Contacts.Upsert(t.Context(),
			intercomrbac.CreateContactParams{ExternalID: "customer-9", Email: "grace@customer.example"})
		require.Error(t, err, what)
		assert.ErrorContains(t, err, "contact "+string(graceID)+" "+tt.hint, what)
		assert.Equal(t, tt.sent, strings.Join(sentOperations(srv), " "), what)
		assertOneLine(t, err.Error())
	}
}

// Only a user who is gone is worth another round: not an owner who is, nor a gap in the record.
func TestUpsertStopsAtWhatIsNoMissingUser(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	srv.Seed()
	srv.Inject(intercomtest.Fault{Operation: "contacts.update", Times: -1, Status: 404, Code: "admin_not_found", Message: "Admin not found"})
	_, err := srv.Client().Contacts.Upsert(t.Context(), intercomrbac.CreateContactParams{ExternalID: "customer-1", OwnerID: "99"})
	require.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
	assert.Equal(t, "create get update", strings.Join(sentOperations(srv), " "))

	d := newDesk(t, deskConfig{policy: everything()})
	d.srv.Inject(intercomtest.Fault{Operation: "contacts.update", Status: 404, Code: "not_found"})
	d.trail.refuse = func(e intercomrbac.AuditEvent) error {
		if e.Action == "contacts.update" && e.Phase == intercomrbac.PhaseOutcome {
			return errSink
		}
		return nil
	}
	_, err = d.client.Contacts.Upsert(d.as(t, tester), intercomrbac.CreateContactParams{ExternalID: "customer-1", Name: "x"})
	require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
	assert.Equal(t, "create get update", strings.Join(sentOperations(d.srv), " "))
}

// Whatever the text of a 409 says, nothing is asked for but a contact whose id stands in it, or who goes by the name that
// the caller gave; and nobody is changed who is somebody else.
func FuzzConflictText(f *testing.F) {
	f.Add("A contact matching those details already exists with id=6762f0f31bb69f9f2193bb8c")
	f.Add("An archived contact matching those details already exists with id=6762f0f31bb69f9f2193bb8c")
	f.Add("archived contact id=../../admins id=6762f0f31bb69f9f2193bb8c,")
	f.Add("id=")
	f.Fuzz(func(t *testing.T, text string) {
		srv := intercomtest.NewServer(t)
		srv.Seed()
		srv.Inject(intercomtest.Fault{Operation: "contacts.create", Times: -1, Status: 409, Code: "conflict", Message: text})
		before := srv.Contacts()
		_, err := srv.Client().Contacts.Upsert(t.Context(), intercomrbac.CreateContactParams{ExternalID: "customer-1", Name: "Upserted"})
		for _, c := range srv.Calls()[1:] {
			if c.Operation == "contacts.create" || c.Path == "/contacts/find_by_external_id/customer-1" {
				continue
			}
			id := strings.Split(c.Path, "/")[2]
			require.Regexp(t, `^[0-9a-f]{24}$`, id)
			require.Contains(t, text+string(graceID), id)
		}
		for i, c := range srv.Contacts() {
			if c.ID != graceID {
				c.UpdatedAt = before[i].UpdatedAt
				require.Equal(t, before[i], c)
			}
		}
		if e, ok := errors.AsType[*intercomrbac.APIError](err); ok {
			assertOneLine(t, e.Error())
		}
	})
}
