package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func ExampleNewGuard() {
	fake := intercomtest.Start() // in a program: intercomrbac.NewClient(intercomrbac.FromEnv())
	defer fake.Close()
	ids := fake.Seed()
	client := fake.Client()

	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{
		Checker: checker,
		Audit:   intercomrbac.NoAudit(), // a service of yours has a sink here
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	guarded, err := client.With(intercomrbac.WithGuard(guard))
	if err != nil {
		fmt.Println(err)
		return
	}

	// An agent may reply, but not close.
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent, Role: intercomrbac.RoleAgent})
	_, err = guarded.Conversations.Close(ctx, ids.Conversations[1], intercomrbac.CloseParams{})
	fmt.Println(errors.Is(err, intercomrbac.ErrDenied), fake.CallCount(""))
	if denied, ok := errors.AsType[*intercomrbac.DeniedError](err); ok {
		fmt.Println(denied.Permission, denied.Decision.Reason)
	}
	_, err = guarded.Conversations.Reply(ctx, ids.Conversations[1], intercomrbac.ReplyParams{Body: "It is on its way."})
	fmt.Println(err)
	// Output:
	// true 0
	// conversations:close not_granted
	// <nil>
}

func ExampleParsePolicy() {
	policy, err := intercomrbac.ParsePolicy([]byte(`{
	  "permissions": {"invoices:refund": {"reserved": true}},
	  "roles": {
	    "agent": {"allow": ["contacts:read", {"permission": "conversations:reply", "when": "assigned"}]},
	    "lead":  {"inherits": ["agent"], "allow": ["conversations:*"], "deny": ["conversations:delete"]}
	  }
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := intercomrbac.NewChecker(policy)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checker.Can("lead", "conversations:close"), checker.Can("lead", "conversations:delete"))
	fmt.Println(checker.Explain("agent", "conversations:reply"))

	_, err = intercomrbac.ParsePolicy([]byte(`{"roles": {"agent": {"alow": ["contacts:read"]}}}`))
	fmt.Println(err)
	// Output:
	// true false
	// "agent", "conversations:reply": allowed by rule "conversations:reply when assigned"
	// intercomrbac: policy: line 1, column 22: a role has an unknown key "alow": did you mean "allow"?
}

func ExampleNewChecker() {
	policy := intercomrbac.StockPolicy()
	policy.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {Resource: "invoice"}}
	policy.Roles["billing"] = intercomrbac.RoleRules{
		Inherits: []intercomrbac.Role{intercomrbac.RoleAgent},
		Allow:    []intercomrbac.Rule{{Permission: "invoices:refund", When: "small"}},
	}
	small := intercomrbac.Condition{
		Name: "small", Resource: "invoice",
		Met: func(_ context.Context, _ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
			cents, ok := r.Value.(int)
			return ok && cents <= 5000, nil
		},
	}
	checker, err := intercomrbac.NewChecker(policy, small)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	clerk := intercomrbac.Principal{AdminID: "991267461", Role: "billing"}
	for _, cents := range []int{1200, 120000} {
		decision, err := checker.Check(ctx, clerk, "invoices:refund", intercomrbac.Resource{Kind: "invoice", ID: "A-1001", Value: cents})
		fmt.Println(decision.Allowed, decision.Reason, decision.Rule(), err)
	}
	// Output:
	// true allowed invoices:refund when small <nil>
	// false condition_not_met  <nil>
}

func ExampleChecker_Require() {
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	authenticate := intercomrbac.Authenticate(func(r *http.Request) (intercomrbac.Principal, error) {
		// However your service knows who is there; no principal is 401, never a default role.
		role := map[string]intercomrbac.Role{"a1": intercomrbac.RoleOwner, "b2": intercomrbac.RoleAgent}[r.Header.Get("X-Session")]
		if role == "" {
			return intercomrbac.Principal{}, errors.New("no session")
		}
		return intercomrbac.Principal{AdminID: "991267459", Role: role}, nil
	})

	mux := http.NewServeMux()
	mux.Handle("DELETE /api/contacts/{id}", checker.Require(intercomrbac.ContactsDelete)(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "deleted ", r.PathValue("id")) })))
	handler := authenticate(mux)

	for _, session := range []string{"a1", "b2", ""} {
		r := httptest.NewRequest("DELETE", "/api/contacts/7", nil)
		r.Header.Set("X-Session", session)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 deleted 7
	// 403 {"error":"Forbidden","message":"Missing permission: contacts:delete","required":"contacts:delete","currentRole":"agent"}
	// 401 {"error":"Unauthorized","message":"Authentication required"}
}

// Authenticate has to stand outside of Require. The other way round everybody is 401: nobody is known yet.
func ExampleAuthenticate_incorrect() {
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	authenticate := intercomrbac.Authenticate(func(*http.Request) (intercomrbac.Principal, error) {
		return intercomrbac.Principal{AdminID: "991267459", Role: intercomrbac.RoleOwner}, nil
	})
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })

	wrong := checker.Require(intercomrbac.ContactsRead)(authenticate(page))
	right := authenticate(checker.Require(intercomrbac.ContactsRead)(page))
	for _, h := range []http.Handler{wrong, right} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 401
	// 200
}

// Under a condition, lists and searches return what the principal may see, and nothing tells of the rest.
func ExampleGuard_visibility() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	checker, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
		"member": {Allow: []intercomrbac.Rule{{Permission: "conversations:read", When: "assigned_team"}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := fake.Client(intercomrbac.WithGuard(guard))

	ctx := intercomrbac.WithPrincipal(context.Background(),
		intercomrbac.Principal{AdminID: ids.Agent, Role: "member", Teams: []intercomrbac.TeamID{ids.Billing}})
	for c, err := range client.Conversations.All(ctx, intercomrbac.ListParams{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.Title)
	}
	_, hidden := client.Conversations.Get(ctx, ids.Conversations[3])
	_, missing := client.Conversations.Get(ctx, "404")
	fmt.Println(hidden.Error() == missing.Error())
	// Output:
	// Charged twice
	// Where is my invoice?
	// Change of plan
	// Refund please
	// true
}

func ExamplePolicy_Diff() {
	next := intercomrbac.StockPolicy()
	agent := next.Roles[intercomrbac.RoleAgent]
	agent.Allow = append(agent.Allow, intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"})
	agent.Deny = intercomrbac.Rules(intercomrbac.TagsRead)
	next.Roles[intercomrbac.RoleAgent] = agent

	changes, err := intercomrbac.StockPolicy().Diff(next)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range changes {
		fmt.Println(c.Role, "gains", c.Gains, "loses", c.Loses)
	}
	// Output: agent gains [conversations:close when assigned] loses [tags:read]
}

func ExampleChecker_Matrix() {
	checker, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
		"auditor": {Allow: intercomrbac.Rules("*:read")},
		"agent":   {Allow: []intercomrbac.Rule{{Permission: "contacts:read"}, {Permission: "contacts:write", When: "vip"}}},
	}}, intercomrbac.Condition{Name: "vip", Resource: "contact", Met: func(context.Context, intercomrbac.Principal, intercomrbac.Resource) (bool, error) {
		return false, nil
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(checker.Matrix()) {
		if strings.HasPrefix(line, "permission") || strings.HasPrefix(line, "contacts:") {
			fmt.Print(line)
		}
	}
	// Output:
	// permission            agent  auditor
	// contacts:delete       -      -
	// contacts:read         yes    yes
	// contacts:write        vip    -
}

func ExampleGuard_Audited() {
	policy := intercomrbac.StockPolicy()
	policy.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {}}
	policy.Roles["billing"] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("invoices:refund")}
	checker, err := intercomrbac.NewChecker(policy)
	if err != nil {
		fmt.Println(err)
		return
	}
	var record intercomtest.AuditMem
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: &record})
	if err != nil {
		fmt.Println(err)
		return
	}
	refund := intercomrbac.Action{Name: "invoices.refund", Permission: "invoices:refund", Effect: intercomrbac.Write}
	for _, role := range []intercomrbac.Role{"billing", "agent"} {
		ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: "991267461", Role: role})
		err := guard.Audited(ctx, refund, intercomrbac.Resource{Kind: "invoice", ID: "A-1001"}, func(context.Context) error {
			fmt.Println("refunded")
			return nil
		})
		fmt.Println(errors.Is(err, intercomrbac.ErrDenied))
	}
	for _, e := range record.Events() {
		fmt.Println(e.Phase, e.Action, e.ResourceID, e.Reason)
	}
	// Output:
	// refunded
	// false
	// true
	// intent invoices.refund A-1001 allowed
	// outcome invoices.refund A-1001 allowed
	// denial invoices.refund A-1001 not_granted
}
