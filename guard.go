package intercomrbac

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Guard joins a [Checker] and an [AuditSink] to clients: it decides about every call before anything is sent, and puts
// writes and denials on record. It is made by [NewGuard], given to clients by [WithGuard], keeps nothing between calls,
// and is safe for concurrent use. One guard may serve several clients, but one with Roles only those of one workspace: see
// [WorkspacesConfig] for many.
//
// A permission to write does not ask for that to read: what Intercom answers to a write, such as the conversation that was
// closed, is returned.
type Guard struct {
	checker    *Checker
	audit      AuditSink // nil if nothing is recorded
	auditReads bool
	roles      *RoleDirectory
	reportOnly bool
	failOpen   bool
}

// GuardConfig says how a [Guard] works. Checker and Audit are needed.
type GuardConfig struct {
	// Checker decides.
	Checker *Checker
	// Audit takes denials, and intent and outcome of each write. [NoAudit] says that there is no record.
	Audit AuditSink
	// AuditReads records intent and outcome of reads, too.
	AuditReads bool
	// Roles finds out the role and the teams of teammates: the principal's own are not looked at then, those of the
	// directory decide. They are no older than its TTL; only while Intercom is down they may be as old as MaxStale,
	// and not even then where something is destroyed. Services keep the role that their Principal has. nil takes
	// role and teams from the principal.
	Roles *RoleDirectory
	// DangerouslyReportOnly records what the policy denies and lets it through, so that a policy can be tried on
	// live traffic. Conditions are looked at, which costs the same reads; lists are not filtered. A denial that the
	// sink does not take is let through without a record. A principal of another workspace is refused all the same.
	DangerouslyReportOnly bool
	// DangerouslyFailOpen sends writes whose intent the sink does not take.
	DangerouslyFailOpen bool
}

// NewGuard returns a guard. All that is wrong with the config is in the error at once; a role of the directory that the
// policy does not name is.
func NewGuard(config GuardConfig) (*Guard, error) {
	var errs []error
	if config.Checker.load() == nil {
		errs = append(errs, errors.New("there is no Checker: make one with NewChecker"))
	} else if config.Roles != nil {
		errs = append(errs, config.Roles.unknownTo(config.Checker)...)
	}
	if config.Roles != nil && config.Roles.client == nil {
		errs = append(errs, errors.New("the Roles were not made by NewRoleDirectory"))
	}
	if f, ok := config.Audit.(SinkFunc); config.Audit == nil || ok && f == nil {
		errs = append(errs, errors.New("there is no Audit sink: use NoAudit() if nothing is to be recorded"))
	}
	if _, ok := config.Audit.(*DataEventSink); ok {
		errs = append(errs, errors.New("a DataEventSink keeps no intents: put it beside a sink that does, with MultiSink"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewGuard: %w", err)
	}
	g := &Guard{checker: config.Checker, audit: config.Audit, auditReads: config.AuditReads, roles: config.Roles,
		reportOnly: config.DangerouslyReportOnly, failOpen: config.DangerouslyFailOpen}
	if _, none := config.Audit.(noAudit); none {
		g.audit = nil
	}
	return g, nil
}

// WithGuard puts a guard before every call of the client: each then needs a [Principal] in its context, and is sent only
// if the guard's policy allows it. A guard cannot be taken off or exchanged: on a client that has one it is an error, and
// each copy that With makes has the same.
func WithGuard(g *Guard) Option {
	return once(optionGuard, "WithGuard", func(s *settings) error {
		switch {
		case g == nil || g.checker == nil:
			return errors.New("the guard was not made by NewGuard")
		case s.gate != nil:
			return errors.New("the client has a guard already, which cannot be exchanged")
		}
		s.gate = g
		return nil
	})
}

// verdict is what a guard knows of a call under way.
type verdict struct {
	id        string // of the audit events; empty until one is recorded
	log       *slog.Logger
	action    string
	op        Operation // as it was asked for; what is sent may be a search in place of a list
	principal Principal
	resource  Resource
	second    Resource // another one of the kind, for what must be permitted on two; its Kind is empty otherwise
	decision  Decision
	hangs     bool // the right hangs on a condition
	view      view // how the answer is judged, if it is
	judged    bool
	looked    bool     // at the resource, or at both, as far as their kind can be fetched
	actor     Resource // the teammate in whose name it is done, once the decision needs them
	actorSeen bool     // they were looked at
	byActor   bool     // it is they that the decision needs
	intent    bool     // it is on record
	reported  bool     // a denial was recorded and let through
	missing   bool     // the resource is not there, which only the record may tell
}

// before decides about a call and puts its intent on record. It reads from Intercom only what a condition is about.
func (g *Guard) before(ctx context.Context, c *Client, in *call) error {
	v := &verdict{action: in.op.Name, op: in.op, log: c.s.log}
	in.verdict = v
	p, known := PrincipalFrom(ctx)
	v.principal = p
	v.resource = Resource{Kind: in.op.Resource, ID: in.resourceID(), Workspace: c.s.workspace}
	if in.members[1] != "" {
		v.second = v.resource
		v.second.ID = in.members[1]
	}
	if known && p.Workspace != c.s.workspace {
		return g.refuse(ctx, in, Decision{Reason: ReasonWrongWorkspace, policy: g.checker.load()}, nil, false)
	}
	if err := g.renew(ctx, in); err != nil {
		return err
	}
	d, err := g.decide(ctx, in)
	if err == nil && v.byActor {
		d, err = g.decideByActor(ctx, c, in, d)
	}
	if err == nil && d.Reason == ReasonNeedsResource && !v.byActor {
		d, err = g.decideByResource(ctx, c, in, d)
	}
	if !d.Allowed {
		if err := g.deny(ctx, in, d, err); err != nil {
			return err
		}
	} else {
		v.decision = d
	}
	switch {
	case in.op.Actor != "" && in.actor == "" && !in.op.ActorOptional: // nobody acts, and report-only let that through
		return noActor(in.op)
	case v.judged && v.view.list == "conversations" && !g.reportOnly:
		if err := in.narrow(d, &v.principal); err != nil {
			return err
		}
	}
	return g.recordIntent(ctx, in)
}

// renew finds out the principal's role in Intercom, if the guard goes by that.
func (g *Guard) renew(ctx context.Context, in *call) error {
	v := in.verdict
	if !g.asksForRole(&v.principal) {
		return nil
	}
	entry, err := g.roles.lookup(ctx, v.principal.AdminID, in.destroys())
	if err == nil {
		v.principal.Role, v.principal.Teams = entry.role, entry.teams
		return nil
	}
	v.principal.Role, v.principal.Teams = "", nil
	return g.deny(ctx, in, g.because(ctx, &v.principal, v.op.Permission, roleReason(err)), err)
}

// because is a denial for a reason that a checker does not see.
func (g *Guard) because(ctx context.Context, p *Principal, permission Permission, reason Reason) Decision {
	d, _ := g.checker.Check(ctx, *p, permission, Resource{})
	d.Allowed, d.condition = false, 0
	if d.Reason != ReasonUnknownPermission && d.Reason != ReasonNoPrincipal {
		d.Reason = reason
	}
	return d
}

func roleReason(err error) Reason {
	if errors.Is(err, ErrNotFound) {
		return ReasonUnknownRole
	}
	return ReasonRoleUnavailable
}

func (g *Guard) asksForRole(p *Principal) bool {
	return g.roles != nil && p.Service == "" && !p.IsZero()
}

// decide is the part of a decision that takes no I/O: for the operation, and for whose name it is done in.
func (g *Guard) decide(ctx context.Context, in *call) (Decision, error) {
	v := in.verdict
	v.byActor = false
	// A resource that was not looked at decides nothing: what needs it is to be told from what does not.
	resource := v.resource
	if !v.looked {
		resource = Resource{}
	}
	d, err := g.checker.Check(ctx, v.principal, in.op.Permission, resource)
	v.hangs = v.hangs || d.Reason == ReasonNeedsResource
	if d.Allowed && err == nil && v.looked && v.second.Kind != "" {
		d, err = g.checker.Check(ctx, v.principal, in.op.Permission, v.second)
	}
	if !d.Allowed && d.Reason != ReasonNeedsResource || err != nil || !in.impersonates(&v.principal) {
		return d, err
	}
	as, err := g.check(ctx, &v.principal, AdminsImpersonate, &v.actor, v.actorSeen)
	v.byActor = as.Reason == ReasonNeedsResource
	if !as.Allowed || err != nil {
		return as, err
	}
	return d, nil
}

// check decides, by one policy, about a resource that has its Value only if it was looked at: otherwise a condition that
// may have come into force since, and needs the Value, is not asked.
func (g *Guard) check(ctx context.Context, p *Principal, permission Permission, r *Resource, looked bool) (Decision, error) {
	d, err := g.checker.Check(ctx, *p, permission, Resource{})
	if d.Reason != ReasonNeedsResource || r.Kind == "" || !looked && slices.ContainsFunc(d.conditions(), (*Condition).needsValue) {
		return d, err
	}
	return d.policy.list[d.role-1].decide(ctx, Decision{permission: d.permission, role: d.role, policy: d.policy}, p, r)
}

// checkBoth decides as check does, about the call's resource and its second one where there is one.
func (g *Guard) checkBoth(ctx context.Context, in *call) (Decision, error) {
	v := in.verdict
	d, err := g.check(ctx, &v.principal, in.op.Permission, &v.resource, v.looked)
	if d.Allowed && err == nil && v.second.Kind != "" {
		return g.check(ctx, &v.principal, in.op.Permission, &v.second, v.looked)
	}
	return d, err
}

// impersonates reports whether the call is done in the name of another teammate than the principal's.
func (in *call) impersonates(p *Principal) bool {
	if in.op.ActorOptional && in.actor == "" {
		return false
	}
	return in.op.Actor != "" && in.actor != p.AdminID
}

// destroys reports whether the call is decided on a fresh role alone.
func (in *call) destroys() bool { return in.op.Effect == Destructive || destructive[in.op.Permission] }

// resourceID is the argument, or the member of the body, that identifies the resource.
func (in *call) resourceID() string {
	n := 0
	if in.op.ResourceArg == "" {
		return in.members[0]
	}
	for segment := range strings.SplitSeq(in.op.Path, "/") {
		if name, ok := placeholder(segment); ok {
			if name == in.op.ResourceArg && n < len(in.args) {
				return in.args[n]
			}
			n++
		}
	}
	return ""
}

// named reports whether the argument that identifies the resource is its own id.
func (in *call) named() bool { return in.op.ResourceArg != "" && in.op.ResourceArg != "external_id" }

// decideByResource decides what hangs on conditions: by the resource as Intercom has it now or, where that is what the
// call returns, by its answer.
func (g *Guard) decideByResource(ctx context.Context, c *Client, in *call, d Decision) (Decision, error) {
	v := in.verdict
	fetch := false
	for _, condition := range d.conditions() {
		if condition.Resource != "" && condition.Resource != in.op.Resource {
			return d, nil // as of away reasons, under a condition about admins
		}
		fetch = fetch || condition.needsValue()
	}
	view, viewed := views[in.op.Name]
	switch {
	case viewed && (view.list != "" || fetch || !in.named()):
		v.judged, v.view = true, view
		d.Allowed = true
		return d, nil
	case fetch && v.resource.ID == "", in.op.ResourceArg == "" && in.op.Resource == "":
		return d, nil
	case fetch:
		if d, err := v.lookAt(ctx, c, &v.resource, d); d.Reason != ReasonNeedsResource {
			return d, err
		}
		if v.second.Kind != "" {
			// The first must be permitted before the second is looked at: hidden and missing are to look the same.
			if first, err := g.check(ctx, &v.principal, in.op.Permission, &v.resource, true); !first.Allowed {
				return first, err
			}
			if d, err := v.lookAt(ctx, c, &v.second, d); d.Reason != ReasonNeedsResource {
				return d, err
			}
		}
		v.looked = true
	}
	return g.checkBoth(ctx, in)
}

// decideByActor decides what hangs on conditions about the teammate in whose name a call is done.
func (g *Guard) decideByActor(ctx context.Context, c *Client, in *call, d Decision) (Decision, error) {
	v := in.verdict
	actor := Resource{Kind: "admin", ID: string(in.actor), Workspace: v.resource.Workspace}
	if slices.ContainsFunc(d.conditions(), (*Condition).needsValue) {
		if d, err := v.lookAt(ctx, c, &actor, d); d.Reason != ReasonNeedsResource {
			return d, err
		}
		v.actorSeen = true
	}
	v.actor = actor
	return g.decide(ctx, in)
}

// lookAt fetches what a decision hangs on. If that cannot be had, it returns a denial.
func (v *verdict) lookAt(ctx context.Context, c *Client, r *Resource, d Decision) (Decision, error) {
	value, err := c.unguarded().fetch(ctx, r.Kind, r.ID)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && value != nil && idOf(value) != r.ID: // under another spelling it is not there
		v.missing = true
		d.Reason = ReasonConditionNotMet
		return d, nil
	case err != nil:
		d.Reason = ReasonConditionUnknown
		return d, fmt.Errorf("intercomrbac: the %s cannot be looked at: %w", r.Kind, err)
	}
	r.Value = value
	return d, nil
}

// errStaleRole says that the role of a call's principal has to be asked for again.
var errStaleRole = errors.New("intercomrbac: the role was forgotten each time that it was asked for")

// again decides once more, without I/O, before each attempt: a policy that was swapped or a role that was forgotten
// bites at once. It is errStaleRole where renew must be called first.
func (g *Guard) again(ctx context.Context, in *call, mayRenew bool) error {
	v := in.verdict
	if v.reported {
		return nil
	}
	if g.asksForRole(&v.principal) {
		entry, ok := g.roles.peek(v.principal.AdminID, in.destroys())
		switch {
		case !ok && mayRenew:
			return errStaleRole
		case !ok:
			return g.deny(ctx, in, g.because(ctx, &v.principal, v.op.Permission, ReasonRoleUnavailable), errStaleRole)
		}
		v.principal.Role, v.principal.Teams = entry.role, entry.teams
	}
	d, err := g.recheck(ctx, in)
	if d.Allowed || v.judged && err == nil && d.Reason == ReasonNeedsResource {
		return nil
	}
	return g.deny(ctx, in, d, err)
}

func (g *Guard) recheck(ctx context.Context, in *call) (Decision, error) {
	v := in.verdict
	d, err := g.decide(ctx, in)
	if err == nil && d.Reason == ReasonNeedsResource && !v.judged && !v.byActor {
		if view, viewed := views[in.op.Name]; viewed && (view.list != "" || !in.named()) {
			return d, nil // its answer would not be judged
		}
		return g.checkBoth(ctx, in) // what was not fetched is not fetched now
	}
	return d, err
}

// deny refuses a call, or in report-only mode records that it would have been.
func (g *Guard) deny(ctx context.Context, in *call, d Decision, cause error) error {
	return g.refuse(ctx, in, d, cause, g.reportOnly)
}

func (g *Guard) refuse(ctx context.Context, in *call, d Decision, cause error, letThrough bool) error {
	v := in.verdict
	if v.reported && letThrough {
		return nil
	}
	v.decision = d
	permission := v.op.Permission
	if d.Permission() == AdminsImpersonate {
		permission = AdminsImpersonate
	}
	denied := denial(v.action, permission, v.principal.Role, d.told(), cause)
	if !v.intent {
		e := g.event(in, PhaseDenial)
		e.Success, e.ReportOnly = new(false), letThrough
		if v.missing {
			e.Error = errorWord(ErrNotFound)
		}
		if cause != nil {
			e.Error = errorWord(cause)
		}
		if err := g.record(ctx, e); err != nil {
			denied.causes = append(denied.causes, fmt.Errorf("%w: the denial is not on record: %w", ErrAuditUnavailable, sinkError{err}))
		}
	}
	if letThrough {
		v.reported = true
		return nil
	}
	return denied
}

// recordIntent puts a write on record before it is sent.
func (g *Guard) recordIntent(ctx context.Context, in *call) error {
	v := in.verdict
	if g.audit == nil || v.op.Effect == Read && !g.auditReads {
		return nil
	}
	if err := g.audit.Record(ctx, g.event(in, PhaseIntent)); err != nil {
		if !g.failOpen {
			return &callError{v.action + ": not sent: the intent is not on record: " + printable(untitled(err), 200), []error{ErrAuditUnavailable, sinkError{err}}}
		}
		v.log.ErrorContext(ctx, "intercom audit failed open", "action", v.action)
	}
	v.intent = true
	return nil
}

// after puts on record how a call ended, and returns what its caller gets.
func (g *Guard) after(ctx context.Context, in *call, err error) error {
	v := in.verdict
	if v.judged && v.view.list == "" && errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDenied) {
		// What is not there and what is hidden look the same.
		v.missing = true
		if denied := g.deny(ctx, in, g.because(ctx, &v.principal, v.op.Permission, ReasonConditionNotMet), nil); denied != nil {
			err = denied
		}
	}
	if !v.intent {
		return err
	}
	if err == nil && v.judged && v.view.list != "" {
		v.decision.Reason = ReasonAllowed
	}
	e := g.event(in, PhaseOutcome)
	e.Outcome = outcomeOf(in, err)
	e.Success = new(e.Outcome == OutcomeSucceeded)
	switch {
	case v.missing && err != nil:
		e.Error = errorWord(ErrNotFound)
	case err != nil:
		e.Error = errorWord(err)
	}
	failure := g.record(ctx, e)
	switch {
	case failure == nil:
		return err
	case g.failOpen:
		v.log.ErrorContext(ctx, "intercom audit failed open", "action", v.action)
		return err
	}
	text := v.action + ": the outcome is not on record: " + printable(untitled(failure), 200)
	causes := []error{ErrAuditIncomplete, sinkError{failure}}
	if err != nil {
		text += ", and: " + untitled(err)
		causes = append(causes, err)
	}
	return &callError{text, causes}
}

func outcomeOf(in *call, err error) AuditOutcome {
	switch {
	case err == nil:
		return OutcomeSucceeded
	case errors.Is(err, ErrOutcomeUnknown):
		return OutcomeUnknown
	case !in.sent:
		return OutcomeNotSent
	default:
		return OutcomeFailed
	}
}

// errorWord tells of an error what may stand in a record: no text from outside but Intercom's code.
func errorWord(err error) string {
	if e, ok := errors.AsType[*APIError](err); ok && e.StatusCode != 0 {
		return strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, e.Code))
	}
	if e, ok := errors.AsType[*DeniedError](err); ok {
		return e.Decision.Reason.String()
	}
	if e, ok := errors.AsType[*sentinel](err); ok {
		return untitled(e)
	}
	return "error"
}

// recordTimeout is how long a denial or an outcome may take to record: the request that it belongs to may be over.
const recordTimeout = 5 * time.Second

// record records what has happened already.
func (g *Guard) record(ctx context.Context, e AuditEvent) error {
	if g.audit == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return g.audit.Record(ctx, e)
}

func (g *Guard) event(in *call, phase AuditPhase) AuditEvent {
	v := in.verdict
	if g.audit == nil {
		return AuditEvent{}
	}
	if v.id == "" {
		v.id = rand.Text()
	}
	p := &v.principal
	e := AuditEvent{
		Timestamp: time.Now().UTC(), AdminID: p.AdminID, AdminEmail: p.Email, Action: v.action, Resource: v.resource.Kind,
		ResourceID: v.resource.ID, IPAddress: p.IP, ID: v.id, Phase: phase, Service: p.Service, Workspace: p.Workspace, Role: p.Role,
		Permission: v.op.Permission, Reason: v.decision.Reason, PolicyVersion: v.decision.Version(), RequestID: in.requestID,
		ReportOnly: v.reported,
	}
	if p.Service != "" {
		e.AdminID = ""
	}
	if v.op.Actor != "" {
		e.ActingAdminID = in.actor
	}
	e.SecondResourceID = v.second.ID
	if v.op.Effect != 0 {
		e.Effect = v.op.Effect.String()
	}
	role, rule := v.decision.rule()
	e.RuleRole, e.Rule = role, rule.String()
	if d := v.decision; !d.Allowed && d.Permission() == AdminsImpersonate {
		e.Permission = AdminsImpersonate
	}
	e.Sensitive = in.destroys() || strings.HasPrefix(string(v.op.Permission), "settings:") ||
		v.op.Permission == AdminsWrite || in.impersonates(p) || soundsSensitive(v.op.Name)
	return e
}

// soundsSensitive looks at the name of an action that is in no table.
func soundsSensitive(name string) bool {
	if _, known := LookupOperation(name); known {
		return false
	}
	return strings.Contains(name, "delete") || strings.Contains(name, "settings")
}

// sinkError is what a sink failed with. It is of none of this package's classes: those are about the call.
type sinkError struct{ error }

func (e sinkError) Is(target error) bool {
	_, own := target.(*sentinel)
	return !own && errors.Is(e.error, target)
}
