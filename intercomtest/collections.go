package intercomtest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Collection holds articles of the help center, and other collections.
type Collection struct {
	ID          intercomrbac.CollectionID // digits
	Name        string
	Description string
	// ParentID is the collection that it is in; empty for one of the first level.
	ParentID  intercomrbac.CollectionID
	CreatedAt time.Time
	UpdatedAt time.Time
}

type collection struct {
	Collection
	seq int64
}

// AddCollection adds a collection, or replaces the one with that ID. An empty ID, Name or time is made up.
func (s *Server) AddCollection(c Collection) intercomrbac.CollectionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	mustDigitsOrEmpty("collection id", string(c.ParentID))
	return s.putCollection(c).ID
}

func (s *Server) putCollection(c Collection) *collection {
	c.ID = freeID(s, &s.collections, c.ID, "collection", 159)
	mustDigits("collection id", string(c.ID))
	c.Name = cmp.Or(c.Name, "Collection "+string(c.ID))
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Now()
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	return s.collections.put(c.ID, collection{c, s.nextNumber("collection order", 1)})
}

// Collection returns the collection as it is now, and whether there is one.
func (s *Server) Collection(id intercomrbac.CollectionID) (Collection, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.collections.get(id)
	if !ok {
		return Collection{}, false
	}
	return c.Collection, true
}

func (s *Server) collectionJSON(c *collection) object {
	o := object{
		"id": string(c.ID), "workspace_id": string(s.workspace.ID), "name": c.Name, "description": orNull(c.Description),
		"created_at": c.CreatedAt.Unix(), "updated_at": c.UpdatedAt.Unix(), "icon": "book-bookmark", "order": c.seq,
		"url":       "http://help-center.test/" + string(s.workspace.ID) + "/collection-" + string(c.ID),
		"parent_id": orNull(string(c.ParentID)), "help_center_id": nil,
	}
	if c.ParentID == "" {
		o["help_center_id"] = helpCenter
	}
	return o
}

func (s *Server) getCollection(r *request) (any, error) {
	c, ok := s.collections.get(intercomrbac.CollectionID(r.args["collection_id"]))
	if !ok {
		return nil, errNotFound
	}
	return s.collectionJSON(c), nil
}

func (s *Server) listCollections(r *request) (any, error) {
	all := slices.Clone(s.collections.items)
	slices.SortFunc(all, func(a, b *collection) int {
		return cmp.Or(cmp.Compare(b.UpdatedAt.Unix(), a.UpdatedAt.Unix()), cmp.Compare(b.seq, a.seq))
	})
	return numberedList(r, all, 20, s.collectionJSON)
}

func (s *Server) createCollection(r *request) (any, error) {
	var c Collection
	if err := s.changeCollection(r, &c); err != nil {
		return nil, err
	}
	if c.Name == "" {
		return nil, missing("Name")
	}
	c.CreatedAt = r.now
	return s.collectionJSON(s.putCollection(c)), nil
}

// changeCollection applies what the body says.
func (s *Server) changeCollection(r *request, c *Collection) error {
	var body struct {
		Name         *string `json:"name"`
		Description  *string `json:"description"`
		ParentID     wireID  `json:"parent_id"`
		HelpCenterID wireID  `json:"help_center_id"`
	}
	if err := r.decode(&body); err != nil {
		return err
	}
	parent := intercomrbac.CollectionID(body.ParentID)
	if _, ok := s.collections.get(parent); parent != "" && !ok || parent == c.ID && c.ID != "" {
		return invalid("parent_id", "there is no such collection")
	}
	if id := string(body.HelpCenterID); id != "" && id != strconv.Itoa(helpCenter) {
		return invalid("help_center_id", "there is no such help center")
	}
	if body.Name != nil && strings.TrimSpace(*body.Name) != "" {
		c.Name = *body.Name
	}
	if body.Description != nil {
		c.Description = *body.Description
	}
	if _, given := r.json["parent_id"]; given {
		c.ParentID = parent
	}
	return nil
}

func (s *Server) updateCollection(r *request) (any, error) {
	c, ok := s.collections.get(intercomrbac.CollectionID(r.args["collection_id"]))
	if !ok {
		return nil, errNotFound
	}
	if err := s.changeCollection(r, &c.Collection); err != nil {
		return nil, err
	}
	c.UpdatedAt = r.now
	return s.collectionJSON(c), nil
}

// deleteCollection leaves the articles in it alone, and the collections on the first level.
func (s *Server) deleteCollection(r *request) (any, error) {
	id := intercomrbac.CollectionID(r.args["collection_id"])
	if !s.collections.remove(id) {
		return nil, errNotFound
	}
	for _, c := range s.collections.items {
		if c.ParentID == id {
			c.ParentID = ""
		}
	}
	for _, a := range s.articles.items {
		a.ParentIDs = slices.DeleteFunc(a.ParentIDs, func(p intercomrbac.CollectionID) bool { return p == id })
	}
	return object{"id": string(id), "object": "collection", "deleted": true}, nil
}
