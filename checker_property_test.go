package intercomrbac_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What follows decides by the text of a policy, rule by rule, as the documentation has it. It shares nothing with the
// checker and is deliberately simple: the two must agree.

// naiveCatalogue tells of each permission there is what kind of resource it is about and whether it is reserved.
func naiveCatalogue(p intercomrbac.Policy) map[intercomrbac.Permission]intercomrbac.Declaration {
	all := map[intercomrbac.Permission]intercomrbac.Declaration{}
	for _, stock := range []string{
		"contacts:read", "contacts:write", "contacts:delete", "conversations:read", "conversations:reply", "conversations:assign", "conversations:close",
		"conversations:write", "conversations:delete", "articles:read", "articles:write", "articles:delete", "settings:manage", "admins:read", "admins:write",
		"admins:impersonate", "teams:read", "messages:write", "tags:read", "tags:write", "tags:delete", "events:read", "events:write", "activity_logs:read",
	} {
		plural, _, _ := strings.Cut(stock, ":")
		all[intercomrbac.Permission(stock)] = intercomrbac.Declaration{Resource: strings.TrimSuffix(plural, "s"), Reserved: stock == "admins:impersonate"}
	}
	for name, d := range p.Permissions {
		if stock, ok := all[name]; ok {
			d.Resource = stock.Resource
		}
		all[name] = d
	}
	return all
}

// naiveCovers reports whether a rule about pattern is about the permission.
func naiveCovers(pattern, permission intercomrbac.Permission, deny bool, catalogue map[intercomrbac.Permission]intercomrbac.Declaration) bool {
	if pattern == permission {
		return true
	}
	if catalogue[permission].Reserved && !deny {
		return false
	}
	if resource, ok := strings.CutSuffix(string(pattern), ":*"); ok {
		return strings.HasPrefix(string(permission), resource+":")
	}
	if action, ok := strings.CutPrefix(string(pattern), "*:"); ok {
		return strings.HasSuffix(string(permission), ":"+action)
	}
	return pattern == "*"
}

// naiveRules collects the conditions ("" for always) under which a role is allowed and denied a permission.
func naiveRules(p intercomrbac.Policy, role intercomrbac.Role, permission intercomrbac.Permission, catalogue map[intercomrbac.Permission]intercomrbac.Declaration) (allows, denies []string) {
	for _, rule := range p.Roles[role].Allow {
		if naiveCovers(rule.Permission, permission, false, catalogue) {
			allows = append(allows, rule.When)
		}
	}
	for _, rule := range p.Roles[role].Deny {
		if naiveCovers(rule.Permission, permission, true, catalogue) {
			denies = append(denies, rule.When)
		}
	}
	for _, parent := range p.Roles[role].Inherits {
		a, d := naiveRules(p, parent, permission, catalogue)
		allows, denies = append(allows, a...), append(denies, d...)
	}
	return allows, denies
}

// ask is a question: who, what, and of which thing under which truth.
type ask struct {
	principal  intercomrbac.Principal
	permission intercomrbac.Permission
	resource   intercomrbac.Resource
}

func (w *world) naiveDecision(q ask) intercomrbac.Reason {
	if q.principal.Service == "" && (q.principal.AdminID == "" || q.principal.AdminID == "0") {
		return intercomrbac.ReasonNoPrincipal
	}
	if _, ok := w.catalogue[q.permission]; !ok {
		return intercomrbac.ReasonUnknownPermission
	}
	if _, ok := w.policy.Roles[q.principal.Role]; !ok {
		return intercomrbac.ReasonUnknownRole
	}
	allows, denies := naiveRules(w.policy, q.principal.Role, q.permission, w.catalogue)
	switch always := slices.Contains(allows, ""); {
	case slices.Contains(denies, ""):
		return intercomrbac.ReasonDeniedByRule
	case len(allows) == 0:
		return intercomrbac.ReasonNotGranted
	case always && len(denies) == 0:
		return intercomrbac.ReasonAllowed
	case q.resource.Kind == "":
		return intercomrbac.ReasonNeedsResource
	}
	some := func(conditions []string) (met, undecided bool) {
		for _, name := range conditions {
			is, decided := true, true
			if name != "" {
				is, decided = q.resource.Value.(truth)[name]
				decided = decided && (conditionKinds[name] == "" || conditionKinds[name] == q.resource.Kind)
			}
			met, undecided = met || decided && is, undecided || !decided
		}
		return met, undecided
	}
	denied, deniedPerhaps := some(denies)
	allowed, allowedPerhaps := some(allows)
	switch {
	case denied:
		return intercomrbac.ReasonDeniedByRule
	case deniedPerhaps:
		return intercomrbac.ReasonConditionUnknown
	case allowed:
		return intercomrbac.ReasonAllowed
	case allowedPerhaps:
		return intercomrbac.ReasonConditionUnknown
	}
	return intercomrbac.ReasonConditionNotMet
}

// conditionKinds are the conditions of the worlds, and the kind of resource that each is about.
var conditionKinds = map[string]string{"any": "", "some": "", "cheap": "invoice", "late": "invoice", "known": "contact"}

var conditionNames = slices.Sorted(maps.Keys(conditionKinds))

// world is a policy made at random, which has no mistake, and what there is to ask of it.
type world struct {
	*rand.Rand
	policy      intercomrbac.Policy
	catalogue   map[intercomrbac.Permission]intercomrbac.Declaration
	permissions []intercomrbac.Permission // all there are
	patterns    []intercomrbac.Permission // what a rule may say
	conditional []intercomrbac.Permission // those that rules under a condition cover
	order       []intercomrbac.Role       // each inherits from later ones only
}

// randomly returns random numbers that a failed test can be run with again: INTERCOMRBAC_SEED takes what it logs.
func randomly(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("INTERCOMRBAC_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("INTERCOMRBAC_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func one[T any](random *rand.Rand, of []T) T { return of[random.IntN(len(of))] }

func newWorld(random *rand.Rand) *world {
	w := &world{Rand: random, policy: intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{}, Roles: roles{}}}
	for _, own := range []intercomrbac.Permission{"invoices:read", "invoices:write", "invoices:refund", "reports:read", "contacts:export"} {
		if w.IntN(4) > 0 {
			kind := map[string]string{"i": "invoice", "c": "contact"}[string(own[:1])]
			w.policy.Permissions[own] = intercomrbac.Declaration{Resource: kind, Reserved: w.IntN(4) == 0}
		}
	}
	for _, stock := range []intercomrbac.Permission{"contacts:delete", "tags:read"} {
		if w.IntN(4) == 0 {
			w.policy.Permissions[stock] = intercomrbac.Declaration{Reserved: true}
		}
	}
	w.catalogue = naiveCatalogue(w.policy)
	w.permissions = slices.Sorted(maps.Keys(w.catalogue))
	w.patterns = append(slices.Clone(w.permissions), "*", "*:read", "*:write", "*:delete", "contacts:*", "invoices:*", "reports:*", "tags:*", "admins:*")

	w.order = []intercomrbac.Role{"agent", "lead", "owner", "intern", "bot", "auditor"}[:1+w.IntN(6)]
	w.Shuffle(len(w.order), func(i, j int) { w.order[i], w.order[j] = w.order[j], w.order[i] })
	for i, role := range w.order {
		var r intercomrbac.RoleRules
		for _, parent := range w.order[i+1:] {
			if w.IntN(3) == 0 {
				r.Inherits = append(r.Inherits, parent)
			}
		}
		for range w.IntN(7) {
			w.addRule(&r, false)
		}
		for range w.IntN(4) {
			w.addRule(&r, true)
		}
		w.policy.Roles[role] = r
		for i, rule := range slices.Concat(r.Allow, r.Deny) {
			for _, permission := range w.permissions {
				if rule.When != "" && naiveCovers(rule.Permission, permission, i >= len(r.Allow), w.catalogue) {
					w.conditional = append(w.conditional, permission)
				}
			}
		}
	}
	return w
}

// addRule adds a random rule to a role, if it finds one that may stand there.
func (w *world) addRule(r *intercomrbac.RoleRules, deny bool) bool {
	list := &r.Allow
	if deny {
		list = &r.Deny
	}
	for range 10 {
		rule := intercomrbac.Rule{Permission: one(w.Rand, w.permissions)}
		if w.IntN(2) == 0 {
			rule.Permission = one(w.Rand, w.patterns)
		}
		if w.IntN(2) == 0 {
			rule.When = one(w.Rand, conditionNames)
		}
		if !slices.Contains(*list, rule) && w.mayStand(rule, deny) {
			*list = append(*list, rule)
			return true
		}
	}
	return false
}

// mayStand reports whether a rule covers anything, all of it of the kind that its condition is about.
func (w *world) mayStand(rule intercomrbac.Rule, deny bool) bool {
	covers := false
	for permission, d := range w.catalogue {
		if naiveCovers(rule.Permission, permission, deny, w.catalogue) {
			covers = true
			if kind := conditionKinds[rule.When]; kind != "" && kind != d.Resource {
				return false
			}
		}
	}
	return covers
}

func (w *world) checker(t *testing.T) *intercomrbac.Checker {
	t.Helper()
	c, err := intercomrbac.NewChecker(w.policy, conditionsByTruth(conditionKinds, conditionNames...)...)
	if err != nil { // cheaper than require, which matters a thousand times
		t.Fatalf("%v\n%+v", err, w.policy)
	}
	return c
}

// question is a random one; one in eight has something odd about it.
func (w *world) question() ask {
	q := ask{intercomrbac.Principal{AdminID: "814860", Role: one(w.Rand, w.order)}, one(w.Rand, w.permissions), intercomrbac.Resource{}}
	if len(w.conditional) > 0 && w.IntN(2) == 0 { // where most can go wrong
		q.permission = one(w.Rand, w.conditional)
	}
	switch w.IntN(32) {
	case 0:
		q.principal.Role = one(w.Rand, []intercomrbac.Role{"", "boss", "Agent", "agent ", "*"})
	case 1:
		q.permission = one(w.Rand, []intercomrbac.Permission{"", "*", "**", "contacts:*", "*:read", "Contacts:read", "contacts:read ", "contacts:own", "invoices", "a:b:c"})
	case 2:
		q.principal.AdminID = one(w.Rand, []intercomrbac.AdminID{"", "0"})
	case 3:
		q.principal.AdminID, q.principal.Service = one(w.Rand, []intercomrbac.AdminID{"", "0", "1"}), "nightly"
	}
	if w.IntN(4) > 0 {
		q.resource.Kind, q.resource.ID = w.catalogue[q.permission].Resource, "7"
		if q.resource.Kind == "" || w.IntN(8) == 0 {
			q.resource.Kind = one(w.Rand, []string{"invoice", "contact", "report", "Invoice"})
		}
		of := truth{}
		for _, name := range conditionNames {
			if n := w.IntN(5); n > 0 { // otherwise it cannot be decided
				of[name] = n > 2
			}
		}
		q.resource.Value = of
	}
	return q
}

func (w *world) questions(n int) []ask {
	all := make([]ask, n)
	for i := range all {
		all[i] = w.question()
	}
	return all
}

// decide asks, and checks what is true of every decision.
func (w *world) decide(t *testing.T, c *intercomrbac.Checker, q ask) intercomrbac.Decision {
	t.Helper()
	d, err := c.Check(t.Context(), q.principal, q.permission, q.resource)
	if (err != nil) != (d.Reason == intercomrbac.ReasonConditionUnknown) || d.Allowed != (d.Reason == intercomrbac.ReasonAllowed) {
		t.Fatalf("%s, error %v\n%+v\n%+v", d, err, q, w.policy)
	}
	return d
}

// R2: the checker and the simple reading of the policy agree.
func TestCheckerAgreesWithASimpleReading(t *testing.T) {
	t.Parallel()
	const questions = 100
	random := randomly(t)
	cases, policies := 0, 0
	reasons := map[intercomrbac.Reason]int{}
	for total := soak.N(20_000, 1_000_000); cases < total; policies++ {
		w := newWorld(random)
		c := w.checker(t)
		for range questions {
			q := w.question()
			d, want := w.decide(t, c, q), w.naiveDecision(q)
			if d.Reason != want {
				t.Fatalf("%s, and is %s by the text\n%+v\n%+v", d, want, q, w.policy)
			}
			// Without conditions met or not, Can says the same as the table does.
			allows, denies := naiveRules(w.policy, q.principal.Role, q.permission, w.catalogue)
			_, known := w.catalogue[q.permission]
			if can := known && slices.Contains(allows, "") && len(denies) == 0; c.Can(q.principal.Role, q.permission) != can {
				t.Fatalf("Can(%q, %q) is not %t\n%+v", q.principal.Role, q.permission, can, w.policy)
			}
			reasons[want]++
			cases++
		}
	}
	for _, r := range []intercomrbac.Reason{intercomrbac.ReasonAllowed, intercomrbac.ReasonNotGranted, intercomrbac.ReasonDeniedByRule, intercomrbac.ReasonUnknownRole, intercomrbac.ReasonUnknownPermission,
		intercomrbac.ReasonConditionNotMet, intercomrbac.ReasonConditionUnknown, intercomrbac.ReasonNeedsResource, intercomrbac.ReasonNoPrincipal} {
		assert.Greater(t, reasons[r], cases/1000, "%s hardly ever came up", r)
	}
	soak.Report(t, "R2", "%d decisions of %d random policies, each as a simple reading of the policy has it; %d allowed, %d denied by rule, %d undecided",
		cases, policies, reasons[intercomrbac.ReasonAllowed], reasons[intercomrbac.ReasonDeniedByRule], reasons[intercomrbac.ReasonConditionUnknown])
}

// forRandomWorlds runs a property over random policies.
func forRandomWorlds(t *testing.T, property func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	random := randomly(t)
	for range soak.N(100, 5_000) {
		property(t, newWorld(random))
	}
}

// allowedOf returns the questions that c allows, by their place.
func (w *world) allowedOf(t *testing.T, c *intercomrbac.Checker, asked []ask) map[int]bool {
	t.Helper()
	out := map[int]bool{}
	for i, q := range asked {
		if w.decide(t, c, q).Allowed {
			out[i] = true
		}
	}
	return out
}

// assertWithin checks that all that part allows, whole allows.
func (w *world) assertWithin(t *testing.T, part, whole map[int]bool, asked []ask, what string) {
	t.Helper()
	for i := range part {
		if !whole[i] {
			t.Fatalf("%s: %+v\n%+v", what, asked[i], w.policy)
		}
	}
}

// copyRoles is a copy of the policy's roles, for changes.
func (w *world) copyRoles() roles {
	out := roles{}
	for name, r := range w.policy.Roles {
		out[name] = intercomrbac.RoleRules{Inherits: slices.Clone(r.Inherits), Allow: slices.Clone(r.Allow), Deny: slices.Clone(r.Deny)}
	}
	return out
}

// with is the world with other roles.
func (w *world) with(other roles) *world {
	changed := *w
	changed.policy.Roles = other
	return &changed
}

func TestPropertyDefaultDeny(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		other := w.copyRoles()
		for name, r := range other {
			r.Allow = nil
			other[name] = r
		}
		none := w.with(other)
		c := none.checker(t)
		assert.Empty(t, none.allowedOf(t, c, w.questions(50)))
		for _, role := range c.Roles() {
			assert.Empty(t, c.Permissions(role))
		}
	})
}

func TestPropertyDenyTrumpsAllow(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		other := w.copyRoles()
		role, rule := one(w.Rand, w.order), intercomrbac.Rule{Permission: one(w.Rand, w.permissions)}
		r := other[role]
		if !slices.Contains(r.Deny, rule) {
			r.Deny = append(r.Deny, rule)
		}
		if !slices.Contains(r.Allow, rule) {
			r.Allow = append(r.Allow, rule)
		}
		other[role] = r
		w = w.with(other)
		c := w.checker(t)
		for range 10 {
			q := w.question()
			q.principal, q.permission = intercomrbac.Principal{AdminID: "1", Role: role}, rule.Permission
			d := w.decide(t, c, q)
			require.Equal(t, intercomrbac.ReasonDeniedByRule, d.Reason, "%+v", w.policy)
			require.Equal(t, role, d.Role())
			require.Equal(t, rule, d.Rule(), "it is the rule that names the permission")
		}
	})
}

// What is allowed, a rule allows that stands in the policy: of the role or of one that it inherits from.
func TestPropertyAllowedOnlyIfExplicitlyPermitted(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		c := w.checker(t)
		var above func(role intercomrbac.Role) []intercomrbac.Role
		above = func(role intercomrbac.Role) []intercomrbac.Role {
			all := []intercomrbac.Role{role}
			for _, parent := range w.policy.Roles[role].Inherits {
				all = append(all, above(parent)...)
			}
			return all
		}
		for _, q := range w.questions(100) {
			d := w.decide(t, c, q)
			if d.Reason != intercomrbac.ReasonAllowed && d.Reason != intercomrbac.ReasonDeniedByRule {
				require.Equal(t, intercomrbac.Rule{}, d.Rule())
				require.Empty(t, d.Role())
				continue
			}
			list := w.policy.Roles[d.Role()].Allow
			if !d.Allowed {
				list = w.policy.Roles[d.Role()].Deny
			}
			require.Contains(t, above(q.principal.Role), d.Role(), "%s", d)
			require.Contains(t, list, d.Rule(), "%s", d)
			require.True(t, naiveCovers(d.Rule().Permission, q.permission, !d.Allowed, w.catalogue), "%s", d)
			require.Equal(t, d.Rule().When, d.Condition(), "%s", d)
			if d.Condition() != "" {
				require.True(t, q.resource.Value.(truth)[d.Condition()], "%s", d)
			}
		}
	})
}

func TestPropertyAddingADenyNeverAllowsMore(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		asked := w.questions(100)
		other := w.copyRoles()
		role := one(w.Rand, w.order)
		if r := other[role]; w.addRule(&r, true) {
			other[role] = r
		}
		stricter := w.with(other)
		w.assertWithin(t, stricter.allowedOf(t, stricter.checker(t), asked), w.allowedOf(t, w.checker(t), asked), asked, "a deny allows")
	})
}

func TestPropertyRemovingAnAllowNeverAllowsMore(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		asked := w.questions(100)
		other := w.copyRoles()
		role := one(w.Rand, w.order)
		if r := other[role]; len(r.Allow) > 0 {
			i := w.IntN(len(r.Allow))
			r.Allow = slices.Delete(r.Allow, i, i+1)
			other[role] = r
		}
		stricter := w.with(other)
		w.assertWithin(t, stricter.allowedOf(t, stricter.checker(t), asked), w.allowedOf(t, w.checker(t), asked), asked, "an allow less allows")
	})
}

func TestPropertyAParentWithoutDeniesTakesNothing(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		asked := w.questions(100)
		other := w.copyRoles()
		var parent intercomrbac.RoleRules
		for range 4 {
			w.addRule(&parent, false)
		}
		other["parent"] = parent
		role := one(w.Rand, w.order)
		r := other[role]
		r.Inherits = append(r.Inherits, "parent")
		other[role] = r
		wider := w.with(other)
		before, after := w.checker(t), wider.checker(t)
		w.assertWithin(t, w.allowedOf(t, before, asked), wider.allowedOf(t, after, asked), asked, "a parent takes")
		for _, role := range w.order {
			for _, permission := range w.permissions {
				require.True(t, after.Can(role, permission) || !before.Can(role, permission))
			}
		}
	})
}

func TestPropertyOrderNeverMatters(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		other := w.copyRoles()
		for _, name := range w.order { // not in the order of a map, or a seed would not tell all
			r := other[name]
			w.Shuffle(len(r.Inherits), func(i, j int) { r.Inherits[i], r.Inherits[j] = r.Inherits[j], r.Inherits[i] })
			w.Shuffle(len(r.Allow), func(i, j int) { r.Allow[i], r.Allow[j] = r.Allow[j], r.Allow[i] })
			w.Shuffle(len(r.Deny), func(i, j int) { r.Deny[i], r.Deny[j] = r.Deny[j], r.Deny[i] })
		}
		w.assertSame(t, w.checker(t), w.with(other).checker(t))
	})
}

func TestPropertyRereadPoliciesDecideTheSame(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		c := w.checker(t)
		for _, p := range []intercomrbac.Policy{reread(t, w.policy), c.Policy(), reread(t, c.Policy())} {
			other := *w
			other.policy = p
			w.assertSame(t, c, other.checker(t))
		}
	})
}

// assertSame checks that two checkers are the same in all that they say.
func (w *world) assertSame(t *testing.T, a, b *intercomrbac.Checker) {
	t.Helper()
	require.Equal(t, a.Version(), b.Version())
	require.Equal(t, a.Matrix(), b.Matrix())
	require.Equal(t, a.Policy(), b.Policy())
	for _, q := range w.questions(20) {
		x, y := w.decide(t, a, q), w.decide(t, b, q)
		tell := func(d intercomrbac.Decision) string {
			return fmt.Sprintf("%s; %s, %s, %s, %q", d, d.Reason, d.Role(), d.Rule(), d.Condition())
		}
		require.Equal(t, tell(x), tell(y), "%+v", q)
		require.Equal(t, a.Explain(q.principal.Role, q.permission), b.Explain(q.principal.Role, q.permission))
	}
}

// Saying a thing twice changes nothing: what a wildcard covers by name as well, what a grandparent has from it directly.
func TestPropertyDuplicationNeverMatters(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		other := w.copyRoles()
		add := func(list *[]intercomrbac.Rule, deny bool) {
			for _, rule := range slices.Clone(*list) {
				for _, permission := range w.permissions {
					exact := intercomrbac.Rule{Permission: permission, When: rule.When}
					if naiveCovers(rule.Permission, permission, deny, w.catalogue) && !slices.Contains(*list, exact) {
						*list = append(*list, exact)
					}
				}
			}
		}
		for name, r := range other {
			add(&r.Allow, false)
			add(&r.Deny, true)
			for _, parent := range slices.Clone(r.Inherits) {
				for _, grandparent := range w.policy.Roles[parent].Inherits {
					if !slices.Contains(r.Inherits, grandparent) {
						r.Inherits = append(r.Inherits, grandparent)
					}
				}
			}
			other[name] = r
		}
		a, b := w.checker(t), w.with(other).checker(t)
		require.Equal(t, a.Matrix(), b.Matrix())
		for _, q := range w.questions(50) {
			require.Equal(t, w.decide(t, a, q).Reason, w.decide(t, b, q).Reason, "%+v\n%+v", q, w.policy)
		}
	})
}

// The lists for people and screens tell what Check decides.
func TestPropertyListingsTellWhatIsDecided(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, w *world) {
		c := w.checker(t)
		require.ElementsMatch(t, w.order, c.Roles())
		byPermission := map[intercomrbac.Permission][]intercomrbac.Grant{}
		for _, role := range c.Roles() {
			for _, g := range c.Permissions(role) {
				require.Equal(t, role, g.Role)
				byPermission[g.Permission] = append(byPermission[g.Permission], g)
			}
		}
		for _, permission := range w.permissions {
			require.Equal(t, byPermission[permission], c.WhoCan(permission))
		}
		for _, q := range w.questions(50) {
			if q.resource.Kind == "" {
				continue
			}
			is := func(condition string) bool {
				kind := conditionKinds[condition]
				return condition == "" || q.resource.Value.(truth)[condition] && (kind == "" || kind == q.resource.Kind)
			}
			granted, unless := false, false
			for _, g := range byPermission[q.permission] {
				if g.Role == q.principal.Role {
					granted = granted || is(g.When)
					unless = unless || slices.ContainsFunc(g.Unless, is)
				}
			}
			d := w.decide(t, c, q)
			switch d.Reason {
			case intercomrbac.ReasonNoPrincipal, intercomrbac.ReasonConditionUnknown: // no matter of the grants
			default:
				require.Equal(t, granted && !unless, d.Allowed, "%s\n%+v", d, q)
			}
		}
	})
}
