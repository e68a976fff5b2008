package auditfile_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secondVerifier is another reading of the format: what it returns is the first sequence that is bad, or 0.
func secondVerifier(files map[string][]byte) int {
	previous, n := strings.Repeat("0", 64), 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for i, line := range bytes.SplitAfter(bytes.TrimSuffix(files[name], []byte("\n")), []byte("\n")) {
			n++
			var e struct {
				Sequence       int
				Previous, Hash string
			}
			body := line[:max(bytes.LastIndex(line, []byte(`,"hash":"`)), 0)]
			sum := sha256.Sum256(body)
			want := fmt.Sprintf(`%s,"hash":"%x"}`, body, sum)
			if i == 0 && name != fmt.Sprintf("audit-%020d.jsonl", n) || strings.TrimSuffix(string(line), "\n") != want ||
				json.Unmarshal(line, &e) != nil || e.Sequence != n || e.Previous != previous {
				return n
			}
			previous = e.Hash
		}
		if !bytes.HasSuffix(files[name], []byte("\n")) {
			return n
		}
	}
	return 0
}

// randomLog is a log of several files, made with a simulated disk.
func randomLog(t *testing.T, r *rand.Rand, lines int) map[string][]byte {
	t.Helper()
	d := newSimDisk(r.Uint64())
	config := auditfile.Config{MaxFileBytes: 1000 + r.Int64N(6000), DenialsPerMinute: -1}
	if r.IntN(2) == 0 {
		config.SigningKey, config.CheckpointEvery = signingKey, 1+r.IntN(9)
	}
	log, err := auditfile.OpenVolume(d, config)
	require.NoError(t, err)
	for i := range lines {
		e := outcome(fmt.Sprint(i))
		switch r.IntN(3) {
		case 0:
			e = intent(fmt.Sprint(i))
		case 1:
			e.Phase, e.Error = intercomrbac.PhaseDenial, hostile(r)
		}
		require.NoError(t, log.Record(t.Context(), e))
	}
	require.NoError(t, log.Close(t.Context()))
	out := map[string][]byte{}
	for name, inode := range d.names {
		out[name] = inode.data
	}
	return out
}

func mapFS(files map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for name, b := range files {
		out[name] = &fstest.MapFile{Data: b}
	}
	return out
}

// lineAt finds a line, counted from 0 over all files.
func lineAt(files map[string][]byte, n int) (name string, from, to int) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := 0
		for line := range bytes.Lines(files[name]) {
			if n == 0 {
				return name, at, at + len(line)
			}
			n--
			at += len(line)
		}
	}
	panic("there is no such line")
}

func splice(b []byte, from, to int, with []byte) []byte { return slices.Concat(b[:from], with, b[to:]) }

// mutations change a log at a line, counted from 0, and say which sequence is bad then; 0 if that cannot be said.
var mutations = []struct {
	name string
	do   func(r *rand.Rand, files map[string][]byte, n, lines int) (bad int)
}{
	{"a byte is another", func(r *rand.Rand, files map[string][]byte, n, _ int) int {
		name, from, to := lineAt(files, n)
		i := from + r.IntN(to-from)
		files[name][i] ^= byte(1 + r.IntN(255))
		return n + 1
	}},
	{"a byte is inserted", func(r *rand.Rand, files map[string][]byte, n, _ int) int {
		name, from, to := lineAt(files, n)
		i := from + r.IntN(to-from)
		files[name] = splice(files[name], i, i, []byte{byte(r.Uint32())})
		return n + 1
	}},
	{"a byte is deleted", func(r *rand.Rand, files map[string][]byte, n, _ int) int {
		name, from, to := lineAt(files, n)
		i := from + r.IntN(to-from)
		files[name] = splice(files[name], i, i+1, nil)
		return n + 1
	}},
	{"a line is deleted", func(_ *rand.Rand, files map[string][]byte, n, lines int) int {
		if n == lines-1 {
			n-- // the last one alone cannot be seen to be missing
		}
		name, from, to := lineAt(files, n)
		files[name] = splice(files[name], from, to, nil)
		return n + 1
	}},
	{"a line is twice there", func(_ *rand.Rand, files map[string][]byte, n, _ int) int {
		name, from, to := lineAt(files, n)
		files[name] = splice(files[name], to, to, slices.Clone(files[name][from:to]))
		return n + 2
	}},
	{"two lines changed places", func(r *rand.Rand, files map[string][]byte, n, lines int) int {
		m := r.IntN(lines)
		if m == n {
			m = (n + 1) % lines
		}
		n, m = min(n, m), max(n, m)
		nameN, fromN, toN := lineAt(files, n)
		nameM, fromM, toM := lineAt(files, m)
		first, second := slices.Clone(files[nameN][fromN:toN]), slices.Clone(files[nameM][fromM:toM])
		files[nameM] = splice(files[nameM], fromM, toM, first) // the later one first, so that the other place stays
		files[nameN] = splice(files[nameN], fromN, toN, second)
		return n + 1
	}},
	{"a line is of another place", func(r *rand.Rand, files map[string][]byte, n, lines int) int {
		m := (n + 1 + r.IntN(lines-1)) % lines
		name, from, to := lineAt(files, m)
		other := slices.Clone(files[name][from:to])
		name, from, to = lineAt(files, n)
		files[name] = splice(files[name], from, to, other)
		return n + 1
	}},
	{"an event is made up, its own hash right", func(_ *rand.Rand, files map[string][]byte, n, _ int) int {
		name, from, to := lineAt(files, n)
		files[name] = splice(files[name], to, to, forged(files[name][from:to]))
		return n + 2
	}},
	{"a line is changed, its own hash right", func(_ *rand.Rand, files map[string][]byte, n, lines int) int {
		if n == lines-1 {
			n-- // of the last one, only a checkpoint tells
		}
		name, from, to := lineAt(files, n)
		files[name] = splice(files[name], from, to, forged(files[name][from:to]))
		return n + 2
	}},
	{"a file is deleted", func(_ *rand.Rand, files map[string][]byte, n, lines int) int {
		name, _, _ := lineAt(files, n)
		if last, _, _ := lineAt(files, lines-1); name == last {
			name, _, _ = lineAt(files, 0)
		}
		delete(files, name)
		return sequenceOf(name)
	}},
	{"a file has the name of another", func(_ *rand.Rand, files map[string][]byte, n, _ int) int {
		name, _, _ := lineAt(files, n)
		b := files[name]
		delete(files, name)
		files[fmt.Sprintf("audit-%020d.jsonl", sequenceOf(name)+1_000_000)] = b
		return sequenceOf(name)
	}},
}

// forged is a line with one member more, and a hash that fits.
func forged(line []byte) []byte {
	body := slices.Concat(line[:bytes.LastIndex(line, []byte(`,"hash":"`))], []byte(`,"error":"made up"`))
	sum := sha256.Sum256(body)
	return append(body, `,"hash":"`+hex.EncodeToString(sum[:])+"\"}\n"...)
}

func sequenceOf(name string) (n int) {
	_, _ = fmt.Sscanf(name, "audit-%d.jsonl", &n)
	return n
}

func countLines(files map[string][]byte) (n int) {
	for _, b := range files {
		n += bytes.Count(b, []byte("\n"))
	}
	return n
}

// A10: whatever is changed is found, with its sequence, by both verifiers.
func TestVerifyFindsEachChange(t *testing.T) {
	t.Parallel()
	total := soak.N(2000, 10_000)
	r := rand.New(rand.NewPCG(7, 7))
	var log map[string][]byte
	for i := range total {
		if i%100 == 0 {
			log = randomLog(t, r, 8+r.IntN(12))
		}
		files := map[string][]byte{}
		for name, b := range log {
			files[name] = slices.Clone(b)
		}
		lines := countLines(files)
		m := mutations[i%len(mutations)]
		if len(files) < 2 && strings.HasPrefix(m.name, "a file") {
			continue
		}
		bad := m.do(r, files, r.IntN(lines), lines)
		report, err := auditfile.VerifyFS(mapFS(files), auditfile.Trust{})
		require.Error(t, err, m.name)
		require.EqualValues(t, bad, report.Bad, "%s: %v", m.name, err)
		require.Contains(t, err.Error(), fmt.Sprintf("sequence %d", bad))
		require.Equal(t, bad, secondVerifier(files), m.name)
	}
	soak.Report(t, "A10", "%d random changes of %d kinds, each found with its sequence", total, len(mutations))
}

// A18: a second verifier of a few lines agrees about logs that are whole or have bytes changed at random.
func TestSecondVerifierAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	whole := 0
	for range 1000 {
		files := randomLog(t, r, 1+r.IntN(15))
		for range r.IntN(3) {
			name, from, to := lineAt(files, r.IntN(countLines(files)))
			files[name][from+r.IntN(to-from-1)] ^= byte(1 + r.IntN(255)) // not the newline: what a line is then, is a matter of taste
		}
		report, err := auditfile.VerifyFS(mapFS(files), auditfile.Trust{})
		require.EqualValues(t, secondVerifier(files), report.Bad, err)
		if report.Bad == 0 {
			require.NoError(t, err)
			whole++
		}
	}
	assert.Greater(t, whole, 200)
	assert.Less(t, whole, 800)
	soak.Report(t, "A18", "1,000 random logs, %d whole: a second verifier of a few lines agrees about each", whole)
}

// The verifier in the package comment is one that works.
func TestVerifierInTheDocumentationWorks(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	program := regexp.MustCompile(`(?ms)^//\timport .*?^//\tprint\(.*?\n`).FindString(string(doc))
	require.NotEmpty(t, program)
	program = strings.ReplaceAll(program, "//\t", "")
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 2000, SigningKey: signingKey, CheckpointEvery: 4})
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 20 {
		e := outcome(fmt.Sprint(i))
		e.Error = hostile(r)
		require.NoError(t, log.Record(t.Context(), e))
	}
	require.NoError(t, log.Close(t.Context()))
	run := func() string {
		out, err := exec.CommandContext(t.Context(), python, "-c", program, dir).CombinedOutput()
		if err != nil {
			return strings.TrimSpace(string(out)) + " " + err.Error()
		}
		return strings.TrimSpace(string(out))
	}
	assert.Equal(t, fmt.Sprintf("%d lines are as they were written", verified(t, dir, auditfile.Trust{}).Lines), run())
	file := logFiles(t, dir)[1]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(file, b, 0o600))
	report, err := auditfile.Verify(dir, auditfile.Trust{})
	require.Error(t, err)
	assert.Equal(t, fmt.Sprintf("sequence %d is bad exit status 1", report.Bad), run())
}

// Files may be removed from the beginning: whoever did says where the log begins now.
func TestRetention(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 2000, SigningKey: signingKey, CheckpointEvery: 5})
	for i := range 20 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	files := logFiles(t, dir)
	require.NoError(t, os.Remove(files[0]))
	require.NoError(t, os.Remove(files[1]))
	first := uint64(sequenceOf(filepath.Base(files[2])))
	report, err := auditfile.Verify(dir, auditfile.Trust{})
	require.ErrorContains(t, err, fmt.Sprintf("the log begins with sequence %d", first))
	assert.EqualValues(t, 1, report.Bad)
	report = verified(t, dir, auditfile.Trust{First: first, Keys: []ed25519.PublicKey{publicKey()}})
	assert.Equal(t, first, report.First)
	require.NoError(t, os.Remove(files[2]))
	report, err = auditfile.Verify(dir, auditfile.Trust{First: first})
	require.Error(t, err)
	assert.Equal(t, first, report.Bad)
	_, err = auditfile.Verify(dir, auditfile.Trust{First: report.First, Checkpoint: &auditfile.Checkpoint{Sequence: 1, Hash: "x"}})
	require.ErrorContains(t, err, "says nothing about it")
	for _, err := range auditfile.Events(dir, auditfile.Filter{}) {
		require.NoError(t, err)
	}
}

func TestVerifyTellsOfWhatIsNoLog(t *testing.T) {
	t.Parallel()
	_, err := auditfile.Verify(t.TempDir(), auditfile.Trust{})
	require.ErrorContains(t, err, "there is no log here")
	_, err = auditfile.Verify(filepath.Join(t.TempDir(), "none"), auditfile.Trust{})
	require.ErrorIs(t, err, os.ErrNotExist)
	report, err := auditfile.Verify(t.TempDir(), auditfile.Trust{Checkpoint: &auditfile.Checkpoint{Sequence: 3, Hash: "x"}})
	require.ErrorContains(t, err, "the end was cut off")
	assert.EqualValues(t, 1, report.Bad)
	for _, err := range auditfile.Events(filepath.Join(t.TempDir(), "none"), auditfile.Filter{}) {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A6: an intent without an outcome is found, over files, opens and damage.
func TestUnfinishedIntentsAreListed(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		dir := t.TempDir()
		want := []string{}
		open := map[string]bool{}
		var pending []string
		for round := range 2 {
			log := openAt(t, dir)
			for i := range 40 {
				id := fmt.Sprintf(`%d-%d-","phase":"outcome`, round, i) // an id that tries to look like more
				require.NoError(t, log.Record(t.Context(), intent(id)))
				open[id] = true
				pending = append(pending, id)
				if k := r.IntN(len(pending)); r.IntN(3) > 0 {
					require.NoError(t, log.Record(t.Context(), outcome(pending[k])))
					delete(open, pending[k])
					pending = slices.Delete(pending, k, k+1)
				}
			}
			require.NoError(t, log.Close(t.Context()))
		}
		want = append(want, pending...)
		got := []string{}
		for _, e := range verified(t, dir, auditfile.Trust{}).Unfinished {
			got = append(got, e.ID)
		}
		require.Equal(t, want, got)
	}
	soak.Report(t, "A6", "20 logs: every intent without an outcome is listed, and no other")
}

func openAt(t *testing.T, dir string) *auditfile.Log {
	return open(t, dir, auditfile.Config{MaxFileBytes: 5000})
}

// A line of which only its own hash is right must not confuse the readers.
func FuzzReaders(f *testing.F) {
	d := newSimDisk(1)
	log, err := auditfile.OpenVolume(d, auditfile.Config{SigningKey: signingKey, CheckpointEvery: 2})
	require.NoError(f, err)
	for i := range 3 {
		require.NoError(f, log.Record(f.Context(), intent(fmt.Sprint(i))))
	}
	require.NoError(f, log.Close(f.Context()))
	file := d.names["audit-00000000000000000001.jsonl"].data
	f.Add(file, uint16(10))
	f.Add([]byte("{}\n"), uint16(0))
	f.Add([]byte(`{"sequence":1,"previous":"`+strings.Repeat("0", 64)+`","checkpoint":{"sequence":"x"}`), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		if i := int(at); i <= len(b) { // a body with a hash that fits
			sum := sha256.Sum256(b[:i])
			b = slices.Concat(b[:i], []byte(`,"hash":"`+hex.EncodeToString(sum[:])+"\"}\n"), b[i:])
		}
		fsys := fstest.MapFS{"audit-00000000000000000001.jsonl": {Data: b}}
		report, err := auditfile.VerifyFS(fsys, auditfile.Trust{Keys: []ed25519.PublicKey{publicKey()}, Checkpoint: &auditfile.Checkpoint{Sequence: 2, Hash: "x"}})
		require.Error(t, err)
		require.NotNil(t, report)
		n := 0
		for _, err := range auditfile.EventsFS(fsys, auditfile.Filter{}) {
			if n++; err != nil {
				require.ErrorContains(t, err, "auditfile: Events: ")
			}
		}
		require.LessOrEqual(t, n, 2*bytes.Count(b, []byte("\n"))+1)
	})
}
