package intercomrbac

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// DeliveryStore remembers which deliveries were taken, so that none is handled twice. It must be safe for concurrent use, and shared
// by all processes that Intercom may deliver to. It gives up when ctx ends. A key is 64 hexadecimal digits that tell nothing of the
// notification. A key-value store does with one entry that expires for each key: Claim sets it if there is none, Keep sets it, Release
// deletes it. intercomtest.TestDeliveryStore tests an implementation.
type DeliveryStore interface {
	// Claim takes a key until a time, in one step: true if nobody has it, or had it until a time that has passed. Of several callers
	// exactly one gets true.
	Claim(ctx context.Context, key string, until time.Time) (bool, error)
	// Keep has a key taken until a later time: the delivery was handled, or is still at work.
	Keep(ctx context.Context, key string, until time.Time) error
	// Release gives a key free: the delivery was not handled, and may come again. One that nobody has is no error.
	Release(ctx context.Context, key string) error
}

// NewMemoryDeliveryStore returns a store in memory, for a program of one process that may handle a notification again after a restart.
// It keeps the newest 200,000 keys, of 100 bytes or so each: where more come within 48 hours, use a store that lasts.
func NewMemoryDeliveryStore() DeliveryStore {
	return newMemoryDeliveries(maxDeliveries)
}

func newMemoryDeliveries(most int) *memoryDeliveries {
	return &memoryDeliveries{most: most, kept: map[[sha256.Size]byte]*keptDelivery{}}
}

const maxDeliveries = 200_000

// memoryDeliveries has the keys by their hashes, which are half as long.
type memoryDeliveries struct {
	most int

	mu    sync.Mutex
	kept  map[[sha256.Size]byte]*keptDelivery
	queue []*keptDelivery // the oldest first; some may be gone
}

type keptDelivery struct {
	key   [sha256.Size]byte
	until time.Time
}

// Claim implements [DeliveryStore].
func (m *memoryDeliveries) Claim(ctx context.Context, key string, until time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if k := m.kept[sha256.Sum256([]byte(key))]; k != nil && k.until.After(now) {
		return false, nil
	}
	m.put(key, until, now)
	return true, nil
}

// Keep implements [DeliveryStore].
func (m *memoryDeliveries) Keep(ctx context.Context, key string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, until, time.Now())
	return nil
}

// Release implements [DeliveryStore].
func (m *memoryDeliveries) Release(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, sha256.Sum256([]byte(key)))
	return nil
}

// put has a key taken. The caller holds the lock.
func (m *memoryDeliveries) put(key string, until, now time.Time) {
	sum := sha256.Sum256([]byte(key))
	if k := m.kept[sum]; k != nil {
		k.until = until
		return
	}
	for len(m.queue) > 0 {
		oldest := m.queue[0]
		there := m.kept[oldest.key] == oldest
		if there && oldest.until.After(now) && len(m.kept) < m.most {
			break
		}
		if there {
			delete(m.kept, oldest.key)
		}
		m.queue = m.queue[1:]
	}
	if len(m.queue) >= 2*m.most { // more than half were given free behind one that was not
		m.queue = slices.DeleteFunc(m.queue, func(k *keptDelivery) bool { return m.kept[k.key] != k })
	}
	k := &keptDelivery{key: sum, until: until}
	m.kept[sum] = k
	m.queue = append(m.queue, k)
}
