package auditfile_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func Example() {
	dir, err := os.MkdirTemp("", "audit-") // a service has a directory that stays
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)                         //nolint:errcheck // of an example
	_, key, err := ed25519.GenerateKey(rand.Reader) // and a key of its own
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := auditfile.Open(dir, auditfile.Config{SigningKey: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: log})
	if err != nil {
		fmt.Println(err)
		return
	}
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client(intercomrbac.WithGuard(guard))
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Manager, Role: intercomrbac.RoleAdmin})
	if _, err := client.Conversations.Close(ctx, ids.Conversations[1], intercomrbac.CloseParams{}); err != nil {
		fmt.Println(err)
		return
	}
	if err := log.Close(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range auditfile.Events(dir, auditfile.Filter{Action: "conversations.close"}) {
		fmt.Println(e.Phase, e.Outcome, err)
	}
	_, err = auditfile.Verify(dir, auditfile.Trust{})
	fmt.Println(err)
	// Output:
	// intent  <nil>
	// outcome succeeded <nil>
	// <nil>
}
