package intercomrbac_test

import (
	"context"
	"fmt"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// When it starts, a service finds out whether somebody forgot to tick a scope.
func ExamplePreflight() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.AddToken("token-of-the-app", intercomrbac.ScopeReadConversations)
	client := fake.ClientFor("token-of-the-app") // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())

	var needed []intercomrbac.Operation
	for _, name := range []string{"conversations.close", "conversations.search", "teams.list"} {
		op, ok := intercomrbac.LookupOperation(name) // or take Operations(), which are all
		if !ok {
			fmt.Println("there is no operation", name)
			return
		}
		needed = append(needed, op)
	}
	results, err := intercomrbac.Preflight(context.Background(), client, needed...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Printf("%s: %s\n", r.Scope, r.Status)
		if r.Status == intercomrbac.PreflightScopeMissing {
			fmt.Println(intercomrbac.Advice(r.Err))
		}
	}
	// Output:
	// Read admins: scope_missing
	// tick the scope "Read admins" for the app in Intercom's Developer Hub (Authentication), then the workspace has to authorize the app again
	// Read conversations: granted
	// Write conversations: unknown
}

// After a run of its tests a service knows what to ask for in the review of its app, and why.
func ExampleScopeReport() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent})
	if _, err := client.Conversations.Close(ctx, ids.Conversations[1], intercomrbac.CloseParams{}); err != nil {
		fmt.Println(err)
		return
	}

	fmt.Print(intercomrbac.ScopeReport(client.UsedOperations()...))
	// Output:
	// # OAuth scopes
	//
	// ## Write conversations
	//
	// The app needs it to create or change conversations. Without it Intercom refuses these calls:
	//
	// - `POST /conversations/{conversation_id}/parts`: `conversations.close`
}

func ExampleChecker_UnusablePermissions() {
	checker, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
		"clerk": {Allow: []intercomrbac.Rule{{Permission: "teams:read"}, {Permission: "conversations:close", When: "assigned"}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range checker.UnusablePermissions(intercomrbac.ScopeReadAdmins, intercomrbac.ScopeWriteConversations) {
		fmt.Println(u)
	}
	// Output:
	// conversations:close of clerk lacks the scope "Read conversations" for conversations.close, conversations.open, conversations.snooze
}
