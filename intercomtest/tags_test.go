package intercomtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestTagsOfTheWorkspace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ines := d.s.AddContact(intercomtest.Contact{})
	post := func(body map[string]any) answer { return d.api.post("/tags", text(body)) }
	named := func(id any, name string, users ...any) map[string]any {
		if users == nil {
			users = []any{}
		}
		return map[string]any{"type": "tag", "id": id, "name": name, "users": users, "companies": []any{}}
	}
	r := d.api.get("/tags").requireOK(t)
	assert.Equal(t, map[string]any{"type": "list", "data": []any{map[string]any{"type": "tag", "id": string(d.tag), "name": "VIP"}}}, r.body)
	assert.Equal(t, named(string(d.tag), "VIP"), post(map[string]any{"name": "vip"}).requireOK(t).body, "it is there")
	bug := post(map[string]any{"name": "Bug"}).requireOK(t)
	id := bug.at(t, "id").(string)
	assert.Equal(t, named(id, "Bug"), bug.body)
	assert.Equal(t, named(id, "Defect"), post(map[string]any{"id": id, "name": "Defect"}).requireOK(t).body)
	assert.Equal(t, named(id, "defect"), post(map[string]any{"id": num(id), "name": "defect"}).requireOK(t).body)
	post(map[string]any{"id": id, "name": "VIP"}).requireError(t, 400, "parameter_invalid")
	post(map[string]any{"id": "1", "name": "Defect"}).requireError(t, 404, "not_found")
	post(map[string]any{"name": "x", "companies": []any{map[string]any{"id": "1"}}}).requireError(t, 400, "parameter_invalid")

	post(map[string]any{"name": "Defect", "users": []any{map[string]any{"id": ines}, map[string]any{"id": "1"}}}).requireError(t, 404, "not_found")
	c, _ := d.s.Contact(ines)
	assert.Empty(t, c.TagIDs, "all or none")
	tagged := map[string]any{"id": string(ines), "tagged": true}
	for range 2 {
		r = post(map[string]any{"name": "Defect", "users": []any{map[string]any{"id": ines}}}).requireOK(t)
		assert.Equal(t, named(id, "defect", tagged), r.body)
	}
	r = d.api.get("/contacts/" + string(ines)).requireOK(t)
	assert.Equal(t, []any{map[string]any{"type": "tag", "id": id, "url": "/tags/" + id}}, r.at(t, "tags", "data"))
	d.api.post("/conversations/"+string(d.id)+"/tags", text(map[string]any{"id": id, "admin_id": d.ada})).requireOK(t)

	assert.Equal(t, map[string]any{"type": "tag", "id": id, "name": "defect"}, d.api.get("/tags/"+id).requireOK(t).body)
	gone := d.api.do("DELETE", "/tags/"+id, "").requireOK(t)
	assert.Empty(t, gone.raw)
	d.api.do("DELETE", "/tags/"+id, "").requireError(t, 404, "not_found")
	d.api.get("/tags/"+id).requireError(t, 404, "not_found")
	c, _ = d.s.Contact(ines)
	assert.Empty(t, c.TagIDs)
	assert.Empty(t, d.conversation().TagIDs)

	used := d.s.AddTag(intercomtest.Tag{Segment: "Seg 1"})
	r = d.api.do("DELETE", "/tags/"+string(used), "").requireError(t, 400, "tag_has_dependent_objects")
	assert.Equal(t, "Unable to delete Tag with dependent objects. Segments: Seg 1.", r.message(t))
	_, there := d.s.Tag(used)
	assert.True(t, there)
	_, there = d.s.Tag(intercomrbac.TagID(id))
	assert.False(t, there)
}
