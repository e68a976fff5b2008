package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// AuditSink takes the record of what was done, or refused. Record must be safe for concurrent use. nil means that the
// event is on record; a guard sends no write whose intent could not be recorded, unless it is told to fail open. Record
// must not change the event.
type AuditSink interface {
	Record(ctx context.Context, event AuditEvent) error
}

// SinkFunc is a function as an [AuditSink].
type SinkFunc func(ctx context.Context, event AuditEvent) error

// Record calls f.
func (f SinkFunc) Record(ctx context.Context, event AuditEvent) error { return f(ctx, event) }

// NoAudit returns a sink that keeps nothing: it says in words that a guard works without a record.
func NoAudit() AuditSink { return noAudit{} }

type noAudit struct{}

// Record implements [AuditSink].
func (noAudit) Record(context.Context, AuditEvent) error { return nil }

// MultiSink records to all of the sinks, one after the other, each whatever the others say. It fails where one of them
// does, with all their errors, and where there is none. Wrap a sink in [BestEffort] that may fail.
func MultiSink(sinks ...AuditSink) AuditSink {
	sinks = slices.Clone(sinks)
	return SinkFunc(func(ctx context.Context, e AuditEvent) error {
		if len(sinks) == 0 {
			return errors.New("intercomrbac: MultiSink: there is no sink")
		}
		var errs []error
		for i, sink := range sinks {
			if sink == nil {
				errs = append(errs, fmt.Errorf("sink %d is nil", i+1))
			} else if err := sink.Record(ctx, e); err != nil {
				errs = append(errs, fmt.Errorf("sink %d: %w", i+1, err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("intercomrbac: MultiSink: %w", err)
		}
		return nil
	})
}

// BestEffort records to sink and takes its failure for success: what it does not take is lost, and nothing is stopped for
// it. It is for sinks beside the one that counts.
func BestEffort(sink AuditSink) AuditSink {
	return SinkFunc(func(ctx context.Context, e AuditEvent) error {
		if sink != nil {
			_ = sink.Record(ctx, e) // as the name says
		}
		return nil
	})
}

// SensitiveOnly records to sink the events that are Sensitive, such as to a channel that people watch. Others are no error.
func SensitiveOnly(sink AuditSink) AuditSink {
	return SinkFunc(func(ctx context.Context, e AuditEvent) error {
		switch {
		case !e.Sensitive:
			return nil
		case sink == nil:
			return errors.New("intercomrbac: SensitiveOnly: the sink is nil")
		}
		return sink.Record(ctx, e)
	})
}

// AuditPhase says when in a call an event was recorded.
type AuditPhase string

// Phases of a call.
const (
	// PhaseIntent: it was allowed and is about to be sent.
	PhaseIntent AuditPhase = "intent"
	// PhaseOutcome: it ended; Outcome says how.
	PhaseOutcome AuditPhase = "outcome"
	// PhaseDenial: it was denied. Nothing was sent, or, where an answer had to be looked at first, nothing was
	// returned.
	PhaseDenial AuditPhase = "denial"
	// PhaseNotice: no call, but what a sink says of its own record, such as that events were dropped. Action is what.
	PhaseNotice AuditPhase = "notice"
)

// AuditOutcome says how a call ended.
type AuditOutcome string

// Outcomes of a call.
const (
	OutcomeSucceeded AuditOutcome = "succeeded"
	OutcomeFailed    AuditOutcome = "failed"   // it was refused or failed, and was not done
	OutcomeUnknown   AuditOutcome = "unknown"  // it was sent and may have been done
	OutcomeNotSent   AuditOutcome = "not_sent" // nothing left the process after the intent
)

// AuditEvent is one entry of the record. It holds no token, and no text of a message. The first eight members have the
// names that audit tables of Intercom integrations commonly use.
type AuditEvent struct {
	Timestamp time.Time `json:"timestamp"`
	// AdminID is the teammate who acted; empty where a service did.
	AdminID    AdminID `json:"adminId"`
	AdminEmail string  `json:"adminEmail"`
	// Action is the name of the operation, such as "conversations.assign", or of a permission that was asked for.
	Action     string `json:"action"`
	Resource   string `json:"resource"`
	ResourceID string `json:"resourceId"`
	// Success is nil on an intent, true where the call succeeded, and false otherwise.
	Success   *bool  `json:"success,omitempty"`
	IPAddress string `json:"ipAddress,omitempty"`

	// SecondResourceID is there where a call is about two things of one kind: of a merge, ResourceID is the contact that
	// goes, and this the one that it goes into.
	SecondResourceID string `json:"secondResourceId,omitempty"`
	// ID is the same on all events of one call.
	ID    string     `json:"id"`
	Phase AuditPhase `json:"phase"`
	// Outcome is there in the outcome phase only.
	Outcome AuditOutcome `json:"outcome,omitempty"`
	// Service is the program that acted; empty where a teammate did.
	Service string `json:"service,omitempty"`
	// ActingAdminID is the teammate in whose name it was done, where Intercom is told one.
	ActingAdminID AdminID     `json:"actingAdminId,omitempty"`
	Workspace     WorkspaceID `json:"workspace,omitempty"`
	Role          Role        `json:"role,omitempty"`
	Permission    Permission  `json:"permission,omitempty"`
	Effect        string      `json:"effect,omitempty"`
	// Reason, RuleRole, Rule and PolicyVersion tell why it was allowed or denied.
	Reason        Reason `json:"reason"`
	RuleRole      Role   `json:"ruleRole,omitempty"`
	Rule          string `json:"rule,omitempty"`
	PolicyVersion string `json:"policyVersion,omitempty"`
	// Sensitive: it destroys, manages settings or admins, or is done in another teammate's name.
	Sensitive bool `json:"sensitive,omitempty"`
	// ReportOnly: it was denied and let through all the same, under DangerouslyReportOnly.
	ReportOnly bool `json:"reportOnly,omitempty"`
	// RequestID is Intercom's id of the request; may be empty.
	RequestID string `json:"requestId,omitempty"`
	// Error is what went wrong, in a word or two.
	Error string `json:"error,omitempty"`

	// Count is set by a sink that puts many into one: so many denials, of which Since is the time of the first and
	// Timestamp that of the last, or what a notice counts. 0 means one.
	Count int `json:"count,omitempty"`
	// Since is there with Count only.
	Since time.Time `json:"since,omitzero"`
	// TruncatedFrom is set by a sink that cut the texts of an event which was too large: the bytes that they had.
	TruncatedFrom int `json:"truncatedFrom,omitempty"`
}

// SlogSink records to a logger: intents and outcomes at info level, denials, failures and what is sensitive at warn level,
// the last as "[AUDIT] Sensitive action: contacts.delete by ana@example.com". Unlike the logger's own methods it reports
// the handler's errors, and a level that would drop the event is one.
func SlogSink(logger *slog.Logger) AuditSink {
	return SinkFunc(func(ctx context.Context, e AuditEvent) error {
		if logger == nil {
			return errors.New("intercomrbac: SlogSink: the logger is nil")
		}
		level, message := slog.LevelInfo, "audit"
		if e.Phase == PhaseDenial || e.Success != nil && !*e.Success {
			level = slog.LevelWarn
		}
		if e.Sensitive {
			level, message = slog.LevelWarn, "[AUDIT] Sensitive action: "+printable(e.Action, 200)+" by "+
				printable(firstOf(e.AdminEmail, string(e.AdminID), e.Service, "nobody"), 200) // some handlers write a message as it is
		}
		h := logger.Handler()
		if !h.Enabled(ctx, level) {
			return fmt.Errorf("intercomrbac: SlogSink: the logger drops level %s: enable it", level)
		}
		record := slog.NewRecord(e.Timestamp, level, message, 0)
		record.AddAttrs(e.attrs()...)
		if err := h.Handle(ctx, record); err != nil {
			return fmt.Errorf("intercomrbac: SlogSink: %w", err)
		}
		return nil
	})
}

// attrs are the members of an event that say something, under their JSON names.
func (e *AuditEvent) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 24)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	flag := func(key string, value bool) {
		if value {
			attrs = append(attrs, slog.Bool(key, true))
		}
	}
	text("id", e.ID)
	text("phase", string(e.Phase))
	text("action", e.Action)
	text("resource", e.Resource)
	text("resourceId", e.ResourceID)
	text("secondResourceId", e.SecondResourceID)
	text("adminId", string(e.AdminID))
	text("adminEmail", e.AdminEmail)
	text("service", e.Service)
	text("actingAdminId", string(e.ActingAdminID))
	text("ipAddress", e.IPAddress)
	text("workspace", string(e.Workspace))
	text("role", string(e.Role))
	text("permission", string(e.Permission))
	text("effect", e.Effect)
	text("reason", e.Reason.String())
	text("ruleRole", string(e.RuleRole))
	text("rule", e.Rule)
	text("policyVersion", e.PolicyVersion)
	if e.Success != nil {
		attrs = append(attrs, slog.Bool("success", *e.Success))
	}
	text("outcome", string(e.Outcome))
	flag("sensitive", e.Sensitive)
	flag("reportOnly", e.ReportOnly)
	text("requestId", e.RequestID)
	text("error", e.Error)
	if e.Count != 0 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	if !e.Since.IsZero() {
		attrs = append(attrs, slog.Time("since", e.Since))
	}
	if e.TruncatedFrom != 0 {
		attrs = append(attrs, slog.Int("truncatedFrom", e.TruncatedFrom))
	}
	return attrs
}
