package intercomrbac_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContactQueriesOnTheWire(t *testing.T) {
	t.Parallel()
	at := time.Unix(1699996400, 0)
	tests := map[string]struct {
		query intercomrbac.Query
		want  string
	}{
		"role":      {where(intercomrbac.FieldRole, "=", intercomrbac.ContactLead), `{"field":"role","operator":"=","value":"lead"}`},
		"owner":     {where(intercomrbac.FieldOwnerID, "=", intercomrbac.AdminID("814860")), `{"field":"owner_id","operator":"=","value":"814860"}`},
		"in":        {where(intercomrbac.FieldExternalID, intercomrbac.In, []string{"a", "b"}), `{"field":"external_id","operator":"IN","value":["a","b"]}`},
		"ends":      {where(intercomrbac.FieldEmail, intercomrbac.EndsWith, "@example.com"), `{"field":"email","operator":"$","value":"@example.com"}`},
		"bool":      {where(intercomrbac.FieldUnsubscribedFromEmails, "!=", true), `{"field":"unsubscribed_from_emails","operator":"!=","value":true}`},
		"day":       {where(intercomrbac.FieldCreatedAt, "=", at), `{"field":"created_at","operator":"=","value":1699996400}`},
		"later":     {where(intercomrbac.FieldSignedUpAt, ">", intercomrbac.NewTimestamp(at)), `{"field":"signed_up_at","operator":">","value":1699996400}`},
		"earlier":   {where(intercomrbac.FieldLastSeenAt, "<", 1699996400), `{"field":"last_seen_at","operator":"<","value":1699996400}`},
		"never":     {where(intercomrbac.FieldLastSeenAt, "=", nil), `{"field":"last_seen_at","operator":"=","value":null}`},
		"tag":       {where(intercomrbac.FieldTagID, "=", intercomrbac.TagID("77")), `{"field":"tag_id","operator":"=","value":"77"}`},
		"not a tag": {where(intercomrbac.FieldTagID, "!=", 77), `{"field":"tag_id","operator":"!=","value":"77"}`},
		"at least":  {where("custom_attributes.seats", intercomrbac.GreaterOrEqual, 20), `{"field":"custom_attributes.seats","operator":">=","value":20}`},
		"at most":   {where("custom_attributes.seats", intercomrbac.LessOrEqual, uint8(20)), `{"field":"custom_attributes.seats","operator":"<=","value":20}`},
		"custom":    {where("custom_attributes.plan", "~", "gold"), `{"field":"custom_attributes.plan","operator":"~","value":"gold"}`},
		"of a day":  {where("custom_attributes.renewed", "<", at), `{"field":"custom_attributes.renewed","operator":"<","value":1699996400}`},
		"not listed": {where("android_sdk_version", "=", "12"),
			`{"field":"android_sdk_version","operator":"=","value":"12"}`},
		"group": {or(where("role", "=", "user"), and(where("tag_id", "=", "7"))),
			`{"operator":"OR","value":[{"operator":"AND","value":[{"field":"role","operator":"=","value":"user"}]},{"operator":"AND","value":[{"field":"tag_id","operator":"=","value":"7"}]}]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, json200(`{"type":"list","data":[]}`))
			page, err := m.Client.Contacts.Search(t.Context(), intercomrbac.SearchParams{Query: tt.query})
			require.NoError(t, err)
			assert.Empty(t, page.Items)
			assert.JSONEq(t, `{"query":`+tt.want+`}`, m.onlyRequest(t).Body)
		})
	}
}

func TestContactQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	at := time.Unix(1699996400, 0)
	tests := map[string]struct {
		query intercomrbac.Query
		hint  string
	}{
		"not on a day":               {where("created_at", "!=", at), "created_at is a time, which is compared by =, > and < alone here"},
		"on a day or later":          {where("created_at", ">=", at), "compared by =, > and < alone"},
		"on a day or earlier":        {where("last_seen_at", "<=", 1699996400), "compared by =, > and < alone"},
		"on one of the days":         {where("created_at", "IN", []time.Time{at}), "compared by =, > and < alone"},
		"on none of the days":        {where("created_at", "NIN", []int{1}), "compared by =, > and < alone"},
		"not never":                  {where("last_seen_at", "!=", nil), "compared by =, > and < alone"},
		"a custom day or later":      {where("custom_attributes.renewed", ">=", at), "compared by =, > and < alone"},
		"not on a custom day":        {where("custom_attributes.renewed", "!=", intercomrbac.NewTimestamp(at)), "compared by =, > and < alone"},
		"one of the custom days":     {where("custom_attributes.renewed", "IN", []intercomrbac.Timestamp{{Time: at}}), "compared by =, > and < alone"},
		"one of custom days and all": {where("custom_attributes.renewed", "NIN", []any{1, at}), "compared by =, > and < alone"},
		"one of the tags":            {where("tag_id", "IN", []string{"1"}), "tag_id is compared by = and != alone"},
		"none of the tags":           {where("tag_id", "NIN", []string{"1"}), "tag_id is compared by = and != alone"},
		"a part of a tag":            {where("tag_id", "~", "1"), "tag_id is compared by = and != alone"},
		"more than a tag":            {where("tag_id", ">", "1"), "tag_id is compared by = and != alone"},
		"a tag and more":             {where("tag_id", ">=", 1), "tag_id is compared by = and != alone"},
		"a text and more":            {where("name", ">=", "a"), "name cannot be compared by >=: that is for whole numbers"},
		"a truth and less":           {where("has_hard_bounced", "<=", true), "that is for whole numbers"},
		"a word and more":            {where("custom_attributes.seats", ">=", "many"), "a whole number or an id of digits"},
		"null and more":              {where("custom_attributes.seats", ">=", nil), "null"},
		"a slice and more":           {where("custom_attributes.seats", ">=", []int{1}), "one value, not a slice"},
		"text for a truth":           {where("has_hard_bounced", "=", "yes"), "true or false"},
		"nobody's id":                {where("owner_id", "=", intercomrbac.AdminID("")), "owner_id is compared with an empty id: for what is not set use nil"},
		"unknown operator":           {where("name", "LIKE", "x"), `no operator "LIKE"`},
		"three levels":               {and(or(and(where("role", "=", "user")))), "deeper than 2 levels"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			params := intercomrbac.SearchParams{Query: tt.query}
			_, err := m.Client.Contacts.Search(t.Context(), params)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.ErrorContains(t, err, tt.hint)
			assertOneLine(t, err.Error())
			for _, err := range m.Client.Contacts.SearchAll(t.Context(), params) {
				assert.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			}
			assert.Empty(t, m.requests())
		})
	}
}

// What is for contacts stays away from conversations.
func TestConversationQueriesHaveNoneOfTheContactsOperators(t *testing.T) {
	t.Parallel()
	for _, operator := range []intercomrbac.Operator{intercomrbac.GreaterOrEqual, intercomrbac.LessOrEqual} {
		for _, field := range []intercomrbac.Field{"statistics.count_reopens", "updated_at", "custom_attributes.seats", "state"} {
			m := newMock(t)
			_, err := m.Client.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: where(field, operator, 1)})
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			require.ErrorContains(t, err, "it is for contacts")
			require.Empty(t, m.requests())
		}
	}
	m := newMock(t, json200(`{"conversations":[]}`))
	_, err := m.Client.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: where("updated_at", "!=", time.Unix(1699996400, 0))})
	require.NoError(t, err, "whole days are a matter of contacts")
}

// Days begin at the workspace's midnight.
func TestContactSearchGoesByDays(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]struct{ same, later, earlier []string }{
		"UTC":        {[]string{"morning", "night"}, []string{"next"}, []string{"before"}},
		"Asia/Tokyo": {[]string{"morning"}, []string{"night", "next"}, []string{"before"}},
	} {
		srv := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{Timezone: zone}))
		for name, at := range map[string]time.Time{
			"before": time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC), "morning": time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC),
			"night": time.Date(2026, 3, 10, 23, 0, 0, 0, time.UTC), "next": time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC).Add(30 * time.Hour),
		} {
			srv.AddContact(intercomtest.Contact{ExternalID: name, CreatedAt: at})
		}
		for operator, names := range map[intercomrbac.Operator][]string{"=": want.same, ">": want.later, "<": want.earlier} {
			got := []string{}
			query := where(intercomrbac.FieldCreatedAt, operator, time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC))
			for c, err := range srv.Client().Contacts.SearchAll(t.Context(), intercomrbac.SearchParams{Query: query}) {
				require.NoError(t, err)
				got = append(got, c.ExternalID)
			}
			assert.ElementsMatch(t, names, got, "%s %s", zone, operator)
		}
	}
}

func TestAllContacts(t *testing.T) {
	t.Parallel()
	for _, urls := range []bool{false, true} {
		srv := intercomtest.NewServer(t)
		srv.UseURLCursors(urls)
		var want []intercomrbac.ContactID
		for i := range 320 {
			id := srv.AddContact(intercomtest.Contact{CreatedAt: time.Unix(1700000000+int64(i%9), 0), Archived: i%10 == 3})
			if i%10 != 3 {
				want = append(want, id)
			}
		}
		merged := srv.AddContact(intercomtest.Contact{})
		srv.MergeContact(merged, want[0])
		c := srv.Client()
		for name, seq := range map[string]func(func(intercomrbac.Contact, error) bool){
			"list":   c.Contacts.All(t.Context(), intercomrbac.ListParams{PerPage: 50}),
			"search": c.Contacts.SearchAll(t.Context(), intercomrbac.SearchParams{Query: where("role", "=", "user"), ListParams: intercomrbac.ListParams{PerPage: 50}}),
		} {
			for range 2 { // each range begins anew
				srv.ResetCalls()
				var got []intercomrbac.ContactID
				for contact, err := range seq {
					require.NoError(t, err)
					got = append(got, contact.ID)
				}
				assert.Equal(t, want, got, name)
				assert.Equal(t, 6, srv.CallCount(""), name)
			}
		}
		page, err := c.Contacts.List(t.Context(), intercomrbac.ListParams{})
		require.NoError(t, err)
		assert.Len(t, page.Items, 50)
		assert.Equal(t, len(want), page.Total)
		written, err := json.Marshal(page)
		require.NoError(t, err)
		again, err := newMock(t, json200(string(written))).Client.Contacts.List(t.Context(), intercomrbac.ListParams{})
		require.NoError(t, err)
		assert.Equal(t, page, again, "a page serves as the answer of a mock")
	}
}

// An answer that holds no list is no empty one.
func TestContactListsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"type":"list"}`, `{"type":"list","data":null}`, `{"data":{}}`, `{"data":[[]]}`, `[]`, `null`} {
		for _, call := range []clientCall{listingContacts(intercomrbac.ListParams{}), searchingContacts(intercomrbac.SearchParams{Query: where("role", "=", "user")})} {
			got, err := call(t.Context(), newMock(t, json200(body)).Client)
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse, body)
			require.Empty(t, got)
		}
	}
}

func TestMergedContactsNameTheOneThatLivesOn(t *testing.T) {
	t.Parallel()
	const id = "6762f0d01bb69f9f2193bb7d"
	body := `{"type":"error.list","request_id":"r-1","errors":[{"code":"contact_merged","message":"This contact has been merged."}]}`
	for name, tt := range map[string]struct {
		link []string
		want intercomrbac.ContactID
	}{
		"as documented":         {[]string{`</contacts/` + id + `>; rel="canonical"`}, id},
		"none":                  {nil, ""},
		"empty":                 {[]string{""}, ""},
		"two headers":           {[]string{`</contacts/` + id + `>; rel="canonical"`, `</contacts/` + id + `>; rel="canonical"`}, ""},
		"two links":             {[]string{`</contacts/` + id + `>; rel="canonical", </x>; rel="next"`}, ""},
		"another host":          {[]string{`<https://evil.example/contacts/` + id + `>; rel="canonical"`}, ""},
		"of the same host":      {[]string{`<https://` + mockHost + `/contacts/` + id + `>; rel="canonical"`}, ""},
		"another path":          {[]string{`</admins/` + id + `>; rel="canonical"`}, ""},
		"a longer path":         {[]string{`</contacts/` + id + `/archive>; rel="canonical"`}, ""},
		"a path that climbs":    {[]string{`</contacts/../admins/` + id + `>; rel="canonical"`}, ""},
		"a query":               {[]string{`</contacts/` + id + `?x=1>; rel="canonical"`}, ""},
		"another relation":      {[]string{`</contacts/` + id + `>; rel="next"`}, ""},
		"without a relation":    {[]string{`</contacts/` + id + `>`}, ""},
		"a word for an id":      {[]string{`</contacts/search>; rel="canonical"`}, ""},
		"an id that is short":   {[]string{`</contacts/6762f0d0>; rel="canonical"`}, ""},
		"an id that is long":    {[]string{`</contacts/` + id + `00>; rel="canonical"`}, ""},
		"upper case":            {[]string{`</contacts/6762F0D01BB69F9F2193BB7D>; rel="canonical"`}, ""},
		"a line break":          {[]string{"</contacts/" + id + ">; rel=\"canonical\"\nX: y"}, ""},
		"escapes":               {[]string{`</contacts/%2e%2e%2fadmins>; rel="canonical"`}, ""},
		"markup":                {[]string{`</contacts/<script>>; rel="canonical"`}, ""},
		"more behind it":        {[]string{`</contacts/` + id + `>; rel="canonical"; title="x"`}, ""},
		"letters of other kind": {[]string{`</contacts/６762f0d01bb69f9f2193bb7d>; rel="canonical"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, mockAnswer{status: 410, body: body, header: map[string][]string{"Link": tt.link}})
			_, err := m.Client.Contacts.Get(t.Context(), "66a0c1")
			require.ErrorIs(t, err, intercomrbac.ErrContactMerged)
			require.ErrorIs(t, err, intercomrbac.ErrNotFound)
			e, ok := errors.AsType[*intercomrbac.APIError](err)
			require.True(t, ok)
			assert.Equal(t, tt.want, e.MergedInto)
			assert.Len(t, m.requests(), 1, "nobody goes there by themselves")
			assertOneLine(t, err.Error())
			assert.Equal(t, tt.want != "", assert.ObjectsAreEqual(fmt.Sprintf("the contact was merged into another one: go on with %s", tt.want), e.Advice()))
		})
	}
	for name, a := range map[string]mockAnswer{
		"a 404":             {status: 404, body: `{"errors":[{"code":"not_found"}]}`},
		"a 410 of no merge": {status: 410, body: `{"errors":[{"code":"gone"}]}`},
		"a page":            {status: 410, body: `<html>`},
	} {
		a.header = map[string][]string{"Link": {`</contacts/` + id + `>; rel="canonical"`}}
		_, err := newMock(t, a).Client.Contacts.Get(t.Context(), "66a0c1")
		e, ok := errors.AsType[*intercomrbac.APIError](err)
		require.True(t, ok, name)
		assert.Empty(t, e.MergedInto, name)
	}
}

func FuzzMergedInto(f *testing.F) {
	f.Add(`</contacts/6762f0d01bb69f9f2193bb7d>; rel="canonical"`)
	f.Add(`</contacts/../../me>; rel="canonical"`)
	f.Add(`<https://evil.example>; rel="canonical"`)
	f.Fuzz(func(t *testing.T, link string) {
		m := newMock(t, mockAnswer{status: 410, body: `{"errors":[{"code":"contact_merged"}]}`, header: map[string][]string{"Link": {link}}})
		_, err := m.Client.Contacts.Get(t.Context(), "66a0c1")
		e, ok := errors.AsType[*intercomrbac.APIError](err)
		require.True(t, ok)
		if e.MergedInto != "" {
			assert.Regexp(t, `^[0-9a-f]{24}$`, string(e.MergedInto))
			assert.Equal(t, `</contacts/`+string(e.MergedInto)+`>; rel="canonical"`, link)
		}
		assertOneLine(t, err.Error())
	})
}
