package intercomrbac

import (
	"context"
	"strings"
)

// POST /tags is several operations, told apart by the members of its body. Tagging companies is none of them, and goes
// through no other.
var (
	opTagsList = Operation{
		Name: "tags.list", ID: "listTags", Method: "GET", Path: "/tags",
		Scope: ScopeReadTags, Permission: TagsRead, Resource: "tag", Effect: Read, Repeatable: true,
	}
	opTagsGet = Operation{
		Name: "tags.get", ID: "findTag", Method: "GET", Path: "/tags/{tag_id}",
		Scope: ScopeReadTags, Permission: TagsRead, Resource: "tag", ResourceArg: "tag_id", Effect: Read, Repeatable: true,
	}
	opTagsCreate = Operation{
		Name: "tags.create", ID: "createTag", Method: "POST", Path: "/tags", Body: "name",
		Scope: ScopeWriteTags, Permission: TagsWrite, Resource: "tag", Effect: Write,
	}
	opTagsRename = Operation{
		Name: "tags.rename", ID: "createTag", Method: "POST", Path: "/tags", Body: "id name",
		Scope: ScopeWriteTags, Permission: TagsWrite, Resource: "tag", ResourceMembers: "id", Effect: Write,
	}
	// It changes people, many at once, and so needs the permission that tagging one of them does: who may only look
	// after the list of tags must not move anybody into a segment. No single contact is its resource, so a grant under a
	// condition does not reach it.
	opTagsApply = Operation{
		Name: "tags.apply", ID: "createTag", Method: "POST", Path: "/tags", Body: "name users",
		Scope: ScopeWriteTags, Permission: ContactsWrite, Resource: "contact", Effect: Write,
	}
	opTagsDelete = Operation{
		Name: "tags.delete", ID: "deleteTag", Method: "DELETE", Path: "/tags/{tag_id}",
		Scope: ScopeWriteTags, Permission: TagsDelete, Resource: "tag", ResourceArg: "tag_id", Effect: Destructive,
	}
)

// TagsService is about the tags of the workspace. One conversation is tagged by [ConversationsService.AddTag]. Companies are
// not tagged, by [Client.Do] neither: Intercom has one call for it all, and it would look like another operation. It is
// safe for concurrent use.
type TagsService struct{ c *Client }

// List returns all tags; Intercom does not page them. Operation tags.list (listTags).
func (s *TagsService) List(ctx context.Context) ([]Tag, error) {
	out, err := do[unpaged[Tag]](ctx, s.c, call{op: opTagsList})
	if out == nil {
		return nil, err
	}
	return out.Data, err
}

// Get returns one tag. It is ErrNotFound if there is none of that id. Operation tags.get (findTag).
func (s *TagsService) Get(ctx context.Context, id TagID) (*Tag, error) {
	return do[Tag](ctx, s.c, call{op: opTagsGet, args: []string{string(id)}})
}

// Create makes a tag, or returns the one of that name if there is one already: names are the same in upper and lower
// case. Operation tags.create (createTag).
func (s *TagsService) Create(ctx context.Context, name string) (*Tag, error) {
	op := opTagsCreate
	if err := checkTagName(op, name); err != nil {
		return nil, err
	}
	body := struct {
		Name string `json:"name"`
	}{name}
	return do[Tag](ctx, s.c, call{op: op, body: body})
}

// Rename gives a tag another name, on all that has it. Operation tags.rename (createTag).
func (s *TagsService) Rename(ctx context.Context, id TagID, name string) (*Tag, error) {
	op := opTagsRename
	if err := checkTagName(op, name); err != nil {
		return nil, err
	}
	body := struct {
		ID   TagID  `json:"id"`
		Name string `json:"name"`
	}{id, name}
	return do[Tag](ctx, s.c, call{op: op, body: body})
}

func checkTagName(op Operation, name string) error {
	if strings.TrimSpace(name) == "" {
		return invalid(op, "the name of the tag is empty")
	}
	return nil
}

// ApplyTagParams tags contacts.
type ApplyTagParams struct {
	// Name is the tag, in upper or lower case; needed. A tag that is not there yet is made.
	Name string
	// ContactIDs are the contacts, by Intercom's own ids, at least one.
	ContactIDs []ContactID
}

// AppliedTag is a tag and whom it was put on.
type AppliedTag struct {
	Type     string          `json:"type"`
	ID       TagID           `json:"id"`
	Name     string          `json:"name"`
	Contacts []TaggedContact `json:"users"`
}

// TaggedContact says of a contact whether it has the tag now.
type TaggedContact struct {
	ID     ContactID `json:"id"`
	Tagged bool      `json:"tagged"`
}

func (t *AppliedTag) complete() bool { return t.ID != "" }

// Apply puts a tag on many contacts at once. It needs the permission contacts:write, granted without a condition.
// Intercom documents no way to take a tag off many, and [Client.Do] takes no contact with more than its id. Operation tags.apply (createTag).
func (s *TagsService) Apply(ctx context.Context, params ApplyTagParams) (*AppliedTag, error) {
	op := opTagsApply
	if err := checkTagName(op, params.Name); err != nil {
		return nil, err
	}
	if len(params.ContactIDs) == 0 {
		return nil, invalid(op, "ContactIDs is empty: at least one contact is needed")
	}
	type user struct {
		ID ContactID `json:"id"`
	}
	body := struct {
		Name  string `json:"name"`
		Users []user `json:"users"`
	}{Name: params.Name}
	for _, id := range params.ContactIDs {
		if id == "" {
			return nil, invalid(op, "one of the ContactIDs is empty")
		}
		if err := id.check(op); err != nil {
			return nil, err
		}
		body.Users = append(body.Users, user{id})
	}
	return do[AppliedTag](ctx, s.c, call{op: op, body: body})
}

// Delete removes a tag for good, off all that has it. Intercom refuses it with the code tag_has_dependent_objects while
// something else, such as a segment, is made of the tag; the error is then ErrInvalidRequest and its Message names it.
// Operation tags.delete (deleteTag).
func (s *TagsService) Delete(ctx context.Context, id TagID) error {
	return s.c.do(ctx, &call{op: opTagsDelete, args: []string{string(id)}})
}
