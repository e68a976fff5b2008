// Audit shows what a guard puts on record: the intent and the outcome of each write, denials, actions of the service's own, and
// what happens when the record cannot be kept. It runs against a fake workspace in memory.
//
//	go run ./examples/audit
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		return err
	}

	// The record that counts, in a database of yours; here it is printed, and can be full.
	full := false
	record := intercomrbac.SinkFunc(func(_ context.Context, e intercomrbac.AuditEvent) error {
		if full {
			return errors.New("the disk is full")
		}
		fmt.Fprintf(out, "  %-8s %-9s %-22s %s %s by %s\n", e.Phase, e.Outcome, e.Action, e.Resource, e.ResourceID, e.AdminEmail)
		return nil
	})
	alerts := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 || a.Key != slog.LevelKey && a.Key != slog.MessageKey {
			return slog.Attr{} // the message alone
		}
		return a
	}}))
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.MultiSink(
		record,
		intercomrbac.BestEffort(intercomrbac.SensitiveOnly(intercomrbac.SlogSink(alerts))), // to a channel that people watch
	)})
	if err != nil {
		return err
	}
	client, err := fake.Client().With(intercomrbac.WithGuard(guard))
	if err != nil {
		return err
	}
	marcus := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: ids.Manager, Email: "marcus@example.com", Role: intercomrbac.RoleAdmin})
	olivia := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: ids.Owner, Email: "olivia@example.com", Role: intercomrbac.RoleOwner})

	fmt.Fprintln(out, "A write:")
	if _, err := client.Conversations.Close(marcus, ids.Conversations[1], intercomrbac.CloseParams{}); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nA denial:")
	if err := client.Contacts.Delete(marcus, ids.Contacts[0]); !errors.Is(err, intercomrbac.ErrDenied) {
		return fmt.Errorf("not denied: %w", err)
	}
	fmt.Fprintln(out, "\nA write that destroys something:")
	if err := client.Contacts.Delete(olivia, ids.Contacts[0]); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nAn action of the service's own:")
	rotate := intercomrbac.Action{Name: "settings.rotate_key", Permission: intercomrbac.SettingsManage, Effect: intercomrbac.Write}
	err = guard.Audited(olivia, rotate, intercomrbac.Resource{Kind: "key", ID: "k1"}, func(context.Context) error { return nil })
	if err != nil {
		return err
	}

	full = true
	fmt.Fprintln(out, "\nNo record, no write:")
	fake.ResetCalls()
	_, err = client.Conversations.Close(marcus, ids.Conversations[2], intercomrbac.CloseParams{})
	fmt.Fprintf(out, "  %v\n    -> %s\n  requests sent: %d\n", err, intercomrbac.Advice(err), fake.CallCount(""))
	return nil
}
