package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
	"github.com/cedar-policy/cedar-go"
	"github.com/euroteltr/rbac"
	"github.com/intercomrbac/intercomrbac"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// ask is a question to a contender that is ready. What an engine wants made of two strings, ask makes each time, as a
// service would have to.
type ask func(role, permission string) (bool, error)

// contender is one way to answer the questions.
type contender struct {
	name string
	note string
	// linear: a first answer goes through all the rules, so that tests ask only a few of the large questions.
	linear bool
	build  func(grants) (ask, error)
}

// leftOut is the error of a contender that is not for a workload, and says why.
type leftOut string

func (e leftOut) Error() string { return string(e) }

// What is ours, for the page.
const (
	oursCan   = "intercomrbac Can"
	oursCheck = "intercomrbac Check"
)

var contenders = []contender{
	{name: oursCan, note: "yes or no", build: can},
	{name: oursCheck, note: "a decision with its reason, the principal made for each question", build: check},
	{name: "map of maps", note: "`m[role][permission]`; nothing else", build: mapOfMaps},
	{name: "switch", note: "written by hand as code; a change of policy is a new build", build: handSwitch},
	{name: "casbin Enforcer", note: "ACL model, `r.sub == p.sub && r.act == p.act`", linear: true, build: casbinPlain},
	{name: "casbin CachedEnforcer", note: "every answer from its cache; the first one costs what Enforcer does", linear: true, build: casbinCached},
	{name: "casbin SyncedCachedEnforcer", note: "the same", linear: true, build: casbinSyncedCached},
	{name: "cedar-go, grants in the entity", note: "one policy; a role is an entity with the set of its actions", build: cedarEntity},
	{name: "cedar-go, a policy per role", note: "`permit(principal == Role::\"…\", action in […], resource)`", build: cedarPolicies},
	{name: "OPA", note: "prepared query, grants as data in a store of parsed values, input given parsed", build: opa},
	{name: "euroteltr/rbac", note: "resource and action apart, as it wants them; the split is part of the question", build: euroteltr},
}

func newChecker(g grants) (*intercomrbac.Checker, error) {
	if g.stock {
		return intercomrbac.NewChecker(intercomrbac.StockPolicy())
	}
	policy := intercomrbac.Policy{
		Permissions: make(map[intercomrbac.Permission]intercomrbac.Declaration, len(g.permissions)),
		Roles:       make(map[intercomrbac.Role]intercomrbac.RoleRules, len(g.roles)),
	}
	for _, p := range g.permissions {
		policy.Permissions[intercomrbac.Permission(p)] = intercomrbac.Declaration{}
	}
	for _, role := range g.roles {
		allow := make([]intercomrbac.Rule, len(role.permissions))
		for i, p := range role.permissions {
			allow[i].Permission = intercomrbac.Permission(p)
		}
		policy.Roles[intercomrbac.Role(role.name)] = intercomrbac.RoleRules{Allow: allow}
	}
	return intercomrbac.NewChecker(policy)
}

func can(g grants) (ask, error) {
	checker, err := newChecker(g)
	return func(role, permission string) (bool, error) {
		return checker.Can(intercomrbac.Role(role), intercomrbac.Permission(permission)), nil
	}, err
}

func check(g grants) (ask, error) {
	checker, err := newChecker(g)
	ctx := context.Background()
	return func(role, permission string) (bool, error) {
		principal := intercomrbac.Principal{Service: "bench", Role: intercomrbac.Role(role)}
		decision, err := checker.Check(ctx, principal, intercomrbac.Permission(permission), intercomrbac.Resource{})
		return decision.Allowed, err
	}, err
}

func mapOfMaps(g grants) (ask, error) {
	held := make(map[string]map[string]bool, len(g.roles))
	for _, role := range g.roles {
		held[role.name] = make(map[string]bool, len(role.permissions))
		for _, p := range role.permissions {
			held[role.name][p] = true
		}
	}
	return func(role, permission string) (bool, error) { return held[role][permission], nil }, nil
}

func handSwitch(g grants) (ask, error) {
	if !g.stock {
		return nil, leftOut("it is the stock policy as code")
	}
	return stockSwitch, nil
}

func stockSwitch(role, permission string) (bool, error) {
	switch role {
	case "owner":
		switch permission {
		case "contacts:read", "contacts:write", "contacts:delete", "conversations:read", "conversations:reply",
			"conversations:assign", "conversations:close", "articles:read", "articles:write", "settings:manage":
			return true, nil
		}
	case "admin":
		switch permission {
		case "contacts:read", "contacts:write", "conversations:read", "conversations:reply", "conversations:assign",
			"conversations:close", "articles:read", "articles:write":
			return true, nil
		}
	case "agent":
		switch permission {
		case "contacts:read", "conversations:read", "conversations:reply":
			return true, nil
		}
	}
	return false, nil
}

const casbinModel = `
[request_definition]
r = sub, act

[policy_definition]
p = sub, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.act == p.act
`

// casbinEnforcer is what the three enforcers have in common here.
type casbinEnforcer interface {
	AddPolicies(rules [][]string) (bool, error)
	Enforce(values ...any) (bool, error)
}

func casbinWith[E casbinEnforcer](g grants, newEnforcer func(...any) (E, error)) (ask, error) {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, err
	}
	enforcer, err := newEnforcer(m)
	if err != nil {
		return nil, err
	}
	var rules [][]string
	for _, role := range g.roles {
		for _, p := range role.permissions {
			rules = append(rules, []string{role.name, p})
		}
	}
	if added, err := enforcer.AddPolicies(rules); err != nil || !added {
		return nil, fmt.Errorf("the rules were not added: %w", err)
	}
	return func(role, permission string) (bool, error) { return enforcer.Enforce(role, permission) }, nil
}

func casbinPlain(g grants) (ask, error)        { return casbinWith(g, casbin.NewEnforcer) }
func casbinCached(g grants) (ask, error)       { return casbinWith(g, casbin.NewCachedEnforcer) }
func casbinSyncedCached(g grants) (ask, error) { return casbinWith(g, casbin.NewSyncedCachedEnforcer) }

func cedarRole(name string) cedar.EntityUID { return cedar.NewEntityUID("Role", cedar.String(name)) }
func cedarAction(name string) cedar.EntityUID {
	return cedar.NewEntityUID("Action", cedar.String(name))
}

func cedarAsk(policies *cedar.PolicySet, entities cedar.EntityMap) ask {
	resource := cedar.NewEntityUID("Workspace", "one")
	return func(role, permission string) (bool, error) {
		decision, diagnostic := cedar.Authorize(policies, entities, cedar.Request{
			Principal: cedarRole(role), Action: cedarAction(permission), Resource: resource,
		})
		if len(diagnostic.Errors) > 0 {
			return false, fmt.Errorf("cedar: %s", diagnostic.Errors[0].Message)
		}
		return bool(decision), nil
	}
}

func cedarEntity(g grants) (ask, error) {
	policies, err := cedar.NewPolicySetFromBytes("grants.cedar",
		[]byte(`permit(principal, action, resource) when { principal.grants.contains(action) };`))
	if err != nil {
		return nil, err
	}
	entities := make(cedar.EntityMap, len(g.roles))
	for _, role := range g.roles {
		actions := make([]cedar.Value, len(role.permissions))
		for i, p := range role.permissions {
			actions[i] = cedarAction(p)
		}
		uid := cedarRole(role.name)
		entities[uid] = cedar.Entity{UID: uid, Attributes: cedar.NewRecord(cedar.RecordMap{"grants": cedar.NewSet(actions...)})}
	}
	return cedarAsk(policies, entities), nil
}

func cedarPolicies(g grants) (ask, error) {
	var text strings.Builder
	for _, role := range g.roles {
		actions := make([]string, len(role.permissions))
		for i, p := range role.permissions {
			actions[i] = cedarAction(p).String()
		}
		fmt.Fprintf(&text, "permit(principal == %s, action in [%s], resource);\n", cedarRole(role.name), strings.Join(actions, ", "))
	}
	policies, err := cedar.NewPolicySetFromBytes("roles.cedar", []byte(text.String()))
	if err != nil {
		return nil, err
	}
	return cedarAsk(policies, nil), nil
}

const regoModule = `package bench

default allow := false

allow if data.grants[input.role][input.permission]
`

func opa(g grants) (ask, error) {
	held := make(map[string]any, len(g.roles))
	for _, role := range g.roles {
		permissions := make(map[string]any, len(role.permissions))
		for _, p := range role.permissions {
			permissions[p] = true
		}
		held[role.name] = permissions
	}
	ctx := context.Background()
	store := inmem.NewFromObjectWithOpts(map[string]any{"grants": held}, inmem.OptReturnASTValuesOnRead(true))
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("bench.rego", regoModule), rego.Store(store)).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	roleKey, permissionKey := ast.StringTerm("role"), ast.StringTerm("permission")
	return func(role, permission string) (bool, error) {
		input := ast.NewObject(ast.Item(roleKey, ast.StringTerm(role)), ast.Item(permissionKey, ast.StringTerm(permission)))
		results, err := query.Eval(ctx, rego.EvalParsedInput(input))
		return results.Allowed(), err
	}, nil
}

func euroteltr(g grants) (ask, error) {
	actionsOf := func(permissions []string) map[string][]rbac.Action {
		actions := map[string][]rbac.Action{}
		for _, p := range permissions {
			resource, action, _ := strings.Cut(p, ":")
			actions[resource] = append(actions[resource], rbac.Action(action))
		}
		return actions
	}
	r := rbac.New(nil)
	for resource, actions := range actionsOf(g.permissions) {
		if _, err := r.RegisterPermission(resource, "", actions...); err != nil {
			return nil, err
		}
	}
	for _, role := range g.roles {
		if _, err := r.RegisterRole(role.name, ""); err != nil {
			return nil, err
		}
		for resource, actions := range actionsOf(role.permissions) {
			if err := r.Permit(role.name, r.GetPermission(resource), actions...); err != nil {
				return nil, err
			}
		}
	}
	return func(role, permission string) (bool, error) {
		resource, action, _ := strings.Cut(permission, ":")
		return r.IsGrantedStr(role, resource, rbac.Action(action)), nil
	}, nil
}
