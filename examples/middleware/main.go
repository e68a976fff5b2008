// Middleware shows one policy on HTTP routes and on the calls to Intercom behind them: two routes, three principals, and
// who gets what and why. It runs against a fake workspace in memory.
//
//	go run ./examples/middleware
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// service is an internal support tool.
type service struct {
	intercom *intercomrbac.Client
	sessions map[string]intercomrbac.AdminID // by the value of the session cookie
	roles    *intercomrbac.RoleDirectory
}

// newService puts one guard before the routes and before the client.
func newService(client *intercomrbac.Client, policy intercomrbac.Policy, roles intercomrbac.RoleMap, audit intercomrbac.AuditSink,
	sessions map[string]intercomrbac.AdminID) (http.Handler, error) {
	checker, err := intercomrbac.NewChecker(policy)
	if err != nil {
		return nil, err
	}
	directory, err := intercomrbac.NewRoleDirectory(client, intercomrbac.RoleDirectoryConfig{Map: roles})
	if err != nil {
		return nil, err
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: audit, Roles: directory})
	if err != nil {
		return nil, err
	}
	guarded, err := client.With(intercomrbac.WithGuard(guard))
	if err != nil {
		return nil, err
	}
	s := &service{guarded, sessions, directory}

	mux := http.NewServeMux()
	mux.Handle("DELETE /api/contacts/{id}", guard.Require(intercomrbac.ContactsDelete)(http.HandlerFunc(s.deleteContact)))
	mux.Handle("POST /api/conversations/{id}/assign", guard.Require(intercomrbac.ConversationsAssign)(http.HandlerFunc(s.assignConversation)))
	return intercomrbac.Authenticate(s.whoActs)(mux), nil
}

// whoActs turns a session into a principal. How a service knows who is there is its own affair; the role comes from
// Intercom.
func (s *service) whoActs(r *http.Request) (intercomrbac.Principal, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return intercomrbac.Principal{}, err
	}
	id, ok := s.sessions[cookie.Value]
	if !ok {
		return intercomrbac.Principal{}, errors.New("no such session")
	}
	return s.roles.Principal(r.Context(), id)
}

func (s *service) deleteContact(w http.ResponseWriter, r *http.Request) {
	if err := s.intercom.Contacts.Delete(r.Context(), intercomrbac.ContactID(r.PathValue("id"))); err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *service) assignConversation(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Team intercomrbac.TeamID `json:"team"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body); err != nil {
		http.Error(w, "the body must be {\"team\": ID}", http.StatusBadRequest)
		return
	}
	// Assigned in the name of the principal: nobody else's AdminID can be passed without admins:impersonate.
	c, err := s.intercom.Conversations.Assign(r.Context(), intercomrbac.ConversationID(r.PathValue("id")),
		intercomrbac.AssignParams{To: intercomrbac.ToTeam(body.Team)})
	if err != nil {
		writeError(w, err)
		return
	}
	fmt.Fprintf(w, `{"id":%q,"team":%q}`, c.ID, c.TeamAssigneeID)
}

func writeError(w http.ResponseWriter, err error) {
	if errors.Is(err, intercomrbac.ErrNotFound) {
		http.Error(w, "there is no such thing", http.StatusNotFound)
		return
	}
	intercomrbac.WriteError(w, err)
}

func run(out io.Writer) error {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()

	// Why is on record, not in the answer.
	record := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case "phase", "action", "role", "reason", "outcome":
			return a
		}
		return slog.Attr{}
	}}))
	policy := intercomrbac.StockPolicy()
	h, err := newService(fake.Client(), policy,
		intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner", "5402": "admin", "5403": "agent"}},
		intercomrbac.SlogSink(record),
		map[string]intercomrbac.AdminID{"olivia": ids.Owner, "marcus": ids.Manager, "aiko": ids.Agent})
	if err != nil {
		return err
	}

	send := func(session, method, path, body string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if session != "" {
			r.AddCookie(&http.Cookie{Name: "session", Value: session})
		}
		fmt.Fprintf(out, "\n%s: %s %s\n", orNobody(session), method, path)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Fprintf(out, "-> %d %s\n", w.Code, strings.TrimSpace(w.Body.String()))
	}
	contact := "/api/contacts/" + string(ids.Contacts[5])
	assign := "/api/conversations/" + string(ids.Conversations[10]) + "/assign"
	for _, session := range []string{"", "aiko", "marcus", "olivia"} {
		send(session, "DELETE", contact, "")
		send(session, "POST", assign, fmt.Sprintf(`{"team":%q}`, ids.Sales))
	}
	return nil
}

func orNobody(session string) string {
	if session == "" {
		return "nobody"
	}
	return session
}
