package auditfile

import (
	"sync"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// drops counts the events that a best-effort log dropped. It is safe for concurrent use.
type drops struct {
	mu          sync.Mutex
	all, untold uint64 // since Open; of them those of which the log does not tell yet
	since, last time.Time
}

func (d *drops) add(n uint64) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.untold == 0 {
		d.since = now
	}
	d.last = now
	d.all += n
	d.untold += n
}

func (d *drops) total() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

func (d *drops) pending() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.untold
}

// notice returns what the log has to tell, and of how many events it tells.
func (d *drops) notice() (*intercomrbac.AuditEvent, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.untold == 0 {
		return nil, 0
	}
	e := notice("audit.dropped", d.last, int(d.untold))
	e.Since = d.since.UTC()
	return e, d.untold
}

func (d *drops) told(n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.untold -= n
}

func notice(action string, at time.Time, count int) *intercomrbac.AuditEvent {
	return &intercomrbac.AuditEvent{Timestamp: at.UTC(), Action: action, Phase: intercomrbac.PhaseNotice, Count: count}
}
