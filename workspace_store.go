package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// WorkspaceRecord is what a [WorkspaceStore] keeps of an installed workspace. Nothing in it is secret but what Sealed holds,
// which only a [KeyRing] opens. The zero value is the record of none.
type WorkspaceRecord struct {
	// ID is the workspace, and what a record is found by.
	ID     WorkspaceID `json:"id"`
	Region Region      `json:"region"`
	// Account is who the workspace is tied to in the service, also while it is Revoked; empty for nobody.
	Account string `json:"account"`
	// InstalledAt is when the workspace was identified at its last install, to the second.
	InstalledAt time.Time `json:"installed_at"`
	// Revoked: Intercom does not take the token any more. The token is kept for a day, should that be Intercom's mistake, and the
	// record stays as a tombstone until the workspace installs the app again.
	Revoked bool `json:"revoked"`
	// RevokedAt is when that was found out, to the second; zero if it was not.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Sealed holds the token, the workspace's name and who installed, encrypted. It is empty a day after RevokedAt.
	Sealed []byte `json:"sealed"`
	// Version is another one after each change, and never 0.
	Version int64 `json:"version"`
}

// WorkspaceStore keeps the records of installed workspaces. It must be safe for concurrent use, and shared by all processes
// that serve the workspaces. It gives up when ctx ends. intercomtest.TestWorkspaceStore tests an implementation; it is
// documented there what else is asked of one.
type WorkspaceStore interface {
	// Get returns the record of a workspace, or ErrWorkspaceNotFound.
	Get(ctx context.Context, id WorkspaceID) (WorkspaceRecord, error)
	// Save writes the record if the version of the one that is there is old, in one step; 0 stands for none there. Otherwise
	// it changes nothing and the error is ErrVersionConflict: of several who save over the same version, one succeeds. After
	// any other error it may have been written or not. record.Version is the new version, never old again.
	Save(ctx context.Context, record WorkspaceRecord, old int64) error
	// Delete removes the record of a workspace for good. None there is no error.
	Delete(ctx context.Context, id WorkspaceID) error
	// All returns every record once, in any order, and stops after the first error. What is saved or deleted meanwhile may
	// or may not be seen.
	All(ctx context.Context) iter.Seq2[WorkspaceRecord, error]
}

// checkSave refuses what no store can take.
func checkSave(r WorkspaceRecord, old int64) error {
	switch {
	case r.ID == "":
		return fmt.Errorf("%w: WorkspaceStore: the record has no ID", ErrInvalidRequest)
	case old < 0 || r.Version <= old:
		return fmt.Errorf("%w: WorkspaceStore: version %d cannot follow %d", ErrInvalidRequest, r.Version, old)
	}
	return nil
}

func notInstalled(id WorkspaceID) error {
	return fmt.Errorf("%w: %.80q", ErrWorkspaceNotFound, string(id))
}

func versionConflict(id WorkspaceID, there, old int64) error {
	return fmt.Errorf("%w: workspace %.80q is at version %d, not %d", ErrVersionConflict, string(id), there, old)
}

// NewMemoryWorkspaceStore returns a store in memory, for tests: a restart forgets every workspace, and each would have to
// install the app again.
func NewMemoryWorkspaceStore() WorkspaceStore {
	return &memoryWorkspaces{records: map[WorkspaceID]WorkspaceRecord{}}
}

type memoryWorkspaces struct {
	mu      sync.Mutex
	records map[WorkspaceID]WorkspaceRecord
}

// Get implements [WorkspaceStore].
func (m *memoryWorkspaces) Get(ctx context.Context, id WorkspaceID) (WorkspaceRecord, error) {
	if err := ctx.Err(); err != nil {
		return WorkspaceRecord{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[id]
	if !ok {
		return WorkspaceRecord{}, notInstalled(id)
	}
	r.Sealed = slices.Clone(r.Sealed)
	return r, nil
}

// Save implements [WorkspaceStore].
func (m *memoryWorkspaces) Save(ctx context.Context, record WorkspaceRecord, old int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkSave(record, old); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if there := m.records[record.ID].Version; there != old {
		return versionConflict(record.ID, there, old)
	}
	record.Sealed = slices.Clone(record.Sealed)
	m.records[record.ID] = record
	return nil
}

// Delete implements [WorkspaceStore].
func (m *memoryWorkspaces) Delete(ctx context.Context, id WorkspaceID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, id)
	return nil
}

// All implements [WorkspaceStore].
func (m *memoryWorkspaces) All(ctx context.Context) iter.Seq2[WorkspaceRecord, error] {
	return func(yield func(WorkspaceRecord, error) bool) {
		m.mu.Lock()
		ids := slices.Sorted(maps.Keys(m.records))
		m.mu.Unlock()
		eachWorkspace(ctx, m, ids, yield)
	}
}

// eachWorkspace yields the records of those ids that are still there.
func eachWorkspace(ctx context.Context, s WorkspaceStore, ids []WorkspaceID, yield func(WorkspaceRecord, error) bool) {
	for _, id := range ids {
		r, err := s.Get(ctx, id)
		if errors.Is(err, ErrWorkspaceNotFound) {
			continue
		}
		if !yield(r, err) || err != nil {
			return
		}
	}
	if err := ctx.Err(); err != nil && len(ids) == 0 {
		yield(WorkspaceRecord{}, err)
	}
}
