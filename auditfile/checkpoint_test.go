package auditfile_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Only a checkpoint that was kept elsewhere tells that the end is missing.
func TestTruncationIsFoundAgainstACheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 2000, SigningKey: signingKey, CheckpointEvery: 5})
	var kept []auditfile.Checkpoint
	for i := range 23 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
		if c, ok := log.LastCheckpoint(); ok && (kept == nil || kept[len(kept)-1].Sequence != c.Sequence) {
			kept = append(kept, c)
		}
	}
	require.NoError(t, log.Close(t.Context()))
	last, ok := log.LastCheckpoint()
	require.True(t, ok, "the last one is signed on Close")
	kept = append(kept, last)
	require.Len(t, kept, 5)
	keys := []ed25519.PublicKey{publicKey()}
	for _, c := range kept {
		report := verified(t, dir, auditfile.Trust{Keys: keys, Checkpoint: &c})
		assert.Equal(t, last.Sequence, report.Covered)
		report = verified(t, dir, auditfile.Trust{Checkpoint: &c})
		assert.Equal(t, c.Sequence, report.Covered)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		assert.Contains(t, strings.Join(slices.Collect(maps.Values(contents(t, dir))), ""), `"checkpoint":`+string(text))
	}
	files := map[string][]byte{}
	for name, text := range contents(t, dir) {
		files[name] = []byte(text)
	}
	lines := countLines(files)
	for cut := lines - 1; cut >= 0; cut-- {
		name, from, _ := lineAt(files, cut)
		if files[name] = files[name][:from]; from == 0 {
			delete(files, name)
		}
		for _, c := range kept {
			report, err := auditfile.VerifyFS(mapFS(files), auditfile.Trust{Checkpoint: &c})
			if uint64(cut) >= c.Sequence {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "the end was cut off")
			require.EqualValues(t, cut+1, report.Bad)
		}
		if cut > 0 {
			_, err := auditfile.VerifyFS(mapFS(files), auditfile.Trust{})
			require.NoError(t, err, "without a checkpoint it is not seen")
		}
	}
	soak.Report(t, "A10", "each of %d cuts of the end found against each of %d checkpoints that it took away", lines, len(kept))
}

// Whoever writes the whole log anew, hashes and all, has no key to sign with.
func TestRewrittenLogIsFound(t *testing.T) {
	t.Parallel()
	build := func(who string, key ed25519.PrivateKey) (*simDisk, auditfile.Checkpoint) {
		d := newSimDisk(1)
		log, err := auditfile.OpenVolume(d, auditfile.Config{SigningKey: key, CheckpointEvery: 4})
		require.NoError(t, err)
		for i := range 10 {
			e := outcome(fmt.Sprint(i))
			e.AdminID = intercomrbac.AdminID(who)
			require.NoError(t, log.Record(t.Context(), e))
		}
		require.NoError(t, log.Close(t.Context()))
		c, _ := log.LastCheckpoint()
		return d, c
	}
	_, kept := build("1", signingKey)
	keys := []ed25519.PublicKey{publicKey()}
	_, other, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	unsigned, _ := build("2", nil)
	_, err = auditfile.VerifyFS(unsigned, auditfile.Trust{})
	require.NoError(t, err, "without trust it is not seen")
	_, err = auditfile.VerifyFS(unsigned, auditfile.Trust{Keys: keys})
	require.ErrorContains(t, err, "no checkpoint of the log is signed by one of the keys")
	report, err := auditfile.VerifyFS(unsigned, auditfile.Trust{Checkpoint: &auditfile.Checkpoint{Sequence: 5, Hash: kept.Hash}})
	require.ErrorContains(t, err, "the log was written anew, here or before")
	assert.EqualValues(t, 5, report.Bad)

	signed, theirs := build("2", other)
	report, err = auditfile.VerifyFS(signed, auditfile.Trust{Keys: keys})
	require.ErrorContains(t, err, "none of the keys signed")
	assert.EqualValues(t, 5, report.Bad)
	_, err = auditfile.VerifyFS(signed, auditfile.Trust{Keys: keys, Checkpoint: &theirs})
	require.ErrorContains(t, err, "the checkpoint to compare with is not signed by one of the keys")
	forged := kept
	forged.Sequence++
	_, err = auditfile.VerifyFS(signed, auditfile.Trust{Keys: keys, Checkpoint: &forged})
	require.ErrorContains(t, err, "is not signed")
	_, err = auditfile.VerifyFS(signed, auditfile.Trust{Keys: append(keys, nil, other.Public().(ed25519.PublicKey))})
	require.NoError(t, err)
}

// The key signs what Open found: a log that was written anew while no Log had it open is one that a key alone vouches for
// from then on. A checkpoint that was kept elsewhere tells.
func TestOnlyAKeptCheckpointTellsWhatWasRewrittenBeforeOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{SigningKey: signingKey})
	require.NoError(t, log.Record(t.Context(), outcome("A")))
	require.NoError(t, log.Close(t.Context()))
	kept, ok := log.LastCheckpoint()
	require.True(t, ok)
	made, err := json.Marshal(outcome("made up"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(logFiles(t, dir)[0], chained([][]byte{bytes.Trim(made, "{}")}), 0o600))
	log = open(t, dir, auditfile.Config{SigningKey: signingKey})
	require.NoError(t, log.Record(t.Context(), outcome("B")))
	require.NoError(t, log.Close(t.Context()))
	keys := []ed25519.PublicKey{publicKey()}
	verified(t, dir, auditfile.Trust{Keys: keys})
	report, err := auditfile.Verify(dir, auditfile.Trust{Keys: keys, Checkpoint: &kept})
	require.ErrorContains(t, err, "the log was written anew")
	assert.EqualValues(t, 1, report.Bad)
}

// A checkpoint that the key did sign vouches for no other line than its own, also where all hashes were made anew.
func TestSignedCheckpointVouchesForNothingElse(t *testing.T) {
	t.Parallel()
	d := newSimDisk(1)
	log, err := auditfile.OpenVolume(d, auditfile.Config{SigningKey: signingKey, CheckpointEvery: 2})
	require.NoError(t, err)
	for i := range 6 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	require.NoError(t, log.Close(t.Context()))
	var members [][]byte
	for line := range bytes.Lines(d.names["audit-00000000000000000001.jsonl"].data) {
		_, rest, _ := bytes.Cut(line, []byte(`,"previous":"`))
		members = append(members, rest[64+len(`",`):bytes.LastIndex(rest, []byte(`,"hash":"`))])
	}
	require.Len(t, members, 9)
	trust := auditfile.Trust{Keys: []ed25519.PublicKey{publicKey()}}
	verify := func() (*auditfile.Report, error) {
		return auditfile.VerifyFS(mapFS(map[string][]byte{"audit-00000000000000000001.jsonl": chained(members)}), trust)
	}
	report, err := verify()
	require.NoError(t, err, "they were put together as they were")
	assert.EqualValues(t, 8, report.Covered)

	members[4] = bytes.Replace(members[4], []byte("215470011"), []byte("215470012"), 1)
	report, err = verify()
	require.ErrorContains(t, err, "sequence 6: it is a checkpoint of another line than the one before it")
	assert.EqualValues(t, 2, report.Covered)

	members = slices.Delete(members, 0, 3) // the log begins later, with what was signed
	report, err = verify()
	require.ErrorContains(t, err, "sequence 3: it is a checkpoint of another line")
	assert.Zero(t, report.Covered)
}

// chained is a file of lines with these members, all hashes right.
func chained(members [][]byte) (file []byte) {
	previous := strings.Repeat("0", 64)
	for i, m := range members {
		body := fmt.Sprintf(`{"sequence":%d,"previous":"%s",%s`, i+1, previous, m)
		sum := sha256.Sum256([]byte(body))
		previous = hex.EncodeToString(sum[:])
		file = append(file, body+`,"hash":"`+previous+"\"}\n"...)
	}
	return file
}

func TestCheckpointsComeByNumberAndByTime(t *testing.T) {
	t.Parallel()
	for caller := range 2 {
		synctest.Test(t, func(t *testing.T) { testCheckpointsComeByNumberAndByTime(t, caller) })
	}
}

func testCheckpointsComeByNumberAndByTime(t *testing.T, caller int) {
	t.Helper()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{SigningKey: signingKey, CheckpointEvery: 3, CheckpointInterval: time.Minute})
	_, ok := log.LastCheckpoint()
	require.False(t, ok)
	at := func() uint64 {
		synctest.Wait()
		c, _ := log.LastCheckpoint()
		return c.Sequence
	}
	for i, want := range []uint64{0, 0, 3, 3, 3} {
		require.NoError(t, log.Record(contextOf(t, caller), outcome(fmt.Sprint(i))))
		assert.Equal(t, want, at())
	}
	time.Sleep(59 * time.Second)
	assert.EqualValues(t, 3, at())
	time.Sleep(time.Second)
	assert.EqualValues(t, 6, at()) // 4 is the checkpoint, 5 and 6 are events
	time.Sleep(time.Hour)
	assert.EqualValues(t, 6, at(), "nothing happened that one could vouch for")
	require.NoError(t, log.Close(t.Context()))
	assert.EqualValues(t, 6, at())

	log = open(t, dir, auditfile.Config{SigningKey: signingKey})
	assert.EqualValues(t, 6, at(), "the last one is found again")
	require.NoError(t, log.Record(contextOf(t, caller), outcome("A")))
	require.NoError(t, log.Close(t.Context()))
	assert.EqualValues(t, 8, at())
	assert.EqualValues(t, 8, verified(t, dir, auditfile.Trust{Keys: []ed25519.PublicKey{publicKey()}}).Covered)
}
