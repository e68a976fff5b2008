package intercomtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

// token is an access token as Intercom sees it.
type token struct {
	all     bool
	scopes  []intercomrbac.Scope
	app     string // the client id of the app that got it by OAuth
	revoked string // the code of the refusal
	window  int64
	used    int
}

// AddToken makes Intercom accept the token, with the scopes given; without any it has them all. A token that is
// known already, revoked or not, gets the new scopes.
func (s *Server) AddToken(tok string, scopes ...intercomrbac.Scope) {
	if tok == "" {
		panic("intercomtest: AddToken: the token is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[tok] = &token{all: len(scopes) == 0, scopes: slices.Clone(scopes)}
}

var revocations = map[string]string{
	"token_revoked":   "The access token has been revoked",
	"token_expired":   "The access token has expired",
	"token_suspended": "The access token is suspended",
	"token_blocked":   "The access token is blocked",
	"token_not_found": "The access token was not found",
	"unauthorized":    "Access Token Invalid",
}

// RevokeToken makes Intercom answer 401 with the code to every later call with the token: token_revoked,
// token_expired, token_suspended, token_blocked, token_not_found or unauthorized.
func (s *Server) RevokeToken(tok, code string) {
	if revocations[code] == "" {
		panic(fmt.Sprintf("intercomtest: RevokeToken: %q is no code that Intercom answers for a dead token", code))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[tok]
	if !ok {
		panic("intercomtest: RevokeToken: no such token: use AddToken first")
	}
	t.revoked = code
}

// SetMissingScopeStatus chooses how a missing scope is refused, for Intercom does it in two ways: 401 with the code
// token_unauthorized, which is the default, or 403 with the code forbidden and the name of the scope.
func (s *Server) SetMissingScopeStatus(status int) {
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		panic(fmt.Sprintf("intercomtest: SetMissingScopeStatus: 401 or 403, not %d", status))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missingScope = status
}

func (s *Server) authenticate(header string) (*token, error) {
	scheme, value, _ := strings.Cut(header, " ")
	if header == "" {
		return nil, fail(http.StatusUnauthorized, "missing_authorization", "You must provide an Authorization header")
	}
	t, ok := s.tokens[value]
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, fail(http.StatusUnauthorized, "unauthorized", revocations["unauthorized"])
	}
	if t.revoked != "" {
		return nil, fail(http.StatusUnauthorized, t.revoked, revocations[t.revoked])
	}
	return t, nil
}

func (s *Server) authorize(t *token, op intercomrbac.Operation) error {
	if t.all || op.Scope == "" || slices.Contains(t.scopes, op.Scope) {
		return nil
	}
	if s.missingScope == http.StatusForbidden {
		return fail(http.StatusForbidden, "forbidden",
			"You do not have the required scope ("+machineName(op.Scope)+") to access this resource")
	}
	return fail(http.StatusUnauthorized, "token_unauthorized", "Not authorized to access resource")
}

// machineName is how Intercom writes the scope in texts. Where it has not been seen there, it is made of the label.
func machineName(scope intercomrbac.Scope) string {
	if info, ok := intercomrbac.LookupScope(string(scope)); ok && info.MachineName != "" {
		return info.MachineName
	}
	return strings.ReplaceAll(strings.ToLower(string(scope)), " ", "_")
}
