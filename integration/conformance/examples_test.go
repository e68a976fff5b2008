package conformance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// example is an answer that the description has as an example.
type example struct {
	name   string
	status int
	value  any
}

func (o *operation) media(status int) *openapi3.MediaType {
	if r := o.Responses.Status(status); r != nil {
		return r.Value.Content.Get("application/json")
	}
	return nil
}

func (o *operation) examples() (list []example) {
	for status := range o.Responses.Map() {
		code, err := strconv.Atoi(status)
		media := o.media(code)
		if err != nil || media == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
			list = append(list, example{name, code, media.Examples[name].Value.Value})
		}
		if media.Example != nil {
			list = append(list, example{"example", code, media.Example})
		}
	}
	slices.SortFunc(list, func(a, b example) int { return a.status - b.status })
	return list
}

// answers is a transport that gives one answer, whatever is asked.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r}, nil
}

// decode makes the least call of an operation, answered by value.
func decode(t *testing.T, name string, status int, value any) (any, error) {
	t.Helper()
	body, err := json.Marshal(value)
	require.NoError(t, err)
	w := newWorld(t, func(http.RoundTripper) http.RoundTripper { return answers{status, body} })
	return cases[name].calls["least"](w)
}

// plainJSON is what JSON makes of a value.
func plainJSON(t *testing.T, value any) (out any) {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func testExamples(t *testing.T, d *description, n *figures, losses, broken *ledger) {
	for _, id := range slices.Sorted(maps.Keys(coveredIDs())) {
		if op := d.operations[id]; op != nil {
			for _, e := range op.examples() {
				if e.status < 300 {
					n.successes++
				} else {
					n.errors++
				}
				if media := op.media(e.status); media.Schema != nil && media.Schema.Value.VisitJSON(e.value) != nil {
					n.broken++
					broken.note(fmt.Sprintf("%s %d %s", id, e.status, e.name), "the example breaks its own schema")
				}
			}
		}
	}
	for _, op := range intercomrbac.Operations() {
		described := d.operations[op.ID]
		if described == nil {
			continue // testDescription says so
		}
		for _, e := range described.examples() {
			t.Run(fmt.Sprintf("%s/%d %s", op.Name, e.status, e.name), func(t *testing.T) { testExample(t, op, e, losses) })
		}
		media := described.media(http.StatusOK)
		if media == nil || media.Schema == nil {
			continue
		}
		for name, s := range map[string]*specimen{"all that is declared": {}, "null where it may be": {nulls: true}} {
			n.specimens++
			schema := d.answerSchema(described, http.StatusOK, media, op.Query)
			e := example{"specimen", http.StatusOK, plainJSON(t, s.whole(schema))}
			require.NoError(t, schema.VisitJSON(e.value), "the specimen of %s", op.ID)
			t.Run(op.Name+"/"+name, func(t *testing.T) { testExample(t, op, e, losses) })
		}
	}
	losses.settle(t)
	broken.settle(t)
}

func testExample(t *testing.T, op intercomrbac.Operation, e example, losses *ledger) {
	got, err := decode(t, op.Name, e.status, e.value)
	if e.status >= 400 {
		checkRefusal(t, e, err)
		return
	}
	require.NoError(t, err)
	eachLoss(plainJSON(t, e.value), plainJSON(t, got), "", func(path string) {
		losses.note(op.ID+" "+path, "the client loses it")
	})
}

func checkRefusal(t *testing.T, e example, err error) {
	t.Helper()
	got, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok, "%v", err)
	var want struct {
		RequestID string `json:"request_id"`
		Errors    []intercomrbac.ErrorDetail
	}
	raw, _ := json.Marshal(e.value)
	require.NoError(t, json.Unmarshal(raw, &want))
	require.NotEmpty(t, want.Errors)
	assert.Equal(t, e.status, got.StatusCode)
	assert.Equal(t, want.RequestID, got.RequestID)
	assert.Equal(t, want.Errors, got.Errors)
	assert.Equal(t, want.Errors[0].Code, got.Code)
}

// testOtherExamples decodes the examples of another version. What they hold may differ; that they can be read may not.
func testOtherExamples(t *testing.T, file string) {
	tree, err := readTree(file)
	require.NoError(t, err)
	byID := map[string]object{}
	eachOperation(tree, func(_, _ string, op object) {
		if id, ok := op["operationId"].(string); ok {
			byID[id] = op
		}
	})
	n := 0
	for _, op := range intercomrbac.Operations() {
		for status, response := range dig(byID[op.ID], "responses") {
			code, err := strconv.Atoi(status)
			if err != nil {
				continue
			}
			for name, e := range dig(resolve(tree, dig(response)), "content", "application/json", "examples") {
				n++
				t.Run(fmt.Sprintf("%s/%s %s", op.Name, status, name), func(t *testing.T) {
					e := example{name, code, resolve(tree, dig(e))["value"]}
					_, err := decode(t, op.Name, e.status, e.value)
					if code >= 400 {
						checkRefusal(t, e, err)
						return
					}
					require.NoError(t, err)
				})
			}
		}
	}
	require.NotZero(t, n, "%s has no examples of these operations", file)
	t.Logf("%d examples decoded", n)
}
