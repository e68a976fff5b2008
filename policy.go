package intercomrbac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Policy says which role may do what: a literal, or JSON that [ParsePolicy] reads. It is plain data without a meaning of
// its own until [NewChecker] has found it free of mistakes. The zero value has no roles and so allows nothing.
type Policy struct {
	// Version names this state of the policy; each decision tells it. Empty means a hash of the policy's content.
	Version string `json:"version,omitempty"`
	// Permissions declares the service's own permissions; the stock ones need no declaration.
	Permissions map[Permission]Declaration `json:"permissions,omitempty"`
	// Roles are all the roles there are. A name is of lower-case letters, digits, underscores and dashes, and begins
	// with a letter.
	Roles map[Role]RoleRules `json:"roles,omitempty"`
}

// Declaration tells of a permission what a policy needs to know. The zero value is that of an ordinary permission that
// is about no kind of resource.
type Declaration struct {
	// Resource is the kind of thing that the permission is about, such as "invoice". Conditions of that kind may
	// stand on it. A stock permission has its own.
	Resource string `json:"resource,omitempty"`
	// Reserved: wildcards do not grant it, only its exact name does. A stock permission is declared for this alone.
	Reserved bool `json:"reserved,omitempty"`
}

// RoleRules are what a role may and may not do: its own rules and, as a union, those of the roles it inherits from. Deny
// beats allow, wherever each stands; what no rule allows is denied. The zero value allows nothing.
type RoleRules struct {
	Inherits []Role `json:"inherits,omitempty"`
	Allow    []Rule `json:"allow,omitempty"`
	Deny     []Rule `json:"deny,omitempty"`
}

// Rule is a permission that is allowed or denied, always or under a condition. The zero value is an error. In JSON it is
// a string, or an object where there is a condition: {"permission": "conversations:reply", "when": "assigned"}.
type Rule struct {
	// Permission is a permission, or a wildcard: "contacts:*" is every permission of the resource, "*:read" that
	// action of every resource, "*" all there are. Nothing else is a pattern. A wildcard in Allow passes over
	// reserved permissions; in Deny it covers them too.
	Permission Permission
	// When is the name of a [Condition]; empty means always.
	When string
}

// Rules makes a rule without a condition of each permission.
func Rules(permissions ...Permission) []Rule {
	rules := make([]Rule, len(permissions))
	for i, p := range permissions {
		rules[i] = Rule{Permission: p}
	}
	return rules
}

// String returns "conversations:reply" or "conversations:reply when assigned".
func (r Rule) String() string {
	if r.When == "" {
		return string(r.Permission)
	}
	return string(r.Permission) + " when " + r.When
}

// MarshalJSON writes a string, or an object where there is a condition.
func (r Rule) MarshalJSON() ([]byte, error) {
	if r.When == "" {
		return json.Marshal(string(r.Permission))
	}
	return json.Marshal(struct {
		Permission Permission `json:"permission"`
		When       string     `json:"when"`
	}{r.Permission, r.When})
}

// UnmarshalJSON reads what MarshalJSON writes, as strictly as [ParsePolicy].
func (r *Rule) UnmarshalJSON(b []byte) error { return readAll(b, (*policyReader).rule, r) }

// UnmarshalJSON is [ParsePolicy]; lines and columns count from the beginning of the policy's own value.
func (p *Policy) UnmarshalJSON(b []byte) error {
	policy, err := ParsePolicy(b)
	if err != nil {
		return err
	}
	*p = policy
	return nil
}

// ParsePolicy reads a policy from JSON:
//
//	{
//	  "version": "2026-11",
//	  "permissions": {"invoices:refund": {"resource": "invoice", "reserved": true}},
//	  "roles": {
//	    "agent": {"allow": ["contacts:read", {"permission": "conversations:reply", "when": "assigned"}]},
//	    "lead":  {"inherits": ["agent"], "allow": ["conversations:*"], "deny": ["conversations:delete"]}
//	  }
//	}
//
// It is strict: a key that is unknown, in another case or given twice, a value of another type, and anything behind the
// policy are errors that tell line and column (in characters). The names are judged by [NewChecker].
func ParsePolicy(data []byte) (Policy, error) {
	var p Policy
	if err := readAll(data, (*policyReader).policy, &p); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// policyReader reads JSON token by token: encoding/json would accept keys in another case, and the last of two.
type policyReader struct {
	dec  *json.Decoder
	data []byte
}

func readAll[T any](data []byte, read func(*policyReader, *T) error, out *T) error {
	r := &policyReader{json.NewDecoder(bytes.NewReader(data)), data}
	r.dec.UseNumber()
	if err := r.syntax(); err != nil {
		return err
	}
	whole := new(T)
	if err := read(r, whole); err != nil {
		return err
	}
	*out = *whole
	return nil
}

// syntax finds what is not one value of JSON. It goes first because a decoder that gives tokens does not tell where.
func (r *policyReader) syntax() error {
	if !utf8.Valid(r.data) {
		return r.fail(int64(invalidAt(r.data)), "the text is not UTF-8")
	}
	whole := json.NewDecoder(bytes.NewReader(r.data))
	if err := whole.Decode(new(json.RawMessage)); err != nil {
		if s, ok := errors.AsType[*json.SyntaxError](err); ok {
			return r.fail(max(s.Offset-1, 0), "%s", strings.TrimPrefix(s.Error(), "json: "))
		}
		return r.fail(int64(len(r.data)), "the policy ends too early")
	}
	if rest := bytes.TrimLeft(r.data[whole.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return r.fail(int64(len(r.data)-len(rest)), "something follows the policy")
	}
	return nil
}

func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

// next is where the next token begins.
func (r *policyReader) next() int64 {
	at := r.dec.InputOffset()
	for at < int64(len(r.data)) && strings.IndexByte(" \t\r\n,:", r.data[at]) >= 0 {
		at++
	}
	return at
}

func (r *policyReader) fail(at int64, format string, args ...any) error {
	before := r.data[:min(at, int64(len(r.data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Errorf("intercomrbac: policy: line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

// token reads a token that must be wanted: a json.Delim, or "" or false for any string or bool.
func (r *policyReader) token(wanted json.Token, what string) (json.Token, int64, error) {
	at := r.next()
	t, err := r.dec.Token()
	if err != nil {
		return nil, at, r.fail(at, "%s cannot be read", what) // syntax would have found it
	}
	var ok bool
	switch w := wanted.(type) {
	case json.Delim:
		ok = t == w
	case string:
		_, ok = t.(string)
	case bool:
		_, ok = t.(bool)
	}
	if !ok {
		return nil, at, r.fail(at, "%s must be %s", what, map[json.Token]string{
			json.Delim('{'): "an object", json.Delim('['): "an array", "": "a string", false: "true or false"}[wanted])
	}
	return t, at, nil
}

func (r *policyReader) text(what string, out *string) error {
	t, _, err := r.token("", what)
	if err == nil {
		*out, _ = t.(string)
	}
	return err
}

// object reads an object by a function for each key. With keys, others are errors.
func (r *policyReader) object(what string, keys []string, member func(key string) error) error {
	if _, _, err := r.token(json.Delim('{'), what); err != nil {
		return err
	}
	seen := map[string]bool{}
	for r.dec.More() {
		t, at, err := r.token("", "a key")
		if err != nil {
			return err
		}
		key, _ := t.(string)
		switch {
		case seen[key]:
			return r.fail(at, "%s has %.80q twice", what, key)
		case keys != nil && !slices.Contains(keys, key):
			return r.fail(at, "%s has an unknown key %.80q%s", what, key, didYouMean(key, keys))
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, _, err := r.token(json.Delim('}'), what)
	return err
}

func (r *policyReader) array(what string, element func() error) error {
	if _, _, err := r.token(json.Delim('['), what); err != nil {
		return err
	}
	for r.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, _, err := r.token(json.Delim(']'), what)
	return err
}

func (r *policyReader) policy(out *Policy) error {
	return r.object("the policy", []string{"version", "permissions", "roles"}, func(key string) error {
		switch key {
		case "version":
			return r.text("the version", &out.Version)
		case "permissions":
			return r.object("permissions", nil, func(name string) error {
				if out.Permissions == nil {
					out.Permissions = map[Permission]Declaration{}
				}
				d, err := r.declaration()
				out.Permissions[Permission(name)] = d
				return err
			})
		default:
			return r.object("roles", nil, func(name string) error {
				if out.Roles == nil {
					out.Roles = map[Role]RoleRules{}
				}
				rules, err := r.roleRules()
				out.Roles[Role(name)] = rules
				return err
			})
		}
	})
}

func (r *policyReader) declaration() (d Declaration, err error) {
	err = r.object("a permission", []string{"resource", "reserved"}, func(key string) error {
		if key == "resource" {
			return r.text("resource", &d.Resource)
		}
		t, _, err := r.token(false, "reserved")
		d.Reserved = t == true
		return err
	})
	return d, err
}

func (r *policyReader) roleRules() (rules RoleRules, err error) {
	err = r.object("a role", []string{"inherits", "allow", "deny"}, func(key string) error {
		if key == "inherits" {
			return r.array("inherits", func() error {
				var name string
				err := r.text("a role in inherits", &name)
				rules.Inherits = append(rules.Inherits, Role(name))
				return err
			})
		}
		list := &rules.Allow
		if key == "deny" {
			list = &rules.Deny
		}
		return r.array(key, func() error {
			var rule Rule
			err := r.rule(&rule)
			*list = append(*list, rule)
			return err
		})
	})
	return rules, err
}

func (r *policyReader) rule(out *Rule) error {
	at := r.next()
	if at >= int64(len(r.data)) || r.data[at] != '{' {
		var name string
		if err := r.text("a rule", &name); err != nil {
			return err
		}
		*out = Rule{Permission: Permission(name)}
		return nil
	}
	*out = Rule{}
	var permission string
	err := r.object("a rule", []string{"permission", "when"}, func(key string) error {
		if key == "permission" {
			return r.text("permission", &permission)
		}
		at := r.next()
		if err := r.text("when", &out.When); err != nil {
			return err
		}
		if out.When == "" {
			return r.fail(at, "when is empty: leave it out, and the rule holds always")
		}
		return nil
	})
	out.Permission = Permission(permission)
	return err
}

// Grant is a right of a role, with wildcards and inheritance resolved: Permission is allowed to Role when the condition
// When is met (empty: always), unless one of the conditions Unless is.
type Grant struct {
	Role       Role
	Permission Permission
	When       string
	Unless     []string
}

// String returns "conversations:reply", "conversations:reply when assigned" or "conversations:reply unless vip, spam".
func (g Grant) String() string { return Rule{g.Permission, g.When}.String() + unless(g.Unless) }

func unless(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " unless " + strings.Join(conditions, ", ")
}

// RoleChange is what a role gains and loses from one policy to another.
type RoleChange struct {
	Role Role
	// Gains and Loses are ordered by permission. A right that becomes conditional is lost as the one and gained as
	// the other.
	Gains, Loses []Grant
}

// Diff lists what each role gains and loses when other takes the place of p, ordered by role; roles that keep what they
// have are left out. It is an error if either policy has a mistake that [NewChecker] would report; conditions of the
// service's own are taken as they come.
func (p Policy) Diff(other Policy) ([]RoleChange, error) {
	from, errFrom := compile(p, nil)
	to, errTo := compile(other, nil)
	if errFrom != nil {
		errFrom = fmt.Errorf("in the policy itself: %w", errFrom)
	}
	if errTo != nil {
		errTo = fmt.Errorf("in the other policy: %w", errTo)
	}
	if err := errors.Join(errFrom, errTo); err != nil {
		return nil, fmt.Errorf("intercomrbac: Diff: %w", err)
	}
	all := append(from.roleNames(), to.roleNames()...)
	slices.Sort(all)
	var changes []RoleChange
	for _, name := range slices.Compact(all) {
		before, after := from.grants(name), to.grants(name)
		change := RoleChange{Role: name, Gains: without(after, before), Loses: without(before, after)}
		if change.Gains != nil || change.Loses != nil {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

// without returns the grants that are not among others.
func without(grants, others []Grant) (left []Grant) {
	known := map[string]bool{}
	for _, g := range others {
		known[g.String()] = true
	}
	for _, g := range grants {
		if !known[g.String()] {
			left = append(left, g)
		}
	}
	return left
}
