package intercomrbac_test

import (
	"context"
	"fmt"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func ExampleMessagesService_Create() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()

	// The principal of the context sends it, here Aiko; Intercom opens a conversation at once.
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent})
	message, err := client.Messages.Create(ctx, intercomrbac.CreateMessageParams{
		Type:              intercomrbac.MessageEmail,
		To:                []intercomrbac.Recipient{{ID: ids.Contacts[0]}},
		Subject:           "Your refund",
		Body:              "It is on its way.",
		Template:          intercomrbac.TemplatePersonal,
		StartConversation: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(message.Owner.Name, message.ConversationID != "")
	// Output: Aiko Tanaka true
}

func ExampleTagsService_Apply() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()

	tag, err := client.Tags.Apply(context.Background(), intercomrbac.ApplyTagParams{Name: "Chargeback", ContactIDs: ids.Contacts[:3]})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tag.Name, len(tag.Contacts), tag.Contacts[0].Tagged)
	// Output: Chargeback 3 true
}

func ExampleConversationsService_Redact() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()
	id := ids.Conversations[1]
	fake.AddPart(id, intercomtest.Part{AuthorType: "user", Body: "My card is 4111 1111 1111 1111"})

	ctx := context.Background()
	conversation, err := client.Conversations.Get(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	conversation, err = client.Conversations.Redact(ctx, id, intercomrbac.RedactParams{PartID: conversation.Parts.Items[0].ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(conversation.Parts.Items[0].Redacted, conversation.Parts.Items[0].Body)
	// Output: true <p><i>This message was deleted</i></p>
}

func ExampleDataEventsService_Summaries() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.Seed()
	client := fake.Client()

	counts, err := client.DataEvents.Summaries(context.Background(), intercomrbac.EventSummariesParams{UserID: "customer-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range counts {
		fmt.Println(c.Name, c.Count, c.First == c.Last)
	}
	// Output:
	// placed-order 1 true
	// invited-colleague 1 true
}
