package intercomrbac

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// ScopeReport returns, as Markdown, the scopes that operations need, each with what it is needed for and the calls that
// Intercom refuses without it: what the review of a public app asks to justify scope by scope. [Client.UsedOperations] are
// those that a run of a service's tests needed, [Operations] all that the library can do. The text is the same for the same
// operations, in whatever order and however often they are given, and what names hold is no markup in it.
//
// Source: https://developers.intercom.com/docs/publish-to-the-app-store/review-publish-your-app
func ScopeReport(ops ...Operation) string {
	scopes := RequiredScopes(ops...)
	if slices.ContainsFunc(ops, func(op Operation) bool { return op.Scope == "" }) {
		scopes = append(scopes, "")
	}
	var b strings.Builder
	b.WriteString("# OAuth scopes\n")
	if len(scopes) == 0 {
		b.WriteString("\nNone is needed.\n")
	}
	for _, scope := range scopes {
		purposes, calls := map[string]bool{}, map[string][]string{} // calls: their operations
		for _, op := range ops {
			if op.Scope != scope {
				continue
			}
			purposes[markdown(op.purpose())] = true
			request := op.Method + " " + op.Path
			if op.Query != "" {
				request += "?" + op.Query
			}
			if !slices.Contains(calls[request], op.Name) {
				calls[request] = append(calls[request], op.Name)
			}
		}
		for purpose := range purposes {
			if less, more := strings.CutPrefix(purpose, "create or "); more {
				delete(purposes, less)
			}
		}
		if scope == "" {
			b.WriteString("\n## No scope is known\n\nThese calls may need one:\n\n")
		} else {
			fmt.Fprintf(&b, "\n## %s\n\nThe app needs it to %s. Without it Intercom refuses these calls:\n\n",
				markdown(string(scope)), listing(sortedKeys(purposes)))
		}
		for _, request := range slices.Sorted(maps.Keys(calls)) {
			slices.Sort(calls[request])
			for i, name := range calls[request] {
				calls[request][i] = markdownCode(name)
			}
			fmt.Fprintf(&b, "- %s: %s\n", markdownCode(request), strings.Join(calls[request], ", "))
		}
	}
	return b.String()
}

// purpose says in a few words what an operation is for.
func (o Operation) purpose() string {
	verb := map[Effect]string{Read: "read", Write: "change", Destructive: "delete"}[o.Effect]
	if o.Effect == Write && o.Method == "POST" {
		verb = "create or change"
	}
	what := strings.ReplaceAll(o.Resource, "_", " ")
	return firstOf(verb, "use") + " " + firstOf(plural(what), "data")
}

func plural(word string) string {
	switch {
	case word == "" || strings.HasSuffix(word, "s"):
		return word
	case strings.HasSuffix(word, "y"):
		return strings.TrimSuffix(word, "y") + "ies"
	}
	return word + "s"
}

// listing returns "a, b and c".
func listing(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// maxMarkdown bounds the names in a report, in runes.
const maxMarkdown = 1000

// markdown returns text on one line that Markdown takes for nothing but text, links that it would find in it included.
func markdown(text string) string {
	var b strings.Builder
	for _, r := range printable(text, maxMarkdown) {
		if r < 0x80 && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// markdownCode returns text as code, within a fence that it does not hold.
func markdownCode(text string) string {
	text = strings.TrimSpace(printable(text, maxMarkdown))
	if text == "" {
		return "-"
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if fence != "`" {
		text = " " + text + " "
	}
	return fence + text + fence
}

// UnusablePermission is a right that a policy grants and Intercom refuses for want of a scope.
type UnusablePermission struct {
	// Permission is what roles have.
	Permission Permission
	// Scope is what their calls lack.
	Scope Scope
	// Operations are the names of those that Intercom refuses, ordered. Others of the permission may work.
	Operations []string
	// Roles are those that have the permission, always or under a condition, ordered.
	Roles []Role
}

// String returns it on one line, for people.
func (u UnusablePermission) String() string {
	return fmt.Sprintf("%s of %s lacks the scope %q for %s", u.Permission, listing(words(u.Roles)), string(u.Scope), strings.Join(u.Operations, ", "))
}

func words[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return out
}

// UnusablePermissions returns what the policy in force grants to roles and a token with these scopes cannot do, ordered by
// permission and scope. Where a grant hangs on a condition and a guard has to look at the resource first, as for most writes,
// the scope to look is needed, too. A permission that no operation of the table needs is not among them. A scope may be given
// by any name that [LookupScope] knows.
func (c *Checker) UnusablePermissions(scopes ...Scope) []UnusablePermission {
	s := c.load()
	if s == nil {
		return nil
	}
	have := map[Scope]bool{"": true}
	for _, scope := range scopes {
		have[scope] = true
		if info, ok := LookupScope(string(scope)); ok {
			have[info.Scope] = true
		}
	}
	type place struct {
		permission Permission
		scope      Scope
	}
	lacking := map[place]*UnusablePermission{}
	for _, op := range operations {
		id, known := s.permissions.Find(string(op.Permission))
		if !known {
			continue
		}
		for _, r := range s.list {
			if s.grantsOf(r, uint16(id)) == nil {
				continue
			}
			for _, scope := range []Scope{op.Scope, s.scopeToLook(r, uint16(id), op)} {
				if have[scope] {
					continue
				}
				at := place{op.Permission, scope}
				if lacking[at] == nil {
					lacking[at] = &UnusablePermission{Permission: op.Permission, Scope: scope}
				}
				lacking[at].add(op, r.name)
			}
		}
	}
	var out []UnusablePermission
	for _, u := range lacking {
		slices.Sort(u.Roles)
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b UnusablePermission) int {
		if a.Permission != b.Permission {
			return strings.Compare(string(a.Permission), string(b.Permission))
		}
		return strings.Compare(string(a.Scope), string(b.Scope))
	})
	return out
}

func (u *UnusablePermission) add(op Operation, role Role) {
	if !slices.Contains(u.Operations, op.Name) {
		u.Operations = append(u.Operations, op.Name)
	}
	if !slices.Contains(u.Roles, role) {
		u.Roles = append(u.Roles, role)
	}
}

// scopeToLook returns the scope that a guard needs to look at the resource of a call before it decides; empty where it
// does not look, but judges the answer or goes by the id.
func (s *compiled) scopeToLook(r *compiledRole, permission uint16, op Operation) Scope {
	_, judged := views[op.Name]
	looks := slices.ContainsFunc(r.conditionals(permission), func(rule conditional) bool {
		return s.conditions[rule.condition].needsValue()
	})
	if judged || !looks || !op.ofOne() {
		return ""
	}
	for _, look := range operations {
		in := call{op: look}
		if look.Method == http.MethodGet && look.Resource == op.Resource && in.named() && strings.HasSuffix(look.Path, "/{"+look.ResourceArg+"}") {
			return look.Scope
		}
	}
	return ""
}
