package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type apiClient = intercomrbac.Client

func TestTags(t *testing.T) {
	t.Parallel()
	vip := intercomrbac.Tag{Type: "tag", ID: "88", Name: "VIP"}
	changed := `{"type":"tag","id":"88","name":"VIP","users":[],"companies":[]}`
	runMethodTests(t, []methodTest{
		{
			name: "List", call: func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.List(ctx) },
			op: "tags.list", method: "GET", path: "/tags",
			response: `{"type":"list","data":[{"type":"tag","id":"88","name":"VIP"},{"type":"tag","id":89,"name":"Bug"}]}`,
			want:     []intercomrbac.Tag{vip, {Type: "tag", ID: "89", Name: "Bug"}},
		},
		{
			name: "List of none", call: func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.List(ctx) },
			op: "tags.list", method: "GET", path: "/tags", response: `{"type":"list","data":[]}`, want: []intercomrbac.Tag{},
		},
		{
			name: "Get", call: func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Get(ctx, "88") },
			op: "tags.get", method: "GET", path: "/tags/88", response: `{"type":"tag","id":"88","name":"VIP"}`, want: &vip,
		},
		{
			name: "Create", call: func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Create(ctx, "VIP") },
			op: "tags.create", method: "POST", path: "/tags", body: `{"name":"VIP"}`, response: changed, want: &vip,
		},
		{
			name: "Rename", call: func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Rename(ctx, "88", "VIP") },
			op: "tags.rename", method: "POST", path: "/tags", body: `{"id":"88","name":"VIP"}`, response: changed, want: &vip,
		},
		{
			name: "Apply",
			call: func(ctx context.Context, c *apiClient) (any, error) {
				return c.Tags.Apply(ctx, intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: []intercomrbac.ContactID{"66a0c1", "66a0c2"}})
			},
			op: "tags.apply", method: "POST", path: "/tags", body: `{"name":"VIP","users":[{"id":"66a0c1"},{"id":"66a0c2"}]}`,
			response: `{"type":"tag","id":"88","name":"VIP","users":[{"id":"66a0c1","tagged":true},{"id":"66a0c2","tagged":false}],"companies":[]}`,
			want:     &intercomrbac.AppliedTag{Type: "tag", ID: "88", Name: "VIP", Contacts: []intercomrbac.TaggedContact{{ID: "66a0c1", Tagged: true}, {ID: "66a0c2"}}},
		},
		{
			name: "Delete", call: func(ctx context.Context, c *apiClient) (any, error) { return nil, c.Tags.Delete(ctx, "88") },
			op: "tags.delete", method: "DELETE", path: "/tags/88",
		},
	})
}

func TestTagsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, call clientCall) {
		tests = append(tests, refusalTest{name: name, hint: hint, call: call})
	}
	ids := maps.Clone(badSegments)
	maps.Copy(ids, map[string]string{"slash": "8/9", "word": "search", "suffix": "88.json", "space": "88 "})
	for name, id := range ids {
		tag := intercomrbac.TagID(id)
		add("Get/"+name, "tag_id", func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Get(ctx, tag) })
		add("Delete/"+name, "tag_id", func(ctx context.Context, c *apiClient) (any, error) { return nil, c.Tags.Delete(ctx, tag) })
		add("Rename/"+name, "id is", func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Rename(ctx, tag, "VIP") })
		add("Apply/"+name, "", func(ctx context.Context, c *apiClient) (any, error) {
			return c.Tags.Apply(ctx, intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: []intercomrbac.ContactID{"66a0c1", intercomrbac.ContactID(id)}})
		})
	}
	for name, text := range map[string]string{"none": "", "blank": " \t\n"} {
		add("Create/name/"+name, "the name of the tag is empty", func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Create(ctx, text) })
		add("Rename/name/"+name, "the name of the tag is empty", func(ctx context.Context, c *apiClient) (any, error) { return c.Tags.Rename(ctx, "88", text) })
		add("Apply/name/"+name, "the name of the tag is empty", func(ctx context.Context, c *apiClient) (any, error) {
			return c.Tags.Apply(ctx, intercomrbac.ApplyTagParams{Name: text, ContactIDs: []intercomrbac.ContactID{"66a0c1"}})
		})
	}
	add("Apply/nobody", "at least one contact", func(ctx context.Context, c *apiClient) (any, error) {
		return c.Tags.Apply(ctx, intercomrbac.ApplyTagParams{Name: "VIP"})
	})
	runRefusalTests(t, tests)
}

func TestTagInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	id := s.AddTag(intercomtest.Tag{Name: "Big spenders", Segment: "Whales"})
	err := s.Client().Tags.Delete(t.Context(), id)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, "tag_has_dependent_objects", e.Code)
	assert.Contains(t, err.Error(), "Whales")
}

// POST /tags does what its body says. None of the operations takes a body that could be another's, or that of what has no
// operation, such as tagging companies.
func TestTagsDoesWhatTheOperationSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	bodies := map[string]any{
		"tags.create": map[string]any{"name": "x"},
		"tags.rename": map[string]any{"name": "Bug 2", "id": d.Bug},
		"tags.apply":  map[string]any{"name": "x", "users": []any{map[string]any{"id": d.Contacts[0]}}},
	}
	for name, body := range bodies {
		for operation := range bodies {
			err := d.client.Do(d.as(t, tester), lookup(t, operation), intercomrbac.Call{Body: body}, nil)
			if name == operation {
				require.NoError(t, err)
				assert.Equal(t, []string{name}, d.sent())
				continue
			}
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, "%s as %s", name, operation)
			assert.Empty(t, d.sent(), "%s as %s", name, operation)
		}
	}
	for name, in := range map[string]intercomrbac.Call{
		"tag companies":             {Body: map[string]any{"name": "x", "companies": []any{map[string]any{"id": "7"}}}},
		"untag companies":           {Body: map[string]any{"id": "7", "name": "x", "companies": []any{map[string]any{"id": "7", "untag": true}}}},
		"companies and users":       {Body: map[string]any{"name": "x", "users": []any{map[string]any{"id": "5"}}, "companies": []any{}}},
		"companies in the query":    {Body: map[string]any{"name": "x"}, Query: url.Values{"companies[][id]": {"7"}}},
		"users in the query":        {Body: map[string]any{"name": "x"}, Query: url.Values{"users[][id]": {"5"}}},
		"id in the query":           {Body: map[string]any{"name": "x"}, Query: url.Values{"id": {"5"}}},
		"name in the query":         {Query: url.Values{"name": {"x"}}},
		"what is not known":         {Body: map[string]any{"name": "x", "tickets": []any{map[string]any{"id": "7"}}}},
		"companies by another name": {Body: map[string]any{"name": "x", "companies[]": 7}},
		"an escaped name":           {Body: json.RawMessage(`{"name":"x","compan\u0069es":[{"id":"7"}]}`)},
		"id that is null":           {Body: json.RawMessage(`{"name":"x","id":null}`)},
		"id that is empty":          {Body: json.RawMessage(`{"name":"x","id":""}`)},
		"users that are none":       {Body: json.RawMessage(`{"name":"x","users":[ ]}`)},
		"users that are nothing":    {Body: json.RawMessage(`{"name":"x","users":{}}`)},
		"a name that is blank":      {Body: json.RawMessage(`{"name":" "}`)},
		"a name that is false":      {Body: json.RawMessage(`{"name":false}`)},
		"no name":                   {Body: map[string]any{"Name": "x"}},
		"nothing":                   {},
		"a list":                    {Body: []string{"name"}},
	} {
		for _, operation := range []string{"tags.create", "tags.rename", "tags.apply"} {
			require.ErrorIs(t, d.client.Do(d.as(t, tester), lookup(t, operation), in, nil), intercomrbac.ErrInvalidRequest, "%s as %s", name, operation)
		}
	}
	companies := lookup(t, "tags.create")
	companies.Name, companies.Body = "tags.apply_to_companies", "name companies"
	err := d.client.Do(d.as(t, tester), companies, intercomrbac.Call{Body: map[string]any{"name": "x", "companies": []any{map[string]any{"id": "7"}}}}, nil)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, "nor by an operation of one's own")
	assert.Empty(t, d.sent())
}

// An operation of a service's own may be told by its members, too: beside them stand actor, resource and query, and nothing else.
func TestDoTakesWhatStandsAloneInABody(t *testing.T) {
	t.Parallel()
	own := intercomrbac.Operation{Name: "own.call", Method: "POST", Path: "/own", Body: "kind=a|b note", Query: "dry=true", Actor: "admin_id",
		Resource: "thing", ResourceMembers: "id", Effect: intercomrbac.Write}
	dry := url.Values{"dry": {"true"}}
	for name, tt := range map[string]struct {
		body  string
		query url.Values
		hint  string
	}{
		"all":              {`{"kind":"a","note":{"x":1},"admin_id":"7","id":"5"}`, dry, ""},
		"no note":          {`{"kind":"a","admin_id":"7","id":"5"}`, dry, "the Body must have note"},
		"another kind":     {`{"kind":"c","note":1,"admin_id":"7","id":"5"}`, dry, "the Body must say kind=a|b"},
		"one more":         {`{"kind":"b","note":1,"admin_id":"7","id":"5","x":1}`, dry, `may have admin_id and id and kind and note and nothing else, and has "x"`},
		"one in the query": {`{"kind":"b","note":1,"admin_id":"7","id":"5"}`, url.Values{"dry": {"true"}, "x": {"1"}}, `"x" belongs into the Body`},
		"no query":         {`{"kind":"b","note":1,"admin_id":"7","id":"5"}`, nil, "the Query must say dry=true"},
		"no resource":      {`{"kind":"b","note":1,"admin_id":"7"}`, dry, "the Body must name a thing as id"},
	} {
		m := newMock(t, json200(`{}`))
		err := m.Client.Do(t.Context(), own, intercomrbac.Call{Body: json.RawMessage(tt.body), Query: tt.query}, nil)
		if tt.hint == "" {
			require.NoError(t, err, name)
			assert.JSONEq(t, tt.body, m.onlyRequest(t).Body, name)
			continue
		}
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, name)
		require.ErrorContains(t, err, tt.hint, name)
		assert.Empty(t, m.requests(), name)
	}
}

// Library and fake understand Operation.Body alike, and neither takes more than its operation says.
func FuzzTagBody(f *testing.F) {
	for _, body := range []string{`{"name":"x"}`, `{"id":"7522909","name":"x"}`, `{"name":"x","users":[{"id":"5"}]}`, `{"name":"x","companies":[]}`, `{"name":" "}`, `{"id":0,"name":1}`,
		`{"name":"x","name":null}`, `[]`, `null`, `{"id":{},"name":"x"}`, `{"id":[[]],"name":true}`, `{"id":"7522909","name":"x","users":[1]}`, `{"name":"\u0020\u00a0"}`, `{"id":"e","name":"x"}`} {
		f.Add(body)
	}
	s := intercomtest.NewServer(f)
	s.Seed()
	c := s.Client(intercomrbac.WithLimiter(nil), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	has := map[string][]string{"tags.create": {"name"}, "tags.rename": {"id", "name"}, "tags.apply": {"name", "users"}}
	f.Fuzz(func(t *testing.T, body string) {
		taken := 0
		for name, members := range has {
			s.ResetCalls()
			err := c.Do(t.Context(), lookup(t, name), intercomrbac.Call{Body: json.RawMessage(body)}, nil)
			calls := s.Calls()
			if len(calls) == 0 {
				require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
				continue
			}
			taken++
			require.Equal(t, name, calls[0].Operation, "%s", calls[0].Body)
			var sent map[string]any
			require.NoError(t, json.Unmarshal(calls[0].Body, &sent))
			require.Equal(t, members, slices.Sorted(maps.Keys(sent)))
			for member, v := range sent {
				text, isText := v.(string)
				require.False(t, v == nil || v == false || isText && strings.TrimSpace(text) == "", "%s is blank", member)
			}
		}
		require.LessOrEqual(t, taken, 1, "one body is one operation")
	})
}

// A tag that a condition hides and one that is not there are the same, and what may not be seen may not be changed.
func TestGuardOnTags(t *testing.T) {
	t.Parallel()
	public := conditionNamed("public", "tag", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		tag, ok := r.Value.(*intercomrbac.Tag)
		return ok && tag.Name != "VIP" && string(tag.ID) == r.ID, nil
	})
	when := func(permission intercomrbac.Permission) intercomrbac.Rule {
		return intercomrbac.Rule{Permission: permission, When: "public"}
	}
	d := newDesk(t, deskConfig{policy: granting(when("tags:read"), when("tags:write"), when("tags:delete")), conditions: []intercomrbac.Condition{public}})
	ctx := d.as(t, tester)
	tags, err := d.client.Tags.List(ctx)
	require.NoError(t, err)
	assert.Equal(t, []intercomrbac.Tag{{Type: "tag", ID: d.Refund, Name: "Refund"}, {Type: "tag", ID: d.Bug, Name: "Bug"}}, tags)
	d.sent()
	for name, call := range map[string]func(id intercomrbac.TagID) error{
		"get":    func(id intercomrbac.TagID) error { _, err := d.client.Tags.Get(ctx, id); return err },
		"rename": func(id intercomrbac.TagID) error { _, err := d.client.Tags.Rename(ctx, id, "Mine"); return err },
		"rename, by Do": func(id intercomrbac.TagID) error {
			return d.client.Do(ctx, lookup(t, "tags.rename"), intercomrbac.Call{Body: map[string]any{"id": json.Number(id), "name": "Mine"}}, nil)
		},
		"delete": func(id intercomrbac.TagID) error { return d.client.Tags.Delete(ctx, id) },
	} {
		hidden, missing := call(d.VIP), call("1")
		requireDenied(t, hidden, intercomrbac.ReasonConditionNotMet)
		requireDenied(t, missing, intercomrbac.ReasonConditionNotMet)
		assert.Equal(t, hidden.Error(), missing.Error(), name)
		assert.Equal(t, []string{"tags.get", "tags.get"}, d.sent(), name)
	}
	_, err = d.client.Tags.Rename(ctx, d.Bug, "Defect")
	require.NoError(t, err)
	require.NoError(t, d.client.Tags.Delete(ctx, d.Refund))
	_, err = d.client.Tags.Create(ctx, "VIP")
	requireDenied(t, err, intercomrbac.ReasonNeedsResource)
	tag, ok := d.srv.Tag(d.VIP)
	assert.True(t, ok)
	assert.Equal(t, "VIP", tag.Name)
}

// Tagging many contacts is as much as tagging each: it takes no permission for tags, and no grant for some contacts.
func TestGuardOnTaggingContacts(t *testing.T) {
	t.Parallel()
	mine := conditionNamed("mine", "contact", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return true, nil })
	for name, tt := range map[string]struct {
		rule   intercomrbac.Rule
		reason intercomrbac.Reason
	}{
		"tags alone":       {intercomrbac.Rule{Permission: "tags:*"}, intercomrbac.ReasonNotGranted},
		"some contacts":    {intercomrbac.Rule{Permission: "contacts:write", When: "mine"}, intercomrbac.ReasonNeedsResource},
		"contacts to read": {intercomrbac.Rule{Permission: "contacts:read"}, intercomrbac.ReasonNotGranted},
	} {
		d := newDesk(t, deskConfig{policy: granting(tt.rule), conditions: []intercomrbac.Condition{mine}})
		_, err := d.client.Tags.Apply(d.as(t, tester), intercomrbac.ApplyTagParams{Name: "VIP", ContactIDs: d.Contacts})
		e := denialOf(t, err, tt.reason)
		assert.Equal(t, intercomrbac.ContactsWrite, e.Permission, name)
		assert.Empty(t, d.sent(), name)
	}
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("contacts:write")...)})
	tag, err := d.client.Tags.Apply(d.as(t, tester), intercomrbac.ApplyTagParams{Name: "vip", ContactIDs: d.Contacts[:2]})
	require.NoError(t, err)
	assert.Equal(t, d.VIP, tag.ID)
	c, _ := d.srv.Contact(d.Contacts[1])
	assert.Equal(t, []intercomrbac.TagID{d.VIP}, c.TagIDs)
}
