package intercomrbac

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// surface is what the source says of the client's services.
type surface struct {
	// calls maps each exported method that calls Intercom itself to the name of its operation: "Conversations.Assign".
	calls map[string]string
	// made maps each that is made of others to those.
	made map[string][]string
	// problems are methods that the two maps cannot hold.
	problems []string
}

// readSource reads the Go files of the package that are no tests.
func readSource(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		files[name] = string(b)
	}
	return files
}

// sourceReader finds out by names alone, without types, which operation a method passes to do.
type sourceReader struct {
	services map[string]string          // type to field of Client: "ConversationsService" to "Conversations"
	ops      map[string]string          // variable to name of the operation
	funcs    map[string]*ast.FuncDecl   // "name", or "Type.name"
	methods  map[string][]*ast.FuncDecl // by name alone
	known    map[*ast.FuncDecl]*sending
}

// sending is how a function calls Intercom.
type sending struct {
	sends bool            // it, or a function that it calls, calls do
	ops   map[string]bool // with these operations, by variable
	param bool            // with one that it is given
	uses  map[string]bool // the exported methods of services that it calls
}

// readSurface reads Go files. What does not parse is an error.
func readSurface(files map[string]string) (*surface, error) {
	r := &sourceReader{services: map[string]string{}, ops: map[string]string{}, funcs: map[string]*ast.FuncDecl{},
		methods: map[string][]*ast.FuncDecl{}, known: map[*ast.FuncDecl]*sending{}}
	set := token.NewFileSet()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, err := parser.ParseFile(set, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			r.declare(decl)
		}
	}
	out := &surface{calls: map[string]string{}, made: map[string][]string{}}
	problem := func(format string, args ...any) { out.problems = append(out.problems, fmt.Sprintf(format, args...)) }
	for _, key := range slices.Sorted(maps.Keys(r.funcs)) {
		receiver, name, _ := strings.Cut(key, ".")
		if !strings.HasSuffix(receiver, "Service") || !ast.IsExported(name) {
			continue
		}
		field, ok := r.services[receiver]
		if !ok {
			problem("%s: Client has no field for %s", key, receiver)
			continue
		}
		method, how := field+"."+name, r.how(r.funcs[key])
		switch {
		case how.sends && len(how.ops) == 1:
			for op := range how.ops {
				out.calls[method] = r.ops[op]
			}
		case how.sends:
			problem("%s calls do with %d operations: %s", method, len(how.ops), strings.Join(slices.Sorted(maps.Keys(how.ops)), ", "))
		case len(how.uses) > 0:
			out.made[method] = slices.Sorted(maps.Keys(how.uses))
		case takesContext(r.funcs[key]):
			problem("%s takes a context and calls neither do nor another method", method)
		}
	}
	return out, nil
}

func (r *sourceReader) declare(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		key := d.Name.Name
		if receiver := receiverOf(d); receiver != "" {
			key = receiver + "." + key
			r.methods[d.Name.Name] = append(r.methods[d.Name.Name], d)
		}
		r.funcs[key] = d
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if fields, ok := s.Type.(*ast.StructType); ok && s.Name.Name == "Client" {
					r.fields(fields)
				}
			case *ast.ValueSpec:
				for i, value := range s.Values {
					if name, ok := operationName(value); ok {
						r.ops[s.Names[i].Name] = name
					}
				}
			}
		}
	}
}

func (r *sourceReader) fields(client *ast.StructType) {
	for _, field := range client.Fields.List {
		pointer, ok := field.Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if service, ok := pointer.X.(*ast.Ident); ok {
			for _, name := range field.Names {
				if name.IsExported() {
					r.services[service.Name] = name.Name
				}
			}
		}
	}
}

// operationName returns the Name of an Operation{…}.
func operationName(value ast.Expr) (string, bool) {
	lit, ok := value.(*ast.CompositeLit)
	if !ok || !isIdent(lit.Type, "Operation") {
		return "", false
	}
	if text, ok := member(lit, "Name").(*ast.BasicLit); ok {
		name, err := strconv.Unquote(text.Value)
		return name, err == nil
	}
	return "", false
}

// member returns the value of a key in a composite literal; nil if it has none.
func member(lit *ast.CompositeLit, key string) ast.Expr {
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && isIdent(pair.Key, key) {
			return pair.Value
		}
	}
	return nil
}

func isIdent(e ast.Expr, name string) bool {
	ident, ok := e.(*ast.Ident)
	return ok && ident.Name == name
}

func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	if ident, ok := uninstantiated(t).(*ast.Ident); ok {
		return ident.Name
	}
	return ""
}

// uninstantiated returns f of f[T].
func uninstantiated(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.IndexExpr:
		return e.X
	case *ast.IndexListExpr:
		return e.X
	}
	return e
}

func takesContext(d *ast.FuncDecl) bool {
	if params := d.Type.Params.List; len(params) > 0 {
		s, ok := params[0].Type.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Context"
	}
	return false
}

// how reads the body of a function, and of those that it calls: all but exported methods of services.
func (r *sourceReader) how(d *ast.FuncDecl) *sending {
	if h, ok := r.known[d]; ok {
		return h
	}
	h := &sending{ops: map[string]bool{}, uses: map[string]bool{}}
	r.known[d] = h // for functions that call each other
	if d.Body == nil {
		return h
	}
	params := map[string]bool{} // of type Operation
	for _, field := range d.Type.Params.List {
		for _, name := range field.Names {
			params[name.Name] = params[name.Name] || isIdent(field.Type, "Operation")
		}
	}
	locals := map[string][]string{} // what an operation was assigned to
	with := func(e ast.Expr) {      // do is called with e, if that names an operation
		ident, ok := e.(*ast.Ident)
		if !ok {
			return
		}
		h.param = h.param || params[ident.Name]
		for _, op := range append(locals[ident.Name], ident.Name) {
			if r.ops[op] != "" {
				h.ops[op] = true
			}
		}
	}
	assign := func(to, value ast.Expr) {
		from, ok := value.(*ast.Ident)
		if !ok {
			return
		}
		switch to := to.(type) {
		case *ast.Ident:
			if r.ops[from.Name] != "" {
				locals[to.Name] = append(locals[to.Name], from.Name)
			}
			locals[to.Name] = append(locals[to.Name], locals[from.Name]...)
		case *ast.SelectorExpr:
			if to.Sel.Name == "op" {
				with(value)
			}
		}
	}
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i := range n.Lhs {
				if len(n.Lhs) == len(n.Rhs) {
					assign(n.Lhs[i], n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, value := range n.Values {
				assign(n.Names[i], value)
			}
		case *ast.CompositeLit:
			if isIdent(n.Type, "call") {
				with(member(n, "op"))
			}
		case *ast.CallExpr:
			r.call(h, d, n, with)
		}
		return true
	})
	return h
}

// call reads one call within d.
func (r *sourceReader) call(h *sending, d *ast.FuncDecl, n *ast.CallExpr, with func(ast.Expr)) {
	var helpers []*ast.FuncDecl
	switch fun := uninstantiated(n.Fun).(type) {
	case *ast.Ident:
		if fun.Name == "do" {
			h.sends = true
			return
		}
		if helper := r.funcs[fun.Name]; helper != nil {
			helpers = []*ast.FuncDecl{helper}
		}
	case *ast.SelectorExpr:
		name := fun.Sel.Name
		if name == "do" {
			h.sends = true
			return
		}
		service := ""
		switch on := fun.X.(type) {
		case *ast.Ident: // s.List
			if d.Recv != nil && len(d.Recv.List[0].Names) > 0 && on.Name == d.Recv.List[0].Names[0].Name {
				service = r.services[receiverOf(d)]
			}
		case *ast.SelectorExpr: // s.c.Conversations.List
			for _, field := range r.services {
				if on.Sel.Name == field {
					service = field
				}
			}
		}
		if fun.Sel.IsExported() {
			if service != "" {
				h.uses[service+"."+name] = true
			}
			return
		}
		// What the rest is a method of is not known without types: it may be any of that name which takes a context and as much
		// more as it is given.
		if own := r.funcs[receiverOf(d)+"."+name]; own != nil && service != "" {
			helpers = []*ast.FuncDecl{own}
		} else {
			for _, m := range r.methods[name] {
				if takesContext(m) && m.Type.Params.NumFields() == len(n.Args) {
					helpers = append(helpers, m)
				}
			}
		}
	}
	for _, helper := range helpers {
		theirs := r.how(helper)
		h.sends = h.sends || theirs.sends
		maps.Copy(h.ops, theirs.ops)
		if !theirs.sends {
			maps.Copy(h.uses, theirs.uses)
		}
		if theirs.param {
			for _, arg := range n.Args {
				with(arg)
			}
		}
	}
}
