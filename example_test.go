package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/jarcoal/httpmock"
	"golang.org/x/oauth2"
)

func Example() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()

	// Who acts comes from the context.
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent})

	open := intercomrbac.And(
		intercomrbac.Where(intercomrbac.FieldState, intercomrbac.Equals, "open"),
		intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.Equals, 0),
	)
	// All of them first: assigning changes what the search finds.
	var found []intercomrbac.ConversationID
	for c, err := range client.Conversations.SearchAll(ctx, intercomrbac.SearchParams{Query: open}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		found = append(found, c.ID)
	}
	for _, id := range found {
		c, err := client.Conversations.Assign(ctx, id, intercomrbac.AssignParams{To: intercomrbac.ToTeam(ids.Sales)})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s is with team %s\n", c.Source.Author.Name, c.TeamAssigneeID)
	}
	// Output:
	// Mei Chen is with team 814867
	// Curious Visitor is with team 814867
}

// Who changed what matters, since yesterday? What the library does not know is not taken for harmless.
func ExampleAdminsService_AllActivityLogs() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	fake.AddActivityLog(intercomtest.ActivityLog{Type: "brand_new_change", AdminID: ids.Agent})
	client := fake.Client()

	now := time.Now()
	activities := client.Admins.AllActivityLogs(context.Background(), intercomrbac.ActivityLogsParams{
		CreatedAfter: now.Add(-24 * time.Hour), CreatedBefore: now,
	})
	for activity, err := range activities {
		if err != nil {
			fmt.Println(err)
			return
		}
		if risk := activity.Type.Risk(); risk == intercomrbac.RiskHigh || risk == intercomrbac.RiskReview {
			fmt.Printf("%s: %s by %s from %s\n", risk, activity.Type, activity.PerformedBy.Email, activity.PerformedBy.IP)
		}
	}
	// Output:
	// review: brand_new_change by aiko@example.com from 127.0.0.1
	// high: bulk_export by marcus@example.com from 203.0.113.11
}

func ExampleNewClient() {
	client, err := intercomrbac.NewClient(
		intercomrbac.WithToken("your-access-token"),
		intercomrbac.WithRegion(intercomrbac.EU),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	// It can be printed without harm.
	fmt.Println(client.Admins != nil)

	_, err = intercomrbac.NewClient(intercomrbac.WithRegion("UK"))
	fmt.Println(err)
	// Output:
	// true
	// intercomrbac: NewClient: WithRegion: unknown region "UK": use US, EU or AU
	// no credential: use WithToken, WithTokenSource or FromEnv
}

// closeStale is code of a service that a unit test is to cover.
func closeStale(ctx context.Context, client *intercomrbac.Client, id intercomrbac.ConversationID, as intercomrbac.AdminID) (string, error) {
	c, err := client.Conversations.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if c.State == intercomrbac.StateClosed {
		return "was closed before", nil
	}
	_, err = client.Conversations.Close(ctx, id, intercomrbac.CloseParams{AdminID: as})
	return "closed", err
}

// A unit test of code that takes a client gives it a transport of its own. Our types encode as Intercom's JSON, so that
// they serve as answers; a [Page] does for lists, and map[string]any{"admins": …} or "teams" where there are no pages.
func ExampleNewClient_httpmock() {
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder("GET", "https://api.intercom.io/conversations/77",
		httpmock.NewJsonResponderOrPanic(200, intercomrbac.Conversation{ID: "77", State: intercomrbac.StateOpen}))
	mock.RegisterResponder("POST", "https://api.intercom.io/conversations/77/parts",
		httpmock.NewJsonResponderOrPanic(200, intercomrbac.Conversation{ID: "77", State: intercomrbac.StateClosed}))

	client, err := intercomrbac.NewClient(
		intercomrbac.WithToken("any-token"),
		intercomrbac.WithHTTPClient(&http.Client{Transport: mock}),
		intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}), // a mock that is missing shows at once
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(closeStale(context.Background(), client, "77", "991267459"))
	fmt.Println(mock.GetCallCountInfo()["POST https://api.intercom.io/conversations/77/parts"])
	// Output:
	// closed <nil>
	// 1
}

func ExampleWithTokenSource() {
	// Any source will do, such as one that reads the token from a vault.
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "your-access-token"})
	client, err := intercomrbac.NewClient(intercomrbac.WithTokenSource(oauth2.ReuseTokenSource(nil, source)))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

func ExampleAPIError() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.AddToken("token-of-an-app-with-one-scope", intercomrbac.ScopeReadAdmins)
	client := fake.ClientFor("token-of-an-app-with-one-scope")

	_, err := client.Conversations.Get(context.Background(), "77")
	fmt.Println(errors.Is(err, intercomrbac.ErrScopeMissing))
	if e, ok := errors.AsType[*intercomrbac.APIError](err); ok {
		fmt.Println(e.StatusCode, e.Code)
		fmt.Println(e.Advice())
	}
	// Output:
	// true
	// 401 token_unauthorized
	// tick the scope "Read conversations" for the app in Intercom's Developer Hub (Authentication), then the workspace has to authorize the app again
}

// A write whose answer was lost is not sent again: only you can tell whether it was done.
func Example_outcomeUnknown() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()
	fake.Inject(intercomtest.Fault{Operation: "conversations.close", Drop: true, Done: true})

	ctx := context.Background()
	_, err := client.Conversations.Close(ctx, ids.Conversations[1], intercomrbac.CloseParams{AdminID: ids.Agent})
	if errors.Is(err, intercomrbac.ErrOutcomeUnknown) {
		c, err := client.Conversations.Get(ctx, ids.Conversations[1])
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("in doubt; it is", c.State)
	}
	// Output: in doubt; it is closed
}

func ExampleClient_Do() {
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder("GET", "https://api.intercom.io/macros/7", httpmock.NewStringResponder(200, `{"id":"7","name":"Refund"}`))
	client, err := intercomrbac.NewClient(intercomrbac.WithToken("any-token"), intercomrbac.WithHTTPClient(&http.Client{Transport: mock}))
	if err != nil {
		fmt.Println(err)
		return
	}
	// An operation that has no method here.
	getMacro := intercomrbac.Operation{
		Name: "macros.get", ID: "getMacro", Method: "GET", Path: "/macros/{id}", Scope: intercomrbac.ScopeReadConversations,
		Permission: "macros:read", Resource: "macro", ResourceArg: "id", Effect: intercomrbac.Read, Repeatable: true,
	}
	var macro struct {
		Name string `json:"name"`
	}
	err = client.Do(context.Background(), getMacro, intercomrbac.Call{Path: map[string]string{"id": "7"}}, &macro)
	fmt.Println(macro.Name, err)
	// Output: Refund <nil>
}

func ExampleWhere() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	query := intercomrbac.And(
		intercomrbac.Or(
			intercomrbac.Where(intercomrbac.FieldTagIDs, intercomrbac.In, []intercomrbac.TagID{ids.Refund}),
			intercomrbac.Where(intercomrbac.FieldPriority, intercomrbac.Equals, "urgent"),
		),
		intercomrbac.Where(intercomrbac.FieldState, intercomrbac.NotEquals, "closed"),
	)
	page, err := fake.Client().Conversations.Search(context.Background(), intercomrbac.SearchParams{Query: query})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range page.Items {
		fmt.Println(c.Title)
	}
	// Output:
	// Webhooks stopped
	// Refund please
}

func ExampleOperations() {
	for _, op := range intercomrbac.Operations() {
		if op.Effect == intercomrbac.Destructive {
			fmt.Printf("%s: %s %s needs the scope %q\n", op.Name, op.Method, op.Path, op.Scope)
		}
	}
	// Output:
	// articles.delete: DELETE /articles/{article_id} needs the scope "Read and write articles"
	// collections.delete: DELETE /help_center/collections/{collection_id} needs the scope "Read and write articles"
	// contacts.delete: DELETE /contacts/{contact_id} needs the scope "Read and write users"
	// contacts.merge: POST /contacts/merge needs the scope "Read and write users"
	// conversations.delete: DELETE /conversations/{conversation_id} needs the scope "Write conversations"
	// conversations.delete_with_metrics: DELETE /conversations/{conversation_id} needs the scope "Delete conversations and metrics"
	// conversations.redact: POST /conversations/redact needs the scope "Write conversations"
	// tags.delete: DELETE /tags/{tag_id} needs the scope "Write tags"
}

// What the users of the widely copied TypeScript sample call "Read contacts" has another label in the Developer Hub.
func ExampleLookupScope() {
	info, ok := intercomrbac.LookupScope("Read contacts")
	fmt.Println(ok, info.Scope)
	fmt.Println(info.Calls[:2])
	fmt.Println(info.Topics)
	// Output:
	// true Read and list users and companies
	// [GET /contacts POST /contacts/search]
	// [contact.* visitor.* granular.* company.*]
}

func ExampleRequiredScopes() {
	var ops []intercomrbac.Operation
	for _, name := range []string{"conversations.assign", "conversations.close", "teams.list"} {
		if op, ok := intercomrbac.LookupOperation(name); ok {
			ops = append(ops, op)
		}
	}
	for _, scope := range intercomrbac.RequiredScopes(ops...) {
		fmt.Println(scope)
	}
	// Output:
	// Read admins
	// Write conversations
}

func ExampleClient_UsedScopes() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()

	ctx := context.Background()
	if _, err := closeStale(ctx, client, ids.Conversations[1], ids.Agent); err != nil {
		fmt.Println(err)
		return
	}
	// At the end of a test run: the least set to tick in the Developer Hub.
	for _, scope := range client.UsedScopes() {
		fmt.Println(scope)
	}
	// Output:
	// Read conversations
	// Write conversations
}
