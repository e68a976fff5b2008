// Routing assigns conversations to teams by topic, with a topic that nobody has a team for and a team that is deleted
// meanwhile. It runs against a fake workspace in memory.
//
//	go run ./examples/routing
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	client := fake.Client()
	ctx = intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: ids.Manager})

	routes := map[intercomrbac.Topic]intercomrbac.TeamRef{
		"billing":   intercomrbac.TeamRef(ids.Billing), // an id survives a change of the name
		"technical": "Technical Support",
		"sales":     "Saels",
	}
	misspelt, err := intercomrbac.NewRouter(client, intercomrbac.RouterConfig{Routes: routes})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Verified when the service starts, a misspelt name is an error:")
	fmt.Fprintln(out, " ", misspelt.Verify(ctx))

	routes["sales"] = "Sales"
	router, err := intercomrbac.NewRouter(client, intercomrbac.RouterConfig{Routes: routes})
	if err != nil {
		return err
	}
	if err := router.Verify(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nBy topic:")
	route := func(id intercomrbac.ConversationID, topic intercomrbac.Topic) {
		result, err := router.Route(ctx, id, topic)
		switch {
		case errors.Is(err, intercomrbac.ErrNoRoute), errors.Is(err, intercomrbac.ErrTeamNotFound):
			fmt.Fprintf(out, "  %s: %v\n    -> %s\n", topic, err, intercomrbac.Advice(err))
		case err != nil:
			fmt.Fprintf(out, "  %s: %v\n", topic, err)
		case result.Assigned:
			fmt.Fprintf(out, "  %s: conversation %s is with %s now\n", topic, id, result.TeamName)
		default:
			fmt.Fprintf(out, "  %s: conversation %s was with %s already\n", topic, id, result.TeamName)
		}
	}
	id := ids.Conversations[10]
	route(id, "billing")
	route(id, "billing")
	route(id, "technical")
	route(id, "sales")
	route(id, "complaints")

	fmt.Fprintln(out, "\nThe team Billing is deleted:")
	fake.RemoveTeam(ids.Billing)
	route(id, "billing")
	c, err := client.Conversations.Get(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nIt stays with team %s.\n", c.TeamAssigneeID)
	return nil
}
