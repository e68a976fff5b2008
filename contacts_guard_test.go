package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ours is a condition that contacts meet whose name does not begin with Hidden.
func ours() intercomrbac.Condition {
	return conditionNamed("ours", "contact", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		c, ok := r.Value.(*intercomrbac.Contact)
		return ok && !strings.HasPrefix(c.Name, "Hidden"), nil
	})
}

// ourContacts lets the tester do everything with contacts that are ours.
func ourContacts() deskConfig {
	return deskConfig{policy: granting(intercomrbac.Rule{Permission: "contacts:*", When: "ours"}), conditions: []intercomrbac.Condition{ours()}}
}

// hide makes contacts hidden from who may see ours.
func (d *desk) hide(ids ...intercomrbac.ContactID) {
	for _, id := range ids {
		d.srv.UpdateContact(id, func(c *intercomtest.Contact) { c.Name = "Hidden " + c.Name })
	}
}

func TestContactListsShowWhatThePrincipalMaySee(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ourContacts())
	d.hide(d.Contacts[0], d.Contacts[3])
	want := []intercomrbac.ContactID{d.Contacts[1], d.Contacts[2], d.Contacts[4], d.Contacts[5]}
	ctx := d.as(t, tester)
	everyone := intercomrbac.SearchParams{Query: where(intercomrbac.FieldCreatedAt, ">", time.Unix(1, 0)), ListParams: intercomrbac.ListParams{PerPage: 2}}
	for name, seq := range map[string]func(func(intercomrbac.Contact, error) bool){
		"all":    d.client.Contacts.All(ctx, intercomrbac.ListParams{PerPage: 2}),
		"search": d.client.Contacts.SearchAll(ctx, everyone),
	} {
		var got []intercomrbac.ContactID
		for c, err := range seq {
			require.NoError(t, err)
			got = append(got, c.ID)
		}
		assert.Equal(t, want, got, name)
	}
	page, err := d.client.Contacts.List(ctx, intercomrbac.ListParams{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 4)
	assert.Zero(t, page.Total, "a total counts what is hidden, too")
	page, err = d.client.Contacts.Search(ctx, intercomrbac.SearchParams{Query: where(intercomrbac.FieldExternalID, "=", "customer-1")})
	require.NoError(t, err)
	assert.NotNil(t, page.Items)
	assert.Empty(t, page.Items)
	assert.Zero(t, page.Total)
	for _, op := range []string{"contacts.list", "contacts.search"} {
		var out map[string]any
		in := intercomrbac.Call{}
		if op == "contacts.search" {
			in.Body = map[string]any{"query": map[string]any{"field": "id", "operator": "!=", "value": "x"}}
		}
		require.NoError(t, d.client.Do(ctx, lookup(t, op), in, &out))
		assert.Len(t, out["data"], 4, op)
		assert.NotContains(t, out, "total_count", op)
		raw, err := json.Marshal(out)
		require.NoError(t, err)
		assert.NotContains(t, string(raw), "Hidden")
	}
}

// A contact that is hidden, one that is missing, archived or merged: to who may see ours they are all the same, whatever
// is done.
func TestHiddenAndMissingContactsLookTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ourContacts())
	d.srv.UpdateContact(d.Contacts[0], func(c *intercomtest.Contact) { c.TagIDs = []intercomrbac.TagID{d.VIP} })
	d.hide(d.Contacts[0])
	merged := d.srv.AddContact(intercomtest.Contact{ExternalID: "merged", Email: "merged@x.example"})
	d.srv.MergeContact(merged, d.Contacts[0])
	archived := d.srv.AddContact(intercomtest.Contact{ExternalID: "archived", Email: "archived@x.example", Archived: true})
	ctx := d.as(t, tester)
	c := d.client.Contacts
	lead := d.Contacts[5] // one of ours
	seen := func(id intercomrbac.ContactID, external, email string) []observed {
		before := d.srv.Contacts()
		out := []observed{}
		for _, tt := range []struct {
			name string
			call func() (any, error)
		}{
			{"get", func() (any, error) { return c.Get(ctx, id) }},
			{"get by external id", func() (any, error) { return c.GetByExternalID(ctx, external) }},
			{"search", func() (any, error) {
				return c.Search(ctx, intercomrbac.SearchParams{Query: or(where("id", "=", string(id)), where("external_id", "=", external))})
			}},
			{"search one", func() (any, error) {
				return c.Search(ctx, intercomrbac.SearchParams{Query: where("email", "=", email), ListParams: intercomrbac.ListParams{PerPage: 1}})
			}},
			{"update", func() (any, error) { return c.Update(ctx, id, intercomrbac.UpdateContactParams{Name: new("x")}) }},
			{"upsert", func() (any, error) {
				return c.Upsert(ctx, intercomrbac.CreateContactParams{ExternalID: external, Email: email, Name: "x"})
			}},
			{"create", func() (any, error) { return c.Create(ctx, intercomrbac.CreateContactParams{ExternalID: external}) }},
			{"archive", func() (any, error) { return nil, c.Archive(ctx, id) }},
			{"unarchive", func() (any, error) { return nil, c.Unarchive(ctx, id) }},
			{"block", func() (any, error) { return nil, c.Block(ctx, id) }},
			{"merge from", func() (any, error) {
				return c.Merge(ctx, intercomrbac.MergeContactsParams{From: id, Into: d.Contacts[1], SkipDuplicateValidation: true})
			}},
			{"merge into", func() (any, error) {
				return c.Merge(ctx, intercomrbac.MergeContactsParams{From: lead, Into: id, SkipDuplicateValidation: true})
			}},
			{"merge by Do", func() (any, error) {
				var out map[string]any
				err := d.client.Do(ctx, lookup(t, "contacts.merge"), intercomrbac.Call{Body: map[string]any{"from": lead, "into": id, "skip_duplicate_validation": true}}, &out)
				return out, err
			}},
			{"tags", func() (any, error) { return c.Tags(ctx, id) }},
			{"add tag", func() (any, error) { return c.AddTag(ctx, id, d.Bug) }},
			{"remove tag", func() (any, error) { return c.RemoveTag(ctx, id, d.VIP) }},
			{"delete", func() (any, error) { return nil, c.Delete(ctx, id) }},
		} {
			o := observe(t, d, tt.name, tt.call)
			same := strings.NewReplacer(email, "EMAIL", string(id), "ID", external, "EXTERNAL") // the longer before the shorter
			for i := range o.Requests {
				o.Requests[i] = same.Replace(o.Requests[i])
			}
			out = append(out, o)
		}
		assert.Equal(t, before, d.srv.Contacts(), "nothing was changed")
		return out
	}
	missing := seen("6762f0f31bb69f9f2193bb00", "nobody", "nobody@x.example")
	assert.Equal(t, missing, seen(d.Contacts[0], "customer-1", "grace@customer.example"))
	assert.Equal(t, missing, seen(merged, "merged", "merged@x.example"))
	assert.Equal(t, missing, seen(archived, "archived", "archived@x.example"))
	for _, o := range missing {
		if !strings.HasPrefix(o.Call, "search") {
			assert.Equal(t, []string{"ErrDenied"}, o.Classes, o.Call)
		}
	}
}

// A merge is about two contacts: both must be permitted, in whichever way it is called.
func TestMergeNeedsBothContacts(t *testing.T) {
	t.Parallel()
	body := func(from, into any) map[string]any {
		return map[string]any{"from": from, "into": into, "skip_duplicate_validation": true}
	}
	for way, merge := range map[string]func(context.Context, *desk, intercomrbac.ContactID, intercomrbac.ContactID) error{
		"by its method": func(ctx context.Context, d *desk, from, into intercomrbac.ContactID) error {
			_, err := d.client.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: from, Into: into, SkipDuplicateValidation: true})
			return err
		},
		"by Do": func(ctx context.Context, d *desk, from, into intercomrbac.ContactID) error {
			return d.client.Do(ctx, lookup(t, "contacts.merge"), intercomrbac.Call{Body: body(from, into)}, nil)
		},
	} {
		for name, tt := range map[string]struct {
			hidden func(d *desk) []intercomrbac.ContactID
			sent   []string
		}{
			"both permitted": {func(*desk) []intercomrbac.ContactID { return nil }, []string{"contacts.get", "contacts.get", "contacts.merge"}},
			"from is hidden": {func(d *desk) []intercomrbac.ContactID { return []intercomrbac.ContactID{d.Contacts[5]} }, []string{"contacts.get"}},
			"into is hidden": {func(d *desk) []intercomrbac.ContactID { return []intercomrbac.ContactID{d.Contacts[0]} }, []string{"contacts.get", "contacts.get"}},
			"both are hidden": {func(d *desk) []intercomrbac.ContactID { return []intercomrbac.ContactID{d.Contacts[0], d.Contacts[5]} },
				[]string{"contacts.get"}},
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, ourContacts())
				hidden := tt.hidden(d)
				d.hide(hidden...)
				err := merge(d.as(t, tester), d, d.Contacts[5], d.Contacts[0])
				assert.Equal(t, tt.sent, d.sent())
				_, left := d.srv.Contact(d.Contacts[5])
				events := d.trail.take()
				require.NotEmpty(t, events)
				for _, e := range events { // both are on record, whatever became of it
					assert.Equal(t, []string{string(d.Contacts[5]), string(d.Contacts[0])}, []string{e.ResourceID, e.SecondResourceID})
					assert.True(t, e.Sensitive)
				}
				if len(hidden) > 0 {
					requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
					assert.True(t, left)
					return
				}
				require.NoError(t, err)
				assert.False(t, left)
			})
		}
	}

	// A deny under a condition holds for either of them, and so does a condition that knows ids alone.
	byID := conditionNamed("not_this", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		return r.ID != string(graceID), nil
	})
	isHidden := conditionNamed("hidden", "contact", func(p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		ok, err := ours().Met(t.Context(), p, r)
		return !ok, err
	})
	for name, config := range map[string]deskConfig{
		"a deny": {policy: intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{tester: {Allow: intercomrbac.Rules("*"),
			Deny: []intercomrbac.Rule{{Permission: "contacts:delete", When: "hidden"}}}}}, conditions: []intercomrbac.Condition{isHidden}},
		"by id": {policy: granting(intercomrbac.Rule{Permission: "contacts:delete", When: "not_this"}), conditions: []intercomrbac.Condition{byID}},
	} {
		d := newDesk(t, config)
		d.hide(d.Contacts[0])
		user := d.srv.AddContact(intercomtest.Contact{})
		lead := d.srv.AddContact(intercomtest.Contact{Role: "lead"})
		_, err := d.client.Contacts.Merge(d.as(t, tester), intercomrbac.MergeContactsParams{From: d.Contacts[5], Into: d.Contacts[0], SkipDuplicateValidation: true})
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		assert.NotContains(t, d.sent(), "contacts.merge", name)
		_, err = d.client.Contacts.Merge(d.as(t, tester), intercomrbac.MergeContactsParams{From: lead, Into: user, SkipDuplicateValidation: true})
		require.NoError(t, err, name)
	}
}

// Whatever a body or query of Do says beside it, the two contacts that were checked are the two that are merged.
func TestMergeByDoNamesItsContactsOnceAndInTheBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ourContacts())
	d.hide(d.Contacts[0])
	visible, hidden, lead := string(d.Contacts[1]), string(d.Contacts[0]), string(d.Contacts[5])
	ctx := d.as(t, tester)
	op := lookup(t, "contacts.merge")
	good := map[string]any{"from": lead, "into": visible, "skip_duplicate_validation": true}
	for name, in := range map[string]intercomrbac.Call{
		"no body":               {},
		"null":                  {Body: json.RawMessage(`null`)},
		"a list":                {Body: json.RawMessage(`["` + lead + `"]`)},
		"into is missing":       {Body: map[string]any{"from": lead}},
		"from is missing":       {Body: map[string]any{"into": visible}},
		"into is null":          {Body: map[string]any{"from": lead, "into": nil}},
		"into is empty":         {Body: map[string]any{"from": lead, "into": ""}},
		"into is 0":             {Body: map[string]any{"from": lead, "into": 0}},
		"into is a list":        {Body: map[string]any{"from": lead, "into": []string{visible, hidden}}},
		"into is an object":     {Body: map[string]any{"from": lead, "into": map[string]string{"id": hidden}}},
		"into is another path":  {Body: map[string]any{"from": lead, "into": "../" + hidden}},
		"into with a space":     {Body: map[string]any{"from": lead, "into": " " + hidden}},
		"in another case":       {Body: map[string]any{"from": lead, "Into": visible}},
		"into in the query":     {Body: good, Query: url.Values{"into": {hidden}}},
		"into[] in the query":   {Body: good, Query: url.Values{"into[]": {hidden}}},
		"[into] in the query":   {Body: good, Query: url.Values{"[into]": {hidden}}},
		"from in the query":     {Body: good, Query: url.Values{"from": {hidden}}},
		"into[id] in the query": {Body: good, Query: url.Values{"into[id]": {hidden}}},
	} {
		require.ErrorIs(t, d.client.Do(ctx, op, in, nil), intercomrbac.ErrInvalidRequest, name)
		assert.Empty(t, d.sent(), name)
	}
	// A member that comes twice goes out once, as it was read.
	twice := json.RawMessage(`{"from":"` + lead + `","into":"` + visible + `","into":"` + hidden + `","skip_duplicate_validation":true}`)
	requireDenied(t, d.client.Do(ctx, op, intercomrbac.Call{Body: twice}, nil), intercomrbac.ReasonConditionNotMet)
	d.srv.ResetCalls()
	twice = json.RawMessage(`{"from":"` + lead + `","into":"` + hidden + `","into":"` + visible + `","skip_duplicate_validation":true}`)
	require.NoError(t, d.client.Do(ctx, op, intercomrbac.Call{Body: twice}, nil))
	calls := d.srv.Calls()
	assert.JSONEq(t, `{"from":"`+lead+`","into":"`+visible+`","skip_duplicate_validation":true}`, string(calls[len(calls)-1].Body))

	// The same call by another name is no way around.
	for _, own := range []intercomrbac.Operation{
		{Name: "mine.merge", Method: "POST", Path: "/contacts/merge", Permission: "contacts:delete", Resource: "contact", Effect: intercomrbac.Write},
		{Name: "mine.merge", Method: "POST", Path: "/contacts/{x}", Permission: "contacts:delete", Resource: "contact", ResourceArg: "x", Effect: intercomrbac.Write},
		{Name: "contacts.merge", Method: "POST", Path: "/contacts/merge", Permission: "contacts:delete", Resource: "contact", Effect: intercomrbac.Destructive},
	} {
		in := intercomrbac.Call{Body: map[string]any{"from": lead, "into": hidden}}
		if own.ResourceArg != "" {
			in.Path = map[string]string{"x": "merge"}
		}
		require.ErrorIs(t, d.client.Do(ctx, own, in, nil), intercomrbac.ErrInvalidRequest)
	}
}

// A policy that changes while the call waits bites for the second contact, too.
func TestMergeIsDecidedAgainForBoth(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after intercomrbac.Rule
		reason        intercomrbac.Reason
	}{
		"both were looked at":   {intercomrbac.Rule{Permission: "contacts:delete", When: "there"}, intercomrbac.Rule{Permission: "contacts:delete", When: "ours"}, intercomrbac.ReasonConditionNotMet},
		"neither was looked at": {intercomrbac.Rule{Permission: "contacts:delete"}, intercomrbac.Rule{Permission: "contacts:delete", When: "ours"}, intercomrbac.ReasonNeedsResource},
		"by the id alone":       {intercomrbac.Rule{Permission: "contacts:delete"}, intercomrbac.Rule{Permission: "contacts:delete", When: "not_this"}, intercomrbac.ReasonConditionNotMet},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				there := conditionNamed("there", "contact", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return r.Value != nil, nil })
				byID := conditionNamed("not_this", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
					return r.ID != string(graceID), nil
				})
				d := newDesk(t, deskConfig{policy: granting(tt.before), conditions: []intercomrbac.Condition{there, ours(), byID}})
				d.hide(d.Contacts[0])
				d.srv.Inject(intercomtest.Fault{Operation: "contacts.merge", Status: 429, Header: http.Header{"Retry-After": {"2"}}})
				done := inBackground(func() error {
					_, err := d.client.Contacts.Merge(d.as(t, tester), intercomrbac.MergeContactsParams{From: d.Contacts[5], Into: d.Contacts[0], SkipDuplicateValidation: true})
					return err
				})
				time.Sleep(time.Second)
				require.NoError(t, d.checker.Swap(granting(tt.after)))
				requireDenied(t, <-done, tt.reason)
				_, left := d.srv.Contact(d.Contacts[5])
				assert.True(t, left)
			})
		})
	}
}

// Who may see some contacts learns of no other one by a merge; who may see all does.
func TestMergedIntoUnderAGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	d.srv.MergeContact(d.Contacts[5], d.Contacts[0])
	_, err := d.client.Contacts.Get(d.as(t, tester), d.Contacts[5])
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, d.Contacts[0], e.MergedInto)

	// It was merged between the look and the write.
	d = newDesk(t, ourContacts())
	d.srv.Inject(intercomtest.Fault{Operation: "contacts.update", Status: 410, Code: "contact_merged",
		Header: http.Header{"Link": {`</contacts/` + string(d.Contacts[1]) + `>; rel="canonical"`}}})
	_, err = d.client.Contacts.Update(d.as(t, tester), d.Contacts[0], intercomrbac.UpdateContactParams{Name: new("x")})
	require.ErrorIs(t, err, intercomrbac.ErrContactMerged)
	e, ok = errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Empty(t, e.MergedInto)
	assert.NotContains(t, err.Error(), string(d.Contacts[1]))
}

// Who may change some contacts learns by no error of another one.
func TestContactErrorsNameNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ourContacts())
	d.hide(d.Contacts[0])
	ctx := d.as(t, tester)
	_, err := d.client.Contacts.Update(ctx, d.Contacts[1], intercomrbac.UpdateContactParams{Email: "grace@customer.example"})
	require.ErrorIs(t, err, intercomrbac.ErrConflict)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, "conflict", e.Code)
	assert.NotContains(t, err.Error(), string(d.Contacts[0]))
	for _, detail := range e.Errors {
		assert.NotContains(t, detail.Message, string(d.Contacts[0]))
	}

	all := newDesk(t, deskConfig{policy: everything()})
	_, err = all.client.Contacts.Update(all.as(t, tester), all.Contacts[1], intercomrbac.UpdateContactParams{Email: "grace@customer.example"})
	require.ErrorIs(t, err, intercomrbac.ErrConflict)
	assert.ErrorContains(t, err, string(all.Contacts[0]))

	byID := conditionNamed("this_one", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		return r.ID == string(graceID), nil
	})
	d = newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "contacts:*", When: "this_one"}), conditions: []intercomrbac.Condition{byID}})
	d.srv.Inject(intercomtest.Fault{Operation: "contacts.get", Status: 410, Code: "contact_merged", Message: "It went to " + string(jonasID),
		Header: http.Header{"Link": {`</contacts/` + string(jonasID) + `>; rel="canonical"`}}})
	_, err = d.client.Contacts.Get(d.as(t, tester), graceID)
	require.ErrorIs(t, err, intercomrbac.ErrContactMerged)
	e, ok = errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Empty(t, e.MergedInto)
	assert.NotContains(t, err.Error(), string(jonasID))
}
