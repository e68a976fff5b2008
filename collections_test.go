package intercomrbac_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/intercomrbac/intercomrbac"
)

const fullCollection = `{
	"id": "170", "workspace_id": "ws9x2k", "name": "Billing", "description": "Money", "created_at": 1701000000, "updated_at": 1701000001,
	"url": "https://help.example.org/collection-170", "icon": "bookmark", "order": 3, "parent_id": "159", "help_center_id": 79, "default_locale": "en",
	"translated_content": {"type": "group_translated_content", "fr": {"name": "Facturation"}}, "added_later": 1
}`

func wantCollection() *intercomrbac.Collection {
	return &intercomrbac.Collection{
		ID: "170", WorkspaceID: "ws9x2k", Name: "Billing", Description: "Money", CreatedAt: seconds(1701000000), UpdatedAt: seconds(1701000001),
		URL: "https://help.example.org/collection-170", Icon: "bookmark", Order: 3, ParentID: "159", HelpCenterID: "79", DefaultLocale: "en",
		TranslatedContent: json.RawMessage(`{"type": "group_translated_content", "fr": {"name": "Facturation"}}`),
	}
}

func gettingCollection(id intercomrbac.CollectionID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Collections.Get(ctx, id) }
}

func deletingCollection(id intercomrbac.CollectionID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return nil, c.Collections.Delete(ctx, id)
	}
}

func listingCollections(params intercomrbac.ListParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Collections.List(ctx, params) }
}

func creatingCollection(params intercomrbac.CreateCollectionParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Collections.Create(ctx, params)
	}
}

func updatingCollection(params intercomrbac.UpdateCollectionParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Collections.Update(ctx, "170", params)
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	const least = `{"id":159,"name":"Billing","description":null,"url":null,"icon":null,"order":0,"parent_id":null,"help_center_id":null}`
	french := map[string]intercomrbac.CollectionTranslation{"fr": {Name: "Facturation", Description: "Argent"}}
	runMethodTests(t, []methodTest{
		{
			name: "List", call: listingCollections(intercomrbac.ListParams{}),
			op: "collections.list", method: "GET", path: "/help_center/collections",
			response: `{"type":"list","data":[` + fullCollection + `,` + least + `],"total_count":40,"pages":{"type":"pages","page":1,"per_page":20,"total_pages":2}}`,
			want: &intercomrbac.Page[intercomrbac.Collection]{Items: []intercomrbac.Collection{*wantCollection(), {ID: "159", Name: "Billing"}},
				Next: "?page=2&per_page=20", Total: 40},
		},
		{
			name: "List of a page", call: listingCollections(intercomrbac.ListParams{After: "?page=2&per_page=20"}),
			op: "collections.list", method: "GET", path: "/help_center/collections", query: "page=2&per_page=20",
			response: `{"type":"list","data":[],"pages":{"type":"pages","page":2,"per_page":20,"total_pages":2}}`,
			want:     &intercomrbac.Page[intercomrbac.Collection]{Items: []intercomrbac.Collection{}},
		},
		{
			name: "Get", call: gettingCollection("170"),
			op: "collections.get", method: "GET", path: "/help_center/collections/170",
			response: fullCollection, want: wantCollection(),
		},
		{
			name: "Create with little", call: creatingCollection(intercomrbac.CreateCollectionParams{Name: "Billing"}),
			op: "collections.create", method: "POST", path: "/help_center/collections",
			body: `{"name":"Billing"}`, response: fullCollection, want: wantCollection(),
		},
		{
			name: "Create with all params", call: creatingCollection(intercomrbac.CreateCollectionParams{Name: "Billing", Description: "Money", ParentID: "159",
				HelpCenterID: "79", Translations: french}),
			op: "collections.create", method: "POST", path: "/help_center/collections",
			body:     `{"name":"Billing","description":"Money","parent_id":"159","help_center_id":79,"translated_content":{"fr":{"name":"Facturation","description":"Argent"}}}`,
			response: fullCollection, want: wantCollection(),
		},
		{
			name: "Update with all params", call: updatingCollection(intercomrbac.UpdateCollectionParams{Name: "Billing", Description: new(""),
				ParentID: new(intercomrbac.CollectionID("159")), Translations: french}),
			op: "collections.update", method: "PUT", path: "/help_center/collections/170",
			body:     `{"name":"Billing","description":"","parent_id":"159","translated_content":{"fr":{"name":"Facturation","description":"Argent"}}}`,
			response: fullCollection, want: wantCollection(),
		},
		{
			name: "Update to the first level", call: updatingCollection(intercomrbac.UpdateCollectionParams{ParentID: new(intercomrbac.CollectionID(""))}),
			op: "collections.update", method: "PUT", path: "/help_center/collections/170",
			body: `{"parent_id":null}`, response: fullCollection, want: wantCollection(),
		},
		{
			name: "Delete", call: deletingCollection("170"),
			op: "collections.delete", method: "DELETE", path: "/help_center/collections/170",
			response: `{"id":"170","object":"collection","deleted":true}`,
		},
	})
}

func TestCollectionsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, call clientCall) {
		tests = append(tests, refusalTest{name: name, hint: hint, call: call})
	}
	type create = intercomrbac.CreateCollectionParams
	type update = intercomrbac.UpdateCollectionParams
	type translations = map[string]intercomrbac.CollectionTranslation
	for name, id := range badDigits {
		add("Get/"+name, "collection ids are digits", gettingCollection(intercomrbac.CollectionID(id)))
		add("Delete/"+name, "collection ids are digits", deletingCollection(intercomrbac.CollectionID(id)))
		if id == "" {
			continue
		}
		add("Create/parent/"+name, "collection ids are digits", creatingCollection(create{Name: "N", ParentID: intercomrbac.CollectionID(id)}))
		add("Create/help center/"+name, "help center ids are digits", creatingCollection(create{Name: "N", HelpCenterID: intercomrbac.HelpCenterID(id)}))
		add("Update/parent/"+name, "collection ids are digits", updatingCollection(update{ParentID: new(intercomrbac.CollectionID(id))}))
	}
	add("List/too many", "PerPage is 151", listingCollections(intercomrbac.ListParams{PerPage: 151}))
	add("Create/no name", "Name is needed", creatingCollection(create{Description: "d"}))
	add("Create/locale", "no locale", creatingCollection(create{Name: "N", Translations: translations{"type": {Name: "N"}}}))
	add("Create/empty translation", "translation fr is empty", creatingCollection(create{Name: "N", Translations: translations{"fr": {}}}))
	add("Update/locale", "no locale", updatingCollection(update{Translations: translations{"": {Name: "N"}}}))
	add("Update/nothing", "change nothing", updatingCollection(update{}))
	runRefusalTests(t, tests)
}
