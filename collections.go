package intercomrbac

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
)

const collectionPath = "/help_center/collections/{collection_id}"

var (
	opCollectionsList = Operation{
		Name: "collections.list", ID: "listAllCollections", Method: "GET", Path: "/help_center/collections",
		Scope: ScopeReadArticles, Permission: ArticlesRead, Resource: "collection", Effect: Read, Repeatable: true,
	}
	opCollectionsGet = Operation{
		Name: "collections.get", ID: "retrieveCollection", Method: "GET", Path: collectionPath,
		Scope: ScopeReadArticles, Permission: ArticlesRead, Resource: "collection", ResourceArg: "collection_id",
		Effect: Read, Repeatable: true,
	}
	opCollectionsCreate = Operation{
		Name: "collections.create", ID: "createCollection", Method: "POST", Path: "/help_center/collections",
		Scope: ScopeWriteArticles, Permission: ArticlesWrite, Resource: "collection", Effect: Write,
	}
	opCollectionsUpdate = Operation{
		Name: "collections.update", ID: "updateCollection", Method: "PUT", Path: collectionPath,
		Scope: ScopeWriteArticles, Permission: ArticlesWrite, Resource: "collection", ResourceArg: "collection_id",
		Effect: Write, Repeatable: true,
	}
	opCollectionsDelete = Operation{
		Name: "collections.delete", ID: "deleteCollection", Method: "DELETE", Path: collectionPath,
		Scope: ScopeWriteArticles, Permission: ArticlesDelete, Resource: "collection", ResourceArg: "collection_id", Effect: Destructive,
	}
)

// CollectionsService is about the collections that hold the articles of a help center. It needs the permissions and scopes
// for articles; a condition about articles is met by no collection. It is safe for concurrent use.
type CollectionsService struct{ c *Client }

// Collection holds articles and other collections.
type Collection struct {
	ID          CollectionID `json:"id"`
	WorkspaceID WorkspaceID  `json:"workspace_id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	CreatedAt   Timestamp    `json:"created_at"`
	UpdatedAt   Timestamp    `json:"updated_at"`
	URL         string       `json:"url"`
	Icon        string       `json:"icon"`
	Order       int          `json:"order"` // among those beside it, from 0 on
	// ParentID is the collection that it is in; empty for one of the first level.
	ParentID CollectionID `json:"parent_id"`
	// HelpCenterID may be empty where there is a ParentID.
	HelpCenterID      HelpCenterID    `json:"help_center_id"`
	DefaultLocale     string          `json:"default_locale"`               // where there are several languages
	TranslatedContent json.RawMessage `json:"translated_content,omitempty"` // as sent: by locale
}

// List returns a page of all collections, the latest change first. The pages have numbers, as in [ArticlesService.List].
// Operation collections.list (listAllCollections).
func (s *CollectionsService) List(ctx context.Context, params ListParams) (*Page[Collection], error) {
	op := opCollectionsList
	if err := params.check(op); err != nil {
		return nil, err
	}
	return fetchPage[Collection, numberedPage[Collection]](ctx, s.c, call{op: op, query: params.into(url.Values{})})
}

// All returns all collections, as [ArticlesService.All] returns all articles. Operation collections.list
// (listAllCollections).
func (s *CollectionsService) All(ctx context.Context, params ListParams) iter.Seq2[Collection, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[Collection], error) {
		return s.List(ctx, ListParams{PerPage: params.PerPage, After: after})
	})
}

// Get returns one collection. Operation collections.get (retrieveCollection).
func (s *CollectionsService) Get(ctx context.Context, id CollectionID) (*Collection, error) {
	return do[Collection](ctx, s.c, call{op: opCollectionsGet, args: []string{string(id)}})
}

// CreateCollectionParams describes a new collection.
type CreateCollectionParams struct {
	// Name is needed.
	Name        string
	Description string
	// ParentID is the collection that it goes into; empty makes one of the first level.
	ParentID CollectionID
	// HelpCenterID is the help center that it goes into; empty means the default one.
	HelpCenterID HelpCenterID
	// Translations are by locale: "fr", "pt-BR".
	Translations map[string]CollectionTranslation
}

// CollectionTranslation is a collection's text in one language. What is empty is not sent.
type CollectionTranslation struct {
	Name        string `json:"name,omitzero"`
	Description string `json:"description,omitzero"`
}

// Create makes a collection. Operation collections.create (createCollection).
func (s *CollectionsService) Create(ctx context.Context, params CreateCollectionParams) (*Collection, error) {
	op := opCollectionsCreate
	if params.Name == "" {
		return nil, invalid(op, "Name is needed")
	}
	if params.ParentID != "" {
		if err := params.ParentID.check(op); err != nil {
			return nil, err
		}
	}
	if params.HelpCenterID != "" {
		if err := params.HelpCenterID.check(op); err != nil {
			return nil, err
		}
	}
	if err := checkCollectionTranslations(op, params.Translations); err != nil {
		return nil, err
	}
	body := struct {
		Name         string                           `json:"name"`
		Description  string                           `json:"description,omitzero"`
		ParentID     CollectionID                     `json:"parent_id,omitzero"`
		HelpCenterID json.Number                      `json:"help_center_id,omitzero"`
		Translations map[string]CollectionTranslation `json:"translated_content,omitempty"`
	}{params.Name, params.Description, params.ParentID, json.Number(params.HelpCenterID), params.Translations}
	return do[Collection](ctx, s.c, call{op: op, body: body})
}

// UpdateCollectionParams changes what is set; nil and empty members stay as they are.
type UpdateCollectionParams struct {
	// Name renames it.
	Name        string
	Description *string
	// ParentID moves it into another collection; the empty id makes it one of the first level.
	ParentID *CollectionID
	// Translations are by locale: "fr", "pt-BR".
	Translations map[string]CollectionTranslation
}

// Update changes a collection. Operation collections.update (updateCollection).
func (s *CollectionsService) Update(ctx context.Context, id CollectionID, params UpdateCollectionParams) (*Collection, error) {
	op := opCollectionsUpdate
	body := map[string]any{}
	if params.Name != "" {
		body["name"] = params.Name
	}
	if params.Description != nil {
		body["description"] = *params.Description
	}
	if params.ParentID != nil {
		body["parent_id"] = nil
		if parent := *params.ParentID; parent != "" {
			if err := parent.check(op); err != nil {
				return nil, err
			}
			body["parent_id"] = parent
		}
	}
	if len(params.Translations) > 0 {
		if err := checkCollectionTranslations(op, params.Translations); err != nil {
			return nil, err
		}
		body["translated_content"] = params.Translations
	}
	if len(body) == 0 {
		return nil, invalid(op, "the params change nothing")
	}
	return do[Collection](ctx, s.c, call{op: op, args: []string{string(id)}, body: body})
}

// Delete removes a collection for good. Intercom does not say what becomes of the articles in it. Operation collections.delete (deleteCollection).
func (s *CollectionsService) Delete(ctx context.Context, id CollectionID) error {
	return s.c.do(ctx, &call{op: opCollectionsDelete, args: []string{string(id)}})
}

func checkCollectionTranslations(op Operation, translations map[string]CollectionTranslation) error {
	for locale, t := range translations {
		if err := checkTranslation(op, locale, t == CollectionTranslation{}); err != nil {
			return err
		}
	}
	return nil
}
