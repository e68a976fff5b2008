package auditfile

import (
	"encoding/json"
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
	own   int // events on their own
	many  int // those beyond
	since time.Time
	last  []byte // as JSON, which is no larger than an event may be, and nobody else's
}

// fold counts a denial, and reports whether it needs no event of its own.
func (d *denials) fold(e *entry, now time.Time) bool {
	if d.perMinute < 0 {
		return false
	}
	c := d.counts[e.denial.key]
	if c == nil {
		if len(d.counts) >= maxDenialKeys {
			return false
		}
		if d.counts == nil {
			d.counts, d.end = map[denialKey]*denialCount{}, now.Add(denialWindow)
		}
		c = &denialCount{}
		d.counts[e.denial.key] = c
	}
	if c.own < d.perMinute {
		c.own++
		return false
	}
	if c.many == 0 {
		d.held++
		c.since = e.denial.at
	}
	c.many++
	c.last = e.object
	return true
}

// roll ends the minute, if it is over or has to be. While the events of the last one are not written yet, it goes on.
func (d *denials) roll(now time.Time, end bool) {
	if len(d.folded) > 0 || d.counts == nil || now.Before(d.end) && !end {
		return
	}
	for _, c := range d.counts {
		if c.many == 0 {
			continue
		}
		var e intercomrbac.AuditEvent
		_ = json.Unmarshal(c.last, &e) // as it was written here
		e.Count, e.Since = c.many, c.since
		d.folded = append(d.folded, e)
	}
	d.counts, d.held = nil, 0
}
