package auditfile

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Log is an audit trail in a directory, and an [intercomrbac.AuditSink]. It is made by [Open], safe for concurrent use, and
// runs a goroutine until Close.
type Log struct {
	bestEffort bool
	redact     func(*intercomrbac.AuditEvent) // nil if nothing is redacted
	queue      chan *entry
	closing    chan struct{}
	done       chan struct{} // the goroutine has ended
	turn       chan struct{} // holds the one who has the writer: the goroutine, or a caller who need not leave
	writer     *writer
	armed      atomic.Int64  // when the goroutine looks what is due, in unix nanoseconds; 0 if never
	dueSooner  chan struct{} // tells it that this is too late
	closeError error         // set before done is closed

	mu     sync.Mutex // between Record and Close
	closed bool

	drops      drops
	checkpoint atomic.Pointer[Checkpoint]
}

// entry is an event on its way to the disk.
type entry struct {
	object []byte // the event as JSON
	share  int64  // of the quota that it may use, in per cent
	denial *denial
	state  atomic.Int32
	done   chan error // has room for the one answer
}

// States of an entry. What was abandoned before the writer took it is not written.
const (
	waiting int32 = iota
	taken
	abandoned
)

// denial is what the writer needs of a denial to count it.
type denial struct {
	key denialKey
	at  time.Time
}

// denialKey is whose denials are counted together: a hash of the admin, service, workspace and permission before they were
// redacted, so that it has the same size whatever they are.
type denialKey [sha256.Size]byte

func keyOf(e *intercomrbac.AuditEvent) denialKey {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", e.AdminID, e.Service, e.Workspace, e.Permission))
}

// Open opens the log in a directory, which it makes if its parent is there, and is its one writer until Close: a second
// Open of it fails, in any process. What a crash left half written at the end goes to a file of its own, named torn-…, and
// the first event afterwards comes with a notice "audit.repaired" that counts its bytes. Damage that a crash cannot have
// done is an error, and nothing is changed: a crash damages no more than the last write, so nothing before a checkpoint that
// lines follow, and nothing 1.25 MiB from the end. Open reads the end of the log alone, the last file; Verify reads all.
//
// The directory is on a file system that keeps what it synced, so not on most network ones, and belongs to the log alone:
// names audit-*.jsonl are its own.
func Open(dir string, config Config) (*Log, error) {
	l, err := newLog(config)
	if err != nil {
		return nil, fmt.Errorf("auditfile: Open: %w", err)
	}
	v, err := openDisk(dir)
	if err != nil {
		return nil, fmt.Errorf("auditfile: Open: %w", err)
	}
	if err := l.begin(v); err != nil {
		return nil, fmt.Errorf("auditfile: Open: %s: %w", dir, errors.Join(err, v.Close()))
	}
	return l, nil
}

func newLog(config Config) (*Log, error) {
	redact, err := config.Redact.redactor()
	if err := errors.Join(config.complete(), err); err != nil {
		return nil, err
	}
	l := &Log{bestEffort: config.BestEffort, redact: redact, queue: make(chan *entry, maxQueue), closing: make(chan struct{}), done: make(chan struct{}),
		turn: make(chan struct{}, 1), dueSooner: make(chan struct{}, 1)}
	l.writer = &writer{
		bestEffort: config.BestEffort, denials: denials{perMinute: config.DenialsPerMinute}, drops: &l.drops, checkpoint: &l.checkpoint,
		maxFileBytes: config.MaxFileBytes, maxFileAge: config.MaxFileAge, maxBytes: config.MaxBytes,
		checkpointEvery: config.CheckpointEvery, checkpointInterval: config.CheckpointInterval,
	}
	if key := slices.Clone(config.SigningKey); key != nil {
		l.writer.sign = func(message []byte) []byte { return ed25519.Sign(key, message) }
	}
	return l, nil
}

// begin finds the end of the log, and starts the writer.
func (l *Log) begin(v volume) error {
	l.writer.volume = v
	if err := l.writer.restore(); err != nil {
		if l.writer.file != nil {
			_ = l.writer.file.Close()
		}
		return err
	}
	go l.run()
	return nil
}

// Record puts an event on record. nil means that it is on the disk: written, and synced together with what other callers
// recorded meanwhile, so that neither a crash nor a power cut loses it. The exceptions are BestEffort and denials beyond
// DenialsPerMinute.
//
// The goroutine writes, so that a caller can leave a disk that hangs; one whose ctx cannot end, such as context.Background(),
// writes itself if nobody else does, which is a little faster.
//
// Where ctx ends first, the event is on record or not, but never in part. An error says why it is not, such as that the
// disk is full; later events may succeed. After an error of a sync nothing does: what the system then still has, nobody
// knows, so close the log and open it again, which is another look at the disk.
//
// Texts are kept with what is no valid UTF-8 replaced. An event with more than 16 KiB of JSON is kept with its texts cut,
// and says so in TruncatedFrom.
func (l *Log) Record(ctx context.Context, event intercomrbac.AuditEvent) error {
	if l == nil || l.queue == nil {
		return errors.New("auditfile: this Log was not made by Open")
	}
	if err := ctx.Err(); err != nil && !l.bestEffort {
		return fmt.Errorf("auditfile: the event is not on record: %w", err)
	}
	e, err := l.entry(&event)
	if err != nil {
		return fmt.Errorf("auditfile: the event cannot be put on record: %w", err)
	}
	if l.bestEffort {
		return l.offer(e)
	}
	select {
	case <-l.closing:
		return errClosed
	default:
	}
	if ctx.Done() == nil {
		select {
		case l.turn <- struct{}{}:
			l.commit(e)
			return <-e.done
		default: // the next write takes it along
		}
	}
	select {
	case l.queue <- e:
	case <-l.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("auditfile: the event is not on record: the disk is behind: %w", ctx.Err())
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		if e.state.CompareAndSwap(waiting, abandoned) {
			return fmt.Errorf("auditfile: the event is not on record: the disk is behind: %w", ctx.Err())
		}
		return fmt.Errorf("auditfile: the event may be on record or not: the disk is behind: %w", ctx.Err())
	case <-l.done:
	}
	select {
	case err := <-e.done: // answered before the end
		return err
	default:
		return errClosed
	}
}

var errClosed = fmt.Errorf("auditfile: the log is closed: %w", os.ErrClosed)

// offer queues an event, or drops it.
func (l *Log) offer(e *entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	select {
	case l.queue <- e:
	default:
		l.drops.add(1)
	}
	return nil
}

func (l *Log) entry(event *intercomrbac.AuditEvent) (*entry, error) {
	if event.Reason.String() == intercomrbac.Reason(255).String() {
		return nil, fmt.Errorf("%d is no Reason", event.Reason)
	}
	e := &entry{done: make(chan error, 1)}
	switch {
	case event.Phase == intercomrbac.PhaseOutcome:
		e.share = sharesOfQuota
	case event.Phase == intercomrbac.PhaseIntent && event.Effect != intercomrbac.Read.String():
		e.share = shareOfIntents
	default:
		e.share = shareOfDenials
	}
	if event.Phase == intercomrbac.PhaseDenial {
		e.denial = &denial{keyOf(event), event.Timestamp}
	}
	if l.redact != nil {
		l.redact(event)
	}
	var err error
	e.object, err = encode(event)
	return e, err
}

// Dropped returns how many events were dropped since Open, which happens under BestEffort alone.
func (l *Log) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.drops.total()
}

// LastCheckpoint returns the latest checkpoint that is on the disk: of those signed since Open, or else of the file that Open
// went on with, as it stands there. It is false if there is none. Put it where the machine of the log cannot change it, each
// time that it is another one.
func (l *Log) LastCheckpoint() (Checkpoint, bool) {
	if l == nil {
		return Checkpoint{}, false
	}
	c := l.checkpoint.Load()
	if c == nil {
		return Checkpoint{}, false
	}
	return *c, true
}

// Close takes no more events, writes what waits and a last checkpoint, and gives the directory free. It fails where the
// disk did, and where ctx ends first; then the goroutine ends as soon as the disk answers. Close may be called more than
// once.
func (l *Log) Close(ctx context.Context) error {
	if l == nil || l.queue == nil {
		return nil
	}
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
		return l.closeError
	case <-ctx.Done():
		return fmt.Errorf("auditfile: Close: the disk is behind: %w", ctx.Err())
	}
}

// run writes what waits and what is due, until the end.
func (l *Log) run() {
	defer close(l.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.turn <- struct{}{}
		l.arm(timer)
		<-l.turn
		select {
		case e := <-l.queue:
			l.turn <- struct{}{}
			l.commit(e)
		case <-timer.C:
			l.turn <- struct{}{}
			l.commit(nil)
		case <-l.dueSooner:
		case <-l.closing:
			l.turn <- struct{}{} // for good
			l.closeError = l.finish()
			return
		}
	}
}

// commit writes an entry with those that wait, or what is due, and gives up the turn.
func (l *Log) commit(e *entry) {
	defer func() { <-l.turn }()
	var entries []*entry
	if e != nil {
		entries = l.collect(e)
	}
	_ = l.writer.commit(entries, false) // the entries have the error
	if due, armed := l.writer.due(), l.armed.Load(); !due.IsZero() && (armed == 0 || due.UnixNano() < armed) {
		select {
		case l.dueSooner <- struct{}{}:
		default:
		}
	}
}

// arm sets when the goroutine looks what is due.
func (l *Log) arm(timer *time.Timer) {
	due := l.writer.due()
	if due.IsZero() {
		timer.Stop()
		l.armed.Store(0)
		return
	}
	timer.Reset(time.Until(due))
	l.armed.Store(due.UnixNano())
}

// maxYields is how often the writer lets callers run who were just answered and are about to record again: one sync for all of
// them takes less time than one for the first of them and another for the rest.
const maxYields = 8

// collect takes what waits, at most so much that one write has a bounded size.
func (l *Log) collect(first *entry) []*entry {
	last := len(l.writer.entries)
	batch := l.writer.entries[:0]
	size, yields := 0, 0
	for e := first; e != nil; {
		if e.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, e)
			size += len(e.object) + lineOverhead
		}
		if size >= maxBatch/2 {
			break
		}
		for e = l.waiting(); e == nil && len(batch) < last && yields < maxYields; e = l.waiting() {
			yields++
			runtime.Gosched()
		}
	}
	l.writer.entries = batch
	return batch
}

// waiting returns an entry that waits, or nil.
func (l *Log) waiting() *entry {
	select {
	case e := <-l.queue:
		return e
	default:
		return nil
	}
}

// finish writes what there is left, and closes the files.
func (l *Log) finish() error {
	for {
		select {
		case e := <-l.queue:
			_ = l.writer.commit(l.collect(e), false)
			continue
		default:
		}
		break
	}
	if err := l.writer.close(); err != nil {
		return fmt.Errorf("auditfile: Close: %w", err)
	}
	return nil
}
