package auditfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// ending is what a file has at its end.
type ending struct {
	tip
	lines      int
	whole      int64 // bytes of the lines that follow one another
	size       int64
	begun      time.Time // by its first line; may be zero
	uncovered  int       // events behind the last checkpoint
	checkpoint *Checkpoint
	writes     bool // what is behind whole is of more than one write
}

// restore finds the end of the log, and makes it one to append to.
func (w *writer) restore() error {
	names, err := logFiles(w.volume)
	if err != nil {
		return err
	}
	if w.used, err = usedBytes(w.volume); err != nil {
		return err
	}
	w.tip.hash = start
	var last *ending
	for i := len(names) - 1; i >= 0; i-- {
		name := names[i]
		e, err := readEnding(w.volume, name)
		if err != nil {
			return err
		}
		torn := e.size - e.whole
		if last == nil {
			last = e
			torn -= maxTorn
		}
		if torn > 0 || e.writes {
			return fmt.Errorf("%s is damaged behind its first %d bytes, in a way that a crash does not explain: verify the log, and move it away to begin another", name, e.whole)
		}
		w.uncovered += e.uncovered
		if w.checkpoint.Load() == nil && e.checkpoint != nil {
			w.checkpoint.Store(e.checkpoint)
		}
		if e.lines > 0 {
			w.tip = e.tip
			break
		}
		if first, _ := nameSequence(name); i == 0 && first != 1 {
			return fmt.Errorf("%s has no whole line, and the file before it is missing, without which the chain cannot go on: put it back", name)
		}
	}
	w.since = time.Now()
	if last == nil {
		return nil
	}
	name := names[len(names)-1]
	if first, _ := nameSequence(name); last.lines == 0 && first != w.tip.sequence+1 {
		return fmt.Errorf("%s is empty, and its name is not that of the next line, which has the sequence %d: move it away", name, w.tip.sequence+1)
	}
	return w.take(name, last)
}

// take makes a file the one to append to. What was there before is made durable: it may have been synced or not.
func (w *writer) take(name string, e *ending) error {
	f, err := w.volume.Append(name)
	if err != nil {
		return err
	}
	w.file, w.name, w.size, w.begun = f, name, e.whole, e.begun
	if w.begun.IsZero() || w.begun.After(w.since) { // as an event may claim, or a clock that went back
		w.begun = w.since
	}
	if e.whole < e.size {
		if err := w.setAside(name, e); err != nil {
			return fmt.Errorf("the torn end of %s: %w", name, err)
		}
	}
	aside, err := asideBytes(w.volume, w.tip.sequence+1)
	if err != nil {
		return err
	}
	if aside > 0 {
		w.repaired = notice("audit.repaired", w.since, int(aside))
	}
	if err := w.rewrite(name); err != nil {
		return err
	}
	return errors.Join(f.Sync(), w.volume.Sync())
}

func tornPrefix(sequence uint64) string { return fmt.Sprintf("torn-%0*d-", nameDigits, sequence) }

// asideBytes is how many bytes were set aside before a sequence, the last time: as long as its line is not there, the log
// does not tell of them, whichever process it was that repaired.
func asideBytes(fsys fs.FS, sequence uint64) (n int64, err error) {
	entries, err := fs.ReadDir(fsys, ".") // sorted
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tornPrefix(sequence)) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		n = info.Size()
	}
	return n, nil
}

// rewrite writes what the last write may have written over itself. Where a sync of it failed, the system shows it, holds it
// for written, and would not write it with the next sync.
func (w *writer) rewrite(name string) error {
	r, err := w.volume.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	from := max(w.size-maxTorn, 0)
	if _, err := io.CopyN(io.Discard, r, from); err != nil {
		return err
	}
	tail := make([]byte, w.size-from)
	if _, err := io.ReadFull(r, tail); err != nil {
		return err
	}
	return w.file.Rewrite(tail, from)
}

// setAside moves what is torn at the end of a file to a file of its own.
func (w *writer) setAside(name string, e *ending) error {
	r, err := w.volume.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if _, err := io.CopyN(io.Discard, r, e.whole); err != nil {
		return err
	}
	aside, err := w.volume.Create(fmt.Sprintf("%s%d", tornPrefix(w.tip.sequence+1), time.Now().UnixNano()))
	if err != nil {
		return err
	}
	_, err = io.Copy(aside, io.LimitReader(r, e.size-e.whole))
	if err := errors.Join(err, aside.Sync(), aside.Close(), w.volume.Sync()); err != nil {
		return err
	}
	return w.file.Truncate(e.whole)
}

func readEnding(fsys fs.FS, name string) (*ending, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	e := &ending{}
	r := newLines(f)
	broken, written := false, false
	for {
		b, n, _, err := r.next()
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return nil, err
		}
		e.size += int64(n)
		l, ok := parseLine(b)
		if broken {
			e.writes = e.writes || ok && written
			written = written || ok && l.isCheckpoint() // which is the last line of its write
			continue
		}
		if ok && e.lines == 0 {
			if first, _ := nameSequence(name); l.sequence != first {
				return nil, fmt.Errorf("%s begins with the sequence %d, which is not that of its name: give it its own name again", name, l.sequence)
			}
			e.begun = l.time()
		}
		if !ok || e.lines > 0 && !l.follows(&e.tip) {
			broken, written = true, ok && l.isCheckpoint()
			continue
		}
		e.tip, e.whole = l.tip, e.size
		e.lines++
		e.uncovered++
		if c := l.checkpoint(); c != nil {
			e.checkpoint, e.uncovered = c, 0
		}
	}
}

// checkpoint returns the checkpoint that a line is, or nil.
func (l *line) checkpoint() *Checkpoint {
	if !l.isCheckpoint() {
		return nil
	}
	var of struct{ Checkpoint *Checkpoint }
	if json.Unmarshal(l.object(), &of) != nil {
		return nil
	}
	return of.Checkpoint
}

// time returns when a line says that it was recorded; zero if it does not.
func (l *line) time() time.Time {
	var of struct {
		Timestamp  time.Time
		Checkpoint Checkpoint
	}
	if json.Unmarshal(l.object(), &of) != nil {
		return time.Time{}
	}
	if l.isCheckpoint() {
		return of.Checkpoint.Time
	}
	return of.Timestamp
}

func (l *line) object() []byte { return append(append([]byte("{"), l.members...), '}') }

// usedBytes is the size of all files in the directory.
func usedBytes(fsys fs.FS) (used int64, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return 0, err
		}
		used += info.Size()
	}
	return used, nil
}
