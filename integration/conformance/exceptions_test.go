package conformance_test

import (
	"path"
	"slices"
	"testing"
)

// exception is a difference that is meant. what matches the difference's name as path.Match does.
type exception struct{ what, why string }

// ledger collects differences, and knows which exceptions were needed.
type ledger struct {
	exceptions []exception
	used       map[string]int
	found      map[string]string // what is no exception, with an account of it
}

func newLedger(exceptions []exception) *ledger {
	return &ledger{exceptions, map[string]int{}, map[string]string{}}
}

// note takes down a difference.
func (l *ledger) note(what, account string) {
	known := false
	for _, e := range l.exceptions {
		if ok, _ := path.Match(e.what, what); ok {
			l.used[e.what]++
			known = true
		}
	}
	if !known {
		l.found[what] = account
	}
}

// complaints are the differences that are no exceptions, and the exceptions that are no differences any more.
func (l *ledger) complaints() (list []string) {
	for what, account := range l.found {
		list = append(list, what+": "+account)
	}
	for _, e := range l.exceptions {
		if l.used[e.what] == 0 {
			list = append(list, e.what+": this exception is not needed any more: take it away")
		}
	}
	slices.Sort(list)
	return list
}

// settle fails the test for each complaint.
func (l *ledger) settle(t *testing.T) {
	t.Helper()
	for _, complaint := range l.complaints() {
		t.Error(complaint)
	}
}
