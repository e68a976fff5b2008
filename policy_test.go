package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roles is what a policy in a test mostly consists of.
type roles = map[intercomrbac.Role]intercomrbac.RoleRules

// when is a rule under a condition.
func when(condition string, permission intercomrbac.Permission) intercomrbac.Rule {
	return intercomrbac.Rule{Permission: permission, When: condition}
}

// condition is one that is met or not, for any kind of resource.
func condition(name string, met bool) intercomrbac.Condition {
	return intercomrbac.Condition{Name: name, Met: func(context.Context, intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return met, nil }}
}

// checkerOf compiles a policy that has no mistake.
func checkerOf(tb testing.TB, policy intercomrbac.Policy, conditions ...intercomrbac.Condition) *intercomrbac.Checker {
	tb.Helper()
	c, err := intercomrbac.NewChecker(policy, conditions...)
	require.NoError(tb, err)
	return c
}

// flatten returns the single errors that an error joins.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	if inner := errors.Unwrap(err); inner != nil {
		if all := flatten(inner); len(all) > 1 {
			return all
		}
	}
	return []error{err}
}

// errorLines returns the text of a construction error, whose head must be as given, by its lines.
func errorLines(tb testing.TB, err error, head string) []string {
	tb.Helper()
	require.Error(tb, err)
	text, ok := strings.CutPrefix(err.Error(), head)
	require.True(tb, ok, "%s", err)
	return strings.Split(text, "\n")
}

func TestRule(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rule intercomrbac.Rule
		text string
		json string
	}{
		"zero":      {intercomrbac.Rule{}, "", `""`},
		"always":    {intercomrbac.Rule{Permission: "contacts:read"}, "contacts:read", `"contacts:read"`},
		"wildcard":  {intercomrbac.Rule{Permission: "*"}, "*", `"*"`},
		"condition": {when("assigned", "conversations:reply"), "conversations:reply when assigned", `{"permission":"conversations:reply","when":"assigned"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.text, tt.rule.String())
			b, err := json.Marshal(tt.rule)
			require.NoError(t, err)
			assert.JSONEq(t, tt.json, string(b))
			assert.Equal(t, tt.rule, reread(t, tt.rule))
		})
	}

	var rule intercomrbac.Rule
	require.NoError(t, json.Unmarshal([]byte(`{"permission":"contacts:read"}`), &rule), "an object without a condition is a rule as well")
	assert.Equal(t, intercomrbac.Rule{Permission: "contacts:read"}, rule)
	for _, bad := range []string{`1`, `null`, `[]`, `{"permission":"contacts:read","When":"self"}`, `{"permission":"a:b","permission":"a:b"}`, `{"when":""}`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &rule), bad)
	}

	assert.Equal(t, []intercomrbac.Rule{{Permission: "contacts:read"}, {Permission: "*"}}, intercomrbac.Rules("contacts:read", "*"))
	assert.Empty(t, intercomrbac.Rules())
}

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	got, err := intercomrbac.ParsePolicy([]byte(`
		{
		  "version": "2026-11",
		  "permissions": {"invoices:refund": {"resource": "invoice", "reserved": true}, "reports:read": {}},
		  "roles": {
		    "agent": {"allow": ["contacts:read", {"permission": "conversations:reply", "when": "assigned"}, {"permission": "teams:read"}]},
		    "lead":  {"inherits": ["agent"], "allow": ["conversations:*"], "deny": ["conversations:delete", {"when": "self", "permission": "admins:write"}]},
		    "nobody": {}
		  }
		}
	`))
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Policy{
		Version: "2026-11",
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{
			"invoices:refund": {Resource: "invoice", Reserved: true}, "reports:read": {},
		},
		Roles: roles{
			"agent": {Allow: []intercomrbac.Rule{{Permission: "contacts:read"}, when("assigned", "conversations:reply"), {Permission: "teams:read"}}},
			"lead": {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("conversations:*"),
				Deny: []intercomrbac.Rule{{Permission: "conversations:delete"}, when("self", "admins:write")}},
			"nobody": {},
		},
	}, got)
	assert.Equal(t, got, reread(t, got))

	var inside struct{ Policy *intercomrbac.Policy }
	require.NoError(t, json.Unmarshal([]byte(`{"policy": {"version": "v"}}`), &inside))
	assert.Equal(t, &intercomrbac.Policy{Version: "v"}, inside.Policy)
	assert.Error(t, json.Unmarshal([]byte(`{"policy": {"version": 1}}`), &inside))
	assert.Equal(t, &intercomrbac.Policy{Version: "v"}, inside.Policy, "a policy that cannot be read changes nothing")

	for _, empty := range []string{`{}`, ` {"version":"","permissions":{},"roles":{}} `} {
		got, err := intercomrbac.ParsePolicy([]byte(empty))
		require.NoError(t, err)
		assert.Equal(t, intercomrbac.Policy{}, got, "what is empty is as what is not there")
	}
}

func TestParsePolicyErrors(t *testing.T) {
	t.Parallel()
	const end = "the policy ends too early"
	tests := map[string]struct {
		in   string
		at   string // line:column
		want string // "" where the text is encoding/json's
	}{
		"nothing":               {``, "1:1", end},
		"white space":           {"\n\n  ", "3:3", end},
		"cut in the policy":     {`{`, "1:2", end},
		"cut behind a key":      {`{"version"`, "1:11", end},
		"cut in a text":         {`{"version": "abc`, "1:17", end},
		"cut behind a value":    {`{"version": "abc",`, "1:19", end},
		"cut behind a wrong":    {`{"version": 1`, "1:14", end},
		"cut in a list":         {"{\"roles\": {\"a\": {\"allow\": [\n\"x\",", "2:5", end},
		"word":                  {`{"version": tru}`, "1:16", ""},
		"comma too much":        {`{"version": "a",}`, "1:17", ""},
		"two commas":            {`{"version": "a",,}`, "1:17", ""},
		"no comma":              {`{"version": "a" "roles": {}}`, "1:17", ""},
		"no colon":              {`{"version" "a"}`, "1:12", ""},
		"comma in a list":       {"{\"roles\": {\"a\": {\n\"allow\": [\"x\",]}}}", "2:15", ""},
		"no comma in a list":    {"{\"roles\": {\"a\": {\n\"allow\": [\"x\" \"y\"]}}}", "2:15", ""},
		"wrong bracket":         {`{]`, "1:2", ""},
		"bracket left open":     {`{"roles": {"a": {"allow": [}}}`, "1:28", ""},
		"key is a number":       {`{1: 2}`, "1:2", ""},
		"key without quotes":    {`{version: "a"}`, "1:2", ""},
		"escape":                {`{"version": "a\q"}`, "1:16", ""},
		"line break in a text":  {"{\n \"version\": \"a\nb\"}", "2:15", ""},
		"control character":     {"{\"version\"\x01: \"a\"}", "1:11", ""},
		"comment":               {"{\n  // roles\n}", "2:3", ""},
		"byte order mark":       {"\ufeff{}", "1:1", ""},
		"not UTF-8":             {"{\"version\":\n\"é\xff\"}", "2:3", "the text is not UTF-8"},
		"not UTF-8, half a one": {"{\"version\": \"\xc3\"}", "1:14", "the text is not UTF-8"},

		"behind: text":        {`{} x`, "1:4", "something follows the policy"},
		"behind: policy":      {"{}\n\t{}", "2:2", "something follows the policy"},
		"behind: string":      {`{}"abc"`, "1:3", "something follows the policy"},
		"behind: comma":       {`{} ,`, "1:4", "something follows the policy"},
		"behind: bracket":     {`{}}`, "1:3", "something follows the policy"},
		"column in runes":     {`{"version": "äöü", "verzion": ""}`, "1:20", `the policy has an unknown key "verzion": did you mean "version"?`},
		"carriage return":     {"{\r\n\"x\": 1}", "2:1", `the policy has an unknown key "x"`},
		"null":                {`null`, "1:1", "the policy must be an object"},
		"list":                {` []`, "1:2", "the policy must be an object"},
		"string":              {`"*"`, "1:1", "the policy must be an object"},
		"unknown key":         {`{"rules": {}}`, "1:2", `the policy has an unknown key "rules": did you mean "roles"?`},
		"key in another case": {"{\n  \"Roles\": {}\n}", "2:3", `the policy has an unknown key "Roles": did you mean "roles"?`},
		"hostile key":         {`{"a\nb": {}}`, "1:2", `the policy has an unknown key "a\nb"`},
		"key twice":           {`{"roles": {}, "roles": {}}`, "1:15", `the policy has "roles" twice`},
		"key twice, escaped":  {`{"roles": {}, "role\u0073": {}}`, "1:15", `the policy has "roles" twice`},

		"version: number":       {`{"version": 1}`, "1:13", "the version must be a string"},
		"version: large number": {`{"version": 1e999}`, "1:13", "the version must be a string"},
		"version: null":         {`{"version": null}`, "1:13", "the version must be a string"},
		"version: object":       {`{"version" : {}}`, "1:14", "the version must be a string"},

		"permissions: list":      {`{"permissions": []}`, "1:17", "permissions must be an object"},
		"permissions: twice":     {"{\"permissions\": {\"a:b\": {},\n\"a:b\": {}}}", "2:1", `permissions has "a:b" twice`},
		"declaration: true":      {`{"permissions": {"a:b": true}}`, "1:25", "a permission must be an object"},
		"declaration: unknown":   {`{"permissions": {"a:b": {"reserve": true}}}`, "1:26", `a permission has an unknown key "reserve": did you mean "reserved"?`},
		"declaration: twice":     {`{"permissions": {"a:b": {"reserved": true, "reserved": false}}}`, "1:44", `a permission has "reserved" twice`},
		"declaration: reserved":  {`{"permissions": {"a:b": {"reserved": "true"}}}`, "1:38", "reserved must be true or false"},
		"declaration: null":      {`{"permissions": {"a:b": {"reserved": null}}}`, "1:38", "reserved must be true or false"},
		"declaration: resource":  {`{"permissions": {"a:b": {"resource": false}}}`, "1:38", "resource must be a string"},
		"roles: null":            {`{"roles": null}`, "1:11", "roles must be an object"},
		"roles: twice":           {"{\"roles\": {\"a\": {},\n  \"a\": {}}}", "2:3", `roles has "a" twice`},
		"role: list":             {`{"roles": {"a": ["*"]}}`, "1:17", "a role must be an object"},
		"role: unknown key":      {`{"roles": {"a": {"allows": []}}}`, "1:18", `a role has an unknown key "allows": did you mean "allow"?`},
		"role: far from any key": {`{"roles": {"a": {"permissions": []}}}`, "1:18", `a role has an unknown key "permissions"`},
		"role: case":             {`{"roles": {"a": {"Deny": []}}}`, "1:18", `a role has an unknown key "Deny": did you mean "deny"?`},
		"role: twice":            {`{"roles": {"a": {"deny": ["*"], "deny": []}}}`, "1:33", `a role has "deny" twice`},
		"inherits: string":       {`{"roles": {"a": {"inherits": "b"}}}`, "1:30", "inherits must be an array"},
		"inherits: object":       {`{"roles": {"a": {"inherits": [{}]}}}`, "1:31", "a role in inherits must be a string"},
		"allow: string":          {`{"roles": {"a": {"allow": "*"}}}`, "1:27", "allow must be an array"},
		"allow: null":            {`{"roles": {"a": {"allow": null}}}`, "1:27", "allow must be an array"},
		"deny: object":           {`{"roles": {"a": {"deny": {}}}}`, "1:26", "deny must be an array"},
		"rule: number":           {"{\"roles\": {\"a\": {\"allow\": [\"x\",\n\t1]}}}", "2:2", "a rule must be a string"},
		"rule: list":             {`{"roles": {"a": {"deny": [[]]}}}`, "1:27", "a rule must be a string"},
		"rule: unknown key":      {`{"roles": {"a": {"deny": [{"permision": "*"}]}}}`, "1:28", `a rule has an unknown key "permision": did you mean "permission"?`},
		"rule: twice":            {`{"roles": {"a": {"deny": [{"when": "x", "when": "x"}]}}}`, "1:41", `a rule has "when" twice`},
		"rule: permission":       {`{"roles": {"a": {"deny": [{"permission": ["*"]}]}}}`, "1:42", "permission must be a string"},
		"rule: when":             {`{"roles": {"a": {"deny": [{"when": true}]}}}`, "1:36", "when must be a string"},
		"rule: when empty":       {`{"roles": {"a": {"deny": [{"when": ""}]}}}`, "1:36", "when is empty: leave it out, and the rule holds always"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := intercomrbac.ParsePolicy([]byte(tt.in))
			require.Error(t, err)
			assert.Equal(t, intercomrbac.Policy{}, got)
			var line, column int
			_, scanned := fmt.Sscanf(tt.at, "%d:%d", &line, &column)
			require.NoError(t, scanned)
			place := fmt.Sprintf("intercomrbac: policy: line %d, column %d: ", line, column)
			if tt.want == "" {
				require.ErrorContains(t, err, place)
				assertOneLine(t, err.Error())
				return
			}
			assert.EqualError(t, err, place+tt.want)
		})
	}
}

func TestNewCheckerTellsAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	_, err := intercomrbac.NewChecker(intercomrbac.Policy{
		Version:     " v1",
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"Invoices": {}, "contacts:read": {}},
		Roles: roles{
			"Boss":  {Allow: intercomrbac.Rules("contact:read")},
			"agent": {Inherits: []intercomrbac.Role{"agnet", "lead"}, Deny: intercomrbac.Rules("contacts:delte")},
			"lead":  {Inherits: []intercomrbac.Role{"agent"}, Allow: []intercomrbac.Rule{when("asigned", "conversations:reply"), when("assigned", "contacts:read")}},
		},
	}, intercomrbac.Condition{Name: "vip"})
	assert.Equal(t, []string{
		`condition "vip" has no function Met`,
		`the version must be at most 128 printable characters, without spaces around them`,
		`permission "Invoices": the name must be resource:action, each of lower-case letters, digits and underscores`,
		`permission contacts:read is a stock one: declare it only to mark it reserved`,
		`role "Boss": the name must be lower-case letters, digits, underscores and dashes`,
		`role "Boss" allows "contact:read", which is an unknown permission: did you mean "contacts:read"?`,
		`role agent inherits from "agnet", which is unknown: did you mean "agent"?`,
		`role agent denies "contacts:delte", which is an unknown permission: did you mean "contacts:delete"?`,
		`role lead allows conversations:reply when "asigned", which is no condition: did you mean "assigned"?`,
		`role lead allows contacts:read when assigned: assigned is about resources of the kind conversation, contacts:read about the kind contact`,
		`roles inherit in a circle: agent from lead from agent`,
	}, errorLines(t, err, "intercomrbac: NewChecker: "))
	assert.Len(t, flatten(err), 11, "each is an error of its own")
}

func TestNewCheckerErrors(t *testing.T) {
	t.Parallel()
	allow := func(rules ...intercomrbac.Rule) roles { return roles{"a": {Allow: rules}} }
	deny := func(rules ...intercomrbac.Rule) roles { return roles{"a": {Deny: rules}} }
	own := map[intercomrbac.Permission]intercomrbac.Declaration{
		"invoices:read": {Resource: "invoice"}, "invoices:refund": {Resource: "invoice", Reserved: true}, "vault:open": {Reserved: true}, "reports:read": {},
	}
	unknown := func(asked, more string) []string {
		return []string{fmt.Sprintf("role a allows %q, which is an unknown permission%s", asked, more)}
	}
	tests := map[string]struct {
		policy     intercomrbac.Policy
		conditions []intercomrbac.Condition
		want       []string
	}{
		"rule: zero":                   {intercomrbac.Policy{Roles: allow(intercomrbac.Rule{})}, nil, unknown("", "")},
		"rule: no action":              {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts")...)}, nil, unknown("contacts", `: did you mean "contacts:*"?`)},
		"rule: case":                   {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("Contacts:Read")...)}, nil, unknown("Contacts:Read", `: did you mean "contacts:read"?`)},
		"rule: space":                  {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:read ")...)}, nil, unknown("contacts:read ", `: did you mean "contacts:read"?`)},
		"rule: letters swapped":        {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacst:raed")...)}, nil, unknown("contacst:raed", `: did you mean "contacts:read"?`)},
		"rule: three segments":         {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:read:all")...)}, nil, unknown("contacts:read:all", `: did you mean "contacts:read"?`)},
		"rule: far from any":           {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("launch_the_missiles:now")...)}, nil, unknown("launch_the_missiles:now", "")},
		"rule: hostile":                {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("a\n\x1b[2J")...)}, nil, unknown("a\n\x1b[2J", "")},
		"rule: the service's own":      {intercomrbac.Policy{Permissions: own, Roles: allow(intercomrbac.Rules("invoice:refund")...)}, nil, unknown("invoice:refund", `: did you mean "invoices:refund"?`)},
		"rule: not declared":           {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("invoices:refund")...)}, nil, unknown("invoices:refund", "")},
		"rule: twice":                  {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:read", "contacts:read")...)}, nil, []string{"role a allows contacts:read twice"}},
		"rule: denied twice":           {intercomrbac.Policy{Roles: deny(intercomrbac.Rules("contacts:read", "*", "contacts:read")...)}, nil, []string{"role a denies contacts:read twice"}},
		"rule: thrice":                 {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("*", "*", "*")...)}, nil, []string{"role a allows * twice", "role a allows * twice"}},
		"rule: twice, condition":       {intercomrbac.Policy{Roles: deny(when("self", "admins:read"), when("self", "admins:read"))}, nil, []string{"role a denies admins:read when self twice"}},
		"wildcard: twice":              {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:*", "*:read", "contacts:*")...)}, nil, []string{"role a allows contacts:* twice"}},
		"wildcard: two stars":          {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("*:*")...)}, nil, []string{"role a allows *:*: write * for every permission"}},
		"wildcard: stars":              {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("**")...)}, nil, unknown("**", "")},
		"wildcard: prefix":             {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:re*")...)}, nil, unknown("contacts:re*", `: did you mean "contacts:read"?`)},
		"wildcard: in a segment":       {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("cont*:read")...)}, nil, unknown("cont*:read", "")},
		"wildcard: three segments":     {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:*:*")...)}, nil, unknown("contacts:*:*", `: did you mean "contacts:*"?`)},
		"wildcard: regular expression": {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contacts:.*")...)}, nil, unknown("contacts:.*", `: did you mean "contacts:*"?`)},
		"wildcard: covers nothing":     {intercomrbac.Policy{Roles: allow(intercomrbac.Rules("contact:*")...)}, nil, []string{`role a allows contact:*, which covers no permission: did you mean "contacts:*"?`}},
		"wildcard: no such action":     {intercomrbac.Policy{Roles: deny(intercomrbac.Rules("*:wirte")...)}, nil, []string{`role a denies *:wirte, which covers no permission: did you mean "*:write"?`}},
		"wildcard: reserved alone": {intercomrbac.Policy{Permissions: own, Roles: roles{"a": {Allow: intercomrbac.Rules("vault:*", "*:impersonate"), Deny: intercomrbac.Rules("vault:*")}}}, nil,
			[]string{"role a allows vault:*, which covers reserved permissions alone: name those that it may have",
				"role a allows *:impersonate, which covers reserved permissions alone: name those that it may have"}},

		"condition: unknown":       {intercomrbac.Policy{Roles: deny(when("slef", "admins:read"))}, nil, []string{`role a denies admins:read when "slef", which is no condition: did you mean "self"?`}},
		"condition: the service's": {intercomrbac.Policy{Roles: deny(when("vipp", "admins:read"))}, []intercomrbac.Condition{condition("vip", true)}, []string{`role a denies admins:read when "vipp", which is no condition: did you mean "vip"?`}},
		"condition: case":          {intercomrbac.Policy{Roles: allow(when("Self", "admins:read"))}, nil, []string{`role a allows admins:read when "Self", which is no condition: did you mean "self"?`}},
		"condition: other kind":    {intercomrbac.Policy{Roles: allow(when("self", "contacts:read"))}, nil, []string{"role a allows contacts:read when self: self is about resources of the kind admin, contacts:read about the kind contact"}},
		"condition: no kind": {intercomrbac.Policy{Permissions: own, Roles: allow(when("self", "reports:read"))}, nil,
			[]string{"role a allows reports:read when self: self is about resources of the kind admin, reports:read about no kind of resource"}},
		"condition: wildcard": {intercomrbac.Policy{Roles: allow(when("assigned", "*:reply"), when("assigned", "*:read"))}, nil,
			[]string{"role a allows *:read when assigned: assigned is about resources of the kind conversation, activity_logs:read about the kind activity_log"}},

		"parent: unknown":   {intercomrbac.Policy{Roles: roles{"agent": {}, "lead": {Inherits: []intercomrbac.Role{"agents"}}}}, nil, []string{`role lead inherits from "agents", which is unknown: did you mean "agent"?`}},
		"parent: empty":     {intercomrbac.Policy{Roles: roles{"lead": {Inherits: []intercomrbac.Role{""}}}}, nil, []string{`role lead inherits from "", which is unknown`}},
		"parent: twice":     {intercomrbac.Policy{Roles: roles{"agent": {}, "lead": {Inherits: []intercomrbac.Role{"agent", "agent"}}}}, nil, []string{`role lead inherits from agent twice`}},
		"circle: of itself": {intercomrbac.Policy{Roles: roles{"a": {Inherits: []intercomrbac.Role{"a"}}}}, nil, []string{`roles inherit in a circle: a from a`}},
		"circle: of three": {intercomrbac.Policy{Roles: roles{"a": {Inherits: []intercomrbac.Role{"b"}}, "b": {Inherits: []intercomrbac.Role{"c"}}, "c": {Inherits: []intercomrbac.Role{"a"}}, "d": {Inherits: []intercomrbac.Role{"a"}}}}, nil,
			[]string{`roles inherit in a circle: a from b from c from a`}},
		"circle: two of them": {intercomrbac.Policy{Roles: roles{"a": {Inherits: []intercomrbac.Role{"b"}}, "b": {Inherits: []intercomrbac.Role{"a"}}, "c": {Inherits: []intercomrbac.Role{"c", "a"}}}}, nil,
			[]string{`roles inherit in a circle: a from b from a`, `roles inherit in a circle: c from c`}},
		"role: empty":       {intercomrbac.Policy{Roles: roles{"": {}}}, nil, []string{`role "": the name must be lower-case letters, digits, underscores and dashes`}},
		"role: wildcard":    {intercomrbac.Policy{Roles: roles{"*": {}}}, nil, []string{`role "*": the name must be lower-case letters, digits, underscores and dashes`}},
		"role: dash first":  {intercomrbac.Policy{Roles: roles{"-a": {}}}, nil, []string{`role "-a": the name must be lower-case letters, digits, underscores and dashes`}},
		"role: digit first": {intercomrbac.Policy{Roles: roles{"1a": {}}}, nil, []string{`role "1a": the name must be lower-case letters, digits, underscores and dashes`}},
		"role: too long": {intercomrbac.Policy{Roles: roles{intercomrbac.Role(strings.Repeat("a", 65)): {}}}, nil,
			[]string{`role "` + strings.Repeat("a", 65) + `": the name must be lower-case letters, digits, underscores and dashes`}},
		"role: hostile": {intercomrbac.Policy{Roles: roles{"a\nb": {Inherits: []intercomrbac.Role{"a\nc", "a\nb"}, Allow: append(intercomrbac.Rules("x:y", "*", "*", "*:*"), when("self", "teams:read"), when("who", "teams:read"))}}}, nil,
			[]string{`role "a\nb": the name must be lower-case letters, digits, underscores and dashes`,
				`role "a\nb" inherits from "a\nc", which is unknown: did you mean "a\nb"?`,
				`role "a\nb" allows "x:y", which is an unknown permission`,
				`role "a\nb" allows * twice`,
				`role "a\nb" allows *:*: write * for every permission`,
				`role "a\nb" allows teams:read when self: self is about resources of the kind admin, teams:read about the kind team`,
				`role "a\nb" allows teams:read when "who", which is no condition`,
				`roles inherit in a circle: "a\nb" from "a\nb"`}},

		"declaration: grammar": {intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"": {}, "*": {}, "a": {}, "a:*": {}, "a:b:c": {}, "a:B": {}, "a: b": {}, "_a:b": {}, "a:1": {}, "é:b": {}, intercomrbac.Permission("a:" + strings.Repeat("b", 65)): {}}}, nil,
			[]string{
				`permission "": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "*": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "_a:b": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a: b": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a:*": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a:1": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a:B": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a:b:c": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "a:` + strings.Repeat("b", 65) + `": the name must be resource:action, each of lower-case letters, digits and underscores`,
				`permission "é:b": the name must be resource:action, each of lower-case letters, digits and underscores`,
			}},
		"declaration: resource":             {intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"a:b": {Resource: "A thing"}}}, nil, []string{`permission a:b: the resource "A thing" must be lower-case letters, digits and underscores`}},
		"declaration: stock, other kind":    {intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"contacts:read": {Resource: "admin", Reserved: true}}}, nil, []string{`permission contacts:read is a stock one: declare it only to mark it reserved`}},
		"declaration: stock, as it is":      {intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"contacts:read": {Resource: "contact"}}}, nil, []string{`permission contacts:read is a stock one: declare it only to mark it reserved`}},
		"declaration: stock, not reserved":  {intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"admins:impersonate": {}}}, nil, []string{`permission admins:impersonate is a stock one: declare it only to mark it reserved`}},
		"version: line break":               {intercomrbac.Policy{Version: "a\nb"}, nil, []string{`the version must be at most 128 printable characters, without spaces around them`}},
		"version: too long":                 {intercomrbac.Policy{Version: strings.Repeat("v", 129)}, nil, []string{`the version must be at most 128 printable characters, without spaces around them`}},
		"version: not UTF-8":                {intercomrbac.Policy{Version: "\xff"}, nil, []string{`the version must be at most 128 printable characters, without spaces around them`}},
		"registered: no name":               {intercomrbac.Policy{}, []intercomrbac.Condition{condition("", true)}, []string{`condition "": the name must be lower-case letters, digits and underscores`}},
		"registered: dash":                  {intercomrbac.Policy{}, []intercomrbac.Condition{condition("very-important", true)}, []string{`condition "very-important": the name must be lower-case letters, digits and underscores`}},
		"registered: no function":           {intercomrbac.Policy{}, []intercomrbac.Condition{{Name: "vip"}}, []string{`condition "vip" has no function Met`}},
		"registered: resource":              {intercomrbac.Policy{}, []intercomrbac.Condition{{Name: "vip", Resource: "Contact"}}, []string{`condition "vip": the resource "Contact" must be lower-case letters, digits and underscores`}},
		"registered: in place of the stock": {intercomrbac.Policy{}, []intercomrbac.Condition{condition("self", true)}, []string{`condition "self" is there twice: the stock ones are assigned, assigned_team and self`}},
		"registered: twice":                 {intercomrbac.Policy{}, []intercomrbac.Condition{condition("vip", true), condition("vip", false)}, []string{`condition "vip" is there twice: the stock ones are assigned, assigned_team and self`}},
		"registered: hostile": {intercomrbac.Policy{Roles: allow(when("a\nb", "contacts:read"), when("a\nb", "contacts:read"), when("vip", "teams:read"), when("vip", "teams:read"))},
			[]intercomrbac.Condition{{Name: "a\nb", Met: condition("x", true).Met}, {Name: "vip", Resource: "x\ny", Met: condition("x", true).Met}},
			[]string{`condition "a\nb": the name must be lower-case letters, digits and underscores`,
				`condition "vip": the resource "x\ny" must be lower-case letters, digits and underscores`,
				`role a allows contacts:read when "a\nb" twice`,
				`role a allows teams:read when vip: vip is about resources of the kind "x\ny", teams:read about the kind team`,
				`role a allows teams:read when vip twice`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := intercomrbac.NewChecker(tt.policy, tt.conditions...)
			assert.Equal(t, tt.want, errorLines(t, err, "intercomrbac: NewChecker: "))
			assert.Nil(t, c)
			for _, line := range tt.want {
				assertOneLine(t, line)
			}
			if len(tt.conditions) > 0 {
				return
			}

			// The same words by the other ways in, and nothing of the policy in force is changed.
			c = checkerOf(t, intercomrbac.StockPolicy())
			before := c.Policy()
			assert.Equal(t, tt.want, errorLines(t, c.Swap(tt.policy), "intercomrbac: Swap: the old policy stays: "))
			assert.Equal(t, before, c.Policy())
			assert.True(t, c.Can("owner", "contacts:delete"))
		})
	}
}

// A policy may be larger than 16 bits can number; it is then an error, never a wrong answer.
func TestTooLargePolicies(t *testing.T) {
	t.Parallel()
	p := intercomrbac.Policy{Roles: roles{}}
	for i := range 1<<16 - 1 {
		p.Roles[intercomrbac.Role(fmt.Sprintf("role-%d", i))] = intercomrbac.RoleRules{}
	}
	_, err := intercomrbac.NewChecker(p)
	assert.EqualError(t, err, "intercomrbac: NewChecker: there are 65535 roles: at most 65534 can be told apart")

	p = intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{}}
	for i := range 1<<16 - 1 - 24 {
		p.Permissions[intercomrbac.Permission(fmt.Sprintf("thing_%d:read", i))] = intercomrbac.Declaration{}
	}
	p.Permissions["zzz:read"] = intercomrbac.Declaration{}
	_, err = intercomrbac.NewChecker(p)
	assert.EqualError(t, err, "intercomrbac: NewChecker: there are 65536 permissions: at most 65535 can be told apart")

	delete(p.Permissions, "zzz:read")
	p.Roles = roles{"a": {Allow: intercomrbac.Rules("thing_65510:read")}}
	c := checkerOf(t, p)
	assert.True(t, c.Can("a", "thing_65510:read"))
	assert.False(t, c.Can("a", "thing_65509:read"))
	assert.ErrorContains(t, c.Swap(intercomrbac.Policy{Permissions: p.Permissions, Roles: roles{"a": {Allow: intercomrbac.Rules("*")}}}),
		"role a allows *: there are more than 65535 permissions and wildcards")
}

// To forget the declarations of a large policy is one mistake a hundred thousand times.
func TestManyMistakesAreToldQuickly(t *testing.T) {
	t.Parallel()
	w := largeWorkload()
	w.policy.Permissions = nil
	rules := 0
	for _, r := range w.policy.Roles {
		rules += len(r.Allow)
	}
	promptly(t, "an error", func() {
		_, err := intercomrbac.NewChecker(w.policy)
		assert.Len(t, flatten(err), rules)
	})
}

func TestDiff(t *testing.T) {
	t.Parallel()
	from := intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"reports:read": {}},
		Roles: roles{
			"agent":  {Allow: intercomrbac.Rules("contacts:read", "teams:read", "conversations:reply")},
			"lead":   {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("tags:*")},
			"leaves": {Allow: intercomrbac.Rules("reports:read")},
			"same":   {Allow: intercomrbac.Rules("*")},
		},
	}
	to := intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"reports:read": {}},
		Roles: roles{
			"agent": {Allow: []intercomrbac.Rule{{Permission: "contacts:read"}, when("assigned", "conversations:reply"), {Permission: "tags:read"}},
				Deny: []intercomrbac.Rule{when("spam", "contacts:read"), when("old", "contacts:read")}},
			"lead":  {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("tags:read"), Deny: intercomrbac.Rules("*:reply")},
			"joins": {Allow: intercomrbac.Rules("reports:read")},
			// The same rights in other words.
			"same": {Inherits: []intercomrbac.Role{"joins"}, Allow: intercomrbac.Rules("*", "contacts:*")},
		},
	}
	grant := func(role intercomrbac.Role, permission intercomrbac.Permission, when string, unless ...string) intercomrbac.Grant {
		return intercomrbac.Grant{Role: role, Permission: permission, When: when, Unless: unless}
	}
	forth := []intercomrbac.RoleChange{
		{Role: "agent",
			Gains: []intercomrbac.Grant{grant("agent", "contacts:read", "", "old", "spam"), grant("agent", "conversations:reply", "assigned"), grant("agent", "tags:read", "")},
			Loses: []intercomrbac.Grant{grant("agent", "contacts:read", ""), grant("agent", "conversations:reply", ""), grant("agent", "teams:read", "")}},
		{Role: "joins", Gains: []intercomrbac.Grant{grant("joins", "reports:read", "")}},
		{Role: "lead",
			Gains: []intercomrbac.Grant{grant("lead", "contacts:read", "", "old", "spam")},
			Loses: []intercomrbac.Grant{grant("lead", "contacts:read", ""), grant("lead", "conversations:reply", ""), grant("lead", "tags:delete", ""), grant("lead", "tags:write", ""), grant("lead", "teams:read", "")}},
		{Role: "leaves", Loses: []intercomrbac.Grant{grant("leaves", "reports:read", "")}},
	}
	got, err := from.Diff(to)
	require.NoError(t, err)
	assert.Equal(t, forth, got)

	back := make([]intercomrbac.RoleChange, len(forth))
	for i, change := range forth {
		back[i] = intercomrbac.RoleChange{Role: change.Role, Gains: change.Loses, Loses: change.Gains}
	}
	got, err = to.Diff(from)
	require.NoError(t, err)
	assert.Equal(t, back, got)

	for _, p := range []intercomrbac.Policy{{}, from, to, intercomrbac.StockPolicy()} {
		got, err := p.Diff(p)
		require.NoError(t, err)
		assert.Nil(t, got)
	}

	texts := []string{}
	for _, g := range append(forth[0].Gains, grant("agent", "tags:read", "vip", "spam")) {
		texts = append(texts, g.String())
	}
	assert.Equal(t, []string{"contacts:read unless old, spam", "conversations:reply when assigned", "tags:read", "tags:read when vip unless spam"}, texts)
}

func TestDiffErrors(t *testing.T) {
	t.Parallel()
	good := intercomrbac.StockPolicy()
	allow := func(rule intercomrbac.Rule) intercomrbac.Policy {
		return intercomrbac.Policy{Roles: roles{"a": {Allow: []intercomrbac.Rule{rule}}}}
	}
	tests := map[string]struct {
		rule intercomrbac.Rule
		want string
	}{
		"permission":             {intercomrbac.Rule{Permission: "contact:read"}, `role a allows "contact:read", which is an unknown permission: did you mean "contacts:read"?`},
		"no name of a condition": {when("V I P", "contacts:read"), `role a allows contacts:read when "V I P", which is no condition`},
		"stock condition of another kind": {when("assigned", "contacts:read"),
			"role a allows contacts:read when assigned: assigned is about resources of the kind conversation, contacts:read about the kind contact"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := allow(tt.rule)
			for want, pair := range map[string][2]intercomrbac.Policy{
				"in the policy itself: " + tt.want:                                       {bad, good},
				"in the other policy: " + tt.want:                                        {good, bad},
				"in the policy itself: " + tt.want + "\nin the other policy: " + tt.want: {bad, bad},
			} {
				got, err := pair[0].Diff(pair[1])
				require.EqualError(t, err, "intercomrbac: Diff: "+want)
				assert.Nil(t, got)
			}
		})
	}
	_, err := good.Diff(allow(when("whatever_the_service_has", "contacts:read")))
	assert.NoError(t, err, "conditions are known to a checker only")
}

// assertShortErrors checks of each of the errors that it is one line of bounded length, whatever names it quotes: 80
// characters of each, up to ten bytes for one in quotes.
func assertShortErrors(t *testing.T, err error) {
	t.Helper()
	for _, e := range flatten(err) {
		assert.False(t, strings.ContainsFunc(e.Error(), unicode.IsControl), "%q is not one line", e)
		assert.LessOrEqual(t, len(e.Error()), 2*80*10+200, "%q", e)
	}
}

// What can be read is written as it was read; what compiles means the same after it was written.
func FuzzPolicyJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"version":"v1"}`, `{"roles":{"agent":{}}}`, `{"roles":{"Agent":{"allow":["contacts:raed"]}}}`,
		`{"permissions":{"invoices:refund":{"resource":"invoice","reserved":true}},"roles":{"a":{"allow":["invoices:refund","*"]}}}`,
		`{"roles":{"agent":{"allow":["contacts:read",{"permission":"conversations:reply","when":"assigned"}]},"lead":{"inherits":["agent"],"allow":["conversations:*"],"deny":["conversations:delete"]}}}`,
		`{"roles":{"a":{"inherits":["b"]},"b":{"inherits":["a"]}}}`, `{"roles":{"a":{"allow":["*","*"],"deny":[{"permission":"*","when":"vip"}]}}}`,
		`{"roles":{"a":{"allow":[{"permission":"*:read","when":"vip"},{"permission":"admins:*","when":"self"},{"permission":"*","when":"self"}]}}}`,
		`{"version":"\u00e9<&>\u2028","roles":{"a\nb":{"inherits":["a\nc"],"allow":["",{},{"when":"x\u0000"}]}}}`,
		`{"permissions":{"contacts:read":{"reserved":true},"x":{"resource":"\ud800"}}}`, `{"version":1e999}`, `{} x`, "{\"version\":\"\xff\"}", `{"roles":{},"roles":{}}`,
	} {
		f.Add([]byte(seed))
	}
	vip := condition("vip", true)
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := intercomrbac.ParsePolicy(in)
		if err != nil {
			assertShortErrors(t, err)
			assert.Equal(t, intercomrbac.Policy{}, p)
			return
		}
		again := reread(t, p)
		require.Equal(t, p, again)

		c, err := intercomrbac.NewChecker(p, vip)
		if err != nil {
			assertShortErrors(t, err)
			return
		}
		for _, same := range []intercomrbac.Policy{again, c.Policy(), reread(t, c.Policy())} {
			other := checkerOf(t, same, vip)
			assert.Equal(t, c.Version(), other.Version())
			assert.Equal(t, c.Matrix(), other.Matrix())
			assert.Equal(t, c.Policy(), other.Policy())
		}
		changes, err := p.Diff(c.Policy())
		require.NoError(t, err)
		assert.Empty(t, changes)
	})
}

// The grammar as it is written down, apart from the code.
var (
	writtenPermission = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}:[a-z][a-z0-9_]{0,63}$`)
	writtenWildcard   = regexp.MustCompile(`^(\*|[a-z][a-z0-9_]{0,63}:\*|\*:[a-z][a-z0-9_]{0,63})$`)
)

// Any text as a declared permission, in a rule, and as a question.
func FuzzPermission(f *testing.F) {
	for _, seed := range []string{"", "contacts:read", "Contacts:read", "contacts:read ", "*", "**", "*:*", "contacts:*", "*:read", "*:impersonate", "contacts:rea*", "invoices:refund",
		"a:b:c", ":", "a:", ":b", "contacts:read\n", "contacts:read\x00", "é:b", "\xff", "_a:b", "a1_:b2_", "admins:impersonate", "contacts:r\u0435ad"} {
		f.Add(seed)
	}
	everything := checkerOf(f, intercomrbac.Policy{Roles: roles{"all": {Allow: intercomrbac.Rules("*", "admins:impersonate")}}})
	known := map[intercomrbac.Permission]bool{}
	for _, g := range everything.Permissions("all") {
		known[g.Permission] = true
	}
	require.Len(f, known, 24)
	f.Fuzz(func(t *testing.T, text string) {
		p := intercomrbac.Permission(text)
		principal := intercomrbac.Principal{AdminID: "1", Role: "all"}

		// As a question.
		assert.Equal(t, known[p], everything.Can("all", p))
		d, err := everything.Check(t.Context(), principal, p, intercomrbac.Resource{})
		require.NoError(t, err)
		assert.Equal(t, known[p], d.Allowed)
		assert.Equal(t, !known[p], d.Reason == intercomrbac.ReasonUnknownPermission)
		assert.Equal(t, known[p], everything.WhoCan(p) != nil)
		for _, line := range []string{d.String(), everything.Explain("all", p), everything.Explain(intercomrbac.Role(text), p)} {
			assert.False(t, strings.ContainsFunc(line, unicode.IsControl), "%q", line)
		}
		d, err = everything.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: intercomrbac.Role(text)}, "contacts:read", intercomrbac.Resource{})
		require.NoError(t, err)
		assert.Equal(t, text == "all", d.Allowed)

		// In a rule: a permission that there is, or a wildcard that covers one which is not reserved.
		rule := intercomrbac.Policy{Roles: roles{"a": {Allow: intercomrbac.Rules(p)}}}
		c, err := intercomrbac.NewChecker(rule)
		switch {
		case err != nil:
			assertShortErrors(t, err)
			assert.False(t, known[p])
		default:
			assert.True(t, known[p] || writtenWildcard.MatchString(text), "%q is of no grammar", text)
			assert.Equal(t, rule.Roles["a"].Allow, c.Policy().Roles["a"].Allow)
			assert.Equal(t, rule, reread(t, rule))
			assert.Equal(t, p == "admins:impersonate", c.Can("a", "admins:impersonate"))
		}

		// As a declaration.
		declared := intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{p: {}}, Roles: roles{"a": {Allow: intercomrbac.Rules(p)}}}
		c, err = intercomrbac.NewChecker(declared)
		assert.Equal(t, writtenPermission.MatchString(text) && !known[p], err == nil, "%q: %v", text, err)
		if err != nil {
			assertShortErrors(t, err)
			return
		}
		assert.Equal(t, []intercomrbac.Grant{{Role: "a", Permission: p}}, c.Permissions("a"))
		again := checkerOf(t, reread(t, declared))
		assert.Equal(t, c.Version(), again.Version())
		assert.Equal(t, c.Matrix(), again.Matrix())
	})
}

// The policy that a checker was made from, and those that it gives out, are not the one that it decides by.
func TestPoliciesAreCopied(t *testing.T) {
	t.Parallel()
	p := intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:read": {Resource: "invoice"}},
		Roles: roles{"agent": {Allow: intercomrbac.Rules("contacts:read", "invoices:read")},
			"lead": {Inherits: []intercomrbac.Role{"agent"}, Deny: []intercomrbac.Rule{when("vip", "contacts:read")}}},
	}
	conditions := []intercomrbac.Condition{condition("vip", true)}
	c := checkerOf(t, p, conditions...)
	want, matrix := c.Policy(), c.Matrix()

	vandalize := func(p intercomrbac.Policy) {
		for name, r := range p.Roles {
			for i := range r.Allow {
				r.Allow[i] = intercomrbac.Rule{Permission: "*"}
			}
			for i := range r.Deny {
				r.Deny[i] = intercomrbac.Rule{Permission: "teams:read"}
			}
			clear(r.Inherits)
			delete(p.Roles, name)
		}
		clear(p.Permissions)
	}
	vandalize(p)
	vandalize(c.Policy())
	conditions[0] = condition("self", false)
	for _, grants := range [][]intercomrbac.Grant{c.Permissions("lead"), c.WhoCan("contacts:read")} {
		for i := range grants {
			for j := range grants[i].Unless {
				grants[i].Unless[j] = "never"
			}
			grants[i] = intercomrbac.Grant{}
		}
	}
	slices.Reverse(c.Roles())
	assert.Equal(t, want, c.Policy())
	assert.Equal(t, matrix, c.Matrix())

	stock := intercomrbac.StockPolicy()
	vandalize(stock)
	assert.False(t, reflect.DeepEqual(stock, intercomrbac.StockPolicy()), "StockPolicy gives a fresh copy")
}
