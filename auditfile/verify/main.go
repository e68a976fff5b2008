// Verify checks an audit trail that auditfile wrote: that every line is there, in order and unchanged.
//
//	go run github.com/intercomrbac/intercomrbac/auditfile/verify [-key FILE] [-checkpoint FILE] [-first N] DIR
//
// The key is a public one in PEM, as "openssl pkey -pubout" writes it. The checkpoint is one that was kept elsewhere, as
// JSON: what LastCheckpoint of the log returned, or what an earlier run printed behind "keep elsewhere". The exit status is
// 0 if the log is as it was written, 1 if it is not, and 2 if it could not be checked.
package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac/auditfile"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const (
	whole = iota
	damaged
	unknown
)

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(errs)
	key := flags.String("key", "", "the public key of the checkpoints, a PEM `file`")
	checkpoint := flags.String("checkpoint", "", "a checkpoint that was kept elsewhere, a JSON `file`")
	first := flags.Uint64("first", 1, "the `sequence` that the log begins with, where older files were removed")
	fail := func(text string) int {
		_, _ = io.WriteString(errs, text+"\n") // nobody else can be told
		return unknown
	}
	if err := flags.Parse(args); err != nil {
		return unknown
	}
	if flags.NArg() != 1 {
		flags.PrintDefaults()
		return fail("usage: verify [-key FILE] [-checkpoint FILE] [-first N] DIR")
	}
	trust, err := readTrust(*key, *checkpoint, *first)
	if err != nil {
		return fail("verify: " + safe(err.Error()))
	}
	report, err := auditfile.Verify(flags.Arg(0), trust)
	if _, unread := errors.AsType[*fs.PathError](err); err != nil && report.Bad == 0 && (unread || report.Lines == 0) {
		return fail("verify: " + safe(err.Error()))
	}
	text, status := tell(report), whole
	if err != nil {
		text, status = text+"NOT AS IT WAS WRITTEN: "+safe(err.Error())+"\n", damaged
	} else {
		text += vouch(report, trust)
	}
	if _, err := io.WriteString(out, text); err != nil {
		return fail("verify: " + safe(err.Error()))
	}
	return status
}

func readTrust(key, checkpoint string, first uint64) (auditfile.Trust, error) {
	trust := auditfile.Trust{First: first}
	if key != "" {
		b, err := os.ReadFile(key)
		if err != nil {
			return trust, err
		}
		block, _ := pem.Decode(b)
		if block == nil {
			return trust, fmt.Errorf("%s is no PEM", key)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := parsed.(ed25519.PublicKey)
		if err != nil || !ok {
			return trust, fmt.Errorf("%s is no public Ed25519 key", key)
		}
		trust.Keys = []ed25519.PublicKey{public}
	}
	if checkpoint != "" {
		b, err := os.ReadFile(checkpoint)
		if err != nil {
			return trust, err
		}
		trust.Checkpoint = &auditfile.Checkpoint{}
		if err := json.Unmarshal(b, trust.Checkpoint); err != nil {
			return trust, fmt.Errorf("%s is no checkpoint: %w", checkpoint, err)
		}
		if trust.Checkpoint.Sequence == 0 || trust.Checkpoint.Hash == "" {
			return trust, errors.New(checkpoint + " is no checkpoint: it has no sequence or no hash")
		}
	}
	return trust, nil
}

// tell writes a report for people.
func tell(r *auditfile.Report) string {
	var b strings.Builder
	if r.Lines > 0 {
		fmt.Fprintf(&b, "%d lines in %d files, sequences %d to %d\n", r.Lines, r.Files, r.First, r.Last)
	}
	for _, e := range r.Notices {
		fmt.Fprintf(&b, "notice: %s %s, count %d\n", e.Timestamp.Format(time.DateTime), safe(e.Action), e.Count)
	}
	for _, e := range r.Unfinished {
		fmt.Fprintf(&b, "no outcome: %s %s of %s %s by %s, id %s\n", e.Timestamp.Format(time.DateTime), safe(e.Action), safe(e.Resource),
			safe(e.ResourceID), safe(cmp.Or(e.Service, string(e.AdminID))), safe(e.ID))
	}
	return b.String()
}

// vouch says how far a log that is whole is vouched for, and what to keep of it.
func vouch(r *auditfile.Report, trust auditfile.Trust) string {
	var b strings.Builder
	switch {
	case r.Covered > 0:
		fmt.Fprintf(&b, "a checkpoint vouches for everything up to sequence %d\n", r.Covered)
	case len(trust.Keys) == 0:
		b.WriteString("nothing vouches for it: give a key or a checkpoint to see a log that was cut or made up\n")
	}
	if kept, err := json.Marshal(auditfile.Checkpoint{Sequence: r.Last, Hash: r.Hash}); err == nil {
		fmt.Fprintf(&b, "keep elsewhere: %s\n", kept)
	}
	return b.String()
}

// safe is a text as a terminal may see it.
func safe(s string) string {
	if s == "" {
		return `""`
	}
	quoted := strconv.QuoteToASCII(s)
	if plain := quoted[1 : len(quoted)-1]; plain == s && len(s) <= 200 {
		return s
	}
	if len(quoted) > 200 {
		return quoted[:200] + "…"
	}
	return quoted
}
