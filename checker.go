package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
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
