package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// A service tells Intercom who its customers are, as often as it likes: there is one contact of each.
func ExampleContactsService_Upsert() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	client := fake.Client()
	ctx := context.Background()

	for _, plan := range []string{"free", "gold"} {
		c, err := client.Contacts.Upsert(ctx, intercomrbac.CreateContactParams{
			ExternalID: "customer-7", Email: "ines@example.org", CustomAttributes: map[string]any{"plan": plan},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.ExternalID, c.CustomAttributes["plan"])
	}
	fmt.Println(len(fake.Contacts()))

	// The address is no way to somebody else's record.
	_, err := client.Contacts.Upsert(ctx, intercomrbac.CreateContactParams{ExternalID: "customer-8", Email: "ines@example.org"})
	fmt.Println(errors.Is(err, intercomrbac.ErrConflict))
	// Output:
	// customer-7 free
	// customer-7 gold
	// 1
	// true
}

// Times are compared by whole days of the workspace: "since Monday" is later than the day before.
func ExampleContactsService_SearchAll() {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{Timezone: "UTC"}))
	defer fake.Close()
	monday := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	fake.AddContact(intercomtest.Contact{Name: "Grace", CreatedAt: monday.Add(-time.Hour)})
	fake.AddContact(intercomtest.Contact{Name: "Jonas", CreatedAt: monday.Add(time.Hour)})
	fake.AddContact(intercomtest.Contact{Name: "Mei", CreatedAt: monday.Add(48 * time.Hour)})

	query := intercomrbac.And(
		intercomrbac.Where(intercomrbac.FieldRole, intercomrbac.Equals, intercomrbac.ContactUser),
		intercomrbac.Where(intercomrbac.FieldCreatedAt, intercomrbac.GreaterThan, monday.AddDate(0, 0, -1)),
	)
	for c, err := range fake.Client().Contacts.SearchAll(context.Background(), intercomrbac.SearchParams{Query: query}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.Name)
	}
	// Output:
	// Jonas
	// Mei
}

// After a merge the id of the lead leads nowhere. The error tells where the contact lives on; whether to go there is for
// the caller to say.
func ExampleContactsService_Merge() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()
	ctx := context.Background()
	lead, user := ids.Contacts[5], ids.Contacts[0]

	_, err := client.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: lead, Into: user})
	fmt.Println(errors.Is(err, intercomrbac.ErrInvalidRequest)) // they have no address in common
	merged, err := client.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: lead, Into: user, SkipDuplicateValidation: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(merged.Name)

	_, err = client.Contacts.Get(ctx, lead)
	if e, ok := errors.AsType[*intercomrbac.APIError](err); ok && errors.Is(err, intercomrbac.ErrContactMerged) {
		fmt.Println(e.MergedInto == user)
	}
	// Output:
	// true
	// Grace Adeyemi
	// true
}
