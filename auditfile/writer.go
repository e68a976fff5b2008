package auditfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// writer appends to a log. It is for one goroutine at a time.
type writer struct {
	volume     volume
	bestEffort bool
	drops      *drops
	sign       func(message []byte) []byte // nil if there are no checkpoints
	checkpoint *atomic.Pointer[Checkpoint]

	maxFileBytes, maxBytes         int64
	maxFileAge, checkpointInterval time.Duration
	checkpointEvery                int

	tip     tip
	file    file // nil before the log has one
	name    string
	size    int64     // of what is whole in the file
	begun   time.Time // the first event of the file
	tainted bool      // behind size there is something
	failed  error     // a sync failed: nothing is written any more

	used      int64 // bytes in the directory
	recounted time.Time

	denials   denials
	repaired  *intercomrbac.AuditEvent // to be told in the log
	uncovered int                      // events since the last checkpoint
	since     time.Time                // of the first of them
	retry     time.Time                // before it, nothing that is due is tried again

	buffer  []byte
	entries []*entry
}

// batch is what one write and one sync put on record.
type batch struct {
	bytes    []byte
	tip      tip
	events   int
	entries  []*entry
	folded   int
	dropped  uint64
	repaired bool
	signed   *Checkpoint
}

// commit writes entries and what is due, and answers the entries. At the end of the log everything is due.
func (w *writer) commit(entries []*entry, end bool) error {
	now := time.Now()
	b := &batch{bytes: w.buffer[:0], tip: w.tip, entries: entries[:0]}
	w.addDue(b, now, end)
	for _, e := range entries {
		switch {
		case e.denial != nil && w.failed == nil && w.denials.fold(e, now):
			e.done <- nil
		case !w.fits(b, e.object, e.share, now):
			w.refuse(e, errQuota)
		default:
			w.add(b, e.object)
			b.entries = append(b.entries, e)
		}
	}
	w.addCheckpoint(b, now, end)
	w.buffer = b.bytes
	if len(b.bytes) == 0 {
		return nil
	}
	if err := w.write(b.bytes, now); err != nil {
		w.retry = now.Add(retryAfter)
		err = fmt.Errorf("auditfile: the event is not acknowledged: %w", err)
		for _, e := range b.entries {
			w.refuse(e, err)
		}
		return err
	}
	w.settle(b, now)
	return nil
}

var errQuota = errors.New("auditfile: the event is not on record: the quota MaxBytes is used up: archive and remove the oldest files")

func (w *writer) refuse(e *entry, err error) {
	if w.bestEffort {
		w.drops.add(1)
	}
	e.done <- err
}

// settle is for what is on the disk now.
func (w *writer) settle(b *batch, now time.Time) {
	w.tip = b.tip
	w.used += int64(len(b.bytes))
	w.drops.told(b.dropped)
	w.denials.folded = w.denials.folded[b.folded:]
	if b.repaired {
		w.repaired = nil
	}
	if w.uncovered == 0 {
		w.since = now
	}
	w.uncovered += b.events
	if b.signed != nil {
		w.uncovered = 0
		w.checkpoint.Store(b.signed)
	}
	for _, e := range b.entries {
		e.done <- nil
	}
}

func (w *writer) add(b *batch, object []byte) {
	b.bytes = appendLine(b.bytes, &b.tip, object)
	b.events++
}

// addDue adds what the log itself has to say. What there is no room for stays due.
func (w *writer) addDue(b *batch, now time.Time, end bool) {
	if now.Before(w.retry) && !end {
		return
	}
	w.denials.roll(now, end)
	say := func(e *intercomrbac.AuditEvent) bool {
		object, err := encode(e)
		if err != nil || !w.fits(b, object, shareOfDenials, now) {
			w.retry = now.Add(retryAfter)
			return false
		}
		w.add(b, object)
		return true
	}
	if w.repaired != nil {
		b.repaired = say(w.repaired)
	}
	if e, n := w.drops.notice(); n > 0 && say(e) {
		b.dropped = n
	}
	for i := range w.denials.folded {
		if len(b.bytes) >= maxBatch/2 || !say(&w.denials.folded[i]) {
			break
		}
		b.folded++
	}
}

func (w *writer) addCheckpoint(b *batch, now time.Time, end bool) {
	events := w.uncovered + b.events
	old := w.uncovered > 0 && now.Sub(w.since) >= w.checkpointInterval && !now.Before(w.retry)
	if w.sign == nil || events == 0 || events < w.checkpointEvery && !old && !end {
		return
	}
	c := &Checkpoint{Sequence: b.tip.sequence, Hash: string(b.tip.hash[:]), Time: now.UTC().Round(0)}
	c.Signature = w.sign(c.message())
	object, err := json.Marshal(struct {
		Checkpoint *Checkpoint `json:"checkpoint"`
	}{c})
	if err != nil || !w.fits(b, object, sharesOfQuota, now) {
		w.retry = now.Add(retryAfter)
		return
	}
	b.bytes = appendLine(b.bytes, &b.tip, object)
	b.signed = c
}

// due is when the writer has to do something without being asked; zero if never.
func (w *writer) due() (at time.Time) {
	if w.failed != nil {
		return time.Time{}
	}
	by := func(t time.Time) {
		if t.Before(w.retry) {
			t = w.retry
		}
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if len(w.denials.folded) > 0 || w.drops.pending() > 0 {
		by(time.Now())
	}
	if w.denials.held > 0 {
		by(w.denials.end)
	}
	if w.sign != nil && w.uncovered > 0 {
		by(w.since.Add(w.checkpointInterval))
	}
	return at
}

// write appends to the log and makes it durable. After an error nothing of it counts as written.
func (w *writer) write(data []byte, now time.Time) error {
	if w.failed != nil {
		return w.failed
	}
	if err := w.ready(len(data), now); err != nil {
		return err
	}
	n, err := w.file.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.tainted = true
		_ = w.clean() // so that nobody reads half a line; if it fails, before the next write
		return err
	}
	if err := w.synced(w.file.Sync()); err != nil {
		_ = w.file.Truncate(w.size) // what the system has of it in memory may never come to the disk
		return err
	}
	w.size += int64(n)
	return nil
}

// synced takes the result of a sync, of which the first failure is the last word: the system may then take for written
// what is not, and succeed the next time.
func (w *writer) synced(err error) error {
	if err != nil {
		w.failed = fmt.Errorf("a sync failed, after which nothing is written here: close the log and open it again: %w", err)
	}
	return w.failed
}

// clean cuts what a failed write left.
func (w *writer) clean() error {
	if err := w.file.Truncate(w.size); err != nil {
		return err
	}
	if err := w.synced(w.file.Sync()); err != nil {
		return err
	}
	w.tainted = false
	return nil
}

// ready makes sure that there is a file to append to: the one so far, or a new one where that is full, old or gone.
func (w *writer) ready(n int, now time.Time) error {
	if w.file != nil && w.volume.Has(w.name, w.file) {
		if w.tainted {
			if err := w.clean(); err != nil {
				return err
			}
		}
		if w.size == 0 {
			w.begun = now
		}
		if w.size == 0 || w.size+int64(n) <= w.maxFileBytes && now.Sub(w.begun) < w.maxFileAge {
			return nil
		}
	}
	name := fileName(w.tip.sequence + 1)
	f, err := w.volume.Create(name)
	if err != nil {
		return err
	}
	if w.file != nil {
		_ = w.file.Close() // all that counts in it is synced
	}
	w.file, w.name, w.size, w.begun, w.tainted = f, name, 0, now, false
	return w.synced(w.volume.Sync())
}

// fits reports whether the quota has room for one more event with a share of it.
func (w *writer) fits(b *batch, object []byte, share int64, now time.Time) bool {
	if w.maxBytes == 0 {
		return true
	}
	needed := int64(len(b.bytes) + len(object) + lineOverhead)
	room := func() bool { return w.used+needed <= w.maxBytes/sharesOfQuota*share }
	if !room() && now.Sub(w.recounted) >= recountQuota { // somebody may have removed files
		w.recounted = now
		if used, err := usedBytes(w.volume); err == nil {
			w.used = used
		}
	}
	return room()
}

// close writes all that is due, and closes what is open.
func (w *writer) close() error {
	var errs []error
	for {
		left := len(w.denials.folded)
		err := w.commit(nil, true)
		if errs = append(errs, err); err != nil || len(w.denials.folded) == 0 || len(w.denials.folded) == left {
			break
		}
	}
	if n := len(w.denials.folded) + w.denials.held; n > 0 {
		errs = append(errs, fmt.Errorf("the counts of %d kinds of denials are not on record", n))
	}
	if n := w.drops.pending(); n > 0 {
		errs = append(errs, fmt.Errorf("%d events were dropped, and the log does not say so", n))
	}
	if w.file != nil {
		errs = append(errs, w.file.Close())
	}
	if !errors.Is(errors.Join(errs...), w.failed) {
		errs = append(errs, w.failed)
	}
	return errors.Join(append(errs, w.volume.Close())...)
}
