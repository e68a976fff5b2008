package intercomrbac_test

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func ExampleNewClassifier() {
	classifier, err := intercomrbac.NewClassifier(
		intercomrbac.TopicRule{Topic: "vip", Tag: "VIP"},
		intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice", "credit card"}},
		intercomrbac.TopicRule{Topic: "technical", Attribute: "product", Value: "web"},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range []intercomrbac.Conversation{
		{Source: intercomrbac.ConversationSource{Body: "<p>Which <b>credit</b>&nbsp;card do you have?</p>"}},
		{Source: intercomrbac.ConversationSource{Body: "It does not work."}, CustomAttributes: map[string]any{"product": "web"}},
		{Source: intercomrbac.ConversationSource{Body: "Invoices, always invoices."}},
	} {
		topic, why, err := classifier.Classify(context.Background(), &c)
		fmt.Printf("%q: %s %v\n", topic, why, err)
	}
	// Output:
	// "billing": keyword "credit card" in the message <nil>
	// "technical": attribute "product" is "web" <nil>
	// "": no rule is met <nil>
}

func ExampleRouter_RouteAll() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()
	for _, body := range []string{"My invoice?", "An error!", "Hello?"} {
		fake.AddConversation(intercomtest.Conversation{Body: body})
	}
	client := fake.Client()
	classifier, err := intercomrbac.NewClassifier(
		intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice"}},
		intercomrbac.TopicRule{Topic: "technical", Keywords: []string{"error"}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	router, err := intercomrbac.NewRouter(client, intercomrbac.RouterConfig{
		Routes:     map[intercomrbac.Topic]intercomrbac.TeamRef{"billing": "Billing", "technical": "Technical Support"},
		Classifier: classifier,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "backlog-") // in a program: a directory that is there after a restart
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of the example
	checkpoint, err := intercomrbac.NewFileCheckpoint(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checkpoint.Close() // each mark is on disk

	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{Service: "backlog", AdminID: ids.Manager})
	waiting := client.Conversations.SearchAll(ctx, intercomrbac.SearchParams{
		Query: intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.Equals, 0),
	})
	var lines []string
	for result, err := range router.RouteAll(ctx, waiting, intercomrbac.RouteAllParams{Checkpoint: checkpoint}) {
		switch {
		case result.Conversation == "":
			fmt.Println("ended before its time:", err)
		case err != nil:
			lines = append(lines, err.Error())
		default:
			lines = append(lines, fmt.Sprintf("%s: %s", result.TeamName, result.Why))
		}
	}
	slices.Sort(lines) // results come as they are known
	for _, line := range lines {
		fmt.Println(line)
	}
	fmt.Println(checkpoint.Len(), "are done")
	// Output:
	// Billing: keyword "invoice" in the message
	// Technical Support: keyword "error" in the message
	// intercomrbac: no route for topic ""
	// intercomrbac: no route for topic ""
	// intercomrbac: no route for topic ""
	// 2 are done
}

func ExampleRouter_Handler() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	const secret = "the-client-secret-of-the-app" // a service of yours reads it from its environment
	classifier, err := intercomrbac.NewClassifier(intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	router, err := intercomrbac.NewRouter(fake.Client(intercomrbac.WithWorkspace("fake1234")), intercomrbac.RouterConfig{
		Routes: map[intercomrbac.Topic]intercomrbac.TeamRef{"billing": "Billing"}, Fallback: "Sales", Classifier: classifier,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret(secret)},
		Workspace: "fake1234",
		Principal: func(_ context.Context, id intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
			return intercomrbac.Principal{Service: "router", AdminID: ids.Manager, Workspace: id}, nil
		},
		OnError: func(_ context.Context, _ intercomrbac.Notification, err error) { fmt.Println(err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver.On(intercomrbac.EventConversationUserCreated, router.Handler())

	id := fake.AddConversation(intercomtest.Conversation{Body: "Where is my invoice?"})
	created := fake.Notification(secret, intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, Item: fake.ConversationItem(id)})
	fmt.Println(created.To(receiver).Status)
	if err := receiver.Close(context.Background()); err != nil { // waits until it was handled
		fmt.Println(err)
	}
	c, _ := fake.Conversation(id)
	fmt.Println(c.TeamAssigneeID == ids.Billing)
	// Output:
	// 200
	// true
}
