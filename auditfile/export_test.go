package auditfile

import (
	"io/fs"
	"iter"

	"github.com/intercomrbac/intercomrbac"
)

// What the tests see of the inside: the place of the files, which they simulate.
type (
	Volume = volume
	File   = file
)

// OpenVolume is Open of a simulated directory.
func OpenVolume(v Volume, config Config) (*Log, error) {
	l, err := newLog(config)
	if err == nil {
		err = l.begin(v)
	}
	return l, err
}

// VerifyFS is Verify of one.
func VerifyFS(fsys fs.FS, trust Trust) (*Report, error) { return verify(fsys, trust) }

// EventsFS is Events of one.
func EventsFS(fsys fs.FS, filter Filter) iter.Seq2[intercomrbac.AuditEvent, error] {
	return func(yield func(intercomrbac.AuditEvent, error) bool) { events(fsys, filter, yield) }
}

// Limits, for tests to reach.
const (
	MaxEvent = maxEvent
	MaxQueue = maxQueue
	MaxTorn  = maxTorn
)
