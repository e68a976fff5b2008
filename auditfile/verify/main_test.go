package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var signingKey = ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))

func newLog(t *testing.T, events ...intercomrbac.AuditEvent) string {
	t.Helper()
	dir := t.TempDir()
	log, err := auditfile.Open(dir, auditfile.Config{SigningKey: signingKey})
	require.NoError(t, err)
	for _, e := range events {
		require.NoError(t, log.Record(t.Context(), e))
	}
	require.NoError(t, log.Close(t.Context()))
	return dir
}

func verify(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = run(args, &o, &e)
	return status, o.String(), e.String()
}

func event(id string, phase intercomrbac.AuditPhase) intercomrbac.AuditEvent {
	return intercomrbac.AuditEvent{Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ID: id, Phase: phase, AdminID: "1", Action: "contacts.delete", Resource: "contact", ResourceID: "9"}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestVerify(t *testing.T) {
	t.Parallel()
	dir := newLog(t, event("A", intercomrbac.PhaseIntent), event("B", intercomrbac.PhaseIntent), event("A", intercomrbac.PhaseOutcome))
	status, out, errs := verify(dir)
	assert.Equal(t, whole, status)
	assert.Empty(t, errs)
	said, kept, found := strings.Cut(out, "keep elsewhere: ")
	require.True(t, found)
	assert.Equal(t, "4 lines in 1 files, sequences 1 to 4\nno outcome: 2026-01-02 03:04:05 contacts.delete of contact 9 by 1, id B\n"+
		"nothing vouches for it: give a key or a checkpoint to see a log that was cut or made up\n", said)

	public, err := x509.MarshalPKIXPublicKey(signingKey.Public())
	require.NoError(t, err)
	key := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	checkpoint := write(t, kept)
	status, out, _ = verify("-key", key, dir)
	assert.Equal(t, whole, status)
	assert.Contains(t, out, "a checkpoint vouches for everything up to sequence 3\n")
	status, out, _ = verify("-key", key, "-checkpoint", checkpoint, dir)
	assert.Equal(t, whole, status)
	assert.Contains(t, out, "a checkpoint vouches for everything up to sequence 4\n")

	file := filepath.Join(dir, "audit-00000000000000000001.jsonl")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	cut := b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]
	require.NoError(t, os.WriteFile(file, cut, 0o600))
	status, _, _ = verify(dir)
	assert.Equal(t, whole, status, "not seen")
	status, out, _ = verify("-checkpoint", checkpoint, dir)
	assert.Equal(t, damaged, status)
	assert.Contains(t, out, "NOT AS IT WAS WRITTEN: auditfile: Verify: sequence 4: the log ends with sequence 3")
	status, out, _ = verify("-key", key, dir)
	assert.Equal(t, damaged, status, "the checkpoint is gone")
	assert.Contains(t, out, "no checkpoint of the log is signed by one of the keys")

	b[200] ^= 1
	require.NoError(t, os.WriteFile(file, b, 0o600))
	status, out, errs = verify(dir)
	assert.Equal(t, damaged, status)
	assert.Contains(t, out, "NOT AS IT WAS WRITTEN: auditfile: Verify: audit-00000000000000000001.jsonl: sequence 1: the line is not as it was written")
	assert.NotContains(t, out, "keep elsewhere")
	assert.Empty(t, errs)
}

func TestVerifyThatCannotCheck(t *testing.T) {
	t.Parallel()
	dir := newLog(t, event("A", intercomrbac.PhaseDenial))
	for text, args := range map[string][]string{
		"usage: verify":              {},
		"flag provided but not defi": {"-what", dir},
		"there is no log here":       {t.TempDir()},
		"no such file":               {filepath.Join(t.TempDir(), "none")},
		"is no PEM":                  {"-key", write(t, "x"), dir},
		"is no public Ed25519 key":   {"-key", write(t, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), dir},
		"is no checkpoint":           {"-checkpoint", write(t, "x"), dir},
		"has no sequence or no hash": {"-checkpoint", write(t, "{}"), dir},
		"none: no such":              {"-checkpoint", filepath.Join(t.TempDir(), "none"), dir},
		"none: no such file":         {"-key", filepath.Join(t.TempDir(), "none"), dir},
	} {
		status, out, errs := verify(args...)
		assert.Equal(t, unknown, status, text)
		assert.Empty(t, out, text)
		assert.Contains(t, errs, text)
	}
	status, out, _ := verify("-first", "2", dir)
	assert.Equal(t, damaged, status)
	assert.Contains(t, out, "sequence 2: the log begins with sequence 1")
}

// Whatever is in a log, a terminal gets printable ASCII.
func TestVerifyPrintsHostileTextsSafely(t *testing.T) {
	t.Parallel()
	hostile := "\x1b[2J\r\n\u202e\u009b31m\x00\xff" + strings.Repeat("x", 5000)
	e := event(hostile, intercomrbac.PhaseIntent)
	e.Action, e.Resource, e.ResourceID, e.Service = hostile, hostile, "", hostile
	dir := newLog(t, e, intercomrbac.AuditEvent{Phase: intercomrbac.PhaseNotice, Action: hostile})
	status, out, _ := verify(dir)
	assert.Equal(t, whole, status)
	for _, c := range strings.ReplaceAll(out, "…", "") {
		assert.True(t, c == '\n' || c >= ' ' && c <= '~', "%q", c)
	}
	assert.Equal(t, 5, strings.Count(out, "\n"))
	assert.Less(t, len(out), 2500)
	_, _, errs := verify(filepath.Join(t.TempDir(), "\x1b[2J"))
	assert.NotContains(t, errs, "\x1b")
}

// Of a log that could not be read to its end, or that nothing vouches for as it should, there is nothing to keep.
func TestVerifyKeepsNothingOfWhatItDoesNotVouchFor(t *testing.T) {
	t.Parallel()
	dir := newLog(t, event("A", intercomrbac.PhaseDenial), event("B", intercomrbac.PhaseDenial))
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	other := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	status, out, _ := verify("-key", other, dir)
	assert.Equal(t, damaged, status)
	assert.NotContains(t, out, "keep elsewhere")

	unsigned := t.TempDir()
	log, err := auditfile.Open(unsigned, auditfile.Config{})
	require.NoError(t, err)
	require.NoError(t, log.Record(t.Context(), event("A", intercomrbac.PhaseDenial)))
	require.NoError(t, log.Close(t.Context()))
	status, out, _ = verify("-key", other, unsigned)
	assert.Equal(t, damaged, status)
	assert.Equal(t, "1 lines in 1 files, sequences 1 to 1\nNOT AS IT WAS WRITTEN: auditfile: Verify: no checkpoint of the log is signed by one of the keys\n", out)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "audit-00000000000000000009.jsonl"), 0o700))
	status, out, errs := verify(dir)
	assert.Equal(t, unknown, status, out)
	assert.Empty(t, out)
	assert.Contains(t, errs, "audit-00000000000000000009.jsonl")
}
