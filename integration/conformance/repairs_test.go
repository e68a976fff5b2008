package conformance_test

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// repair corrects a fault that keeps tools from taking the description as it is, or as it is meant. It returns how often
// the fault was there: never means that the repair is no longer needed. It works on what was read, or on what was
// understood of it.
type repair struct {
	name, reason string
	tree         func(tree object) int
	doc          func(doc *openapi3.T) int
}

var repairs = []repair{
	{name: "array without items", tree: arraysOfAnything,
		reason: "OpenAPI 3.0 wants to know what an array holds: anything"},
	{name: "nullable beside $ref", tree: nullableReferences,
		reason: "OpenAPI 3.0 ignores what stands beside a $ref, and null is meant"},
	{name: "path parameter in the query", tree: pathParameters,
		reason: "a parameter that is in the path is declared as one of the query"},
	{name: "filter of GET /events", tree: eventFilter,
		reason: "no tool reads an object that is a parameter: it stands for three, of which one is needed"},
	{name: "events of GET /events", tree: eventList,
		reason: "it answers events; the counts that are declared come of summary=true, and their times are not said to be any"},
	{name: "optional body", tree: requiredBodies,
		reason: "a body with required members is required itself"},
	{name: "no operationId", tree: operationIDs,
		reason: "operations are looked up by it"},
	{name: "ambiguous oneOf", doc: ambiguousBodies,
		reason: "the description's own examples fit more than one of the alternatives: any of them is meant"},
}

func arraysOfAnything(tree object) (n int) {
	walk(tree, func(o object) {
		if o["type"] == "array" && o["items"] == nil {
			o["items"] = object{}
			n++
		}
	})
	return n
}

func nullableReferences(tree object) (n int) {
	walk(tree, func(o object) {
		if ref, ok := o["$ref"].(string); ok && o["nullable"] == true && resolve(tree, o)["nullable"] != true {
			delete(o, "$ref")
			o["allOf"] = []any{object{"$ref": ref}}
			n++
		}
	})
	return n
}

func pathParameters(tree object) (n int) {
	eachOperation(tree, func(path, _ string, op object) {
		for _, p := range objects(op["parameters"]) {
			if name, _ := p["name"].(string); p["in"] == "query" && strings.Contains(path, "{"+name+"}") {
				p["in"], p["required"] = "path", true
				n++
			}
		}
	})
	return n
}

// eventsOf are the parameters that say whose events GET /events lists. Exactly one is needed.
var eventsOf = []string{"user_id", "intercom_user_id", "email"}

func eventFilter(tree object) int {
	op := dig(tree, "paths", "/events", "get")
	list, _ := op["parameters"].([]any)
	i := slices.IndexFunc(objects(list), func(p object) bool { return p["name"] == "filter" })
	if i < 0 {
		return 0
	}
	list = slices.Delete(list, i, i+1)
	for _, name := range eventsOf {
		list = append(list, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	op["parameters"] = list
	return 1
}

// eventCounts is what the schema of the answer to GET /events?summary=true is called here.
const eventCounts = "event_counts"

func eventList(tree object) int {
	schemas := dig(tree, "components", "schemas")
	answer := dig(schemas, "data_event_summary", "properties")
	if dig(answer, "events", "items")["$ref"] != "#/components/schemas/data_event_summary_item" {
		return 0
	}
	counts := maps.Clone(dig(schemas, "data_event_summary"))
	counts["properties"] = maps.Clone(answer)
	schemas[eventCounts] = counts
	for _, name := range []string{"first", "last"} {
		dig(schemas, "data_event_summary_item", "properties", name)["format"] = "date-time"
	}
	events := dig(schemas, "data_event_list", "properties")
	answer["events"], answer["pages"] = events["events"], events["pages"]
	return 1
}

func requiredBodies(tree object) (n int) {
	eachOperation(tree, func(_, _ string, op object) {
		body, ok := op["requestBody"].(object)
		if ok && body["required"] != true && demands(tree, dig(body, "content", "application/json", "schema")) {
			body["required"] = true
			n++
		}
	})
	return n
}

func operationIDs(tree object) (n int) {
	eachOperation(tree, func(path, method string, op object) {
		if op["operationId"] == nil {
			op["operationId"] = method + " " + path
			n++
		}
	})
	return n
}

func ambiguousBodies(doc *openapi3.T) (n int) {
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Value.Content {
				schema := media.Schema.Value
				for _, example := range media.Examples {
					if len(schema.OneOf) > 0 && errors.Is(schema.VisitJSON(example.Value.Value), openapi3.ErrOneOfConflict) {
						schema.AnyOf, schema.OneOf = schema.OneOf, nil
						n++
					}
				}
			}
		}
	}
	return n
}

// demands reports whether the schema requires a member, whichever of its alternatives is taken.
func demands(tree, schema object) bool {
	schema = resolve(tree, schema)
	if list, _ := schema["required"].([]any); len(list) > 0 {
		return true
	}
	if slices.ContainsFunc(objects(schema["allOf"]), func(o object) bool { return demands(tree, o) }) {
		return true
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if all := objects(schema[key]); len(all) > 0 && !slices.ContainsFunc(all, func(o object) bool { return !demands(tree, o) }) {
			return true
		}
	}
	return false
}

// walk visits each object of a description. What examples and defaults hold is no description.
func walk(node any, visit func(object)) {
	switch node := node.(type) {
	case object:
		visit(node)
		for key, child := range node {
			switch names, _ := child.(object); {
			case key == "properties" && names != nil: // any name may follow
				for _, schema := range names {
					walk(schema, visit)
				}
			case key != "example" && key != "examples" && key != "default":
				walk(child, visit)
			}
		}
	case []any:
		for _, child := range node {
			walk(child, visit)
		}
	}
}

func eachOperation(tree object, visit func(path, method string, op object)) {
	for path, item := range dig(tree, "paths") {
		for method := range dig(item) {
			if op := dig(item, method); op["responses"] != nil {
				visit(path, strings.ToUpper(method), op)
			}
		}
	}
}

// dig follows names down a tree; where there is no object it returns an empty one.
func dig(node any, names ...string) object {
	o, _ := node.(object)
	for _, name := range names {
		o, _ = o[name].(object)
	}
	if o == nil {
		return object{}
	}
	return o
}

// objects returns the objects of a list.
func objects(node any) (out []object) {
	list, _ := node.([]any)
	for _, item := range list {
		out = append(out, dig(item))
	}
	return out
}

// resolve follows a $ref.
func resolve(tree, node object) object {
	if ref, ok := node["$ref"].(string); ok {
		return resolve(tree, dig(tree, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	return node
}
