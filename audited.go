package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Action is something that a service does on its own, such as to refund an invoice.
type Action struct {
	// Name is what the record calls it, such as "invoices.refund"; needed.
	Name string
	// Permission is what the principal needs; needed, and one that the policy names.
	Permission Permission
	// Effect is what it does; needed. A Read is recorded under AuditReads only.
	Effect Effect
}

// Audited does an action of the service's own as a guarded call is done: it is decided first, on resource where the right
// hangs on a condition; its intent is on record before fn runs, when it is decided once more, and its outcome afterwards. It returns the error of fn, or
// a [*DeniedError], ErrAuditUnavailable or ErrInvalidRequest, in which cases fn did not run, or ErrAuditIncomplete beside
// the error of fn. A panic of fn is recorded and goes on. Calls to Intercom in fn are guarded by their own permissions.
func (g *Guard) Audited(ctx context.Context, action Action, resource Resource, fn func(ctx context.Context) error) (err error) {
	op := Operation{Name: action.Name, Permission: action.Permission, Effect: action.Effect, Resource: resource.Kind}
	switch {
	case g == nil || g.checker == nil:
		return errors.New("intercomrbac: Audited: this Guard was not made by NewGuard")
	case ctx == nil || fn == nil:
		return invalid(op, "the context or the function is nil")
	case action.Name == "":
		return fmt.Errorf("%w: the action has no Name", ErrInvalidRequest)
	case action.Effect < Read || action.Effect > Destructive:
		return invalid(op, "the action has no Effect: use Read, Write or Destructive")
	}
	p, known := PrincipalFrom(ctx)
	in := &call{op: op, verdict: &verdict{action: action.Name, op: op, principal: p, resource: resource, looked: true,
		log: slog.New(slog.DiscardHandler)}}
	if known && g.roles != nil && p.Workspace != g.roles.client.s.workspace {
		return g.refuse(ctx, in, Decision{Reason: ReasonWrongWorkspace, policy: g.checker.load()}, nil, false)
	}
	if err := g.allow(ctx, in); err != nil {
		return err
	}
	if err := g.recordIntent(ctx, in); err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			_ = g.after(ctx, in, &callError{action.Name + ": the action panicked", []error{ErrOutcomeUnknown}})
		}
	}()
	if in.verdict.intent && !in.verdict.reported { // the sink may have taken its time
		err = g.allow(ctx, in)
	}
	if err == nil {
		in.sent = true
		err = fn(ctx)
	}
	ended = true
	return g.after(ctx, in, err)
}

// allow decides about an action; it waits for the role alone.
func (g *Guard) allow(ctx context.Context, in *call) error {
	if err := g.renew(ctx, in); err != nil {
		return err
	}
	d, err := g.decide(ctx, in)
	if !d.Allowed {
		return g.deny(ctx, in, d, err)
	}
	in.verdict.decision = d
	return nil
}
