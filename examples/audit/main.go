// Audit puts guarded actions on a durable record, alerts on the sensitive ones, reads the record back and verifies it. Then
// it changes one byte in a copy, and cuts the end off another, and the verifier says where. It runs against a fake workspace
// in memory.
//
//	go run ./examples/audit [-dir DIR]
//
// The record stays in DIR, to be looked at, or verified with go run ./auditfile/verify DIR. Without -dir it is removed.
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	dir := flag.String("dir", "", "the `directory` of the record, made if there is none")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, dir string) error {
	work, err := os.MkdirTemp("", "audit-example-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if dir == "" {
		dir = filepath.Join(work, "record")
	}
	kept, err := record(ctx, out, dir)
	if err != nil {
		return err
	}
	if err := readBack(out, dir); err != nil {
		return err
	}
	report, err := auditfile.Verify(dir, auditfile.Trust{Checkpoint: &kept})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nVerified: all lines are as they were written, %d intents without an outcome.\n", len(report.Unfinished))
	return tamper(out, dir, work, kept)
}

// record does some actions and returns the checkpoint to keep elsewhere.
func record(ctx context.Context, out io.Writer, dir string) (kept auditfile.Checkpoint, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader) // a service has a key of its own, and keeps it
	if err != nil {
		return kept, err
	}
	log, err := auditfile.Open(dir, auditfile.Config{SigningKey: key, Redact: auditfile.Redaction{Drop: []string{"ipAddress"}}})
	if err != nil {
		return kept, err
	}
	alert := intercomrbac.SinkFunc(func(_ context.Context, e intercomrbac.AuditEvent) error {
		_, err := fmt.Fprintf(out, "  ALERT: %s of %s by %s: %s\n", e.Action, e.Resource, e.AdminEmail, e.Phase)
		return err
	})
	err = act(ctx, out, intercomrbac.MultiSink(log, intercomrbac.BestEffort(intercomrbac.SensitiveOnly(alert))))
	if err := errors.Join(err, log.Close(ctx)); err != nil {
		return kept, err
	}
	kept, _ = log.LastCheckpoint()
	return kept, nil
}

func act(ctx context.Context, out io.Writer, sink intercomrbac.AuditSink) error {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		return err
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: sink})
	if err != nil {
		return err
	}
	client := fake.Client(intercomrbac.WithGuard(guard))
	owner := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: ids.Owner, Email: "olivia@example.com", Role: intercomrbac.RoleOwner, IP: "203.0.113.7"})
	agent := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: ids.Agent, Email: "aiko@example.com", Role: intercomrbac.RoleAgent, IP: "203.0.113.8"})

	fmt.Fprintln(out, "An agent replies, tries to delete a contact, and the owner deletes it:")
	if _, err := client.Conversations.Reply(agent, ids.Conversations[10], intercomrbac.ReplyParams{Body: "We are looking into it."}); err != nil {
		return err
	}
	if err := client.Contacts.Delete(agent, ids.Contacts[5]); !errors.Is(err, intercomrbac.ErrDenied) {
		return fmt.Errorf("the agent was not denied: %w", err)
	}
	return client.Contacts.Delete(owner, ids.Contacts[5])
}

func readBack(out io.Writer, dir string) error {
	fmt.Fprintln(out, "\nOn record:")
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		if err != nil {
			return err
		}
		how := e.Reason.String()
		if e.Outcome != "" {
			how = string(e.Outcome)
		}
		fmt.Fprintf(out, "  %-7s  %-21s  %-18s  %s\n", e.Phase, e.Action, e.AdminEmail, how)
	}
	fmt.Fprintln(out, "\nDenied:")
	for e, err := range auditfile.Events(dir, auditfile.Filter{Phase: intercomrbac.PhaseDenial}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s by %s, who is %s\n", e.Permission, e.AdminEmail, e.Role)
	}
	return nil
}

// tamper changes copies of the record.
func tamper(out io.Writer, dir, work string, kept auditfile.Checkpoint) error {
	changed := filepath.Join(work, "changed")
	err := change(dir, changed, func(file []byte) []byte {
		file[bytes.LastIndex(file, []byte("aiko@example.com"))] = 'e'
		return file
	})
	if err != nil {
		return err
	}
	_, err = auditfile.Verify(changed, auditfile.Trust{})
	fmt.Fprintln(out, "\nOne byte of a copy is another:\n ", err)

	cut := filepath.Join(work, "cut")
	err = change(dir, cut, func(file []byte) []byte {
		for range 2 { // the last event, and the checkpoint behind it
			file = file[:bytes.LastIndexByte(file[:len(file)-1], '\n')+1]
		}
		return file
	})
	if err != nil {
		return err
	}
	if _, err := auditfile.Verify(cut, auditfile.Trust{}); err == nil {
		fmt.Fprintln(out, "\nThe end of a copy is cut off. Without a checkpoint that was kept elsewhere, it is not seen.")
	}
	report, err := auditfile.Verify(cut, auditfile.Trust{Checkpoint: &kept})
	if err == nil || report.Bad == 0 {
		return errors.New("the cut was not found")
	}
	fmt.Fprintln(out, "With one, it is.")
	return nil
}

// change copies a record and changes its last file.
func change(from, to string, how func([]byte) []byte) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(to, "audit-*.jsonl"))
	if err != nil {
		return err
	}
	last := files[len(files)-1]
	b, err := os.ReadFile(last)
	if err != nil {
		return err
	}
	return os.WriteFile(last, how(b), 0o600)
}
