package auditfile

import (
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
