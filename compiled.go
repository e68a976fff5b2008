package intercomrbac

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac/internal/names"
)

// What a role's rules come to for one permission: nothing, or these bits.
const (
	notGranted uint8 = 0
	allowed          = allowAlways
	denied           = denyAlways

	allowAlways    uint8 = 1
	denyAlways     uint8 = 2
	allowSometimes uint8 = 4
	denySometimes  uint8 = 8
)

// always stands in place of a condition where there is none.
const always uint16 = 1<<15 - 1

// compiled is a policy ready to decide. It is never changed.
type compiled struct {
	permissions names.Set       // their places in names
	names       []Permission    // all there are, ordered
	kinds       []string        // kind of resource, by place
	reserved    []bool          // by place
	patterns    []Permission    // what rules say: names, then the wildcards that are used
	roles       names.Set       // their places in list
	list        []*compiledRole // ordered by name
	conditions  []Condition
	declared    map[Permission]Declaration
	given       string // the version that the policy names
	version     func() string
}

func (s *compiled) role(name Role) *compiledRole {
	i, ok := s.roles.Find(string(name))
	if !ok {
		return nil
	}
	return s.list[i]
}

func (s *compiled) roleNames() []Role {
	out := make([]Role, len(s.list))
	for i, r := range s.list {
		out[i] = r.name
	}
	return out
}

type compiledRole struct {
	name    Role
	id      uint16  // one more than its place in list
	outcome []uint8 // by permission; its length is that of names
	rules   []compactRule
	parents []*compiledRole // ordered by name
	// conditional are the rules under a condition, those of parents and of wildcards included, ordered.
	conditional []conditional
}

// compactRule keeps a rule small: a policy can have a hundred thousand.
type compactRule struct {
	pattern uint16 // place in patterns
	when    uint16 // place of the condition, or always; the top bit marks a deny
}

const denyBit uint16 = 1 << 15

func (r compactRule) condition() uint16 { return r.when &^ denyBit }
func (r compactRule) deny() bool        { return r.when&denyBit != 0 }

type conditional struct {
	permission uint16
	condition  uint16
	deny       bool
}

func compareConditional(a, b conditional) int {
	bit := func(v bool) int {
		if v {
			return 1
		}
		return 0
	}
	if c := int(a.permission) - int(b.permission); c != 0 {
		return c
	}
	if c := bit(a.deny) - bit(b.deny); c != 0 {
		return c
	}
	return int(a.condition) - int(b.condition)
}

// conditionals returns the role's rules under a condition for a permission.
func (r *compiledRole) conditionals(permission uint16) []conditional {
	from, _ := slices.BinarySearchFunc(r.conditional, permission, func(c conditional, p uint16) int { return int(c.permission) - int(p) })
	to := from
	for to < len(r.conditional) && r.conditional[to].permission == permission {
		to++
	}
	return r.conditional[from:to]
}

// rule finds the rule that decides: of the nearest role by inheritance, then by name; there the one that names the
// permission itself before a wildcard, and "*" last.
func (s *compiled) rule(r *compiledRole, permission, condition uint16, deny bool) (Role, Rule) {
	seen := map[*compiledRole]bool{r: true}
	for level := []*compiledRole{r}; len(level) > 0; {
		var next []*compiledRole
		slices.SortFunc(level, func(a, b *compiledRole) int { return strings.Compare(string(a.name), string(b.name)) })
		for _, role := range level {
			var best Permission
			for _, rule := range role.rules {
				pattern := s.patterns[rule.pattern]
				if rule.deny() != deny || rule.condition() != condition || !s.applies(pattern, permission, deny) {
					continue
				}
				if best == "" || specific(pattern) > specific(best) || specific(pattern) == specific(best) && pattern < best {
					best = pattern
				}
			}
			if best != "" {
				return role.name, Rule{best, s.conditionName(condition)}
			}
			for _, parent := range role.parents {
				if !seen[parent] {
					seen[parent] = true
					next = append(next, parent)
				}
			}
		}
		level = next
	}
	return "", Rule{}
}

func specific(pattern Permission) int {
	switch {
	case !strings.Contains(string(pattern), "*"):
		return 2
	case pattern != "*":
		return 1
	default:
		return 0
	}
}

// applies reports whether a rule's permission covers one that there is.
func (s *compiled) applies(pattern Permission, id uint16, deny bool) bool {
	return pattern == s.names[id] || pattern.isWildcard() && pattern.covers(s.names[id]) && (deny || !s.reserved[id])
}

func (s *compiled) conditionName(condition uint16) string {
	if condition == always {
		return ""
	}
	return s.conditions[condition].Name
}

// ruleText names a rule and the role that has it.
func (s *compiled) ruleText(r *compiledRole, permission, condition uint16, deny bool) string {
	role, rule := s.rule(r, permission, condition, deny)
	if role == r.name {
		return fmt.Sprintf("rule %q", rule)
	}
	return fmt.Sprintf("rule %q of %s, which it inherits", rule, role)
}

// grants returns what a role may do.
func (s *compiled) grants(role Role) []Grant {
	r := s.role(role)
	if r == nil {
		return nil
	}
	var out []Grant
	for id := range s.names {
		out = append(out, s.grantsOf(r, uint16(id))...)
	}
	return out
}

func (s *compiled) grantsOf(r *compiledRole, id uint16) []Grant {
	switch r.outcome[id] {
	case notGranted, denied:
		return nil
	case allowed:
		return []Grant{{Role: r.name, Permission: s.names[id]}}
	}
	var whens, unless []string
	for _, rule := range r.conditionals(id) {
		if rule.deny {
			unless = append(unless, s.conditionName(rule.condition))
		} else {
			whens = append(whens, s.conditionName(rule.condition))
		}
	}
	if r.outcome[id]&allowAlways != 0 {
		whens = []string{""}
	}
	var out []Grant
	slices.Sort(whens)
	slices.Sort(unless)
	for _, when := range whens {
		out = append(out, Grant{Role: r.name, Permission: s.names[id], When: when, Unless: slices.Clone(unless)})
	}
	return out
}

// source returns the policy in its canonical form.
func (s *compiled) source() Policy {
	p := Policy{Version: s.given}
	for name, d := range s.declared {
		if p.Permissions == nil {
			p.Permissions = map[Permission]Declaration{}
		}
		p.Permissions[name] = d
	}
	p.Roles = s.sourceRoles()
	return p
}

func (s *compiled) sourceRoles() map[Role]RoleRules {
	roles := make(map[Role]RoleRules, len(s.list))
	for _, r := range s.list {
		var out RoleRules
		for _, parent := range r.parents {
			out.Inherits = append(out.Inherits, parent.name)
		}
		for _, rule := range r.rules {
			list := &out.Allow
			if rule.deny() {
				list = &out.Deny
			}
			*list = append(*list, Rule{s.patterns[rule.pattern], s.conditionName(rule.condition())})
		}
		byText := func(a, b Rule) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(out.Allow, byText)
		slices.SortFunc(out.Deny, byText)
		roles[r.name] = out
	}
	return roles
}

// hash is the version of a policy that has none.
func (s *compiled) hash() string {
	canonical, err := json.Marshal(Policy{Permissions: s.declared, Roles: s.sourceRoles()})
	if err != nil {
		return "unknown" // plain strings always encode
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8])
}
