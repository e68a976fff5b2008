package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// traffic compares requests and answers with the description.
type traffic struct {
	*description
	requests *ledger // what the description does not allow, or does not have, of requests
	answers  *ledger // the same of answers

	sent, unsent map[string]bool // members of requests, by name or id of the operation: those that were there, and those that could have been
	exemplary    map[string]bool // members of answers that an example has, by id
}

func newTraffic(d *description) *traffic {
	t := &traffic{d, newLedger(undeclaredRequests), newLedger(oddAnswers), map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for id := range coveredIDs() {
		op := d.operations[id]
		if op == nil {
			continue // testDescription says so
		}
		for _, e := range op.examples() {
			if media := op.media(e.status); e.status < 300 && media.Schema != nil {
				eachMember(media.Schema.Value, e.value, "", func(m member) {
					if m.present {
						t.exemplary[id+" "+m.path] = true
					}
				})
			}
		}
	}
	return t
}

// exchange compares a request of the operation of that name, and the answer to it.
func (t *traffic) exchange(name string, e exchange) {
	op, args := t.find(e.request)
	if op == nil {
		t.requests.note(e.request.Method+" "+e.request.URL.Path, "the description has no such operation")
		return
	}
	t.request(name, op, args, e)
	t.answer(op, e)
}

func (t *traffic) request(name string, op *operation, args map[string]string, e exchange) {
	note := func(member, account string) { t.requests.note(op.id+" "+member, account) }
	// A member that the request has, or could have.
	mark := func(member string, present bool) {
		if present {
			t.sent[name+" "+member], t.sent[op.id+" "+member] = true, true
		} else {
			t.unsent[name+" "+member] = true
		}
	}
	err := openapi3filter.ValidateRequest(context.Background(), &openapi3filter.RequestValidationInput{
		Request: e.request, PathParams: args,
		Route:   &routers.Route{Spec: t.doc, Path: op.path, PathItem: op.item, Method: op.method, Operation: op.Operation},
		Options: &openapi3filter.Options{MultiError: true, ExcludeRequestBody: true, SkipSettingDefaults: true, AuthenticationFunc: checkBearer},
	})
	if err != nil {
		note("params", err.Error())
	}
	query := e.request.URL.Query()
	for name := range query {
		mark(name, true)
		if op.Parameters.GetByInAndName("query", name) == nil {
			note(name, "the description does not have this parameter")
		}
	}
	for _, p := range op.Parameters {
		if p.Value.In == "query" && !query.Has(p.Value.Name) {
			mark(p.Value.Name, false)
		}
	}
	if op.path == "/events" && op.method == http.MethodGet {
		given := slices.DeleteFunc(slices.Clone(eventsOf), func(name string) bool { return !query.Has(name) })
		if len(given) != 1 {
			note("params", fmt.Sprintf("one of %v is needed, %v are there", eventsOf, given))
		}
	}
	switch {
	case op.RequestBody == nil && len(e.sent) > 0:
		note("body", "the description has none")
		return
	case op.RequestBody == nil:
		return
	case len(e.sent) == 0 && op.RequestBody.Value.Required:
		note("body", "there is none")
		return
	}
	schema := op.bodySchema()
	var body any
	if err := json.Unmarshal(e.sent, &body); err != nil || e.request.Header.Get("Content-Type") != "application/json" {
		note("body", fmt.Sprintf("it is no JSON, or not said to be: %q, %v", e.request.Header.Get("Content-Type"), err))
		return
	}
	eachViolation(schema.VisitJSON(body, append(formats(), openapi3.MultiErrors(), openapi3.VisitAsRequest())...), note)
	eachMember(schema, body, "", func(m member) {
		mark(m.path, m.present)
		if !m.declared {
			note(m.path, "the description does not have this member")
		}
	})
	// And what only alternatives have that this request is none of.
	declaredMembers(schema, "", nil, func(path string) { t.unsent[op.id+" "+path] = true })
}

func (o *operation) bodySchema() *openapi3.Schema {
	return o.RequestBody.Value.Content.Get("application/json").Schema.Value
}

func checkBearer(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	header := in.RequestValidationInput.Request.Header["Authorization"]
	if in.SecurityScheme.Scheme != "bearer" || len(header) != 1 || !strings.HasPrefix(header[0], "Bearer ") {
		return errors.New("the request has no bearer token")
	}
	return nil
}

func (t *traffic) answer(op *operation, e exchange) {
	note := func(member, account string) {
		t.answers.note(fmt.Sprintf("%s %d %s", op.id, e.status, member), account)
	}
	var schema *openapi3.Schema
	if e.status >= 400 {
		schema = t.doc.Components.Schemas["error"].Value
	}
	response := op.Responses.Status(e.status)
	switch {
	case response == nil:
		note("undeclared", "the description does not have this status here")
	case len(response.Value.Content) == 0 && len(e.answer) > 0:
		note("body", "the description has none")
		return
	case len(response.Value.Content) == 0:
		return
	default:
		for name := range response.Value.Headers {
			if e.header.Get(name) == "" {
				note(name, "there is no such header")
			}
		}
		if media := response.Value.Content.Get(e.header.Get("Content-Type")); media == nil {
			note("body", "it is said to be "+e.header.Get("Content-Type"))
		} else if media.Schema != nil {
			schema = t.answerSchema(op, e.status, media, e.request.URL.RawQuery)
		}
	}
	if schema == nil {
		note("schema", "the description has none")
		return
	}
	var body any
	if err := json.Unmarshal(e.answer, &body); err != nil {
		note("body", err.Error())
		return
	}
	eachViolation(schema.VisitJSON(body, append(formats(), openapi3.MultiErrors(), openapi3.VisitAsResponse())...), note)
	eachMember(schema, body, "", func(m member) {
		if !m.declared && !t.exemplary[op.id+" "+m.path] {
			note(m.path, "neither the description nor an example of it has this member")
		}
	})
}

// find returns the operation that a request lands on: of those whose path fits, the one with the most words in it.
func (d *description) find(request *http.Request) (best *operation, args map[string]string) {
	path := strings.Split(request.URL.Path, "/")
	for _, op := range d.operations {
		template := strings.Split(op.path, "/")
		found := map[string]string{}
		if op.method != request.Method || !slices.EqualFunc(template, path, func(t, p string) bool {
			if strings.HasPrefix(t, "{") {
				found[strings.Trim(t, "{}")] = p
				return p != ""
			}
			return t == p
		}) {
			continue
		}
		if best == nil || len(found) < len(args) {
			best, args = op, found
		}
	}
	return best, args
}

// formats are those that the description means as they are called. What it calls date-time is an integer nearly everywhere.
func formats() []openapi3.SchemaValidationOption {
	return []openapi3.SchemaValidationOption{
		openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)),
		openapi3.WithStringFormatValidator("uri", openapi3.NewRegexpFormatValidator(`^([a-z]+:/)?/[^ ]+$`)),
		openapi3.WithStringFormatValidator("email", openapi3.NewRegexpFormatValidator(`^[^@ ]+@[^@ ]+$`)),
	}
}

var index = regexp.MustCompile(`^\d+$`)

// eachViolation visits what is wrong by a schema, by the member that it is about.
func eachViolation(err error, visit func(member, account string)) {
	if err == nil {
		return
	}
	if many, ok := errors.AsType[openapi3.MultiError](err); ok {
		for _, one := range many {
			eachViolation(one, visit)
		}
		return
	}
	one, ok := errors.AsType[*openapi3.SchemaError](err)
	if !ok {
		visit("body", err.Error())
		return
	}
	way := slices.DeleteFunc(one.JSONPointer(), index.MatchString)
	visit(strings.Join(way, "."), one.Reason)
}
