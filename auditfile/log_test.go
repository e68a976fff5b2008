package auditfile_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(tb testing.TB, dir string, config auditfile.Config) *auditfile.Log {
	tb.Helper()
	log, err := auditfile.Open(dir, config)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = log.Close(context.WithoutCancel(tb.Context())) })
	return log
}

// ids reads a log back.
func ids(tb testing.TB, dir string) []string {
	tb.Helper()
	out := []string{}
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		require.NoError(tb, err)
		out = append(out, e.ID)
	}
	return out
}

func logFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "audit-*.jsonl"))
	require.NoError(tb, err)
	return files
}

func verified(tb testing.TB, dir string, trust auditfile.Trust) *auditfile.Report {
	tb.Helper()
	report, err := auditfile.Verify(dir, trust)
	require.NoError(tb, err)
	require.Zero(tb, report.Bad)
	return report
}

// A line is the event's own JSON between what makes the chain.
func TestLinesAreAsDocumented(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	log := open(t, dir, auditfile.Config{})
	event := outcome("A")
	require.NoError(t, log.Record(t.Context(), event))
	b, err := os.ReadFile(filepath.Join(dir, "audit-00000000000000000001.jsonl"))
	require.NoError(t, err)
	own, err := json.Marshal(event)
	require.NoError(t, err)
	head, hash, _ := strings.Cut(string(b), `,"hash":"`)
	assert.Equal(t, `{"sequence":1,"previous":"`+strings.Repeat("0", 64)+`",`+strings.Trim(string(own), "{}"), head)
	assert.Len(t, hash, 64+len("\"}\n"))
	info, err := os.Stat(filepath.Join(dir, "audit-00000000000000000001.jsonl"))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// What makes the chain has keys that no event has.
func TestEventsHaveNoKeyOfTheChain(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(intercomrbac.AuditEvent{})
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(b, &members))
	for _, key := range []string{"sequence", "previous", "hash", "checkpoint"} {
		assert.NotContains(t, members, key)
	}
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	var want []intercomrbac.AuditEvent
	for i, e := range []intercomrbac.AuditEvent{intent("A"), outcome("A"), {}, {Reason: intercomrbac.ReasonRoleUnavailable, Phase: intercomrbac.PhaseDenial, Success: new(false)}} {
		e.Timestamp = time.Date(2026, 1, 2, 3, 4, i, 567, time.UTC)
		want = append(want, e)
		require.NoError(t, log.Record(t.Context(), e))
	}
	var got []intercomrbac.AuditEvent
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		require.NoError(t, err)
		got = append(got, e)
	}
	assert.Equal(t, want, got)
}

// The chain goes on over files and over Open.
func TestLogIsOneChainOverFilesAndOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	for round := range 4 {
		log := open(t, dir, auditfile.Config{MaxFileBytes: 3000})
		for i := range 9 {
			id := fmt.Sprint(round, "-", i)
			want = append(want, id)
			require.NoError(t, log.Record(t.Context(), outcome(id)))
		}
		require.NoError(t, log.Close(t.Context()))
		require.NoError(t, log.Close(t.Context()), "Close may be called more than once")
	}
	assert.Equal(t, want, ids(t, dir))
	report := verified(t, dir, auditfile.Trust{})
	assert.Equal(t, []int{36, len(logFiles(t, dir))}, []int{report.Lines, report.Files})
	assert.Greater(t, report.Files, 5)
	for _, file := range logFiles(t, dir) {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), int64(3000))
	}
}

func TestFilesAreRotatedByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		log := open(t, dir, auditfile.Config{MaxFileAge: time.Hour})
		for i, files := range []int{1, 1, 2, 2, 3} {
			require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
			assert.Len(t, logFiles(t, dir), files)
			time.Sleep(31 * time.Minute)
		}
		require.NoError(t, log.Close(t.Context()))
		log = open(t, dir, auditfile.Config{MaxFileAge: time.Hour}) // the file is 31 minutes old
		require.NoError(t, log.Record(t.Context(), outcome("5")))
		assert.Len(t, logFiles(t, dir), 3)
		time.Sleep(31 * time.Minute)
		require.NoError(t, log.Record(t.Context(), outcome("6")))
		assert.Len(t, logFiles(t, dir), 4)
		require.NoError(t, log.Close(t.Context()))
		verified(t, dir, auditfile.Trust{})
	})
}

// A first event that claims to be of the future does not keep its file from growing old.
func TestAgeOfAFileIsNotWhatItsFirstEventClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		log := open(t, dir, auditfile.Config{})
		e := outcome("A")
		e.Timestamp = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, log.Record(t.Context(), e))
		require.NoError(t, log.Close(t.Context()))
		log = open(t, dir, auditfile.Config{MaxFileAge: time.Hour})
		time.Sleep(2 * time.Hour)
		require.NoError(t, log.Record(t.Context(), outcome("B")))
		require.NoError(t, log.Close(t.Context()))
		assert.Len(t, logFiles(t, dir), 2)
	})
}

func TestDirectoryHasOneWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	_, err := auditfile.Open(dir, auditfile.Config{})
	require.ErrorContains(t, err, "one directory has one writer")
	require.NoError(t, log.Close(t.Context()))
	open(t, dir, auditfile.Config{})
}

func TestOpenSaysAllThatIsWrongWithItsConfig(t *testing.T) {
	t.Parallel()
	_, err := auditfile.Open(t.TempDir(), auditfile.Config{
		MaxFileAge: -1, MaxBytes: 5, SigningKey: ed25519.PrivateKey("short"),
		Redact: auditfile.Redaction{HMAC: []string{"phase", "email"}, Drop: []string{"success"}, KeyID: "a b" + strings.Repeat("c", 62), Key: []byte("short")},
	})
	for _, text := range []string{"must not be negative", "MaxBytes is 5", "SigningKey has 5 bytes", `"phase"`, `"email"`, `"success"`, "32 bytes or more", `"a bccc`, "the KeyID has 65 bytes"} {
		assert.ErrorContains(t, err, text)
	}
	_, err = auditfile.Open(filepath.Join(t.TempDir(), "no", "parent"), auditfile.Config{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRecordAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, bestEffort := range []bool{false, true} {
		log := open(t, t.TempDir(), auditfile.Config{BestEffort: bestEffort})
		require.NoError(t, log.Close(t.Context()))
		require.ErrorIs(t, log.Record(t.Context(), intent("A")), os.ErrClosed)
	}
	var none *auditfile.Log
	for _, log := range []*auditfile.Log{none, {}} {
		require.Error(t, log.Record(t.Context(), intent("A")))
		require.NoError(t, log.Close(t.Context()))
		assert.Zero(t, log.Dropped())
		_, ok := log.LastCheckpoint()
		assert.False(t, ok)
	}
}

func TestRecordRefusesWhatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	require.ErrorContains(t, log.Record(t.Context(), intercomrbac.AuditEvent{Reason: 77}), "77 is no Reason")
	require.ErrorContains(t, log.Record(t.Context(), intercomrbac.AuditEvent{Timestamp: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}), "cannot be put on record")
	require.NoError(t, log.Record(t.Context(), intent("A")))
	assert.Equal(t, []string{"A"}, ids(t, dir))
}

// A file that is deleted or moved away under the log takes with it what it has; what comes later is on record, and the
// gap is seen.
func TestDeletedFileIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	for i := range 3 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	moved := filepath.Join(t.TempDir(), "moved")
	file := logFiles(t, dir)[0]
	require.NoError(t, os.Rename(file, moved))
	for i := 3; i < 6; i++ {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	assert.Equal(t, []string{"3", "4", "5"}, ids(t, dir))
	report, err := auditfile.Verify(dir, auditfile.Trust{})
	require.ErrorContains(t, err, "the log begins with sequence 4")
	assert.EqualValues(t, 1, report.Bad)
	require.NoError(t, log.Close(t.Context()))
	require.NoError(t, os.Rename(moved, file))
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, ids(t, dir))
	verified(t, dir, auditfile.Trust{})
}

// Nothing is written to a file that another one has taken the name of, as tools that rotate logs do it.
func TestFileThatWasReplacedIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	require.NoError(t, log.Record(t.Context(), outcome("A")))
	file := logFiles(t, dir)[0]
	require.NoError(t, os.Rename(file, filepath.Join(t.TempDir(), "moved")))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, log.Record(t.Context(), outcome("B")))
	assert.Equal(t, []string{"", "audit-00000000000000000002.jsonl"}, []string{contents(t, dir)[filepath.Base(file)], filepath.Base(logFiles(t, dir)[1])})
	_, err := auditfile.Verify(dir, auditfile.Trust{})
	require.ErrorContains(t, err, "the log begins with sequence 2")
}

// What a crash leaves at the end goes aside, byte for byte, and the log tells of it.
func TestOpenRepairsATornEnd(t *testing.T) {
	t.Parallel()
	whole, err := json.Marshal(outcome("half"))
	require.NoError(t, err)
	for name, torn := range map[string]string{
		"half a line":           `{"sequence":4,"previous":"00`,
		"zeros":                 strings.Repeat("\x00", 70_000),
		"a line that was zeros": "\x00\x00\x00\n",
		"lines of another log":  `{"sequence":4,"previous":"` + strings.Repeat("0", 64) + `",` + string(whole[1:]) + "\n\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := open(t, dir, auditfile.Config{})
			for i := range 3 {
				require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
			}
			require.NoError(t, log.Close(t.Context()))
			appendTo(t, logFiles(t, dir)[0], torn)
			report, err := auditfile.Verify(dir, auditfile.Trust{})
			require.Error(t, err)
			assert.EqualValues(t, 4, report.Bad)
			assert.Equal(t, !strings.Contains(torn, "\n"), report.Torn)

			log = open(t, dir, auditfile.Config{})
			assert.Equal(t, []string{"0", "1", "2"}, ids(t, dir))
			verified(t, dir, auditfile.Trust{})
			require.NoError(t, log.Record(t.Context(), outcome("3")))
			require.NoError(t, log.Record(t.Context(), outcome("4")))
			assert.Equal(t, []string{"0", "1", "2", "", "3", "4"}, ids(t, dir))
			report = verified(t, dir, auditfile.Trust{})
			require.Len(t, report.Notices, 1)
			assert.Equal(t, "audit.repaired", report.Notices[0].Action)
			assert.Equal(t, len(torn), report.Notices[0].Count)
			aside, err := filepath.Glob(filepath.Join(dir, "torn-*"))
			require.NoError(t, err)
			require.Len(t, aside, 1)
			b, err := os.ReadFile(aside[0])
			require.NoError(t, err)
			assert.Equal(t, torn, string(b))
		})
	}
}

// Damage that no crash explains is not repaired away.
func TestOpenLeavesDamageAlone(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		do   func(t *testing.T, files []string)
		text string
	}{
		"far from the end": {func(t *testing.T, files []string) {
			appendTo(t, files[len(files)-1], "x"+strings.Repeat("\n", auditfile.MaxTorn))
		}, "is damaged behind its first"},
		"a file with the name of another": {func(t *testing.T, files []string) {
			require.NoError(t, os.Rename(files[len(files)-1], filepath.Join(filepath.Dir(files[0]), "audit-00000000000000000777.jsonl")))
		}, "give it its own name again"},
		"the last file is torn, the one before damaged": {func(t *testing.T, files []string) {
			appendTo(t, files[len(files)-1], "half")
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(files[0]), "audit-00000000000000000777.jsonl"), []byte("half"), 0o600))
		}, "is damaged behind its first"},
		"the last file is empty, and not the next": {func(t *testing.T, files []string) {
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(files[0]), "audit-00000000000000000777.jsonl"), nil, 0o600))
		}, "its name is not that of the next line"},
		"all but an empty file is gone": {func(t *testing.T, files []string) {
			for _, f := range files {
				require.NoError(t, os.Remove(f))
			}
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(files[0]), "audit-00000000000000000777.jsonl"), nil, 0o600))
		}, "the file before it is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := open(t, dir, auditfile.Config{MaxFileBytes: 1500})
			for i := range 7 {
				require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
			}
			require.NoError(t, log.Close(t.Context()))
			damage.do(t, logFiles(t, dir))
			before := contents(t, dir)
			for range 2 { // the lock is free again
				_, err := auditfile.Open(dir, auditfile.Config{})
				require.ErrorContains(t, err, damage.text)
			}
			assert.Equal(t, before, contents(t, dir))
		})
	}
}

// A checkpoint is the last line of its write, so that a line behind one is of a later write, which began when all before it
// was on the disk. What is damaged before it, no crash damaged: it is not moved aside with all that is behind it.
func TestOpenLeavesDamageBeforeACheckpointAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{SigningKey: signingKey, CheckpointEvery: 3})
	for i := range 7 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	require.NoError(t, log.Close(t.Context()))
	file := logFiles(t, dir)[0]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(b), "\n")
	require.Len(t, lines, 11, "the checkpoints are lines 4, 8 and 10")
	for n, damaged := range lines[:10] {
		changed := slices.Clone(lines)
		changed[n] = strings.Replace(damaged, "previous", "Previous", 1)
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(changed, "")), 0o600))
		log, err := auditfile.Open(dir, auditfile.Config{})
		if n < 7 {
			require.ErrorContains(t, err, "in a way that a crash does not explain", n)
			continue
		}
		require.NoError(t, err, n)
		require.NoError(t, log.Close(t.Context()))
	}
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = string(b)
	}
	return out
}

// Callers share syncs: while one is under way, the others wait for the next.
func TestCallersShareASync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{})
		require.NoError(t, err)
		syncs := 0
		d.fail(func(op string, _ int) error {
			if op == "sync" {
				syncs++
			}
			return nil
		})
		release := d.hang()
		for i := range 500 {
			go func() { assert.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i)))) }()
		}
		synctest.Wait()
		release()
		synctest.Wait()
		require.NoError(t, log.Close(t.Context()))
		assert.LessOrEqual(t, syncs, 3)
	})
}

// A caller whose context cannot end writes what others wait for, too; whoever may leave does so while the disk keeps that one.
func TestWhoCannotLeaveWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{SigningKey: signingKey, CheckpointInterval: time.Minute})
		require.NoError(t, err)
		release := d.hang()
		written := make(chan error, 4)
		record := func(ctx context.Context, id string) { written <- log.Record(ctx, outcome(id)) }
		go record(contextOf(t, 0), "A") // is at the disk
		synctest.Wait()
		go record(contextOf(t, 0), "B")
		go record(t.Context(), "C")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, log.Record(ctx, outcome("D")), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begin))
		require.ErrorIs(t, log.Close(ctx), context.DeadlineExceeded)
		release()
		for range 3 {
			require.NoError(t, <-written)
		}
		require.NoError(t, log.Close(t.Context()))
		require.ErrorIs(t, log.Record(contextOf(t, 0), outcome("E")), os.ErrClosed)
		var got []string
		for e, err := range auditfile.EventsFS(d, auditfile.Filter{}) {
			require.NoError(t, err)
			got = append(got, e.ID)
		}
		slices.Sort(got)
		assert.Equal(t, []string{"A", "B", "C"}, got)
	})
}

// Events of callers who write themselves and of those who do not, while the log is closed: what was acknowledged is there, and nothing
// else.
func TestCloseMeetsCallersOfBothKinds(t *testing.T) {
	t.Parallel()
	for range 50 {
		dir := t.TempDir()
		log := open(t, dir, auditfile.Config{})
		var mu sync.Mutex
		require.NoError(t, log.Record(t.Context(), outcome("first")))
		acked := []string{"first"}
		var group sync.WaitGroup
		for w := range 8 {
			group.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprint(w, "-", i)
					err := log.Record(contextOf(t, w), outcome(id))
					if err != nil {
						assert.ErrorIs(t, err, os.ErrClosed)
						return
					}
					mu.Lock()
					acked = append(acked, id)
					mu.Unlock()
				}
			})
		}
		runtime.Gosched() // lets some of them begin
		require.NoError(t, log.Close(t.Context()))
		group.Wait()
		assert.ElementsMatch(t, acked, ids(t, dir))
		verified(t, dir, auditfile.Trust{})
	}
}
