// Quickstart shows the library at work. Without settings it runs against a fake workspace in memory; with
// INTERCOM_ACCESS_TOKEN it reads from the workspace of that token and writes nothing.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if advice := intercomrbac.Advice(err); advice != "" {
			fmt.Fprintln(os.Stderr, "What to do:", advice)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	if os.Getenv("INTERCOM_ACCESS_TOKEN") != "" {
		client, err := intercomrbac.NewClient(intercomrbac.FromEnv())
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "Reading from the workspace of INTERCOM_ACCESS_TOKEN. Nothing is written.")
		if _, err := read(ctx, out, client); err != nil {
			return err
		}
		showScopes(out, client)
		return nil
	}
	fmt.Fprintln(out, "INTERCOM_ACCESS_TOKEN is not set: this is a fake workspace, in memory.")
	fake := intercomtest.Start()
	defer fake.Close()
	fake.Seed()
	client := fake.Client()
	seen, err := read(ctx, out, client)
	if err != nil {
		return err
	}
	if err := write(ctx, out, client, seen); err != nil {
		return err
	}
	if err := guard(ctx, out, client, seen); err != nil {
		return err
	}
	if err := explainErrors(ctx, out, fake, client, seen); err != nil {
		return err
	}
	showScopes(out, client)
	return nil
}

// found is what the first part saw, for the others to work with.
type found struct {
	admin        intercomrbac.Admin
	team         intercomrbac.Team
	conversation intercomrbac.Conversation
}

func read(ctx context.Context, out io.Writer, client *intercomrbac.Client) (f found, err error) {
	me, err := client.Admins.Me(ctx)
	if err != nil {
		return f, err
	}
	fmt.Fprintf(out, "\n%s (%s, region %s), through the token of %s\n", me.App.Name, me.App.ID, me.App.Region, me.Name)

	admins, err := client.Admins.List(ctx)
	if err != nil {
		return f, err
	}
	table := newTable(out, "Admins", "ID", "NAME", "EMAIL", "ROLE", "STATUS")
	for _, a := range admins {
		role, status := "-", "available"
		if a.Role != nil {
			role = a.Role.Name
		}
		if a.AwayModeEnabled {
			status = "away"
		}
		row(table, string(a.ID), a.Name, a.Email, role, status)
	}
	if err := table.Flush(); err != nil || len(admins) == 0 {
		return f, err
	}
	admin, err := client.Admins.Get(ctx, admins[0].ID)
	if err != nil {
		return f, err
	}
	f.admin = *admin
	fmt.Fprintf(out, "Found by id %s: %s, %s\n", admin.ID, admin.Name, admin.Email)

	teams, err := client.Teams.List(ctx)
	if err != nil {
		return f, err
	}
	table = newTable(out, "Teams", "ID", "NAME", "ADMINS")
	for _, t := range teams {
		row(table, string(t.ID), t.Name, fmt.Sprint(len(t.AdminIDs)))
	}
	if err := table.Flush(); err != nil {
		return f, err
	}
	if len(teams) > 0 {
		f.team = teams[0]
	}

	// SearchAll fetches pages as they are needed: here one.
	table = newTable(out, "Open conversations, the first five", "ID", "TITLE", "TEAM", "FROM")
	shown := 0
	for c, err := range client.Conversations.SearchAll(ctx, intercomrbac.SearchParams{
		Query:      intercomrbac.Where(intercomrbac.FieldState, intercomrbac.Equals, "open"),
		ListParams: intercomrbac.ListParams{PerPage: 5},
	}) {
		if err != nil {
			return f, err
		}
		row(table, string(c.ID), c.Title, orDash(string(c.TeamAssigneeID)), c.Source.Author.Name)
		f.conversation = c
		if shown++; shown == 5 {
			break
		}
	}
	return f, table.Flush()
}

func write(ctx context.Context, out io.Writer, client *intercomrbac.Client, f found) error {
	fmt.Fprintln(out, "\nWrites")
	// Who acts comes from the context; AdminID in the params would say so too.
	ctx = intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: f.admin.ID})
	c, err := client.Conversations.Assign(ctx, f.conversation.ID, intercomrbac.AssignParams{To: intercomrbac.ToTeam(f.team.ID), Body: "Routed to " + f.team.Name})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  assigned  conversation %s to team %s (%s)\n", c.ID, c.TeamAssigneeID, f.team.Name)
	if c, err = client.Conversations.Close(ctx, c.ID, intercomrbac.CloseParams{}); err != nil {
		return err
	}
	fmt.Fprintf(out, "  closed    conversation %s: it is %s now, with %d parts\n", c.ID, c.State, c.Parts.Total)
	contact, err := client.Contacts.Get(ctx, c.Contacts[0].ID)
	if err != nil {
		return err
	}
	// An event hangs on a contact: an admin's id here would reach a stranger or nobody.
	err = client.DataEvents.Create(ctx, intercomrbac.CreateEventParams{
		Name: "conversation-closed", ContactID: contact.ID, Metadata: map[string]any{"team": f.team.Name},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  submitted event conversation-closed for %s\n", contact.Name)
	return nil
}

// guard puts the stock policy before every call of a client.
func guard(ctx context.Context, out io.Writer, client *intercomrbac.Client, f found) error {
	fmt.Fprintln(out, "\nUnder a guard with the stock policy")
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		return err
	}
	// What is denied, intended and done goes on record; here it is printed.
	audit := intercomrbac.SinkFunc(func(_ context.Context, e intercomrbac.AuditEvent) error {
		fmt.Fprintf(out, "    on record: %s of %s by role %s, %s\n", e.Phase, e.Action, e.Role, e.Reason)
		return nil
	})
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: audit})
	if err != nil {
		return err
	}
	guarded, err := client.With(intercomrbac.WithGuard(g))
	if err != nil {
		return err
	}
	for _, role := range []intercomrbac.Role{intercomrbac.RoleAgent, intercomrbac.RoleAdmin} {
		ctx := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: f.admin.ID, Role: role})
		fmt.Fprintf(out, "  the role %s opens conversation %s\n", role, f.conversation.ID)
		c, err := guarded.Conversations.Open(ctx, f.conversation.ID, intercomrbac.OpenParams{})
		switch {
		case errors.Is(err, intercomrbac.ErrDenied):
			fmt.Fprintf(out, "    %s\n", unprefixed(err))
		case err != nil:
			return err
		default:
			fmt.Fprintf(out, "    it is %s now: %s\n", c.State, checker.Explain(role, intercomrbac.ConversationsClose))
		}
	}
	return nil
}

// explainErrors provokes one error of each class.
func explainErrors(ctx context.Context, out io.Writer, fake *intercomtest.Server, client *intercomrbac.Client, f found) error {
	fmt.Fprintln(out, "\nErrors, and what to do about each")
	client, err := client.With(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	if err != nil {
		return err
	}
	fake.AddToken("quickstart-token-for-admins-only", intercomrbac.ScopeReadAdmins)
	fake.AddToken("quickstart-token-that-is-revoked")
	fake.RevokeToken("quickstart-token-that-is-revoked", "token_revoked")
	noSeat := fake.AddAdmin(intercomtest.Admin{Name: "Lee", NoInboxSeat: true})
	user := fake.AddContact(intercomtest.Contact{Name: "Pat", ExternalID: "customer-9"})
	twin := fake.AddContact(intercomtest.Contact{Name: "Pat"})
	fake.MergeContact(twin, user)
	id, admin := f.conversation.ID, f.admin.ID
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		return err
	}
	guardedBy := func(audit intercomrbac.AuditSink) (*intercomrbac.Client, error) {
		g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: audit})
		if err != nil {
			return nil, err
		}
		return client.With(intercomrbac.WithGuard(g))
	}
	guarded, err := guardedBy(intercomrbac.NoAudit())
	if err != nil {
		return err
	}
	unrecorded, err := guardedBy(intercomrbac.SinkFunc(func(context.Context, intercomrbac.AuditEvent) error { return errors.New("disk full") }))
	if err != nil {
		return err
	}

	for _, c := range []struct {
		class error
		fault *intercomtest.Fault
		call  func() error
	}{
		{intercomrbac.ErrScopeMissing, nil, func() error {
			_, err := fake.ClientFor("quickstart-token-for-admins-only").Conversations.Get(ctx, id)
			return err
		}},
		{intercomrbac.ErrTokenRevoked, nil, func() error {
			_, err := fake.ClientFor("quickstart-token-that-is-revoked").Admins.Me(ctx)
			return err
		}},
		{intercomrbac.ErrUnauthorized, nil, func() error {
			_, err := fake.ClientFor("quickstart-token-nobody-knows").Admins.Me(ctx)
			return err
		}},
		{intercomrbac.ErrAdminNotFound, nil, func() error { _, err := client.Admins.Get(ctx, "404"); return err }},
		{intercomrbac.ErrTeamNotFound, nil, func() error {
			_, err := client.Conversations.Assign(ctx, id, intercomrbac.AssignParams{AdminID: admin, To: intercomrbac.ToTeam(intercomrbac.TeamID(admin))})
			return err
		}},
		{intercomrbac.ErrNotFound, nil, func() error { _, err := client.Conversations.Get(ctx, "404"); return err }},
		{intercomrbac.ErrContactMerged, nil, func() error { _, err := client.Contacts.Get(ctx, twin); return err }},
		{intercomrbac.ErrActionForbidden, nil, func() error {
			_, err := client.Conversations.Close(ctx, id, intercomrbac.CloseParams{AdminID: noSeat})
			return err
		}},
		{intercomrbac.ErrPlanRestricted, &intercomtest.Fault{Status: 403, Code: "api_plan_restricted", Message: "Active subscription needed."}, func() error {
			_, err := client.Conversations.Get(ctx, id)
			return err
		}},
		{intercomrbac.ErrForbidden, &intercomtest.Fault{Status: 403, Code: "forbidden", Message: "Forbidden request"}, func() error {
			_, err := client.Conversations.Get(ctx, id)
			return err
		}},
		{intercomrbac.ErrConflict, nil, func() error {
			_, err := client.Contacts.Create(ctx, intercomrbac.CreateContactParams{ExternalID: "customer-9"})
			return err
		}},
		{intercomrbac.ErrInvalidRequest, &intercomtest.Fault{Status: 422, Code: "parameter_invalid", Message: "Email is invalid"}, func() error {
			_, err := client.Contacts.Create(ctx, intercomrbac.CreateContactParams{Email: "pat@"})
			return err
		}},
		{intercomrbac.ErrRateLimited, &intercomtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}}, func() error {
			_, err := client.Teams.List(ctx)
			return err
		}},
		{intercomrbac.ErrUnavailable, &intercomtest.Fault{Status: 502, HTML: true}, func() error { _, err := client.Teams.List(ctx); return err }},
		{intercomrbac.ErrBadResponse, &intercomtest.Fault{Status: 200, HTML: true}, func() error { _, err := client.Teams.List(ctx); return err }},
		{intercomrbac.ErrOutcomeUnknown, &intercomtest.Fault{Drop: true, Done: true}, func() error {
			_, err := client.Conversations.Note(ctx, id, intercomrbac.NoteParams{AdminID: admin, Body: "Is it done?"})
			return err
		}},
		{intercomrbac.ErrNoActingAdmin, nil, func() error { _, err := client.Conversations.Close(ctx, id, intercomrbac.CloseParams{}); return err }},
		{intercomrbac.ErrWrongWorkspace, nil, func() error {
			_, err := client.Teams.List(intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: admin, Workspace: "another"}))
			return err
		}},
		{intercomrbac.ErrDenied, nil, func() error {
			_, err := guarded.Teams.List(intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: admin, Role: "intern"}))
			return err
		}},
		{intercomrbac.ErrNoPrincipal, nil, func() error { _, err := guarded.Teams.List(ctx); return err }},
		{intercomrbac.ErrAuditUnavailable, nil, func() error {
			_, err := unrecorded.Contacts.Create(intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: admin, Role: "admin"}),
				intercomrbac.CreateContactParams{Email: "pat@customer.example"})
			return err
		}},
	} {
		remove := func() {}
		if c.fault != nil {
			remove = fake.Inject(*c.fault)
		}
		err := c.call()
		remove()
		if !errors.Is(err, c.class) {
			return fmt.Errorf("expected %w, got: %w", c.class, err)
		}
		fmt.Fprintf(out, "\n  %s\n    %s\n", unprefixed(c.class), unprefixed(err))
		fmt.Fprintf(out, "    -> %s\n", intercomrbac.Advice(err))
	}
	return nil
}

// showScopes ends the output with what an app needs that does all this.
func showScopes(out io.Writer, client *intercomrbac.Client) {
	fmt.Fprintln(out, "\nScopes that were used: tick these in the Developer Hub")
	for _, scope := range client.UsedScopes() {
		fmt.Fprintf(out, "  %s\n", scope)
	}
}

func newTable(out io.Writer, title string, columns ...string) *tabwriter.Writer {
	fmt.Fprintf(out, "\n%s\n", title)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row(table, columns...)
	return table
}

func row(table io.Writer, cells ...string) {
	fmt.Fprintln(table, "  "+strings.Join(cells, "\t"))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// unprefixed leaves the package's name out, which this output would repeat on every line.
func unprefixed(err error) string { return strings.TrimPrefix(err.Error(), "intercomrbac: ") }
