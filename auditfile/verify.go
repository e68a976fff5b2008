package auditfile

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/intercomrbac/intercomrbac"
)

// Trust is what the verifier of a log knows from elsewhere. The zero value is nothing, with which it is not seen that lines
// were cut from the end, or that the whole log was written anew.
type Trust struct {
	// Keys are those whose signatures on checkpoints count. With them there has to be one such in the log.
	Keys []ed25519.PublicKey
	// Checkpoint is one that was kept elsewhere: the log has to have its line. Its signature is looked at if there
	// are Keys and it has one.
	Checkpoint *Checkpoint
	// First is the sequence that the log has to begin with, where older files were removed; 0 means 1.
	First uint64
}

// Report is what a verifier found.
type Report struct {
	// Files and Lines are how many there are.
	Files, Lines int
	// First and Last are the sequences of the first and the last line, and Hash the hash of the last. Last and Hash
	// make a Checkpoint, to be kept elsewhere.
	First, Last uint64
	Hash        string
	// Covered is the sequence up to which a checkpoint vouches for the log: one of the log that one of the Keys
	// signed, or the one given. 0 means none does.
	Covered uint64
	// Unfinished are the intents without an outcome, in their order: what they name was done or not, and nobody put
	// on record which. Those of calls under way are among them.
	Unfinished []intercomrbac.AuditEvent
	// Notices are what the log says of itself, such as that events were dropped, or that a torn end was cut.
	Notices []intercomrbac.AuditEvent
	// Bad is the first sequence whose line is missing or not as it was written; 0 if there is none.
	Bad uint64
	// Torn: all that is bad is that the last line has no end, as after a power cut or in a log that is being
	// written. Open repairs it.
	Torn bool
}

// Verify reads the log in a directory and checks that it is as it was written: every line there, once, in order, and
// unchanged. It needs nothing but the files, changes nothing, and reads to the end even if something is bad. The error is
// nil if all is as it should be, and says what is not otherwise; where Report.Bad is 0, the error is that the log could not
// be checked. The report is there in each case.
//
// What it cannot see without Trust, the package comment says. It does not wait for the writer: of a log that is being
// written, the last line may be Torn.
func Verify(dir string, trust Trust) (*Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &Report{}, fmt.Errorf("auditfile: Verify: %w", err)
	}
	defer func() { _ = root.Close() }()
	return verify(root.FS(), trust)
}

func verify(fsys fs.FS, trust Trust) (*Report, error) {
	v := verifier{trust: trust, report: &Report{}, open: map[string]uint64{}}
	err := v.run(fsys)
	if err != nil {
		err = fmt.Errorf("auditfile: Verify: %w", err)
	}
	return v.report, err
}

type verifier struct {
	trust   Trust
	report  *Report
	problem error             // the first
	open    map[string]uint64 // intents: the sequence by the id
	last    tip
}

func (v *verifier) run(fsys fs.FS) error {
	r, kept := v.report, v.trust.Checkpoint
	if kept != nil && len(v.trust.Keys) > 0 && len(kept.Signature) > 0 && !kept.signedBy(v.trust.Keys) {
		return errors.New("the checkpoint to compare with is not signed by one of the keys")
	}
	names, err := logFiles(fsys)
	if err != nil {
		return err
	}
	r.Files = len(names)
	err = walk(fsys, names, max(v.trust.First, 1), v.line, v.bad)
	if r.Lines > 0 {
		r.Last, r.Hash = v.last.sequence, string(v.last.hash[:])
	}
	if err != nil {
		return err
	}
	switch {
	case len(names) == 0 && kept == nil:
		return errors.New("there is no log here: no file audit-….jsonl")
	case kept != nil && kept.Sequence > r.Last:
		v.bad(&damage{sequence: r.Last + 1, text: fmt.Sprintf("the log ends with sequence %d, and a checkpoint vouches for %d: the end was cut off", r.Last, kept.Sequence)})
	}
	if err := v.unfinished(fsys, names); err != nil {
		return err
	}
	switch {
	case v.problem != nil:
		return v.problem
	case kept != nil && kept.Sequence+1 < r.First:
		return fmt.Errorf("the checkpoint is of sequence %d, before the first line of the log, and says nothing about it", kept.Sequence)
	case len(v.trust.Keys) > 0 && r.Covered == 0:
		return errors.New("no checkpoint of the log is signed by one of the keys")
	}
	return nil
}

func (v *verifier) bad(d *damage) {
	if v.problem == nil {
		v.problem = d
		v.report.Bad, v.report.Torn = d.sequence, d.torn
	}
	v.report.Torn = v.report.Torn && d.torn
}

func (v *verifier) line(_ string, l *line) bool {
	r := v.report
	if r.Lines == 0 {
		r.First = l.sequence
		v.compare(l.sequence-1, l.previous)
	}
	r.Lines++
	v.last = l.tip
	v.compare(l.sequence, l.hash[:])
	if l.isCheckpoint() {
		v.checkpoint(l)
		return true
	}
	switch id, phase := l.call(); string(phase) {
	case string(intercomrbac.PhaseIntent):
		v.open[string(id)] = l.sequence
	case string(intercomrbac.PhaseOutcome):
		delete(v.open, string(id))
	case string(intercomrbac.PhaseNotice):
		var e intercomrbac.AuditEvent
		if json.Unmarshal(l.object(), &e) == nil {
			r.Notices = append(r.Notices, e)
		}
	}
	return true
}

// compare compares a line with the checkpoint that was kept.
func (v *verifier) compare(sequence uint64, hash []byte) {
	kept := v.trust.Checkpoint
	switch {
	case kept == nil || kept.Sequence != sequence || v.problem != nil:
	case kept.Hash != string(hash):
		v.bad(&damage{sequence: sequence, text: "it is not the line that the checkpoint vouches for: the log was written anew, here or before"})
	default:
		v.report.Covered = max(v.report.Covered, sequence)
	}
}

// checkpoint checks one of the log.
func (v *verifier) checkpoint(l *line) {
	c := l.checkpoint()
	switch {
	case c == nil || c.Sequence != l.sequence-1 || c.Hash != string(l.previous):
		v.bad(&damage{sequence: l.sequence, text: "it is a checkpoint of another line than the one before it"})
	case len(v.trust.Keys) == 0:
	case !c.signedBy(v.trust.Keys):
		v.bad(&damage{sequence: l.sequence, text: "it is a checkpoint that none of the keys signed"})
	case v.problem == nil:
		v.report.Covered = max(v.report.Covered, c.Sequence)
	}
}

// unfinished reads again what an intent without an outcome is.
func (v *verifier) unfinished(fsys fs.FS, names []string) error {
	if len(v.open) == 0 {
		return nil
	}
	return walk(fsys, names, beginning(names), func(_ string, l *line) bool {
		id, _ := l.call()
		if sequence, ok := v.open[string(id)]; ok && sequence == l.sequence {
			var e intercomrbac.AuditEvent
			if err := json.Unmarshal(l.object(), &e); err == nil {
				v.report.Unfinished = append(v.report.Unfinished, e)
			}
		}
		return true
	}, func(*damage) {})
}

// damage is a place where a log is not as it was written.
type damage struct {
	file     string
	sequence uint64 // that should be there
	text     string
	torn     bool // the last line has no end
}

func (d *damage) Error() string {
	if d.file == "" {
		return fmt.Sprintf("sequence %d: %s", d.sequence, d.text)
	}
	return fmt.Sprintf("%s: sequence %d: %s", d.file, d.sequence, d.text)
}

// walk reads all lines of the files. It tells of each that is whole, until it is told to stop, and of all that is not as it
// was written. The first line has to have a sequence.
func walk(fsys fs.FS, names []string, first uint64, tell func(name string, l *line) (more bool), bad func(*damage)) error {
	w := walker{tell: tell, bad: bad, end: tip{first - 1, start}, known: first == 1}
	for i, name := range names {
		if more, err := w.file(fsys, name, i == len(names)-1); err != nil || !more {
			return err
		}
	}
	return nil
}

type walker struct {
	tell  func(name string, l *line) bool
	bad   func(*damage)
	end   tip
	known bool // the hash at the end; not so behind a line that is bad, and where a log does not begin with 1
	begun bool
}

func (w *walker) file(fsys fs.FS, name string, last bool) (more bool, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	begins := true
	for r := newLines(f); ; begins = false {
		b, _, ended, err := r.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if l, ok := parseLine(b); ok {
			w.follow(name, &l, begins)
			if !w.tell(name, &l) {
				return false, nil
			}
		} else {
			d := &damage{name, w.end.sequence + 1, "the line is not as it was written", false}
			if last && !ended {
				d.text, d.torn = "the last line has no end: it was being written, or was cut", true
			}
			w.bad(d)
			w.known = false
		}
		w.begun = true
	}
}

// follow goes on to a line that is whole.
func (w *walker) follow(name string, l *line, begins bool) {
	next := w.end.sequence + 1
	named, _ := nameSequence(name)
	switch {
	case !w.begun && l.sequence != next:
		w.bad(&damage{name, next, fmt.Sprintf("the log begins with sequence %d", l.sequence), false})
	case w.known && l.sequence != next:
		w.bad(&damage{name, next, "the line is missing", false})
	case w.known && !l.follows(&w.end):
		w.bad(&damage{name, next, "the line does not belong to the one before it", false})
	case begins && named != l.sequence:
		w.bad(&damage{name, l.sequence, "the file has the name of another one", false})
	}
	w.end, w.known = l.tip, true
}
