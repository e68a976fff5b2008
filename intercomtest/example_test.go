package intercomtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// A test makes a workspace, lets the code under test work with a client of it, and looks at what became of it.
func ExampleNewServer() {
	t := &testing.T{} // provided by the test
	srv := intercomtest.NewServer(t)
	ada := srv.AddAdmin(intercomtest.Admin{Name: "Ada"})
	billing := srv.AddTeam(intercomtest.Team{Name: "Billing"})
	id := srv.AddConversation(intercomtest.Conversation{Body: "Where is my invoice?"})

	client := srv.Client()
	_, err := client.Conversations.Assign(context.Background(), id, intercomrbac.AssignParams{
		AdminID: ada, To: intercomrbac.ToTeam(billing),
	})
	if err != nil {
		t.Fatal(err)
	}

	c, _ := srv.Conversation(id)
	fmt.Println("with billing:", c.TeamAssigneeID == billing)
	// Output: with billing: true
}

// Outside of a test, Start makes the workspace; Seed fills it.
func ExampleStart() {
	srv := intercomtest.Start()
	defer srv.Close()
	desk := srv.Seed()

	teams, err := srv.Client().Teams.List(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, team := range teams {
		fmt.Println(team.ID == desk.Billing, team.Name)
	}
	// Output:
	// true Billing
	// false Technical Support
	// false Sales
}

// A fault lets the test see what the code under test does when the answer is lost after the work was done.
func ExampleServer_Inject() {
	srv := intercomtest.Start()
	defer srv.Close()
	desk := srv.Seed()
	srv.Inject(intercomtest.Fault{Operation: "conversations.close", Drop: true, Done: true})

	id := desk.Conversations[1]
	_, err := srv.Client().Conversations.Close(context.Background(), id, intercomrbac.CloseParams{AdminID: desk.Agent})
	fmt.Println("error:", err != nil)
	c, _ := srv.Conversation(id)
	fmt.Println("state:", c.State)
	fmt.Println("sent:", srv.CallCount("conversations.close"))
	// Output:
	// error: true
	// state: closed
	// sent: 1
}

// A sink of a service's own is tested with the same suite as those here. This one forgets what is not sensitive.
func ExampleTestSink() {
	var kept intercomtest.AuditMem
	sink := intercomrbac.SensitiveOnly(&kept)
	err := intercomtest.TestSink(sink, func() ([]intercomrbac.AuditEvent, error) { return kept.Events(), nil })
	fmt.Println(strings.Split(err.Error(), "\n")[0])
	// Output: intercomtest: TestSink: order: 0 events are there after 25 were recorded
}
