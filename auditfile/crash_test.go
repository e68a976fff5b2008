package auditfile_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
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

// signingKey is the same in all tests.
var signingKey = ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))

func publicKey() ed25519.PublicKey { return signingKey.Public().(ed25519.PublicKey) }

// outcome is an event like a real one.
func outcome(id string) intercomrbac.AuditEvent {
	e := intent(id)
	e.Phase, e.Outcome, e.Success = intercomrbac.PhaseOutcome, intercomrbac.OutcomeSucceeded, new(true)
	return e
}

func intent(id string) intercomrbac.AuditEvent {
	return intercomrbac.AuditEvent{
		Timestamp: time.Now().UTC(), AdminID: "991267461", AdminEmail: "aiko@example.com", Action: "conversations.assign", Resource: "conversation",
		ResourceID: "215470011", IPAddress: "203.0.113.7", ID: id, Phase: intercomrbac.PhaseIntent, Role: "agent",
		Permission: intercomrbac.ConversationsAssign, Effect: "write", Reason: intercomrbac.ReasonAllowed, RuleRole: "agent", Rule: "conversations:*", PolicyVersion: "v1",
	}
}

// loss is what a simulation found.
type loss struct{ lost, twice, broken, torn int }

func (l loss) found() bool { return l.lost+l.twice+l.broken > 0 }

// check opens a copy of a disk, which repairs it, and compares what can be read with what was acknowledged.
func (l *loss) check(t *testing.T, d *simDisk, acked []string) {
	t.Helper()
	d = d.clone()
	files := len(names(d))
	log, err := auditfile.OpenVolume(d, auditfile.Config{})
	if err != nil {
		l.broken++
		return
	}
	require.NoError(t, log.Close(t.Context()))
	if len(names(d)) > files {
		l.torn++
	}
	if report, err := auditfile.VerifyFS(d, auditfile.Trust{}); err != nil && report.Lines > 0 {
		l.broken++
	}
	count := map[string]int{}
	for e, err := range auditfile.EventsFS(d, auditfile.Filter{}) {
		if err != nil {
			l.broken++
		}
		count[e.ID]++
	}
	delete(count, "") // notices
	for _, n := range count {
		if n > 1 {
			l.twice++
		}
	}
	for _, id := range acked {
		if count[id] == 0 {
			l.lost++
		}
	}
}

func names(d *simDisk) []string {
	entries, _ := fs.ReadDir(d, ".")
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out
}

// contextOf is one that may end, of a caller who does not write, or one that cannot, of a caller who does if nobody else is at it.
func contextOf(t *testing.T, n int) context.Context {
	if n%2 == 0 {
		return context.WithoutCancel(t.Context())
	}
	return t.Context()
}

// simulatePowerCuts writes to a log from several goroutines and cuts the power at a random operation, many times.
func simulatePowerCuts(t *testing.T, seed uint64, cuts int, lie func(*simDisk)) (found loss, acked int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	var d *simDisk
	var kept []string
	for cut := range cuts {
		if cut%10 == 0 {
			d, kept = newSimDisk(r.Uint64()), nil
		}
		lie(d)
		d.cutAt = d.ops + 1 + r.IntN(20)
		got := writeUntilCut(t, d, fmt.Sprint(cut), 1+r.IntN(4))
		kept = append(kept, got...)
		acked += len(got)
		d = d.cut()
		found.check(t, d, kept)
	}
	return found, acked
}

func writeUntilCut(t *testing.T, d *simDisk, prefix string, writers int) (acked []string) {
	log, err := auditfile.OpenVolume(d, auditfile.Config{MaxFileBytes: 4000, SigningKey: signingKey, CheckpointEvery: 7})
	if err != nil {
		require.True(t, errors.Is(err, errPower) || d.lieSync || d.lieTruncate, err)
		return nil
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range 100 { // more than there are operations until the cut
				id := fmt.Sprintf("%s-%d-%d", prefix, w, i)
				if log.Record(contextOf(t, w), outcome(id)) != nil {
					return
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	_ = log.Close(t.Context()) // the power is off
	return acked
}

// A1, A3: what was acknowledged survives a power cut; the same simulation finds the loss of a log that answers before the
// sync, and of one that does not repair.
func TestPowerCutsLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	cuts, seeds := soak.N(2000, 10_000), soak.N(1, 5)
	var total loss
	acked := 0
	for seed := range seeds {
		found, n := simulatePowerCuts(t, uint64(seed), cuts, func(*simDisk) {})
		require.False(t, found.found(), "seed %d: %+v", seed, found)
		total.torn += found.torn
		acked += n
	}
	require.NotZero(t, total.torn)
	soak.Report(t, "A1", "%d simulated power cuts, %d events acknowledged, 0 lost, 0 breaks of the chain, %d torn ends repaired", cuts*seeds, acked, total.torn)
	mutants := map[string]func(*simDisk){
		"answers before the sync": func(d *simDisk) { d.lieSync = true },
		"does not repair the end": func(d *simDisk) { d.lieTruncate = true },
	}
	for name, lie := range mutants {
		found, _ := simulatePowerCuts(t, 1, 200, lie)
		assert.Positive(t, found.lost, "a log that %s: %+v", name, found)
		soak.Report(t, "A3", "a log that %s, 200 power cuts: %d acknowledged events lost, found by the same test", name, found.lost)
	}
}

// faults are what a disk may answer; of a write that fails, a part is written.
var faults = []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}

// simulateFault records events while the operation with a number fails, and opens the log anew where nothing else helps.
func simulateFault(t *testing.T, at, events int, fault error, lie func(*simDisk)) (found loss) {
	t.Helper()
	d := newSimDisk(uint64(at))
	lie(d)
	hit := false
	var what string
	d.fail(func(op string, n int) error {
		if n == at {
			hit, what = true, op
			return fault
		}
		return nil
	})
	open := func() *auditfile.Log {
		log, err := auditfile.OpenVolume(d, auditfile.Config{MaxFileBytes: 20_000, SigningKey: signingKey, CheckpointEvery: 50})
		for again := 0; err != nil && again < 2; again++ {
			require.ErrorIs(t, err, fault)
			log, err = auditfile.OpenVolume(d, auditfile.Config{MaxFileBytes: 20_000, SigningKey: signingKey, CheckpointEvery: 50})
		}
		require.NoError(t, err)
		return log
	}
	log := open()
	var acked []string
	refused := 0
	for i := range events {
		id := fmt.Sprint(i)
		err := log.Record(contextOf(t, i), outcome(id))
		if err == nil {
			acked = append(acked, id)
			continue
		}
		require.ErrorIs(t, err, fault)
		refused++
		if strings.HasPrefix(what, "sync") {
			again := log.Record(contextOf(t, i), outcome(id))
			require.ErrorIs(t, again, fault, "a failed sync is final")
			require.ErrorIs(t, log.Close(t.Context()), fault)
			log = open()
		}
	}
	if err := log.Close(t.Context()); err != nil {
		require.ErrorIs(t, err, fault)
	}
	require.True(t, hit || at > d.ops, "fault %d of %d operations", at, d.ops)
	require.LessOrEqual(t, refused, 1)
	require.GreaterOrEqual(t, len(acked), events-1, "later events are taken")
	found.check(t, d, acked)
	found.check(t, d.cut(), acked)
	return found
}

// A4: whatever operation fails, in whatever way, nothing acknowledged is unreadable, at once and after a power cut.
func TestFaultsLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	n, kinds := soak.N(150, 2000), soak.N(1, len(faults))
	for at := 1; at <= n; at++ {
		for i := range kinds {
			fault := faults[(at+i)%len(faults)]
			found := simulateFault(t, at, at/2+10, fault, func(*simDisk) {})
			require.False(t, found.found(), "%v at operation %d: %+v", fault, at, found)
		}
	}
	soak.Report(t, "A4", "each of the first %d write, rewrite, sync, truncate and create calls failed, in %d of 3 ways: 0 acknowledged events unreadable, later ones recorded", n, kinds)
	broken := 0
	for at := 1; at <= 60; at++ {
		if found := simulateFault(t, at, at/2+10, syscall.ENOSPC, func(d *simDisk) { d.lieTruncate = true }); found.found() {
			broken++
		}
	}
	assert.Positive(t, broken, "a log that does not repair")
	soak.Report(t, "A3", "a log that does not repair, a fault at each of 60 calls: loss found by the same test in %d", broken)
}

// A4: a disk that fails for a while, not at one call alone, so that what a failed sync left cannot be cut either: the
// system shows it and does not have it on the disk. What is acknowledged after the next Open must not hang on it.
func TestDiskThatFailsForAWhileLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	n := soak.N(150, 2000)
	for at := 1; at <= n; at++ {
		d := newSimDisk(uint64(at))
		d.fail(func(_ string, n int) error {
			if n >= at {
				return faults[at%len(faults)]
			}
			return nil
		})
		config := auditfile.Config{MaxFileBytes: 6000, SigningKey: signingKey, CheckpointEvery: 5}
		var acked []string
		for half := range 2 {
			log, err := auditfile.OpenVolume(d, config)
			for i := 0; err == nil && i < 8+at/2*(1-half); i++ {
				id := fmt.Sprint(half, "-", i)
				if log.Record(contextOf(t, i), outcome(id)) == nil {
					acked = append(acked, id)
				}
			}
			if err == nil {
				_ = log.Close(t.Context()) // in the first half, the disk fails
			}
			d.fail(nil)
		}
		require.GreaterOrEqual(t, len(acked), 8)
		var found loss
		found.check(t, d, acked)
		found.check(t, d.cut(), acked)
		require.False(t, found.found(), "failing from operation %d: %+v", at, found)
	}
	soak.Report(t, "A4", "a disk that fails from each of the first %d calls until the log is opened again: 0 acknowledged events unreadable", n)
}

// A failure of the repair itself leaves the log as it was.
func TestOpenThatFailsChangesNothingThatCounts(t *testing.T) {
	t.Parallel()
	d := newSimDisk(3)
	log, err := auditfile.OpenVolume(d, auditfile.Config{})
	require.NoError(t, err)
	for i := range 5 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	require.NoError(t, log.Close(t.Context()))
	f, err := d.Append(names(d)[0])
	require.NoError(t, err)
	_, err = f.Write([]byte(`{"sequence":6,"previous":"torn`))
	require.NoError(t, err)
	for at := 1; ; at++ {
		broken := d.clone()
		broken.fail(func(_ string, n int) error {
			if n == at {
				return syscall.EIO
			}
			return nil
		})
		log, err := auditfile.OpenVolume(broken, auditfile.Config{})
		if err == nil {
			_ = log.Close(t.Context()) // may meet the fault
			require.Greater(t, at, 5)
			break
		}
		require.ErrorIs(t, err, syscall.EIO)
		broken.fail(nil)
		var found loss
		found.check(t, broken, []string{"0", "1", "2", "3", "4"})
		assert.False(t, found.found(), "fault at operation %d: %+v", at, found)
	}
}

// The notice of a repair is not lost with the process that repaired.
func TestNoticeOfARepairSurvivesACrash(t *testing.T) {
	t.Parallel()
	d := newSimDisk(3)
	log, err := auditfile.OpenVolume(d, auditfile.Config{})
	require.NoError(t, err)
	require.NoError(t, log.Record(t.Context(), outcome("A")))
	require.NoError(t, log.Close(t.Context()))
	f, err := d.Append(names(d)[0])
	require.NoError(t, err)
	_, err = f.Write([]byte("torn"))
	require.NoError(t, err)
	log, err = auditfile.OpenVolume(d, auditfile.Config{})
	require.NoError(t, err)
	after := d.cut()
	require.NoError(t, log.Close(t.Context()))
	log, err = auditfile.OpenVolume(after, auditfile.Config{})
	require.NoError(t, err)
	require.NoError(t, log.Record(t.Context(), outcome("B")))
	require.NoError(t, log.Close(t.Context()))
	report, err := auditfile.VerifyFS(after, auditfile.Trust{})
	require.NoError(t, err)
	require.Len(t, report.Notices, 1)
	assert.Equal(t, len("torn"), report.Notices[0].Count)
}

// What a failed write or sync left is not read by anybody, and not in the way of what comes later.
func TestWhatFailedIsCut(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string][]string{
		"a write":                         {"write"},
		"a write, and the first cut":      {"write", "truncate"},
		"a write, and two cuts":           {"write", "truncate", "truncate"},
		"a sync, which writing ends with": {"sync"},
	} {
		for seed := range 20 {
			d := newSimDisk(uint64(seed))
			log, err := auditfile.OpenVolume(d, auditfile.Config{})
			require.NoError(t, err)
			require.NoError(t, log.Record(t.Context(), outcome("A")))
			left := failing
			d.fail(func(op string, _ int) error {
				if len(left) == 0 || op != left[0] {
					return nil
				}
				left = left[1:]
				return syscall.EIO
			})
			acked := []string{"A"}
			for i := range len(failing) {
				require.ErrorIs(t, log.Record(t.Context(), outcome(fmt.Sprint(i))), syscall.EIO)
				if len(failing) == 1 {
					report, err := auditfile.VerifyFS(d, auditfile.Trust{})
					require.NoError(t, err, name)
					require.Equal(t, 1, report.Lines, name)
				}
				if len(left) == 0 {
					break
				}
			}
			require.Empty(t, left)
			if err := log.Record(t.Context(), outcome("B")); failing[0] == "write" {
				require.NoError(t, err, name)
				acked = append(acked, "B")
			}
			_ = log.Close(t.Context()) // the sync has the last word
			report, err := auditfile.VerifyFS(d, auditfile.Trust{})
			require.NoError(t, err, name)
			require.Equal(t, len(acked), report.Lines, name)
			var found loss
			found.check(t, d.cut(), acked)
			require.False(t, found.found(), "%s: %+v", name, found)
		}
	}
}

// However much waits for the disk, one write is no larger than what Open repairs.
func TestOneWriteIsNoLargerThanARepair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{DenialsPerMinute: 1, SigningKey: signingKey})
		require.NoError(t, err)
		size, largest, total := 0, 0, 0
		d.fail(func(op string, _ int) error { // the disk is locked meanwhile
			if op == "sync" {
				total = 0
				for _, inode := range d.names {
					total += len(inode.data)
				}
				largest, size = max(largest, total-size), total
			}
			return nil
		})
		release := d.hang()
		for i := range auditfile.MaxQueue / 2 {
			e := denial(fmt.Sprint(i))
			e.Error, e.AdminID = strings.Repeat("x", 15_000), intercomrbac.AdminID(fmt.Sprint(i))
			go func() {
				assert.NoError(t, log.Record(t.Context(), e))
				assert.NoError(t, log.Record(t.Context(), e)) // is counted
			}()
		}
		synctest.Wait()
		release()
		synctest.Wait()
		require.NoError(t, log.Close(t.Context()))
		assert.Greater(t, total, 2*auditfile.MaxTorn)
		assert.LessOrEqual(t, largest, auditfile.MaxTorn)
	})
}
