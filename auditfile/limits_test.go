package auditfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A13: a flood of denials, of reads or of intents leaves room for what matters more.
func TestQuotaKeepsRoomForIntentsAndOutcomes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const quota = 1 << 20
	log := open(t, dir, auditfile.Config{MaxBytes: quota, MaxFileBytes: 100_000, DenialsPerMinute: -1, SigningKey: signingKey})
	fill := func(e intercomrbac.AuditEvent) (n int) {
		for {
			if err := log.Record(t.Context(), e); err != nil {
				require.ErrorContains(t, err, "MaxBytes is used up")
				return n
			}
			n++
		}
	}
	denials := fill(denial("flood"))
	assert.Positive(t, denials)
	read := intent("read")
	read.Effect = "read"
	assert.Zero(t, fill(read))
	intents := fill(intent("A"))
	assert.Greater(t, intents, 100)
	outcomes := fill(outcome("A"))
	assert.Greater(t, outcomes, 50)
	used := 0
	for _, text := range contents(t, dir) {
		used += len(text)
	}
	assert.LessOrEqual(t, used, quota)
	soak.Report(t, "A13", "a quota of 1 MiB, full of %d denials: still %d intents, and behind them %d outcomes", denials, intents, outcomes)

	require.NoError(t, log.Close(t.Context()))
	log = open(t, dir, auditfile.Config{MaxBytes: quota})
	require.Error(t, log.Record(t.Context(), denial("B")), "what is there counts after Open, too")
	files := logFiles(t, dir)
	for _, f := range files[:len(files)-1] {
		require.NoError(t, os.Remove(f))
	}
	require.Eventually(t, func() bool { return log.Record(t.Context(), denial("B")) == nil }, 5*time.Second, 10*time.Millisecond, "room that was made is seen")
}

// A13: an event has a bounded size, whatever is in it.
func TestLargeEventsAreCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	for i, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("\x00", 1<<20), strings.Repeat("é", 9000), strings.Repeat("\x80", 100_000), strings.Repeat("\x00", 3000)} {
		e := intent(fmt.Sprint(i))
		size := 0
		v := reflect.ValueOf(&e).Elem()
		for field, value := range v.Fields() {
			if value.Kind() == reflect.String {
				if field.Name != "ID" && field.Name != "Phase" && field.Name != "AdminID" {
					value.SetString(text)
				}
				size += value.Len()
			}
		}
		require.NoError(t, log.Record(t.Context(), e))
		var got intercomrbac.AuditEvent
		for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
			require.NoError(t, err)
			got = e
		}
		assert.Equal(t, fmt.Sprint(i), got.ID)
		assert.Equal(t, size, got.TruncatedFrom)
		assert.NotEmpty(t, got.Error)
	}
	b, err := os.ReadFile(logFiles(t, dir)[0])
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		assert.LessOrEqual(t, len(line), auditfile.MaxEvent+256)
	}
}

// A13: while the disk hangs, callers leave at their deadline, and no more is kept than has room in the queue.
func TestStuckDiskHoldsNobodyAndBoundsMemory(t *testing.T) {
	d := newSimDisk(1) // not in parallel: it looks at the heap
	log, err := auditfile.OpenVolume(d, auditfile.Config{})
	require.NoError(t, err)
	release := d.hang()
	before := liveHeap()
	const callers, each = 64, 50
	var group sync.WaitGroup
	var refused atomic.Int64
	text := strings.Repeat("x", 15_000)
	for range callers {
		group.Go(func() {
			for range each {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
				e := intent("A")
				e.Error = text
				if err := log.Record(ctx, e); errors.Is(err, context.DeadlineExceeded) {
					refused.Add(1)
				}
				cancel()
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, callers*each, refused.Load())
	grown := liveHeap() - before
	assert.Less(t, grown, int64(2*auditfile.MaxQueue*auditfile.MaxEvent))
	release()
	require.NoError(t, log.Record(t.Context(), intent("B")))
	require.NoError(t, log.Close(t.Context()))
	n := 0
	for e, err := range auditfile.EventsFS(d, auditfile.Filter{}) {
		require.NoError(t, err)
		if e.ID == "A" {
			n++
		}
	}
	assert.Less(t, n, 100, "what was abandoned before the writer had it, is not written")
	soak.Report(t, "A13", "a disk that hangs, %d events of 15 KB: every caller back at its deadline", callers*each)
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestCloseOfAStuckDiskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{})
		require.NoError(t, err)
		release := d.hang()
		go func() { _ = log.Record(t.Context(), intent("A")) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, log.Close(ctx), context.DeadlineExceeded)
		release()
		require.NoError(t, log.Close(t.Context()))
	})
}

// A8: whoever leaves early has an event that is there or not, never in part; whoever was told that it is there, is right.
func TestRandomCancelsLeaveNoHalfEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	require.NoError(t, log.Record(t.Context(), outcome("first"))) // on a busy machine it may be the only one
	var group sync.WaitGroup
	var acked sync.Map
	acked.Store("first", true)
	var left atomic.Int64
	const n = 1000
	for i := range n {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%50)*100*time.Microsecond)
			defer cancel()
			id := fmt.Sprint(i)
			if err := log.Record(ctx, outcome(id)); err == nil {
				acked.Store(id, true)
			} else {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				left.Add(1)
			}
		})
	}
	group.Wait()
	require.NoError(t, log.Close(t.Context()))
	count := map[string]int{}
	for _, id := range ids(t, dir) {
		count[id]++
		assert.Equal(t, 1, count[id])
	}
	acked.Range(func(id, _ any) bool { return assert.Equal(t, 1, count[id.(string)]) })
	verified(t, dir, auditfile.Trust{})
	soak.Report(t, "A8", "%d random deadlines, %d callers left: every event acknowledged is there once, no other in part", n, left.Load())
}

// A9: what a best-effort log does not write, it counts, and says so in the log.
func TestBestEffortCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	for seed := range soak.N(5, 300) {
		d := newSimDisk(uint64(seed))
		log, err := auditfile.OpenVolume(d, auditfile.Config{BestEffort: true})
		require.NoError(t, err)
		var faulty atomic.Bool
		d.fail(func(op string, _ int) error {
			if op == "write" && faulty.Load() {
				return syscall.ENOSPC
			}
			return nil
		})
		accepted := 0
		for i := range 3000 {
			if i%500 == 0 {
				faulty.Store(i/500%2 == seed%2)
			}
			require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
			accepted++
		}
		faulty.Store(false)
		require.NoError(t, log.Close(t.Context()))
		written, told := 0, 0
		for e, err := range auditfile.EventsFS(d, auditfile.Filter{}) {
			require.NoError(t, err)
			if e.Phase == intercomrbac.PhaseNotice {
				require.Equal(t, "audit.dropped", e.Action)
				require.False(t, e.Since.After(e.Timestamp))
				told += e.Count
				continue
			}
			written++
		}
		require.EqualValues(t, accepted, uint64(written)+log.Dropped())
		require.EqualValues(t, log.Dropped(), told)
		report, err := auditfile.VerifyFS(d, auditfile.Trust{})
		require.NoError(t, err)
		require.Equal(t, told > 0, len(report.Notices) > 0)
	}
	soak.Report(t, "A9", "best effort on a disk that is full now and then, %d runs: accepted = written + dropped, and the log tells how many", soak.N(5, 300))
}

// The count of what was dropped does not wait for the next event.
func TestBestEffortTellsAsSoonAsItCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{BestEffort: true})
		require.NoError(t, err)
		d.fail(func(op string, _ int) error {
			if op == "write" {
				return syscall.ENOSPC
			}
			return nil
		})
		require.NoError(t, log.Record(t.Context(), outcome("A")))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 1, log.Dropped())
		assert.Less(t, d.count(), 300, "it does not try without a pause")
		d.fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		report, err := auditfile.VerifyFS(d, auditfile.Trust{})
		require.NoError(t, err)
		require.Len(t, report.Notices, 1)
		require.NoError(t, log.Close(t.Context()))
	})
}

// A failed sync is final also for what is due without being asked, and for denials that would only be counted.
func TestAfterAFailedSyncNothingSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{DenialsPerMinute: 1, SigningKey: signingKey})
		require.NoError(t, err)
		require.NoError(t, log.Record(t.Context(), denial("A")))
		d.fail(func(op string, _ int) error {
			if op == "sync" {
				return syscall.EIO
			}
			return nil
		})
		require.ErrorIs(t, log.Record(t.Context(), intent("B")), syscall.EIO)
		d.fail(nil)
		require.ErrorIs(t, log.Record(t.Context(), intent("C")), syscall.EIO)
		require.ErrorIs(t, log.Record(t.Context(), denial("D")), syscall.EIO)
		ops := d.count()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, ops, d.count())
		require.ErrorIs(t, log.Close(t.Context()), syscall.EIO)
		_, ok := log.LastCheckpoint()
		assert.False(t, ok)
	})
}

// A real full file system is not at hand in every test run; what a real kernel refuses is: a directory that may not be
// written to.
func TestDirectoryThatMayNotBeWrittenTo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("this user may write everywhere")
	}
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 1})
	require.NoError(t, log.Record(t.Context(), outcome("A")))
	require.NoError(t, os.Chmod(dir, 0o500))
	require.ErrorIs(t, log.Record(t.Context(), outcome("B")), os.ErrPermission)
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, log.Record(t.Context(), outcome("C")))
	assert.Equal(t, []string{"A", "C"}, ids(t, dir))
}

// A12: whatever is in the texts, an event is one line of valid JSON, with each key once.
func TestHostileTextsAreOneLineEach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{DenialsPerMinute: -1})
	r := newRand(12)
	n := 10_000
	var group sync.WaitGroup
	for i := range n {
		e := intent(fmt.Sprint(i))
		v := reflect.ValueOf(&e).Elem()
		for field, value := range v.Fields() {
			if value.Kind() == reflect.String && field.Name != "ID" {
				value.SetString(hostile(r))
			}
		}
		if i%1000 == 0 {
			e.Error = strings.Repeat(hostile(r)+"\n", 1<<17)
		}
		group.Go(func() { assert.NoError(t, log.Record(t.Context(), e)) })
		if i%200 == 0 {
			group.Wait()
		}
	}
	group.Wait()
	require.NoError(t, log.Close(t.Context()))
	lines := 0
	for _, text := range contents(t, dir) {
		for line := range strings.Lines(text) {
			lines++
			require.NoError(t, oneObject(line))
		}
	}
	assert.Equal(t, n, lines)
	assert.Len(t, ids(t, dir), n)
	verified(t, dir, auditfile.Trust{})
	soak.Report(t, "A12", "%d events of hostile texts in every member: %d lines, each of valid JSON with each key once", n, lines)
}

// oneObject checks that a text is one flat JSON object on one line, with each key once.
func oneObject(line string) error {
	if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || strings.ContainsAny(line, "\r\x00\x1b\u2028\u2029") {
		return fmt.Errorf("%q is not one line", line)
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	keys := map[string]bool{}
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("%q is no object: %w", line, err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		if keys[key.(string)] {
			return fmt.Errorf("%q has %q twice", line, key)
		}
		keys[key.(string)] = true
		if _, err := decoder.Token(); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("%q goes on behind its object", line)
	}
	return nil
}

// A pipe under the name of a file hangs nobody.
func TestPipeInTheDirectory(t *testing.T) {
	t.Parallel()
	mkfifo, err := exec.LookPath("mkfifo")
	if err != nil {
		t.Skip("there is no mkfifo")
	}
	dir := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), mkfifo, filepath.Join(dir, "audit-00000000000000000001.jsonl")).Run())
	done := make(chan error, 3)
	go func() {
		_, err := auditfile.Open(dir, auditfile.Config{})
		done <- err
	}()
	go func() {
		_, err := auditfile.Verify(dir, auditfile.Trust{})
		done <- err
	}()
	go func() {
		for _, err := range auditfile.Events(dir, auditfile.Filter{}) {
			done <- err
		}
	}()
	for range 3 {
		select {
		case err := <-done:
			require.ErrorContains(t, err, "is no regular file")
		case <-time.After(10 * time.Second):
			t.Fatal("it waits for the pipe")
		}
	}
}

// A link out of the directory is not followed.
func TestLogStaysInItsDirectory(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, nil, 0o600))
	if err := os.Symlink(outside, filepath.Join(dir, "audit-00000000000000000001.jsonl")); err != nil {
		t.Skip(err)
	}
	_, err := auditfile.Open(dir, auditfile.Config{})
	require.Error(t, err)
	b, err := os.ReadFile(outside)
	require.NoError(t, err)
	assert.Empty(t, b)
}
