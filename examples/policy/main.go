// Policy shows a policy in JSON, with roles and permissions of a service's own and a condition: what it grants, how it
// decides, and what a mistake in it looks like.
//
//	go run ./examples/policy
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

//go:embed policy.json
var policyJSON []byte

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	policy, err := intercomrbac.ParsePolicy(policyJSON)
	if err != nil {
		return err
	}
	checker, err := intercomrbac.NewChecker(policy)
	if err != nil {
		return err
	}

	fmt.Fprintf(out, "Policy %s\n\n", checker.Version())
	fmt.Fprint(out, checker.Matrix())

	fmt.Fprintln(out, "\nWho can, and by which rule")
	for _, question := range []struct {
		role       intercomrbac.Role
		permission intercomrbac.Permission
	}{
		{"agent", "contacts:read"},
		{"agent", "conversations:close"},
		{"billing-lead", "conversations:close"},
		{"billing-lead", "conversations:assign"},
		{"billing-lead", "conversations:delete"},
		{"auditor", "invoices:read"},
		{"auditor", "invoices:refund"},
		{"audtor", "invoices:read"},
		{"agent", "conversations:clsoe"},
	} {
		fmt.Fprintln(out, "  "+checker.Explain(question.role, question.permission))
	}

	fmt.Fprintln(out, "\nDecisions about one conversation, which team 814865 has")
	conversation := intercomrbac.Resource{Kind: "conversation", ID: "215470002",
		Value: &intercomrbac.Conversation{ID: "215470002", TeamAssigneeID: "814865"}}
	for _, p := range []intercomrbac.Principal{
		{AdminID: "991267461", Role: "agent", Teams: []intercomrbac.TeamID{"814865"}},
		{AdminID: "991267462", Role: "agent", Teams: []intercomrbac.TeamID{"814866"}},
		{AdminID: "991267462", Role: "auditor"},
		{Service: "nightly-report"},
		{},
	} {
		decision, err := checker.Check(ctx, p, intercomrbac.ConversationsReply, conversation)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s%s replies: %s\n", p.AdminID, p.Service, decision)
	}

	fmt.Fprintln(out, "\nWhat the next version changes")
	next, err := intercomrbac.ParsePolicy([]byte(strings.Replace(string(policyJSON), `["*:read"]`, `["*:read", "conversations:reply"]`, 1)))
	if err != nil {
		return err
	}
	changes, err := policy.Diff(next)
	if err != nil {
		return err
	}
	for _, c := range changes {
		fmt.Fprintf(out, "  %s gains %v, loses %v\n", c.Role, c.Gains, c.Loses)
	}
	if err := checker.Swap(next); err != nil {
		return err
	}
	fmt.Fprintln(out, "  after Swap:", checker.Explain("auditor", "conversations:reply"))

	fmt.Fprintln(out, "\nMistakes are errors before anything is decided")
	_, err = intercomrbac.ParsePolicy([]byte(strings.Replace(string(policyJSON), `"inherits"`, `"inherit"`, 1)))
	fmt.Fprintln(out, " ", err)
	typo, err := intercomrbac.ParsePolicy([]byte(strings.Replace(string(policyJSON), "conversations:assign", "conversation:assign", 1)))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, " ", checker.Swap(typo))
	return nil
}
