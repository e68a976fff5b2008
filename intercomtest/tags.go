package intercomtest

import (
	"net/http"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

// Tag returns the tag as it is now, and whether there is one.
func (s *Server) Tag(id intercomrbac.TagID) (Tag, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tags.get(id)
	if !ok {
		return Tag{}, false
	}
	return *t, true
}

func tagOnlyJSON(t *Tag) object { return object{"type": "tag", "id": string(t.ID), "name": t.Name} }

// changedTagJSON is what POST /tags answers, whatever it did.
func changedTagJSON(t *Tag, users []object) object {
	o := tagOnlyJSON(t)
	o["users"], o["companies"] = users, []object{}
	return o
}

func (s *Server) listTags(*request) (any, error) {
	list := make([]object, 0, len(s.tags.items))
	for _, t := range s.tags.items {
		list = append(list, tagOnlyJSON(t))
	}
	return object{"type": "list", "data": list}, nil
}

func (s *Server) getTag(r *request) (any, error) {
	t, ok := s.tags.get(intercomrbac.TagID(r.args["tag_id"]))
	if !ok {
		return nil, errNotFound
	}
	return tagOnlyJSON(t), nil
}

// tagNamed finds a tag by its name, in upper or lower case.
func (s *Server) tagNamed(name string) *Tag {
	for _, t := range s.tags.items {
		if strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

// makeTag returns the tag of that name, which it makes if there is none.
func (s *Server) makeTag(name string) *Tag {
	if t := s.tagNamed(name); t != nil {
		return t
	}
	t, _ := s.tags.get(s.putTag(Tag{Name: name}))
	return t
}

func (s *Server) createTag(r *request) (any, error) {
	var body struct {
		Name string `json:"name"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	return changedTagJSON(s.makeTag(body.Name), []object{}), nil
}

func (s *Server) renameTag(r *request) (any, error) {
	var body struct {
		ID   wireID `json:"id"`
		Name string `json:"name"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	t, ok := s.tags.get(intercomrbac.TagID(body.ID))
	if !ok {
		return nil, errNotFound
	}
	if other := s.tagNamed(body.Name); other != nil && other != t {
		return nil, invalid("", "invalid tag parameters")
	}
	t.Name = body.Name
	return changedTagJSON(t, []object{}), nil
}

// applyTag tags all of the contacts or, if one of them is not there, none.
func (s *Server) applyTag(r *request) (any, error) {
	var body struct {
		Name  string `json:"name"`
		Users []struct {
			ID wireID `json:"id"`
		} `json:"users"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	var contacts []*contact
	for _, u := range body.Users {
		c, ok := s.liveContact(intercomrbac.ContactID(u.ID))
		if !ok {
			return nil, errUserNotFound
		}
		contacts = append(contacts, c)
	}
	t := s.makeTag(body.Name)
	users := make([]object, 0, len(contacts))
	for _, c := range contacts {
		if tagOn(&c.TagIDs, c.tagged, t.ID, tagging{r.now, s.installer().ID}) {
			c.UpdatedAt = r.now
		}
		users = append(users, object{"id": string(c.ID), "tagged": true})
	}
	return changedTagJSON(t, users), nil
}

func (s *Server) deleteTag(r *request) (any, error) {
	t, ok := s.tags.get(intercomrbac.TagID(r.args["tag_id"]))
	switch {
	case !ok:
		return nil, errNotFound
	case t.Segment != "":
		return nil, fail(http.StatusBadRequest, "tag_has_dependent_objects",
			"Unable to delete Tag with dependent objects. Segments: "+t.Segment+".")
	}
	for _, c := range s.conversations {
		tagOff(&c.TagIDs, c.tagged, t.ID)
	}
	for _, c := range s.contacts.items {
		tagOff(&c.TagIDs, c.tagged, t.ID)
	}
	s.tags.remove(t.ID)
	return done{}, nil
}
