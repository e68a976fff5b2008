package intercomrbac

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"

	"github.com/intercomrbac/intercomrbac/internal/names"
)

// Checker decides by a [Policy]. It is made by [NewChecker], keeps nothing between decisions, and is safe for concurrent
// use, also while [Checker.Swap] runs: each decision is made by one whole policy. The zero value and nil deny everything.
type Checker struct {
	current    atomic.Pointer[compiled]
	conditions []Condition
	swapping   sync.Mutex // for writers only
}

// NewChecker compiles a policy. Everything that is wrong with it or with the conditions is in the error at once, each
// with the nearest valid word: unknown permissions, roles and conditions, wildcards that match nothing, rules and
// parents given twice, roles that inherit in a circle, and conditions on permissions of another kind of resource.
func NewChecker(policy Policy, conditions ...Condition) (*Checker, error) {
	all := append(stockConditions(), conditions...)
	var errs []error
	for i := range all {
		errs = append(errs, all[i].check())
		if slices.ContainsFunc(all[:i], func(c Condition) bool { return c.Name == all[i].Name }) {
			errs = append(errs, fmt.Errorf("condition %.80q is there twice: the stock ones are assigned, assigned_team and self", all[i].Name))
		}
	}
	s, err := compile(policy, all)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewChecker: %w", err)
	}
	c := &Checker{conditions: all}
	c.current.Store(s)
	return c, nil
}

var errNoChecker = errors.New("intercomrbac: this Checker was not made by NewChecker: it denies everything")

// Swap puts another policy in the place of the present one; the conditions stay. Decisions go on meanwhile by the old
// policy, and from its return on are made by the new one. A policy that NewChecker would refuse is an error and changes
// nothing.
func (c *Checker) Swap(policy Policy) error {
	if c == nil || c.current.Load() == nil {
		return errNoChecker
	}
	return c.swap(func() (*compiled, error) { return compile(policy, c.conditions) })
}

func (c *Checker) swap(compile func() (*compiled, error)) error {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	s, err := compile()
	if err != nil {
		return fmt.Errorf("intercomrbac: Swap: the old policy stays: %w", err)
	}
	c.current.Store(s)
	return nil
}

// Can reports whether a role has a permission whatever the resource: grants under a condition do not count. It takes no
// lock and allocates nothing.
func (c *Checker) Can(role Role, permission Permission) bool {
	if c == nil {
		return false
	}
	s := c.current.Load()
	if s == nil {
		return false
	}
	id, known := s.permissions.Find(string(permission))
	r := s.role(role)
	return known && r != nil && r.outcome[id] == allowed
}

// Check decides whether a principal has a permission for a resource. An error means that a condition could not be
// decided, and the decision is then always a denial. Without a resource, a grant that hangs on a condition is
// ReasonNeedsResource. Deciding takes no lock and, but for what conditions do, allocates nothing.
func (c *Checker) Check(ctx context.Context, p Principal, permission Permission, resource Resource) (Decision, error) {
	if c == nil {
		return Decision{}, errNoChecker
	}
	s := c.current.Load()
	if s == nil {
		return Decision{}, errNoChecker
	}
	if isNobody(p.AdminID, p.Service) { // not p.IsZero, which would copy p
		return Decision{Reason: ReasonNoPrincipal, policy: s}, nil
	}
	id, known := s.permissions.Find(string(permission))
	if !known {
		return Decision{Reason: ReasonUnknownPermission, policy: s}, nil
	}
	r := s.role(p.Role)
	if r == nil {
		return Decision{Reason: ReasonUnknownRole, permission: uint16(id), policy: s}, nil
	}
	switch r.outcome[id] {
	case allowed:
		return Decision{Allowed: true, Reason: ReasonAllowed, permission: uint16(id), role: r.id, policy: s}, nil
	case notGranted:
		return Decision{Reason: ReasonNotGranted, permission: uint16(id), role: r.id, policy: s}, nil
	case denied:
		return Decision{Reason: ReasonDeniedByRule, permission: uint16(id), role: r.id, policy: s}, nil
	}
	if resource.Kind == "" {
		return Decision{Reason: ReasonNeedsResource, permission: uint16(id), role: r.id, policy: s}, nil
	}
	return r.decide(ctx, Decision{permission: uint16(id), role: r.id, policy: s}, &p, &resource)
}

// decide is the part of Check for rights that hang on conditions. Denies come first.
func (r *compiledRole) decide(ctx context.Context, d Decision, p *Principal, resource *Resource) (Decision, error) {
	var undecided error
	met := func(rule conditional) (bool, error) {
		c := &d.policy.conditions[rule.condition]
		if c.Resource != "" && c.Resource != resource.Kind {
			return false, fmt.Errorf("intercomrbac: condition %s is about a resource of kind %q, not %.80q", c.Name, c.Resource, resource.Kind)
		}
		ok, err := c.Met(ctx, *p, *resource)
		if err != nil {
			return false, fmt.Errorf("intercomrbac: condition %s cannot be decided for %s: %w", c.Name, d.Permission(), err)
		}
		return ok, nil
	}
	rules := r.conditionals(d.permission)
	for _, rule := range rules {
		if !rule.deny {
			continue
		}
		ok, err := met(rule)
		if ok {
			d.Reason, d.condition = ReasonDeniedByRule, rule.condition+1
			return d, nil
		}
		if err != nil && undecided == nil {
			undecided, d.condition = err, rule.condition+1
		}
	}
	if undecided != nil {
		d.Reason = ReasonConditionUnknown
		return d, undecided
	}
	if r.outcome[d.permission]&allowAlways != 0 {
		d.Allowed, d.Reason = true, ReasonAllowed
		return d, nil
	}
	for _, rule := range rules {
		if rule.deny {
			continue
		}
		ok, err := met(rule)
		if ok {
			d.Allowed, d.Reason, d.condition = true, ReasonAllowed, rule.condition+1
			return d, nil
		}
		if err != nil && undecided == nil {
			undecided, d.condition = err, rule.condition+1
		}
	}
	if undecided != nil {
		d.Reason = ReasonConditionUnknown
		return d, undecided
	}
	d.Reason = ReasonConditionNotMet
	if len(rules) == 1 {
		d.condition = rules[0].condition + 1
	}
	return d, nil
}

// Roles returns the names of the policy's roles, ordered.
func (c *Checker) Roles() []Role {
	if s := c.load(); s != nil {
		return s.roleNames()
	}
	return nil
}

// Permissions returns what a role may do, ordered by permission; nothing for a role that the policy does not name. It is
// what a user interface asks to show or hide a control.
func (c *Checker) Permissions(role Role) []Grant {
	if s := c.load(); s != nil {
		return s.grants(role)
	}
	return nil
}

// WhoCan returns the grants of a permission to all roles, ordered by role, those under a condition included.
func (c *Checker) WhoCan(permission Permission) []Grant {
	s := c.load()
	if s == nil {
		return nil
	}
	var out []Grant
	if id, ok := s.permissions.Find(string(permission)); ok {
		for _, r := range s.list {
			out = append(out, s.grantsOf(r, uint16(id))...)
		}
	}
	return out
}

// Version returns the version of the policy in force.
func (c *Checker) Version() string {
	if s := c.load(); s != nil {
		return s.version()
	}
	return ""
}

// Policy returns a copy of the policy in force, with rules and parents in order.
func (c *Checker) Policy() Policy {
	if s := c.load(); s != nil {
		return s.source()
	}
	return Policy{}
}

func (c *Checker) load() *compiled {
	if c == nil {
		return nil
	}
	return c.current.Load()
}

// Explain says in a line what a role may do with a permission, by which rule, and what a misspelt name may mean.
func (c *Checker) Explain(role Role, permission Permission) string {
	s := c.load()
	if s == nil {
		return errNoChecker.Error()
	}
	question := fmt.Sprintf("%s, %s: ", quoted(string(role)), quoted(string(permission)))
	place, known := s.permissions.Find(string(permission))
	r := s.role(role)
	switch {
	case !known:
		return question + "denied: the policy has no such permission" + didYouMean(permission, s.names)
	case r == nil:
		return question + "denied: the policy has no such role" + didYouMean(role, s.roleNames())
	}
	id := uint16(place)
	switch r.outcome[id] {
	case notGranted:
		return question + "denied: no rule grants it"
	case denied:
		return question + "denied by " + s.ruleText(r, id, always, true)
	case allowed:
		return question + "allowed by " + s.ruleText(r, id, always, false)
	}
	var grants, denies []string
	if r.outcome[id]&allowAlways != 0 {
		grants = append(grants, s.ruleText(r, id, always, false))
	}
	for _, rule := range r.conditionals(id) {
		text := s.ruleText(r, id, rule.condition, rule.deny)
		if rule.deny {
			denies = append(denies, text)
		} else if r.outcome[id]&allowAlways == 0 {
			grants = append(grants, text)
		}
	}
	text := question + "allowed by " + strings.Join(grants, " or ")
	if denies != nil {
		text += "; denied by " + strings.Join(denies, " or ")
	}
	return text
}

// Matrix returns all roles and permissions as a table, for people and for a golden test of a service's own policy: a
// change of rights shows as a change of the table. A cell is "yes", "-", or the conditions, such as "assigned" or "yes
// unless vip".
func (c *Checker) Matrix() string {
	s := c.load()
	if s == nil {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cells []string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) }
	header := []string{"permission"}
	for _, r := range s.list {
		header = append(header, string(r.name))
	}
	line(header)
	for id, name := range s.names {
		cells := []string{string(name)}
		for _, r := range s.list {
			cells = append(cells, cell(s.grantsOf(r, uint16(id))))
		}
		line(cells)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

func cell(grants []Grant) string {
	if len(grants) == 0 {
		return "-"
	}
	var when []string
	for _, g := range grants {
		if g.When == "" {
			when = []string{"yes"}
			break
		}
		when = append(when, g.When)
	}
	return strings.Join(when, " or ") + unless(grants[0].Unless)
}

// quoted returns text that may be hostile in quotes and on one line, cut short.
func quoted(s string) string { return fmt.Sprintf("%.80q", s) }

// Reason says why a decision is as it is. The zero value stands for no decision at all.
type Reason uint8

// Reasons of decisions. All but ReasonAllowed are denials.
const (
	// ReasonNone: nothing was decided.
	ReasonNone Reason = iota
	// ReasonAllowed: a rule allows it, and none denies it.
	ReasonAllowed
	// ReasonNotGranted: no rule allows it.
	ReasonNotGranted
	// ReasonDeniedByRule: a rule denies it.
	ReasonDeniedByRule
	// ReasonUnknownRole: the policy has no such role; also where the principal has none.
	ReasonUnknownRole
	// ReasonUnknownPermission: the policy has no such permission; also where the operation names none.
	ReasonUnknownPermission
	// ReasonConditionNotMet: it is allowed under a condition that is not met. Also for a thing that is not there.
	ReasonConditionNotMet
	// ReasonConditionUnknown: whether a condition is met cannot be told; the error says why.
	ReasonConditionUnknown
	// ReasonNeedsResource: it hangs on a condition, and no resource with a Kind was given to decide it by.
	ReasonNeedsResource
	// ReasonNoPrincipal: nobody acts.
	ReasonNoPrincipal
	// ReasonWrongWorkspace: the principal is of another workspace than the client. A checker never gives it, a
	// guard does.
	ReasonWrongWorkspace
	// ReasonRoleUnavailable: the principal's role in Intercom cannot be found out. A checker never gives it, a guard
	// with a [RoleDirectory] does.
	ReasonRoleUnavailable
)

var reasonCodes = [...]string{"none", "allowed", "not_granted", "denied_by_rule", "unknown_role", "unknown_permission",
	"condition_not_met", "condition_unknown", "needs_resource", "no_principal", "wrong_workspace", "role_unavailable"}

// String returns the code of the reason, such as "not_granted".
func (r Reason) String() string {
	if int(r) < len(reasonCodes) {
		return reasonCodes[r]
	}
	return "unknown"
}

// MarshalText writes the code of the reason.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the code of a reason.
func (r *Reason) UnmarshalText(b []byte) error {
	i := slices.Index(reasonCodes[:], string(b))
	if i < 0 {
		return fmt.Errorf("intercomrbac: there is no reason %.40q", b)
	}
	*r = Reason(i)
	return nil
}

// Decision is what a check came to, and why. It is the same for the same question to the same policy. The zero value is a
// denial. It holds no part of principal or resource, and may be kept and compared.
type Decision struct {
	Allowed bool
	Reason  Reason

	permission uint16
	role       uint16 // 0: none; otherwise one more than its place
	condition  uint16 // 0: none; otherwise one more than its place
	policy     *compiled
}

// Permission returns the permission that was asked for; empty if the policy has none of that name, or was not asked.
func (d Decision) Permission() Permission {
	if d.policy == nil || d.Reason == ReasonUnknownPermission || d.Reason == ReasonNoPrincipal || d.Reason == ReasonWrongWorkspace {
		return ""
	}
	return d.policy.names[d.permission]
}

// Role returns the role whose rule decided: that of the principal, or one that it inherits from. It is empty where no
// rule did.
func (d Decision) Role() Role {
	role, _ := d.rule()
	return role
}

// Rule returns the rule that decided, as the policy has it; the zero value where none did.
func (d Decision) Rule() Rule {
	_, rule := d.rule()
	return rule
}

func (d Decision) rule() (Role, Rule) {
	if d.role == 0 || d.Reason != ReasonAllowed && d.Reason != ReasonDeniedByRule {
		return "", Rule{}
	}
	condition := always
	if d.condition != 0 {
		condition = d.condition - 1
	}
	return d.policy.rule(d.policy.list[d.role-1], d.permission, condition, !d.Allowed)
}

// Condition returns the name of the condition that decided, or could not be decided, or is the only one and not met; empty
// where there is no such.
func (d Decision) Condition() string {
	if d.condition == 0 {
		return ""
	}
	return d.policy.conditions[d.condition-1].Name
}

// Version returns the version of the policy that decided.
func (d Decision) Version() string {
	if d.policy == nil {
		return ""
	}
	return d.policy.version()
}

// String returns the decision and its reason on one line, for logs and people.
func (d Decision) String() string {
	if d.policy == nil {
		return "denied: nothing was decided"
	}
	text := "denied: "
	role := ""
	if d.role != 0 {
		role = "role " + string(d.policy.list[d.role-1].name)
	}
	of := func() string {
		condition := always
		if d.condition != 0 {
			condition = d.condition - 1
		}
		return d.policy.ruleText(d.policy.list[d.role-1], d.permission, condition, !d.Allowed)
	}
	switch d.Reason {
	case ReasonAllowed:
		text = fmt.Sprintf("allowed: %s has %s by %s", role, d.Permission(), of())
	case ReasonNotGranted:
		text += fmt.Sprintf("no rule grants %s to %s", d.Permission(), role)
	case ReasonDeniedByRule:
		text += fmt.Sprintf("%s is denied %s by %s", role, d.Permission(), of())
	case ReasonUnknownRole:
		text += "the policy does not name the principal's role"
	case ReasonUnknownPermission:
		text += "the policy does not name the permission"
	case ReasonConditionNotMet:
		text += fmt.Sprintf("%s has %s under a condition that is not met", role, d.Permission())
	case ReasonConditionUnknown:
		text += fmt.Sprintf("whether %s has %s cannot be told", role, d.Permission())
		if condition := d.Condition(); condition != "" {
			text += ": condition " + condition + " is undecided"
		}
	case ReasonNeedsResource:
		text += fmt.Sprintf("%s has %s under a condition, and there is no resource to decide it by", role, d.Permission())
	case ReasonNoPrincipal:
		text += "nobody acts: there is no principal"
	case ReasonWrongWorkspace:
		text += "the principal is of another workspace"
	case ReasonRoleUnavailable:
		text += "the principal's role in Intercom cannot be found out"
	default:
		text += "nothing was decided"
	}
	return text + " (policy " + d.Version() + ")"
}

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
	p := Policy{Version: s.version()}
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
