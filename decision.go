package intercomrbac

import (
	"fmt"
	"slices"
)

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
	return d.policy.rule(d.policy.list[d.role-1], d.permission, d.when(), !d.Allowed)
}

// when is the place of the condition of the rule that decided, or always.
func (d Decision) when() uint16 {
	if d.condition == 0 {
		return always
	}
	return d.condition - 1
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
	of := func() string { return d.policy.ruleText(d.policy.list[d.role-1], d.permission, d.when(), !d.Allowed) }
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

// conditions are those that the decision hangs on.
func (d Decision) conditions() []*Condition {
	if d.policy == nil || d.role == 0 {
		return nil
	}
	var out []*Condition
	for _, rule := range d.policy.list[d.role-1].conditionals(d.permission) {
		out = append(out, &d.policy.conditions[rule.condition])
	}
	return out
}

// told is a decision as the caller may know it: of what is decided by a thing's own state it does not tell whether there
// is such a thing.
func (d Decision) told() Decision {
	if d.Reason == ReasonConditionNotMet || d.Reason == ReasonDeniedByRule && d.condition != 0 {
		d.Reason, d.condition = ReasonConditionNotMet, 0
	}
	return d
}
