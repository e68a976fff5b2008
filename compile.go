package intercomrbac

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/intercomrbac/intercomrbac/internal/names"
)

// Bounds of a policy: places are kept in 16 bits, those of conditions in 15.
const (
	maxRoles      = 1<<16 - 2
	maxPatterns   = 1<<16 - 1
	maxConditions = 1<<15 - 2
	maxCells      = 1 << 26 // pairs of a role and a permission, and conditions on them: one byte and six for each
)

// compile makes a policy ready to decide, or tells all that is wrong with it. Without conditions any name of one is
// taken beside the stock ones, as comparing policies needs.
func compile(p Policy, conditions []Condition) (*compiled, error) {
	open := conditions == nil
	if open {
		conditions = stockConditions()
	}
	c := &compiler{
		out:       &compiled{conditions: slices.Clone(conditions)},
		open:      open,
		wildcards: map[Permission]*wildcard{},
	}
	c.permissions(p)
	c.roles(p)
	c.inherit()
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	c.settle()
	c.out.version = sync.OnceValue(c.out.hash)
	if p.Version != "" {
		version := strings.Clone(p.Version)
		c.out.given, c.out.version = version, func() string { return version }
	}
	return c.out, nil
}

// compiler is a compilation under way.
type compiler struct {
	out        *compiled
	open       bool // any condition will do
	wildcards  map[Permission]*wildcard
	rules      []compactRule
	given      map[compactRule]bool // rules of the role under work that have a condition
	last       [2][]uint16          // by deny and pattern: the role that gave the rule without a condition last
	hints      int
	conditions int // on permissions, in all roles
	errs       []error
}

// wildcard is one that the policy uses.
type wildcard struct {
	pattern uint16
	all     []uint16 // what it covers
	grants  []uint16 // the same without what is reserved
	wrong   error    // why there is no such
}

// maxHints bounds the work on a policy that is wrong throughout: to look for the nearest word costs far more than to find
// that there is no such.
const maxHints = 20

func hint[T ~string](c *compiler, word T, candidates func() []T) string {
	if c.hints++; c.hints > maxHints {
		return ""
	}
	return didYouMean(word, candidates())
}

func (c *compiler) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// permissions numbers all that there are.
func (c *compiler) permissions(p Policy) {
	s := c.out
	all := maps.Clone(stockPermissions)
	if p.Version != strings.TrimSpace(printable(p.Version, 128)) {
		c.fail("the version must be at most 128 printable characters, without spaces around them")
	}
	for _, name := range sortedKeys(p.Permissions) {
		d := p.Permissions[name]
		stock, isStock := stockPermissions[name]
		switch {
		case !isPermission(name):
			c.fail("permission %.80q: the name must be resource:action, each of lower-case letters, digits and underscores", string(name))
			continue
		case d.Resource != "" && !isSegment(d.Resource):
			c.fail("permission %s: the resource %.80q must be lower-case letters, digits and underscores", name, d.Resource)
			continue
		case isStock && (d.Resource != "" && d.Resource != stock.Resource || !d.Reserved):
			c.fail("permission %s is a stock one: declare it only to mark it reserved", name)
			continue
		case isStock:
			d.Resource = stock.Resource
		}
		name = Permission(strings.Clone(string(name)))
		all[name] = d
		if s.declared == nil {
			s.declared = map[Permission]Declaration{}
		}
		s.declared[name] = p.Permissions[name]
	}
	s.names = sortedKeys(all)
	if len(s.names) > maxPatterns {
		c.fail("there are %d permissions: at most %d can be told apart", len(s.names), maxPatterns)
		s.names = s.names[:maxPatterns]
	}
	s.patterns = slices.Clone(s.names)
	s.permissions = names.New(s.names)
	for _, name := range s.names {
		s.kinds = append(s.kinds, all[name].Resource)
		s.reserved = append(s.reserved, all[name].Reserved)
	}
}

// roles reads the rules of each role on its own.
func (c *compiler) roles(p Policy) {
	s := c.out
	given := sortedKeys(p.Roles)
	if len(given) > maxRoles {
		c.fail("there are %d roles: at most %d can be told apart", len(given), maxRoles)
		return
	}
	if len(given)*len(s.names) > maxCells {
		c.fail("there are %d roles and %d permissions: at most %d pairs are kept", len(given), len(s.names), maxCells)
		return
	}
	total := 0
	for _, name := range given {
		total += len(p.Roles[name].Allow) + len(p.Roles[name].Deny)
	}
	c.rules = make([]compactRule, 0, total)
	outcomes := make([]uint8, len(given)*len(s.names))
	s.roles = names.New(given)
	s.list = make([]*compiledRole, len(given))
	compiledRoles := make([]compiledRole, len(given))
	for i, name := range given {
		if !isRoleName(name) {
			c.fail("role %.80q: the name must be lower-case letters, digits, underscores and dashes", string(name))
		}
		r := &compiledRoles[i]
		r.name, r.id = Role(strings.Clone(string(name))), uint16(i+1)
		r.outcome, outcomes = outcomes[:len(s.names):len(s.names)], outcomes[len(s.names):]
		s.list[i] = r
	}
	for _, r := range s.list {
		rules := p.Roles[r.name]
		for _, parent := range rules.Inherits {
			switch of := s.role(parent); {
			case of == nil:
				c.fail("role %s inherits from %.80q, which is unknown%s", word(r.name), string(parent), hint(c, parent, func() []Role { return given }))
			case slices.Contains(r.parents, of):
				c.fail("role %s inherits from %s twice", word(r.name), word(parent))
			default:
				r.parents = append(r.parents, of)
			}
		}
		slices.SortFunc(r.parents, func(a, b *compiledRole) int { return int(a.id) - int(b.id) })
		start := len(c.rules)
		clear(c.given)
		for _, rule := range rules.Allow {
			c.rule(r, rule, false)
		}
		for _, rule := range rules.Deny {
			c.rule(r, rule, true)
		}
		r.rules = c.rules[start:len(c.rules):len(c.rules)]
	}
}

// rule adds one rule to a role.
func (c *compiler) rule(r *compiledRole, rule Rule, deny bool) {
	s := c.out
	which, flagAlways, flagSometimes, when := "allows", allowAlways, allowSometimes, always
	if deny {
		which, flagAlways, flagSometimes, when = "denies", denyAlways, denySometimes, always|denyBit
	}
	place, exact := s.permissions.Find(string(rule.Permission))
	pattern := uint16(place)
	var covers []uint16
	if !exact {
		w, err := c.wildcard(rule.Permission)
		if err != nil {
			c.fail("role %s %s %w", word(r.name), which, err)
			return
		}
		pattern, covers = w.pattern, w.grants
		if deny {
			covers = w.all
		}
		if len(covers) == 0 {
			c.fail("role %s allows %s, which covers reserved permissions alone: name those that it may have", word(r.name), rule.Permission)
			return
		}
	}
	if rule.When == "" {
		if c.twice(r, pattern, deny) {
			c.fail("role %s %s %s twice", word(r.name), which, rule)
			return
		}
		c.rules = append(c.rules, compactRule{pattern, when})
		if exact {
			r.outcome[pattern] |= flagAlways
		}
		for _, id := range covers {
			r.outcome[id] |= flagAlways
		}
		return
	}
	condition, ok := c.condition(rule.When)
	if !ok {
		known := make([]string, len(s.conditions))
		for i := range known {
			known[i] = s.conditions[i].Name
		}
		c.fail("role %s %s %s when %.80q, which is no condition%s", word(r.name), which, rule.Permission, rule.When, hint(c, rule.When, func() []string { return known }))
		return
	}
	rule.When = word(rule.When) // only to name it in errors from here on
	compact := compactRule{pattern, when&denyBit | condition}
	if c.given[compact] {
		c.fail("role %s %s %s twice", word(r.name), which, rule)
		return
	}
	if c.given == nil {
		c.given = map[compactRule]bool{}
	}
	c.given[compact] = true
	if exact {
		covers = []uint16{pattern}
	}
	for _, id := range covers {
		if kind := s.conditions[condition].Resource; kind != "" && kind != s.kinds[id] {
			about := "no kind of resource"
			if s.kinds[id] != "" {
				about = "the kind " + s.kinds[id]
			}
			c.fail("role %s %s %s: %s is about resources of the kind %s, %s about %s", word(r.name), which, rule, rule.When, word(kind), s.names[id], about)
			return
		}
	}
	if c.conditions += len(covers); c.conditions > maxCells/8 {
		return // inherit tells
	}
	c.rules = append(c.rules, compact)
	for _, id := range covers {
		r.outcome[id] |= flagSometimes
		r.conditional = append(r.conditional, conditional{id, condition, deny})
	}
}

// twice reports whether the role has given a rule without a condition before.
func (c *compiler) twice(r *compiledRole, pattern uint16, deny bool) bool {
	last := &c.last[0]
	if deny {
		last = &c.last[1]
	}
	if n := len(c.out.patterns); len(*last) < n {
		*last = append(*last, make([]uint16, n-len(*last))...)
	}
	before := (*last)[pattern]
	(*last)[pattern] = r.id
	return before == r.id
}

// wildcard resolves a wildcard, or tells what is wrong with a rule's permission; once for each, as a mistake may be in
// the rules of a thousand roles.
func (c *compiler) wildcard(pattern Permission) (*wildcard, error) {
	w := c.wildcards[pattern]
	if w == nil {
		w = c.resolve(pattern)
		c.wildcards[pattern] = w
	}
	return w, w.wrong
}

func (c *compiler) resolve(pattern Permission) *wildcard {
	s := c.out
	switch {
	case pattern == "*:*":
		return &wildcard{wrong: errors.New("*:*: write * for every permission")}
	case !pattern.isWildcard():
		return &wildcard{wrong: fmt.Errorf("%.80q, which is an unknown permission%s", string(pattern), hint(c, pattern, c.words))}
	case len(s.patterns) >= maxPatterns:
		return &wildcard{wrong: fmt.Errorf("%s: there are more than %d permissions and wildcards", pattern, maxPatterns)}
	}
	w := &wildcard{pattern: uint16(len(s.patterns))}
	for id, name := range s.names {
		if pattern.covers(name) {
			w.all = append(w.all, uint16(id))
			if !s.reserved[id] {
				w.grants = append(w.grants, uint16(id))
			}
		}
	}
	if len(w.all) == 0 {
		w.wrong = fmt.Errorf("%s, which covers no permission%s", pattern, hint(c, pattern, c.words))
		return w
	}
	s.patterns = append(s.patterns, Permission(strings.Clone(string(pattern))))
	return w
}

// words are all that a rule's permission could have meant.
func (c *compiler) words() []Permission {
	words := slices.Clone(c.out.names)
	for _, name := range c.out.names {
		resource, action, _ := strings.Cut(string(name), ":")
		words = append(words, Permission(resource+":*"), Permission("*:"+action))
	}
	return words
}

// condition returns the place of the condition of that name.
func (c *compiler) condition(name string) (uint16, bool) {
	s := c.out
	i := slices.IndexFunc(s.conditions, func(known Condition) bool { return known.Name == name })
	if i < 0 && c.open && isSegment(name) {
		i = len(s.conditions)
		s.conditions = append(s.conditions, Condition{Name: strings.Clone(name)})
	}
	return uint16(i), i >= 0 && i <= maxConditions
}

// inherit gives each role what its parents have, and finds circles.
func (c *compiler) inherit() {
	const (
		untouched = iota
		underway
		done
	)
	state := make([]uint8, len(c.out.list)+1)
	var path []*compiledRole
	var visit func(r *compiledRole)
	visit = func(r *compiledRole) {
		switch state[r.id] {
		case done:
			return
		case underway:
			from := slices.Index(path, r)
			circle := ""
			for _, step := range path[from:] {
				circle += word(step.name) + " from "
			}
			c.fail("roles inherit in a circle: %s%s", circle, word(r.name))
			return
		}
		state[r.id] = underway
		path = append(path, r)
		for _, parent := range r.parents {
			visit(parent)
			for id, bits := range parent.outcome {
				r.outcome[id] |= bits
			}
			if c.conditions += len(parent.conditional); c.conditions > maxCells/8 {
				continue // told below
			}
			r.conditional = append(r.conditional, parent.conditional...)
		}
		if len(r.parents) > 0 {
			slices.SortFunc(r.conditional, compareConditional)
			r.conditional = slices.Compact(r.conditional)
		}
		path = path[:len(path)-1]
		state[r.id] = done
	}
	for _, r := range c.out.list {
		visit(r)
	}
	if c.conditions > maxCells/8 {
		c.fail("the rules under conditions come to more than %d in all roles", maxCells/8)
	}
}

// settle leaves of each role's rules what they come to.
func (c *compiler) settle() {
	for _, r := range c.out.list {
		for id, bits := range r.outcome {
			switch {
			case bits <= allowAlways: // most are
			case bits&denyAlways != 0:
				r.outcome[id] = denied
			case bits&(allowAlways|allowSometimes) == 0:
				r.outcome[id] = notGranted
			case bits&allowAlways != 0:
				r.outcome[id] = bits &^ allowSometimes
			}
		}
		if r.conditional == nil {
			continue
		}
		r.conditional = slices.DeleteFunc(r.conditional, func(rule conditional) bool {
			kept := allowSometimes
			if rule.deny {
				kept = denySometimes
			}
			return r.outcome[rule.permission]&kept == 0
		})
		slices.SortFunc(r.conditional, compareConditional)
		r.conditional = slices.Compact(r.conditional)
	}
}
