package intercomrbac

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// surfaceOf reads the surface of the package, in which every method must have its one operation.
func surfaceOf(t *testing.T) *surface {
	t.Helper()
	s, err := readSurface(readSource(t))
	require.NoError(t, err)
	require.Empty(t, s.problems, "a method that calls Intercom passes do one operation; others are made of methods that do")
	return s
}

// The document holds each exported method that calls Intercom exactly once. "go generate" writes it anew.
func TestOperationsDocument(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "docs/operations.md", operationsDocument(t, surfaceOf(t)))
}

// operationsDocument is docs/operations.md.
func operationsDocument(t *testing.T, s *surface) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`<!-- Made from the operation table and the source by "go generate"; a test fails where it is not current. -->

# Operations

Each method that calls Intercom is one operation of the table that ` + "`Operations()`" + ` returns. The token needs the scope;
under a guard the principal needs the permission, and the audit trail has the action. A repeatable call is sent again when
its answer was lost.

| Method | Intercom's operation id | HTTP call | Scope | Permission | Audited action | Effect | Repeatable |
|---|---|---|---|---|---|---|---|
`)
	code := func(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }
	for _, method := range slices.Sorted(maps.Keys(s.calls)) {
		op, ok := LookupOperation(s.calls[method])
		require.True(t, ok, "%s: operation %s is not listed in operations.go", method, s.calls[method])
		request := op.Method + " " + op.Path
		if op.Query != "" {
			request += "?" + op.Query
		}
		request = code(request)
		if op.Body != "" {
			request += " with " + code(op.Body)
		}
		repeatable := "no"
		if op.Repeatable {
			repeatable = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", code(method), op.ID, request, op.Scope, code(string(op.Permission)), code(op.Name), op.Effect, repeatable)
	}
	b.WriteString(`
These have no operation of their own: they need what those need that they are made of.

| Method | Made of |
|---|---|
`)
	for _, method := range slices.Sorted(maps.Keys(s.made)) {
		fmt.Fprintf(&b, "| %s | %s |\n", code(method), code(strings.Join(s.made[method], "`, `")))
	}
	return b.String()
}

// The source, the table and what TestEveryMethodHasItsOperation says by hand agree.
func TestSourceAndTableHaveTheSameOperations(t *testing.T) {
	t.Parallel()
	s := surfaceOf(t)
	assert.Equal(t, operationOf, s.calls)
	assert.ElementsMatch(t, madeOfOthers, slices.Collect(maps.Keys(s.made)))
	var table []string
	for _, op := range Operations() {
		table = append(table, op.Name)
	}
	assert.Equal(t, table, slices.Sorted(maps.Values(s.calls)), "an operation of operations.go has no method or two, or that of a method is not listed there")
	for method, uses := range s.made {
		for _, used := range uses {
			assert.True(t, s.calls[used] != "" || s.made[used] != nil, "%s is made of %s, which calls nothing", method, used)
		}
	}
}

func TestReadSurface(t *testing.T) {
	t.Parallel()
	const head = `package p
type Client struct {
	Admins *AdminsService
	Teams  *TeamsService
	hidden *HiddenService
	s      settings
}
type AdminsService struct{ c *Client }
type TeamsService struct{ c *Client }
var (
	opGet = Operation{Name: "admins.get", Path: "/admins"}
	opPut = Operation{Path: "/admins", Name: "admins.put"}
)
var opTeams, other = Operation{Name: "teams.list"}, 1
`
	for name, tt := range map[string]struct {
		source   string
		calls    map[string]string
		made     map[string][]string
		problems []string
	}{
		"do": {source: `func (s *AdminsService) Get(ctx context.Context) (*Admin, error) { return do[Admin](ctx, s.c, call{op: opGet}) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"do of two types": {source: `func (s *AdminsService) Get(ctx context.Context) (*Admin, error) { return do[Admin, int](ctx, s.c, call{args: nil, op: opGet}) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"method do": {source: `func (s *AdminsService) Get(ctx context.Context) error { return s.c.do(ctx, &call{op: opGet}) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"op := first, and another one named": {source: `func (s *AdminsService) Get(ctx context.Context, p Params) error {
				op := opGet
				if err := p.check(opPut); err != nil { return invalid(op, "no") }
				return s.c.do(ctx, &call{op: op})
			}`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"var op, and a name for its name": {source: `func (s *AdminsService) Get(ctx context.Context) error { var o = opGet; op := o; in := call{op: op}; return s.c.do(ctx, &in) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"assigned to the call": {source: `func (s *AdminsService) Get(ctx context.Context) error { var in call; in.op = opGet; return s.c.do(ctx, &in) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"helper with a parameter": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return s.manage(ctx, opGet, 1) }
			func (s *AdminsService) Put(ctx context.Context) error { op := opPut; return s.manage(ctx, op, 1) }
			func (s *AdminsService) manage(ctx context.Context, op Operation, n int) error { if op == opPut { n++ }; return s.deeper(ctx, n, op) }
			func (s *AdminsService) deeper(ctx context.Context, n int, o Operation) error { return s.c.do(ctx, &call{op: o}) }`,
			calls: map[string]string{"Admins.Get": "admins.get", "Admins.Put": "admins.put"}},
		"helper with an operation of its own": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return s.get(ctx) }
			func (s *AdminsService) get(ctx context.Context) error { return s.c.do(ctx, &call{op: opGet}) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"helper of the package, of the client, of another type": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return send[int](ctx, s.c, opGet) }
			func (s *AdminsService) Put(ctx context.Context) error { return s.c.put(ctx, opPut) }
			func (s *TeamsService) List(ctx context.Context) error { return tags{s.c}.put(ctx, opTeams) }
			func send[T any](ctx context.Context, c *Client, op Operation) error { return c.do(ctx, &call{op: op}) }
			func (c *Client) put(ctx context.Context, op Operation) error { return c.do(ctx, &call{op: op}) }
			func (t tags) put(ctx context.Context, op Operation) error { return t.c.do(ctx, &call{op: op}) }`,
			calls: map[string]string{"Admins.Get": "admins.get", "Admins.Put": "admins.put", "Teams.List": "teams.list"}},
		"helper that is given the call": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return s.send(ctx, call{op: opGet}) }
			func (s *AdminsService) send(ctx context.Context, in call) error { return s.c.do(ctx, &in) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"made of others": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return s.c.do(ctx, &call{op: opGet}) }
			func (s *AdminsService) All(ctx context.Context) error { return all(ctx, func() error { return s.Get(ctx) }) }
			func (s *TeamsService) Move(ctx context.Context) error { if ctx == nil { return invalid(opTeams, "no") }; _ = s.c.Admins.Get(ctx); return s.each(ctx) }
			func (s *TeamsService) each(ctx context.Context) error { params.update(); return s.c.Admins.All(ctx) }
			func (w *Others) update(ctx context.Context) error { return w.client.do(ctx, &call{op: opTeams}) }
			func all(ctx context.Context, f func() error) error { return f() }`,
			calls: map[string]string{"Admins.Get": "admins.get"},
			made:  map[string][]string{"Admins.All": {"Admins.Get"}, "Teams.Move": {"Admins.All", "Admins.Get"}}},
		"sends, and uses others": {source: `
			func (s *AdminsService) Put(ctx context.Context) error { _ = s.Get(ctx); return s.c.do(ctx, &call{op: opPut}) }
			func (s *AdminsService) Get(ctx context.Context) error { return s.c.do(ctx, &call{op: opGet}) }`,
			calls: map[string]string{"Admins.Get": "admins.get", "Admins.Put": "admins.put"}},
		"functions that call each other": {source: `
			func (s *AdminsService) Get(ctx context.Context) error { return a(ctx, s.c, opGet) }
			func a(ctx context.Context, c *Client, op Operation) error { if ctx == nil { return b(ctx, c, op) }; return c.do(ctx, &call{op: op}) }
			func b(ctx context.Context, c *Client, op Operation) error { return a(ctx, c, op) }`,
			calls: map[string]string{"Admins.Get": "admins.get"}},
		"not about Intercom": {source: `
			func (s *AdminsService) Name() string { return "" }
			func (a *Admin) Get(ctx context.Context) {}`},

		"without an operation": {source: `func (s *AdminsService) Get(ctx context.Context) error { return s.c.do(ctx, &call{}) }`,
			problems: []string{"Admins.Get calls do with 0 operations: "}},
		"with one that is not declared": {source: `func (s *AdminsService) Get(ctx context.Context) error { return s.c.do(ctx, &call{op: opNone}) }`,
			problems: []string{"Admins.Get calls do with 0 operations: "}},
		"with two": {source: `func (s *AdminsService) Get(ctx context.Context, b bool) error { op := opGet; if b { op = opPut }; return s.c.do(ctx, &call{op: op}) }`,
			problems: []string{"Admins.Get calls do with 2 operations: opGet, opPut"}},
		"does nothing": {source: `func (s *AdminsService) Get(ctx context.Context) error { return invalid(opGet, "no") }`,
			problems: []string{"Admins.Get takes a context and calls neither do nor another method"}},
		"no field": {source: `func (s *HiddenService) Get(ctx context.Context) error { return s.c.do(ctx, &call{op: opGet}) }`,
			problems: []string{"HiddenService.Get: Client has no field for HiddenService"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := readSurface(map[string]string{"a.go": head, "b.go": "package p\n" + tt.source})
			require.NoError(t, err)
			assert.Equal(t, tt.problems, s.problems)
			if tt.calls == nil {
				tt.calls = map[string]string{}
			}
			if tt.made == nil {
				tt.made = map[string][]string{}
			}
			assert.Equal(t, tt.calls, s.calls)
			assert.Equal(t, tt.made, s.made)
		})
	}
	_, err := readSurface(map[string]string{"a.go": "package"})
	require.Error(t, err)
}
