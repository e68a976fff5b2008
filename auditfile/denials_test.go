package auditfile_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func denial(id string) intercomrbac.AuditEvent {
	e := intent(id)
	e.Phase, e.Success, e.Reason = intercomrbac.PhaseDenial, new(false), intercomrbac.ReasonNotGranted
	return e
}

// Denials beyond the rate become one event for each principal and permission.
func TestDenialsBeyondTheRateAreFolded(t *testing.T) {
	t.Parallel()
	for caller := range 2 {
		synctest.Test(t, func(t *testing.T) { testDenialsBeyondTheRateAreFolded(t, caller) })
	}
}

func testDenialsBeyondTheRateAreFolded(t *testing.T, caller int) {
	t.Helper()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{DenialsPerMinute: 3})
	begin := time.Now()
	record := func(n int, admin intercomrbac.AdminID, permission intercomrbac.Permission) {
		for range n {
			e := denial(fmt.Sprint(time.Since(begin)))
			e.AdminID, e.Permission, e.Timestamp = admin, permission, time.Now()
			require.NoError(t, log.Record(contextOf(t, caller), e))
			time.Sleep(time.Second)
		}
	}
	record(10, "1", "contacts:delete")
	record(4, "1", "contacts:write")
	record(3, "2", "contacts:delete")
	require.NoError(t, log.Record(contextOf(t, caller), intent("A")))
	assert.Len(t, ids(t, dir), 3+3+3+1)
	time.Sleep(time.Minute)
	synctest.Wait()
	record(5, "1", "contacts:delete")
	require.NoError(t, log.Close(t.Context()))

	type folded struct {
		admin        intercomrbac.AdminID
		permission   intercomrbac.Permission
		count        int
		since, until time.Duration
	}
	var got []folded
	total := 0
	for e, err := range auditfile.Events(dir, auditfile.Filter{Phase: intercomrbac.PhaseDenial}) {
		require.NoError(t, err)
		if total += max(e.Count, 1); e.Count > 0 {
			got = append(got, folded{e.AdminID, e.Permission, e.Count, e.Since.Sub(begin), e.Timestamp.Sub(begin)})
		}
	}
	assert.ElementsMatch(t, []folded{
		{"1", "contacts:delete", 7, 3 * time.Second, 9 * time.Second},
		{"1", "contacts:write", 1, 13 * time.Second, 13 * time.Second},
		{"1", "contacts:delete", 2, 80 * time.Second, 81 * time.Second},
	}, got)
	assert.Equal(t, 22, total, "each one is counted")
	verified(t, dir, auditfile.Trust{})
}

// The event is the caller's again when Record returns, also where it is only counted.
func TestCountedDenialIsNotReadLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{DenialsPerMinute: 1})
	e := denial("A")
	for range 2 {
		require.NoError(t, log.Record(t.Context(), e))
	}
	*e.Success = true
	require.NoError(t, log.Close(t.Context()))
	n := 0
	for e, err := range auditfile.Events(dir, auditfile.Filter{Phase: intercomrbac.PhaseDenial}) {
		require.NoError(t, err)
		assert.False(t, *e.Success)
		n++
	}
	assert.Equal(t, 2, n)
}

// Redaction does not put the denials of different people together.
func TestDenialsAreCountedByWhoTheyWereOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{DenialsPerMinute: 1, Redact: auditfile.Redaction{Drop: []string{"adminId"}}})
	for i := range 6 {
		e := denial("A")
		e.AdminID = intercomrbac.AdminID(fmt.Sprint(i%3 + 1))
		require.NoError(t, log.Record(t.Context(), e))
	}
	require.NoError(t, log.Close(t.Context()))
	assert.Len(t, ids(t, dir), 6)
}

// Counts of denials that cannot be written yet are written later; on Close it is said that they are lost.
func TestFoldedDenialsWaitForTheDisk(t *testing.T) {
	t.Parallel()
	for _, recovers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := newSimDisk(1)
			log, err := auditfile.OpenVolume(d, auditfile.Config{DenialsPerMinute: 1})
			require.NoError(t, err)
			for range 5 {
				require.NoError(t, log.Record(t.Context(), denial("A")))
			}
			d.fail(func(string, int) error { return syscall.ENOSPC })
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if !recovers {
				require.ErrorContains(t, log.Close(t.Context()), "the counts of 1 kinds of denials are not on record")
				return
			}
			d.fail(nil)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			var counts []int
			for e, err := range auditfile.EventsFS(d, auditfile.Filter{}) {
				require.NoError(t, err)
				counts = append(counts, e.Count)
			}
			assert.Equal(t, []int{0, 4}, counts)
			require.NoError(t, log.Close(t.Context()))
		})
	}
}

// A13: denials wait for a stuck disk in no more memory than other events.
func TestDenialsOfAStuckDiskBoundMemory(t *testing.T) {
	d := newSimDisk(1) // not in parallel: it looks at the heap
	log, err := auditfile.OpenVolume(d, auditfile.Config{BestEffort: true})
	require.NoError(t, err)
	release := d.hang()
	before := liveHeap()
	for i := range 40 {
		e := denial("A")
		e.ResourceID = strings.Repeat("x", 1<<20)
		e.Service = fmt.Sprint(i) + strings.Repeat("y", 1<<20)
		require.NoError(t, log.Record(t.Context(), e))
	}
	grown := liveHeap() - before
	runtime.KeepAlive(log)
	assert.Less(t, grown, int64(40*2*auditfile.MaxEvent))
	release()
	require.NoError(t, log.Close(t.Context()))
}
