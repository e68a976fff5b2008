// Webhooks receives what Intercom tells an app: a conversation arrives and is routed to a team, a teammate's role changes, a teammate is
// removed and is denied at the next call, and what others send is refused. It runs against a fake workspace in memory, which
// signs and sends.
//
//	go run ./examples/webhooks
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	workspace    = "acme4711"
	clientSecret = "the-client-secret-of-the-example" // in a program: from its environment
)

func run(ctx context.Context, out io.Writer) (err error) {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{ID: workspace, Name: "Acme"}))
	defer fake.Close()
	ids := fake.Seed()

	plain := fake.Client(intercomrbac.WithWorkspace(workspace))
	roles, err := intercomrbac.NewRoleDirectory(plain, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{
		RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5402": "admin", "5403": "agent"},
	}})
	if err != nil {
		return err
	}
	client, err := guarded(plain, roles)
	if err != nil {
		return err
	}
	router, err := intercomrbac.NewRouter(client, intercomrbac.RouterConfig{Routes: map[intercomrbac.Topic]intercomrbac.TeamRef{
		"billing": intercomrbac.TeamRef(ids.Billing), "technical": intercomrbac.TeamRef(ids.Technical),
	}})
	if err != nil {
		return err
	}

	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret(clientSecret)},
		Workspace: workspace,
		Roles: func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) {
			return roles, nil
		},
		// Handlers act as a service of their own, with a role that may route and no more.
		Principal: func(_ context.Context, id intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
			return intercomrbac.Principal{Service: "router", AdminID: ids.Manager, Role: "router", Workspace: id}, nil
		},
		OnError: func(_ context.Context, _ intercomrbac.Notification, err error) { fmt.Fprintf(out, "  log: %v\n", err) },
	})
	if err != nil {
		return err
	}
	routed := make(chan string)
	receiver.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
		c, err := n.Conversation()
		if err != nil {
			return err
		}
		topic := intercomrbac.Topic("technical")
		if strings.Contains(c.Source.Body, "invoice") {
			topic = "billing"
		}
		result, err := router.Route(ctx, c.ID, topic)
		if err != nil {
			return err
		}
		routed <- fmt.Sprintf("conversation %s is with %s now", c.ID, result.TeamName)
		return nil
	})
	defer func() { err = errors.Join(err, receiver.Close(ctx)) }()
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", receiver))

	deliver := func(d intercomtest.Delivery) {
		d.Path = "/webhooks" + d.Path
		fmt.Fprintf(out, "  answered with %d\n", d.To(mux).Status)
	}
	notify := func(topic intercomrbac.EventTopic, item any) intercomtest.Delivery {
		return fake.Notification(clientSecret, intercomtest.Notification{Topic: topic, Item: item})
	}

	fmt.Fprintln(out, "A conversation arrives:")
	id := fake.AddConversation(intercomtest.Conversation{Body: "Where is my invoice?", ContactIDs: ids.Contacts[:1]})
	arrived := notify(intercomrbac.EventConversationUserCreated, fake.ConversationItem(id))
	deliver(arrived)
	fmt.Fprintf(out, "  %s\n", <-routed)

	fmt.Fprintln(out, "\nIntercom sends it again: it is answered, and not routed again.")
	deliver(arrived)

	// What a teammate may do is their role in Intercom, which the directory remembers for a minute.
	act := func(who string, admin intercomrbac.AdminID) {
		ctx := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: admin, Workspace: workspace})
		_, err := client.Conversations.Close(ctx, id, intercomrbac.CloseParams{})
		if err == nil {
			_, err = client.Conversations.Open(ctx, id, intercomrbac.OpenParams{})
		}
		if err != nil {
			fmt.Fprintf(out, "  %s: %v\n", who, err)
			return
		}
		fmt.Fprintf(out, "  %s closes the conversation, and opens it again\n", who)
	}
	fmt.Fprintln(out, "\nAiko becomes a manager in Intercom:")
	act("Aiko", ids.Agent)
	aiko, _ := fake.Admin(ids.Agent)
	aiko.RoleID, aiko.RoleName = "5402", "Manager"
	fake.AddAdmin(aiko)
	activity := fake.AddActivityLog(intercomtest.ActivityLog{Type: "admin_permission_change", AdminID: ids.Owner})
	deliver(notify(intercomrbac.EventAdminActivityLogEventCreated, fake.ActivityLogItem(activity)))
	act("Aiko", ids.Agent)

	fmt.Fprintln(out, "\nMarcus is removed from the workspace:")
	act("Marcus", ids.Manager)
	marcus := fake.AdminItem(ids.Manager)
	fake.RemoveAdmin(ids.Manager)
	deliver(notify(intercomrbac.EventAdminRemovedFromWorkspace, marcus))
	act("Marcus", ids.Manager)

	fmt.Fprintln(out, "\nWhat others send:")
	forged := notify(intercomrbac.EventAdminRemovedFromWorkspace, fake.AdminItem(ids.Agent))
	forged.Body = []byte(strings.Replace(string(forged.Body), string(ids.Agent), string(ids.Owner), 1))
	deliver(forged)
	deliver(fake.Notification("a guess", intercomtest.Notification{Topic: intercomrbac.EventPing}))
	return nil
}

// guarded returns the client under a policy, with a role that only routes beside the stock ones.
func guarded(client *intercomrbac.Client, roles *intercomrbac.RoleDirectory) (*intercomrbac.Client, error) {
	policy := intercomrbac.StockPolicy()
	policy.Roles["router"] = intercomrbac.RoleRules{Allow: []intercomrbac.Rule{
		{Permission: "teams:read"}, {Permission: "conversations:read"}, {Permission: "conversations:assign"},
	}}
	checker, err := intercomrbac.NewChecker(policy)
	if err != nil {
		return nil, err
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Roles: roles, Audit: intercomrbac.NoAudit()})
	if err != nil {
		return nil, err
	}
	return client.With(intercomrbac.WithGuard(guard))
}
