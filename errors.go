package intercomrbac

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// sentinel is an error class. A class with a parent is also its parent.
type sentinel struct {
	text   string
	parent error
}

func (s *sentinel) Error() string { return s.text }
func (s *sentinel) Unwrap() error { return s.parent }

func class(text string, parent error) error { return &sentinel{"intercomrbac: " + text, parent} }

// Error classes, for errors.Is. An [*APIError] belongs to the class that its status and code say. One error can belong to
// several: a write that timed out is ErrOutcomeUnknown, ErrUnavailable and context.DeadlineExceeded; so look for
// ErrOutcomeUnknown first.
var (
	// ErrInvalidRequest: the request is malformed. Either it was refused before it was sent, or Intercom
	// refused it (400, 422 and other 4xx without a class of their own). Sending it again changes nothing.
	ErrInvalidRequest = class("invalid request", nil)
	// ErrUnauthorized: Intercom does not accept the token (401).
	ErrUnauthorized = class("unauthorized", nil)
	// ErrTokenRevoked: the token is dead for good: the app was uninstalled or the token replaced. It is also
	// ErrUnauthorized; a plain ErrUnauthorized is not it.
	ErrTokenRevoked = class("token revoked", ErrUnauthorized)
	// ErrScopeMissing: the token lacks the OAuth scope of the operation.
	ErrScopeMissing = class("scope missing", nil)
	// ErrForbidden: Intercom refuses the call (403). It is Intercom's word, not that of a local policy.
	ErrForbidden = class("forbidden by Intercom", nil)
	// ErrActionForbidden: the acting admin may not do this, usually for want of an inbox seat. Also ErrForbidden.
	ErrActionForbidden = class("action forbidden for this admin", ErrForbidden)
	// ErrPlanRestricted: the workspace's plan does not have the feature. Also ErrForbidden.
	ErrPlanRestricted = class("not in the workspace's plan", ErrForbidden)
	// ErrNotFound: there is no such thing, or not any more (404, 410).
	ErrNotFound = class("not found", nil)
	// ErrAdminNotFound: there is no such teammate in the workspace. Also ErrNotFound.
	ErrAdminNotFound = class("admin not found", ErrNotFound)
	// ErrTeamNotFound: there is no such team in the workspace. Also ErrNotFound.
	ErrTeamNotFound = class("team not found", ErrNotFound)
	// ErrContactMerged: the contact was merged into another one (410), which MergedInto of the [APIError] names. Also
	// ErrNotFound.
	ErrContactMerged = class("contact merged into another", ErrNotFound)
	// ErrConflict: the call collides with what is there, such as a second contact with one external id (409).
	ErrConflict = class("conflict", nil)
	// ErrRateLimited: too many requests (429), or no slot left before the context ends.
	ErrRateLimited = class("rate limited", nil)
	// ErrUnavailable: Intercom could not be reached or failed (5xx).
	ErrUnavailable = class("Intercom is unavailable", nil)
	// ErrBadResponse: the answer is not what Intercom's API sends: not JSON, cut off, or too large.
	ErrBadResponse = class("unexpected response", nil)
	// ErrOutcomeUnknown: a write was sent and its fate is not known. It was not sent again. It comes beside
	// the error that says what happened.
	ErrOutcomeUnknown = class("outcome unknown", nil)
	// ErrNoActingAdmin: Intercom wants to know which teammate acts, and neither the params nor the principal
	// of the context says. Nothing was sent.
	ErrNoActingAdmin = class("no acting admin", nil)
	// ErrNoToken: the token source failed or gave no usable token. Nothing was sent.
	ErrNoToken = class("no token", nil)
	// ErrWrongWorkspace: the principal belongs to another workspace than the client. Nothing was sent.
	ErrWrongWorkspace = class("principal of another workspace", nil)
	// ErrCursorRepeated: a list came back to a page that it had given before.
	ErrCursorRepeated = class("the list repeats a cursor", nil)
	// ErrNoRoute: a [Router] has no team for a topic, and no fallback.
	ErrNoRoute = class("no route", nil)
	// ErrOAuthState: the state of an OAuth callback is not one of this app, session and the last ten minutes, or was used
	// before. Nothing was sent.
	ErrOAuthState = class("the state of the callback is unknown, used, too old, or of another session", nil)
	// ErrOAuthExchange: an OAuth install got no token: consent was not given, or the code was not exchanged.
	ErrOAuthExchange = class("no token from the OAuth exchange", nil)
	// ErrEmailUnverified: somebody signs in by Intercom with an address that Intercom has not verified.
	ErrEmailUnverified = class("the e-mail address is not verified at Intercom", nil)
	// ErrWorkspaceTaken: the workspace is tied to another account. Nothing was changed.
	ErrWorkspaceTaken = class("the workspace is tied to another account", nil)
	// ErrWorkspaceNotFound: the app is not installed in the workspace, as far as the [WorkspaceStore] knows.
	ErrWorkspaceNotFound = class("workspace not found", nil)
	// ErrSealed: a workspace's record does not open with the keys of the [KeyRing]: it was sealed under another key or by a
	// later version, was changed, or belongs to another workspace, region or store.
	ErrSealed = class("the record cannot be opened", nil)
	// ErrVersionConflict: somebody else has changed the record of a workspace meanwhile. Nothing was written.
	ErrVersionConflict = class("the record was changed meanwhile", nil)
	// ErrWebhookRefused: a request to a [Receiver] was refused: it is not what Intercom sends, or too large. Nothing of it was used.
	ErrWebhookRefused = class("webhook refused", nil)
	// ErrWebhookSignature: it has no signature by a secret of the app, or none in the form of its route. Also ErrWebhookRefused.
	ErrWebhookSignature = class("webhook without a valid signature", ErrWebhookRefused)
	// ErrWebhookTime: the notification is more than a day old, or from the future. Also ErrWebhookRefused.
	ErrWebhookTime = class("notification out of its time", ErrWebhookRefused)
	// ErrDenied: a guard does not allow the call; it is a [*DeniedError]. It is this program's own policy, not
	// Intercom's word, which is ErrForbidden.
	ErrDenied = class("denied", nil)
	// ErrNoPrincipal: nobody acts in the context of a guarded call. Also ErrDenied.
	ErrNoPrincipal = class("no principal", ErrDenied)
	// ErrAuditUnavailable: the intent of a guarded call could not be recorded, and nothing was sent. Beside ErrDenied:
	// the denial could not.
	ErrAuditUnavailable = class("audit unavailable", nil)
	// ErrAuditIncomplete: a guarded call was sent and answered, and only its outcome could not be recorded. The
	// result, or the call's own error, comes beside it. Do not send it again.
	ErrAuditIncomplete = class("audit incomplete", nil)
)

// DeniedError is a denial by a guard or by [Checker.Require]. It is ErrDenied; where that is the reason it is also
// ErrNoPrincipal, ErrWrongWorkspace, or the error because of which the decision could not be made. Under a guard a thing
// that is hidden from the principal and one that does not exist are the same to the caller, ReasonConditionNotMet; the
// audit trail tells them apart. Only where a condition fails (ReasonConditionUnknown) the thing was there. It is not
// changed after it was returned.
type DeniedError struct {
	// Action is the name of the operation, such as "contacts.delete"; of a middleware, the permission.
	Action string
	// Permission is what was asked for: that of the operation, or admins:impersonate.
	Permission Permission
	// Role is that of the principal; it may be any text that the service put there.
	Role Role
	// Decision says why.
	Decision Decision

	causes []error
}

// denial returns the error of a denial. cause may be nil.
func denial(action string, permission Permission, role Role, d Decision, cause error) *DeniedError {
	e := &DeniedError{Action: action, Permission: permission, Role: role, Decision: d}
	if cause != nil {
		e.causes = []error{cause}
	}
	return e
}

// Error is one line with action, reason and rule.
func (e *DeniedError) Error() string {
	text := "intercomrbac: " + e.Action + ": " + e.Decision.String()
	switch e.Decision.Reason {
	case ReasonUnknownRole:
		text += fmt.Sprintf(" (the role is %.80q)", string(e.Role))
	case ReasonUnknownPermission:
		text += fmt.Sprintf(" (the permission is %.80q)", string(e.Permission))
	}
	for _, cause := range e.causes {
		text += ": " + printable(untitled(cause), 300)
	}
	return text
}

// Unwrap returns ErrDenied and what else the denial is.
func (e *DeniedError) Unwrap() []error {
	class := ErrDenied
	switch e.Decision.Reason {
	case ReasonNoPrincipal:
		class = ErrNoPrincipal
	case ReasonWrongWorkspace:
		return append([]error{ErrDenied, ErrWrongWorkspace}, e.causes...)
	}
	return append([]error{class}, e.causes...)
}

// ErrorDetail is one entry of an error that Intercom sent.
type ErrorDetail struct {
	Code, Message, Field string
}

// APIError is a refusal. Its class (see [ErrNotFound] and the others) is found by errors.Is. Texts from the response
// hold no secret of the client, and no control characters. It is not changed after it was returned.
type APIError struct {
	// StatusCode is the HTTP status; 0 where the client did not send the request because no slot of the rate
	// limit comes free before the context ends.
	StatusCode int
	// Code is Intercom's code, such as "not_found"; empty where the body held none.
	Code string
	// Message is Intercom's text for people; may be empty. Under a guard it is where the right hangs on a condition and the
	// text would name another contact: for ErrContactMerged, and ErrConflict about contacts.
	Message string
	// Field is the request member that Intercom objects to; usually empty.
	Field string
	// Errors are all entries that Intercom sent; Code, Message and Field are those of the first.
	Errors []ErrorDetail
	// RequestID is Intercom's id of the request, for its support; may be empty. It is not always a UUID.
	RequestID string
	// Operation is the name of the operation, such as "conversations.assign".
	Operation string
	// Scope is the OAuth scope that the operation needs; empty where none is known.
	Scope Scope
	// RetryAfter is how long to wait before the next try; 0 where nothing is known.
	RetryAfter time.Duration
	// Attempts is how many times the request was sent.
	Attempts int
	// OutcomeUnknown says that it was a write and may have been done all the same.
	OutcomeUnknown bool
	// MergedInto is the contact that lives on where it is ErrContactMerged, as Intercom says; empty where it does not,
	// and under a guard where the right hangs on a condition. No call goes there by itself.
	MergedInto ContactID

	resource string // the kind of thing that the path named, for operations that are not in the table
	assignee string // "team" or "admin", for an assignment
	foreign  bool   // the body was none of Intercom's
	exchange bool   // of a code for a token
}

// Error is one line with operation, status, code, message and request id, and with the scope where one is missing. It
// never holds the body or the URL.
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString("intercomrbac: ")
	if e.Operation != "" {
		b.WriteString(e.Operation + ": ")
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, "%d %s", e.StatusCode, firstOf(e.Code, strings.ToLower(http.StatusText(e.StatusCode)), "unexpected status"))
	} else {
		b.WriteString("not sent")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, " (field %s)", e.Field)
	}
	if e.Scope != "" && errors.Is(e.class(), ErrScopeMissing) {
		fmt.Fprintf(&b, " (needs the scope %q)", string(e.Scope))
	}
	if e.MergedInto != "" {
		fmt.Fprintf(&b, " (merged into %s)", e.MergedInto)
	}
	if e.OutcomeUnknown {
		b.WriteString(" (it may have been done: look before you send it again)")
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter.Round(time.Millisecond))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request_id %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the error's class, and ErrOutcomeUnknown and ErrOAuthExchange where that is so.
func (e *APIError) Unwrap() []error {
	classes := []error{e.class()}
	if e.OutcomeUnknown {
		classes = append(classes, ErrOutcomeUnknown)
	}
	if e.exchange && !errors.Is(classes[0], ErrOAuthExchange) {
		classes = append(classes, ErrOAuthExchange)
	}
	return classes
}

// class tells the class by status first, since one code comes under several statuses, then by code.
func (e *APIError) class() error {
	switch {
	case e.StatusCode == 0 || e.StatusCode == http.StatusTooManyRequests:
		return ErrRateLimited
	case e.StatusCode >= 500 || e.StatusCode == http.StatusRequestTimeout:
		return ErrUnavailable
	case e.StatusCode < 400:
		return ErrBadResponse
	case e.exchange:
		return ErrOAuthExchange
	}
	// What names its subject does so under more than one 4xx.
	switch e.Code {
	case "admin_not_found":
		return ErrAdminNotFound
	case "team_not_found", "team_unavailable":
		return ErrTeamNotFound
	case "contact_merged":
		return ErrContactMerged
	}
	switch e.StatusCode {
	case http.StatusUnauthorized:
		switch e.Code {
		case "token_unauthorized":
			return ErrScopeMissing
		case "token_revoked", "token_not_found", "token_expired", "token_suspended", "token_blocked":
			return ErrTokenRevoked
		}
		return ErrUnauthorized
	case http.StatusPaymentRequired:
		return ErrPlanRestricted
	case http.StatusForbidden:
		switch {
		case e.Code == "api_plan_restricted":
			return ErrPlanRestricted
		case e.Code == "action_forbidden":
			return ErrActionForbidden
		case e.Code == "forbidden" && strings.Contains(strings.ToLower(e.Message), "scope"):
			return ErrScopeMissing
		}
		return ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		switch e.subject() {
		case "admin":
			return ErrAdminNotFound
		case "team":
			return ErrTeamNotFound
		}
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	}
	return ErrInvalidRequest
}

// subject tells what a 404 is most likely about, where the code does not.
func (e *APIError) subject() string {
	if e.foreign {
		return "" // a proxy's page says nothing of what is in the workspace
	}
	about := strings.ToLower(e.Code + " " + e.Message)
	switch {
	case e.assignee == "team" && !strings.Contains(about, "conversation"):
		return "team"
	case e.assignee != "" && e.Code == "assignee_not_found":
		return e.assignee
	}
	if op, ok := LookupOperation(e.Operation); ok && op.ofOne() {
		return op.Resource
	}
	return e.resource
}

// Advice says in one line what to do about an error of this package, also one that is no [*APIError]; empty where there
// is nothing to say.
func Advice(err error) string {
	if errors.Is(err, ErrTokenRevoked) && !errors.Is(err, ErrOutcomeUnknown) {
		return adviceRevoked
	}
	if e, ok := errors.AsType[*APIError](err); ok {
		return e.Advice()
	}
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return adviceInDoubt
	case errors.Is(err, ErrAuditIncomplete):
		return "it was sent and answered: do not send it again; see why the audit sink fails"
	case errors.Is(err, ErrAuditUnavailable) && !errors.Is(err, ErrDenied):
		return "see why the audit sink fails; nothing was sent"
	case errors.Is(err, ErrNoPrincipal):
		return "put a Principal into the context (WithPrincipal, or the Authenticate middleware)"
	case errors.Is(err, ErrNoActingAdmin):
		return "say which teammate acts: AdminID in the params, or a Principal with one in the context"
	case errors.Is(err, ErrWrongWorkspace):
		return "use the client of the principal's workspace"
	case errors.Is(err, ErrNoRoute):
		return "give the Router a route for the topic, or a Fallback"
	case errors.Is(err, ErrDenied):
		return "the policy does not allow it: Explain and WhoCan of the Checker tell what it allows, and to which role"
	case errors.Is(err, ErrNoToken):
		return "see why the token source gives no token; nothing was sent"
	case errors.Is(err, ErrWorkspaceNotFound):
		return "have the app installed in the workspace first: Workspaces.Install"
	case errors.Is(err, ErrSealed):
		return "put the key that the record was sealed under back into the KeyRing; if it was changed, have the app installed again"
	case errors.Is(err, ErrVersionConflict):
		return "read the record again and decide anew: somebody else has changed it"
	case errors.Is(err, ErrOAuthState):
		return "begin the install again, in one browser and within ten minutes; nothing was sent"
	case errors.Is(err, ErrEmailUnverified):
		return "ask the teammate to verify the address in Intercom, then to sign in again"
	case errors.Is(err, ErrWorkspaceTaken):
		return "sign in with the account that the workspace is tied to, or untie it there first"
	case errors.Is(err, ErrWebhookSignature):
		return "a few are strangers at the door; if it is all of them, give the client secret that the Developer Hub shows, and leave the body as it comes on its way here"
	case errors.Is(err, ErrWebhookTime):
		return "a replay, or a clock that is wrong; nothing of it was used"
	case errors.Is(err, ErrWebhookRefused):
		return "it is not what Intercom sends to this address: compare the addresses in the Developer Hub with where the Receiver is mounted"
	case errors.Is(err, ErrCursorRepeated):
		return "begin the list again; if it lasts, Intercom's paging is at fault"
	case errors.Is(err, ErrBadResponse):
		return adviceBadResponse
	case errors.Is(err, ErrUnavailable):
		return "Intercom could not be reached: check network, proxy and base URL, then try again"
	case errors.Is(err, ErrOAuthExchange):
		return "see what the error says, then begin the install again"
	case errors.Is(err, ErrInvalidRequest):
		return "correct the call as the error says; nothing was sent"
	}
	return ""
}

const (
	adviceRevoked     = "the app was uninstalled or its token replaced: stop using this token and ask the workspace to install the app again"
	adviceInDoubt     = "the write may have been done: read the present state before you send it again"
	adviceBadResponse = "the answer did not come from Intercom's API: check the base URL, and proxies on the way"
)

// Advice says in one line what to do about the error. Where a scope is missing it names the scope to tick.
func (e *APIError) Advice() string {
	if e.OutcomeUnknown {
		return adviceInDoubt
	}
	scope := "the scope of this operation"
	if e.Scope != "" {
		scope = fmt.Sprintf("the scope %q", string(e.Scope))
	}
	again := "then the workspace has to authorize the app again"
	switch class := e.class(); {
	case errors.Is(class, ErrOAuthExchange):
		return "match the redirect URL exactly with one in the Developer Hub, and the client id and secret with the app; a code works once and for minutes, and its last = belongs to it: begin the install again"
	case e.exchange && e.RetryAfter > 0:
		return fmt.Sprintf("wait %s, then begin the install again: a code works once", e.RetryAfter.Round(time.Millisecond))
	case e.exchange && !errors.Is(class, ErrBadResponse):
		return "Intercom failed: begin the install again later, for a code works once; if it lasts, give the request id to Intercom's support"
	case errors.Is(class, ErrScopeMissing):
		return fmt.Sprintf("tick %s for the app in Intercom's Developer Hub (Authentication), %s", scope, again)
	case errors.Is(class, ErrTokenRevoked):
		return adviceRevoked
	case errors.Is(class, ErrUnauthorized):
		return "check the token: it must be an access token of this workspace, sent to its own region; GET /me tells whether it lives"
	case errors.Is(class, ErrAdminNotFound):
		return "the teammate left the workspace: drop them here too, and list the admins for those who are there"
	case errors.Is(class, ErrTeamNotFound):
		return "list the teams and take the id from there: the id of a team is not the id of an admin, and teams can be deleted"
	case errors.Is(class, ErrPlanRestricted):
		return "the workspace's plan does not have this feature, or no subscription is active: it is the plan, not the scope"
	case errors.Is(class, ErrActionForbidden):
		return "the acting admin has no inbox seat or may not do this: act as a teammate who may, or give them a seat"
	case errors.Is(class, ErrForbidden):
		return fmt.Sprintf("Intercom refuses this call: most likely %s is not ticked in the Developer Hub (%s); else the token's owner may not do it", scope, again)
	case errors.Is(class, ErrContactMerged) && e.MergedInto != "":
		return fmt.Sprintf("the contact was merged into another one: go on with %s", e.MergedInto)
	case errors.Is(class, ErrContactMerged):
		return "the contact was merged into another one: go on with the surviving contact"
	case errors.Is(class, ErrNotFound):
		return "check the id: it is unique within one workspace only, and the thing may have been deleted"
	case errors.Is(class, ErrConflict):
		return "it collides with what is there: read the present state and update that instead"
	case errors.Is(class, ErrRateLimited):
		if e.RetryAfter > 0 {
			return fmt.Sprintf("wait %s, then send it again; all private apps of a workspace share one limit", e.RetryAfter.Round(time.Millisecond))
		}
		return "wait for the next 10-second window, then send it again; all private apps of a workspace share one limit"
	case errors.Is(class, ErrUnavailable):
		return "Intercom failed: try again later; if it lasts, give the request id to Intercom's support"
	case errors.Is(class, ErrBadResponse):
		return adviceBadResponse
	default:
		if e.Field != "" {
			return fmt.Sprintf("correct the field %q: sending the same request again changes nothing", e.Field)
		}
		return "correct the request as the message says: sending the same one again changes nothing"
	}
}

// callError is a failure without an answer from Intercom. Its causes are classes and well-known errors only: the
// errors of the transport themselves may repeat what the server sent, or the URL.
type callError struct {
	text   string
	causes []error
}

func (e *callError) Error() string   { return "intercomrbac: " + e.text }
func (e *callError) Unwrap() []error { return e.causes }

// invalid returns an ErrInvalidRequest for a call that was refused before it was sent.
func invalid(op Operation, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrInvalidRequest, op.Name, fmt.Errorf(format, args...))
}

// noActor returns an ErrNoActingAdmin.
func noActor(op Operation) error {
	return fmt.Errorf("%w: %s: set AdminID in the params, or put a Principal with one into the context", ErrNoActingAdmin, op.Name)
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// printable returns s on one line, without control characters, cut to at most n runes.
func printable(s string, n int) string {
	plain := len(s) <= n
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] <= '~'
	}
	if plain {
		return s
	}
	out := make([]rune, 0, min(len(s), n))
	for _, r := range s {
		if len(out) == n {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return strings.TrimSpace(string(out))
}
