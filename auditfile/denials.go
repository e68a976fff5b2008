package auditfile

import (
	"sync"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// denials counts denials by the minute.
type denials struct {
	perMinute int // negative: no limit
	counts    map[denialKey]*denialCount
	end       time.Time                 // of the minute that counts are of
	held      int                       // how many counts have events to tell of
	folded    []intercomrbac.AuditEvent // of a minute that is over, to be written
}

type denialCount struct {
	own  int                     // events on their own
	many intercomrbac.AuditEvent // those beyond, if it has a Count
}

// fold counts a denial, and reports whether it needs no event of its own.
func (d *denials) fold(e *denial, now time.Time) bool {
	if d.perMinute < 0 {
		return false
	}
	c := d.counts[e.key]
	if c == nil {
		if len(d.counts) >= maxDenialKeys {
			return false
		}
		if d.counts == nil {
			d.counts, d.end = map[denialKey]*denialCount{}, now.Add(denialWindow)
		}
		c = &denialCount{}
		d.counts[e.key] = c
	}
	if c.own < d.perMinute {
		c.own++
		return false
	}
	count, since := c.many.Count, c.many.Since
	if count == 0 {
		d.held++
		since = e.event.Timestamp
	}
	c.many = e.event
	c.many.Count, c.many.Since = count+1, since
	return true
}

// roll ends the minute, if it is over or has to be. While the events of the last one are not written yet, it goes on.
func (d *denials) roll(now time.Time, end bool) {
	if len(d.folded) > 0 || d.counts == nil || now.Before(d.end) && !end {
		return
	}
	for _, c := range d.counts {
		if c.many.Count > 0 {
			d.folded = append(d.folded, c.many)
		}
	}
	d.counts, d.held = nil, 0
}

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
