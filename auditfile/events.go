package auditfile

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Filter says which events are wanted: those that are as all of its members say. The zero value wants all.
type Filter struct {
	// Since and Until are the first time that is wanted, and the first one after it that is not.
	Since, Until time.Time
	// Actor is an admin's id or e-mail address, or a service.
	Actor string
	// Action is as in the event, such as "conversations.assign".
	Action string
	// Resource is a kind, such as "conversation", and ResourceID an id, of the event's resource or its second one.
	Resource, ResourceID string
	// Phase tells denials from the rest: intercomrbac.PhaseDenial.
	Phase intercomrbac.AuditPhase
	// Reason is why it was decided so; intercomrbac.ReasonNone wants each.
	Reason intercomrbac.Reason
}

func (f *Filter) wants(e *intercomrbac.AuditEvent) bool {
	is := func(want string, has ...string) bool {
		for _, s := range has {
			if s == want {
				return true
			}
		}
		return want == ""
	}
	return (f.Since.IsZero() || !e.Timestamp.Before(f.Since)) && (f.Until.IsZero() || e.Timestamp.Before(f.Until)) &&
		is(f.Actor, string(e.AdminID), e.AdminEmail, e.Service) && is(f.Action, e.Action) && is(f.Resource, e.Resource) &&
		is(f.ResourceID, e.ResourceID, e.SecondResourceID) && is(string(f.Phase), string(e.Phase)) && (f.Reason == intercomrbac.ReasonNone || f.Reason == e.Reason)
}

// Events reads the log in a directory, the oldest event first; also while it is written. Members that were redacted are
// compared as they stand in the log. What is not as it was written gives an error, after which the reading goes on; one of
// the disk is the last. A last line without an end is not there yet, and no error.
func Events(dir string, filter Filter) iter.Seq2[intercomrbac.AuditEvent, error] {
	return func(yield func(intercomrbac.AuditEvent, error) bool) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			yield(intercomrbac.AuditEvent{}, fmt.Errorf("auditfile: Events: %w", err))
			return
		}
		defer func() { _ = root.Close() }()
		events(root.FS(), filter, yield)
	}
}

func events(fsys fs.FS, filter Filter, yield func(intercomrbac.AuditEvent, error) bool) {
	more := true
	fail := func(err error) bool {
		more = more && yield(intercomrbac.AuditEvent{}, fmt.Errorf("auditfile: Events: %w", err))
		return more
	}
	names, err := logFiles(fsys)
	if err != nil {
		fail(err)
		return
	}
	err = walk(fsys, names, beginning(names), func(name string, l *line) bool {
		var e intercomrbac.AuditEvent
		switch {
		case !more:
		case l.isCheckpoint():
		default:
			if err := json.Unmarshal(l.object(), &e); err != nil {
				return fail(fmt.Errorf("%s: sequence %d: %w", name, l.sequence, err))
			}
			more = !filter.wants(&e) || yield(e, nil)
		}
		return more
	}, func(d *damage) {
		if !d.torn {
			fail(d)
		}
	})
	if err != nil {
		fail(err)
	}
}
