package intercomtest

import (
	"context"
	"slices"
	"sync"

	"github.com/intercomrbac/intercomrbac"
)

// AuditMem is an audit sink that keeps what it is given, for a test to look at. The zero value is ready to use. It is
// safe for concurrent use.
type AuditMem struct {
	mu     sync.Mutex
	events []intercomrbac.AuditEvent
	err    error
}

// Record implements [intercomrbac.AuditSink]. It fails where ctx has ended, and while [AuditMem.Fail] says so; what it
// fails with is not kept.
func (m *AuditMem) Record(ctx context.Context, event intercomrbac.AuditEvent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if event.Success != nil {
		event.Success = new(*event.Success) // the caller's may change
	}
	m.events = append(m.events, event)
	return nil
}

// Events returns what was recorded, in order.
func (m *AuditMem) Events() []intercomrbac.AuditEvent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Reset forgets what was recorded.
func (m *AuditMem) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = nil
}

// Fail makes Record return err from now on; nil makes it work again.
func (m *AuditMem) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}
