package conformance_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// A member is named by the way to it, as in "conversations.source.body". Elements of a list add nothing to it.
func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// members returns what schema says of the members of an object. Of alternatives those count that fit the value; all do
// where the value is nil or fits none. open: it may have other members.
func members(schema *openapi3.Schema, value any) (declared map[string]*openapi3.Schema, open bool) {
	declared = map[string]*openapi3.Schema{}
	gather(schema, value, declared, &open)
	return declared, open || len(declared) == 0
}

func gather(schema *openapi3.Schema, value any, into map[string]*openapi3.Schema, open *bool) {
	more := schema.AdditionalProperties
	*open = *open || more.Schema != nil || more.Has != nil && *more.Has
	for name, p := range schema.Properties {
		if old := into[name]; old != nil && old != p.Value {
			into[name] = &openapi3.Schema{AnyOf: openapi3.SchemaRefs{{Value: old}, p}}
		} else {
			into[name] = p.Value
		}
	}
	for _, part := range schema.AllOf {
		gather(part.Value, value, into, open)
	}
	for _, alternative := range fitting(schema, value) {
		gather(alternative, value, into, open)
	}
}

func fitting(schema *openapi3.Schema, value any) []*openapi3.Schema {
	var all, fit []*openapi3.Schema
	for _, ref := range slices.Concat(schema.OneOf, schema.AnyOf) {
		all = append(all, ref.Value)
		if value != nil && ref.Value.VisitJSON(value) == nil {
			fit = append(fit, ref.Value)
		}
	}
	if fit != nil {
		return fit
	}
	return all
}

// items returns what schema says of the elements of a list; nil if nothing.
func items(schema *openapi3.Schema, value any) *openapi3.Schema {
	if schema.Items != nil {
		return schema.Items.Value
	}
	for _, part := range schema.AllOf {
		if s := items(part.Value, value); s != nil {
			return s
		}
	}
	for _, alternative := range fitting(schema, value) {
		if s := items(alternative, value); s != nil {
			return s
		}
	}
	return nil
}

// member is one that a value has, that its schema declares, or both.
type member struct {
	path              string
	present, declared bool
}

// eachMember visits the members of a value and of the objects in it, and those that they could have. It does not look into
// what the schema leaves open.
func eachMember(schema *openapi3.Schema, value any, path string, visit func(member)) {
	switch value := value.(type) {
	case object:
		declared, open := members(schema, value)
		for name := range declared {
			if _, present := value[name]; !present {
				visit(member{path: join(path, name), declared: true})
			}
		}
		for name, v := range value {
			s := declared[name]
			visit(member{join(path, name), true, s != nil || open})
			if s != nil {
				eachMember(s, v, join(path, name), visit)
			}
		}
	case []any:
		if s := items(schema, value); s != nil {
			for _, v := range value {
				eachMember(s, v, path, visit)
			}
		}
	}
}

// declaredMembers visits every member that schema declares, those of all alternatives.
func declaredMembers(schema *openapi3.Schema, path string, within []*openapi3.Schema, visit func(path string)) {
	if slices.Contains(within, schema) {
		return // it holds itself
	}
	within = append(within, schema)
	if s := items(schema, nil); s != nil {
		declaredMembers(s, path, within, visit)
	}
	declared, _ := members(schema, nil)
	for name, s := range declared {
		visit(join(path, name))
		declaredMembers(s, join(path, name), within, visit)
	}
}

// specimen makes values of a schema in which every member that is declared is there, each with a value of its own.
type specimen struct {
	nulls  bool // what may be null is
	n      int64
	within []*openapi3.Schema
}

// whole makes a value that is not null itself: neither an answer nor an element of a list is.
func (m *specimen) whole(schema *openapi3.Schema) any {
	solid := *schema
	solid.Nullable = false
	return m.value(&solid)
}

func (m *specimen) value(schema *openapi3.Schema) any {
	if schema.PermitsNull() && m.nulls {
		return nil
	}
	for _, v := range schema.Enum {
		if v != nil {
			return v
		}
	}
	m.n++
	switch {
	case schema.Type.Is(openapi3.TypeBoolean):
		return true
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
		return 1700000000 + m.n // good for a time and for an id
	case schema.Type.Is(openapi3.TypeString):
		if link, ok := schema.Example.(string); ok && strings.HasPrefix(link, "https://") {
			return link
		}
		return m.text(schema.Format)
	case schema.Type.Is(openapi3.TypeArray):
		if s := items(schema, nil); s != nil && !slices.Contains(m.within, s) {
			return []any{m.whole(s)}
		}
		return []any{}
	}
	m.within = append(m.within, schema)
	defer func() { m.within = m.within[:len(m.within)-1] }()
	declared, open := members(schema, nil)
	if len(declared) == 0 {
		for _, s := range fitting(schema, nil) {
			return m.value(s)
		}
	}
	out := object{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !slices.Contains(m.within, declared[name]) {
			out[name] = m.value(declared[name])
		}
	}
	switch more := schema.AdditionalProperties.Schema; {
	case more != nil:
		out["some_name"] = m.value(more.Value)
	case open:
		out["some_name"] = m.text("")
	}
	return out
}

func (m *specimen) text(format string) string {
	m.n++
	switch format {
	case "uri":
		return fmt.Sprintf("https://example.com/%d", m.n)
	case "email":
		return fmt.Sprintf("someone-%d@example.com", m.n)
	case "uuid":
		return fmt.Sprintf("7f2c1a34-58d1-4e0b-9a57-%012d", m.n)
	case "date-time":
		return time.Unix(1700000000+m.n, 0).UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("text %d", m.n)
}

// eachLoss compares what was sent with what the client makes of it when it writes it again, and visits what is not there
// or not the same. Zero values may be absent, ids come back as text, and times as unix seconds.
func eachLoss(sent, kept any, path string, visit func(path string)) {
	if plain(sent) == "" {
		switch kept.(type) {
		case object, []any: // an envelope with nothing in it
			return
		}
	}
	switch s := sent.(type) {
	case object:
		switch k := kept.(type) {
		case object:
			for name, v := range s {
				eachLoss(v, k[name], join(path, name), visit)
			}
		case []any: // the client gives the list that an envelope holds
			for name, v := range s {
				if _, isList := v.([]any); isList {
					eachLoss(v, k, join(path, name), visit)
				} else {
					visit(join(path, name))
				}
			}
		case string: // the client gives the picture of an avatar
			for name, v := range s {
				if name != "image_url" || plain(v) != k {
					visit(join(path, name))
				}
			}
		default:
			for name, v := range s {
				eachLoss(v, nil, join(path, name), visit)
			}
		}
	case []any:
		k, _ := kept.([]any)
		if len(k) != len(s) {
			visit(path)
			return
		}
		for i := range s {
			eachLoss(s[i], k[i], path, visit)
		}
	default:
		if plain(sent) != plain(kept) {
			visit(path)
		}
	}
}

// plain writes a value so that equal ones look the same however they are encoded; what says nothing is empty.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if !v {
			return ""
		}
		return "true"
	case float64:
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return strconv.FormatInt(at.Unix(), 10)
		}
		return v
	case object:
		if len(v) == 0 {
			return ""
		}
	case []any:
		if len(v) == 0 {
			return ""
		}
	}
	return fmt.Sprintf("%#v", v)
}
