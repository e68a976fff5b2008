package intercomtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// TestWorkspaceStore tests that a store does what [intercomrbac.WorkspaceStore] asks for: it finds what was saved, whole; lets
// one of many win who save over the same version; keeps workspaces with odd ids apart or refuses them; gives out copies;
// lists each record once; and does nothing for a context that has ended. open returns a new, empty store, and is called
// for each part of the test.
//
// A row of a database does with the columns id (any text of 64 letters, digits, - and _; letters of either case are not the
// same), region, installed_at, revoked, sealed (bytes, less than a kilobyte), version (64 bits), and with
// "UPDATE ... WHERE id = ? AND version = ?" for Save, or an INSERT that fails where there is one.
func TestWorkspaceStore(t *testing.T, open func(t *testing.T) intercomrbac.WorkspaceStore) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, intercomrbac.WorkspaceStore)
	}{
		{"Get returns what was saved", testStoreGets},
		{"Save compares versions", testStoreCompares},
		{"one of many savers wins", testStoreRaces},
		{"records are copies", testStoreCopies},
		{"Delete", testStoreDeletes},
		{"All", testStoreLists},
		{"odd ids", testStoreOddIDs},
		{"an ended context", testStoreEndedContext},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Helper()
			part.test(t, open(t))
		})
	}
}

func record(id intercomrbac.WorkspaceID, version int64) intercomrbac.WorkspaceRecord {
	return intercomrbac.WorkspaceRecord{ID: id, Region: intercomrbac.EU, Account: "account of " + string(id), InstalledAt: time.Date(2026, 9, 3, 14, 15, 16, 0, time.UTC),
		Sealed: fmt.Appendf(nil, "sealed %s %d", id, version), Version: version}
}

// save must succeed.
func save(t *testing.T, s intercomrbac.WorkspaceStore, r intercomrbac.WorkspaceRecord, old int64) {
	t.Helper()
	if err := s.Save(t.Context(), r, old); err != nil {
		t.Fatalf("Save of %q over version %d: %v", r.ID, old, err)
	}
}

// holds checks what is there.
func holds(t *testing.T, s intercomrbac.WorkspaceStore, want intercomrbac.WorkspaceRecord) {
	t.Helper()
	got, err := s.Get(t.Context(), want.ID)
	if err != nil {
		t.Errorf("Get of %q: %v", want.ID, err)
	} else if !same(got, want) {
		t.Errorf("Get of %q: %+v, want %+v", want.ID, got, want)
	}
}

func same(a, b intercomrbac.WorkspaceRecord) bool {
	return a.ID == b.ID && a.Region == b.Region && a.Account == b.Account && a.InstalledAt.Equal(b.InstalledAt) &&
		a.Revoked == b.Revoked && a.RevokedAt.Equal(b.RevokedAt) && bytes.Equal(a.Sealed, b.Sealed) && a.Version == b.Version
}

func missingRecord(t *testing.T, s intercomrbac.WorkspaceStore, id intercomrbac.WorkspaceID) {
	t.Helper()
	if r, err := s.Get(t.Context(), id); !errors.Is(err, intercomrbac.ErrWorkspaceNotFound) {
		t.Errorf("Get of %q: %+v and %v, want ErrWorkspaceNotFound", id, r, err)
	}
}

func testStoreGets(t *testing.T, s intercomrbac.WorkspaceStore) {
	missingRecord(t, s, "acme0001")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	revoked := record("tomb0001", 7)
	revoked.Revoked, revoked.RevokedAt, revoked.Sealed = true, revoked.InstalledAt.Add(time.Hour), nil
	large := record("large001", math.MaxInt64)
	large.Sealed = bytes.Repeat(all, 4)
	plain := record("acme0001", 1)
	for _, r := range []intercomrbac.WorkspaceRecord{plain, revoked, large} {
		save(t, s, r, 0)
	}
	for _, r := range []intercomrbac.WorkspaceRecord{plain, revoked, large} {
		holds(t, s, r)
	}
	missingRecord(t, s, "acme000")
}

func testStoreCompares(t *testing.T, s intercomrbac.WorkspaceStore) {
	conflicts := func(r intercomrbac.WorkspaceRecord, old int64) {
		t.Helper()
		if err := s.Save(t.Context(), r, old); !errors.Is(err, intercomrbac.ErrVersionConflict) {
			t.Errorf("Save of version %d over version %d: %v, want ErrVersionConflict", r.Version, old, err)
		}
	}
	conflicts(record("acme0001", 3), 2) // there is none
	missingRecord(t, s, "acme0001")
	first, other := record("acme0001", 10), record("acme0002", 10)
	save(t, s, first, 0)
	save(t, s, other, 0)
	conflicts(record("acme0001", 11), 0)
	conflicts(record("acme0001", 12), 9)
	conflicts(record("acme0001", 12), 11)
	holds(t, s, first)
	next := record("acme0001", 1_000)
	next.Revoked, next.Region = true, intercomrbac.AU
	save(t, s, next, 10)
	conflicts(record("acme0001", 2_000), 10)
	holds(t, s, next)
	holds(t, s, other)
}

func testStoreRaces(t *testing.T, s intercomrbac.WorkspaceStore) {
	const rounds, racers = 20, 64
	for round := range int64(rounds) {
		// What each one saves can be told from what the others do, in the second half of the rounds also by its version.
		offer := func(racer int64) intercomrbac.WorkspaceRecord {
			r := record("acme0001", (round+1)*racers*2+racer*(round/(rounds/2)))
			r.Sealed = fmt.Appendf(nil, "round %d, racer %d", round, racer)
			return r
		}
		old := int64(0)
		if r, err := s.Get(t.Context(), "acme0001"); err == nil {
			old = r.Version
		}
		var (
			wg      sync.WaitGroup
			mu      sync.Mutex
			winners []int64
		)
		start := make(chan struct{})
		for racer := range int64(racers) {
			wg.Go(func() {
				<-start
				err := s.Save(t.Context(), offer(racer), old)
				if err != nil && !errors.Is(err, intercomrbac.ErrVersionConflict) {
					t.Errorf("Save: %v, want nil or ErrVersionConflict", err)
				}
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					winners = append(winners, racer)
				}
			})
		}
		close(start)
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("round %d: %d of %d who saved over one version succeeded, want 1", round, len(winners), racers)
		}
		holds(t, s, offer(winners[0]))
	}
}

func testStoreCopies(t *testing.T, s intercomrbac.WorkspaceStore) {
	r := record("acme0001", 1)
	save(t, s, r, 0)
	r.Sealed[0]++
	got, err := s.Get(t.Context(), "acme0001")
	if err != nil {
		t.Fatal(err)
	}
	got.Sealed[0]++
	for listed, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		listed.Sealed[0]++
	}
	holds(t, s, record("acme0001", 1))
}

func testStoreDeletes(t *testing.T, s intercomrbac.WorkspaceStore) {
	remove := func(id intercomrbac.WorkspaceID) {
		t.Helper()
		if err := s.Delete(t.Context(), id); err != nil {
			t.Errorf("Delete of %q: %v", id, err)
		}
	}
	remove("acme0001")
	kept := record("acme0002", 5)
	save(t, s, record("acme0001", 5), 0)
	save(t, s, kept, 0)
	remove("acme0001")
	remove("acme0001")
	missingRecord(t, s, "acme0001")
	holds(t, s, kept)
	if err := s.Save(t.Context(), record("acme0001", 6), 5); !errors.Is(err, intercomrbac.ErrVersionConflict) {
		t.Errorf("Save over the version that was deleted: %v, want ErrVersionConflict", err)
	}
	save(t, s, record("acme0001", 6), 0)
	holds(t, s, record("acme0001", 6))
}

func testStoreLists(t *testing.T, s intercomrbac.WorkspaceStore) {
	for r, err := range s.All(t.Context()) {
		t.Errorf("All of an empty store has %+v, %v", r, err)
	}
	want := map[intercomrbac.WorkspaceID]intercomrbac.WorkspaceRecord{}
	for i := range int64(50) {
		r := record(intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)), i+1)
		r.Revoked = i%7 == 0
		save(t, s, r, 0)
		want[r.ID] = r
	}
	all := s.All(t.Context())
	for range 2 { // it begins anew each time
		seen := map[intercomrbac.WorkspaceID]bool{}
		for r, err := range all {
			if err != nil {
				t.Fatalf("All: %v", err)
			}
			if seen[r.ID] || !same(r, want[r.ID]) {
				t.Errorf("All: %+v (seen before: %v), want %+v", r, seen[r.ID], want[r.ID])
			}
			seen[r.ID] = true
		}
		if len(seen) != len(want) {
			t.Errorf("All has %d records, want %d", len(seen), len(want))
		}
	}
	n := 0
	for _, err := range all {
		if n++; n == 3 || err != nil {
			break
		}
	}
	if n != 3 {
		t.Errorf("All went on for %d records, want that it ends where the loop does", n)
	}
}

// oddIDs are no ids of Intercom's. What is refused is refused; what is taken must not be taken for another.
var oddIDs = []intercomrbac.WorkspaceID{
	".", "..", "../acme0001", "../../acme0001", "/acme0001", "acme0001/", "acme0001/../acme0002", `..\acme0001`, `C:\acme0001`, "acme0001:stream",
	"acme0001\x00", "\x00acme0001", "acme0001\n", " acme0001", "acme0001 ", "ACME0001", "Acme0001", "acme0001.json", "lock", "new", "con", "nul", "0",
	"%2e%2e%2facme0001", "acme%", "acme_001", "acme'; DROP TABLE workspaces; --", `"acme0001"`, "*", "acme000?", "ａcme0001", "acm\u00e9", "acme\u0301", "🙂",
	"\xff\xfe", "acme0001\xff", intercomrbac.WorkspaceID(strings.Repeat("a", 64)), intercomrbac.WorkspaceID(strings.Repeat("a", 4096)),
	intercomrbac.WorkspaceID(strings.Repeat("../", 1000)),
}

func testStoreOddIDs(t *testing.T, s intercomrbac.WorkspaceStore) {
	plain := record("acme0001", 1)
	save(t, s, plain, 0)
	if err := s.Save(t.Context(), record("", 1), 0); err == nil {
		t.Error("Save takes a record without an id")
	}
	taken := []intercomrbac.WorkspaceRecord{plain}
	for i, id := range oddIDs {
		if r, err := s.Get(t.Context(), id); err == nil {
			t.Errorf("Get of %.80q, which nobody has saved: %+v", id, r)
		}
		r := record(id, int64(i)+2)
		if err := s.Save(t.Context(), r, 0); err == nil {
			taken = append(taken, r)
		} else if errors.Is(err, intercomrbac.ErrVersionConflict) {
			t.Errorf("Save of %.80q takes it for another id: %v", id, err)
		}
	}
	for _, r := range taken {
		holds(t, s, r)
	}
	n := 0
	for r, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatalf("All: %v", err)
		}
		holds(t, s, r)
		n++
	}
	if n != len(taken) {
		t.Errorf("All has %d records of the %d that were taken", n, len(taken))
	}
	for _, id := range oddIDs {
		_ = s.Delete(t.Context(), id) // it may refuse
	}
	holds(t, s, plain)
}

func testStoreEndedContext(t *testing.T, s intercomrbac.WorkspaceStore) {
	plain := record("acme0001", 1)
	save(t, s, plain, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fails := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a context that was cancelled: %v, want context.Canceled", what, err)
		}
	}
	for range 10 { // a select that finds two cases ready takes either
		_, err := s.Get(ctx, "acme0001")
		fails("Get", err)
		fails("Save", s.Save(ctx, record("acme0001", 2), 1))
		fails("Save of a new record", s.Save(ctx, record("acme0002", 1), 0))
		fails("Delete", s.Delete(ctx, "acme0001"))
	}
	n := 0
	for _, err := range s.All(ctx) {
		fails("All", err)
		n++
	}
	if n != 1 {
		t.Errorf("All under a context that was cancelled yields %d times, want one error", n)
	}
	holds(t, s, plain)
	missingRecord(t, s, "acme0002")
}
