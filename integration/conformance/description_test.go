package conformance_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// variable names the files: the first is the description of the version that the client speaks.
const variable = "INTERCOM_OPENAPI"

func files() []string {
	return slices.DeleteFunc(filepath.SplitList(os.Getenv(variable)), func(f string) bool { return f == "" })
}

// theDescription returns the description of the version that the client speaks, or skips the test.
func theDescription(t *testing.T) *description {
	t.Helper()
	if len(files()) == 0 {
		t.Skipf("%s is not set: to compare with Intercom's description of its API, set it to the path of descriptions/2.16/api.intercom.io.yaml"+
			" of https://github.com/intercom/Intercom-OpenAPI", variable)
	}
	d, err := readOnce()
	require.NoError(t, err, "%s of %s", files()[0], variable)
	return d
}

var readOnce = sync.OnceValues(func() (*description, error) { return readDescription(files()[0]) })

// description is a description that was read, repaired and understood.
type description struct {
	doc        *openapi3.T
	operations map[string]*operation // by id
	repaired   map[string]int        // how often each fault was there
}

type operation struct {
	id, method, path string
	item             *openapi3.PathItem
	*openapi3.Operation
}

type object = map[string]any

// answerSchema is the schema of an answer, which at one place depends on what was asked for.
func (d *description) answerSchema(op *operation, status int, media *openapi3.MediaType, query string) *openapi3.Schema {
	if op.path == "/events" && status == http.StatusOK && strings.Contains(query, "summary=true") {
		return d.doc.Components.Schemas[eventCounts].Value
	}
	return media.Schema.Value
}

func readTree(file string) (object, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var tree object
	return tree, yaml.Unmarshal(raw, &tree)
}

func readDescription(file string) (*description, error) {
	tree, err := readTree(file)
	if err != nil {
		return nil, err
	}
	d := &description{operations: map[string]*operation{}, repaired: map[string]int{}}
	for _, r := range repairs {
		if r.tree != nil {
			d.repaired[r.name] = r.tree(tree)
		}
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	if d.doc, err = openapi3.NewLoader().LoadFromData(raw); err != nil {
		return nil, err
	}
	for _, r := range repairs {
		if r.doc != nil {
			d.repaired[r.name] = r.doc(d.doc)
		}
	}
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			d.operations[op.OperationID] = &operation{op.OperationID, method, path, item, op}
		}
	}
	return d, nil
}
