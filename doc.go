// Package intercomrbac works with Intercom under access control: a typed client whose every call goes one way, past one
// place where it is decided who may do what, explained, and put on record.
//
// Intercom's own limits on what teammates may see and do hold in its inbox, not for API tokens: what a service lets
// through, Intercom does. A client without a guard decides nothing and is a plain typed client.
//
// # Calling Intercom
//
// [NewClient] makes a [Client] for one workspace; its services ([AdminsService], [TeamsService], [ConversationsService],
// [ContactsService], [DataEventsService], [MessagesService], [TagsService], and [ArticlesService] and [CollectionsService] for
// the help center) hold a method for each call. Each method has an
// [Operation] that says which HTTP call it is, which OAuth [Scope] and which [Permission] it needs, and whether it may
// be repeated; [Operations] lists them. [Client.Do] calls what has no method yet. [LookupScope] says what a scope grants, and
// [Client.UsedScopes] which ones a program needed. [Preflight] finds out which scopes a token has, [ScopeReport] says what
// they are needed for, and [Checker.UnusablePermissions] what a policy grants in vain.
//
// [AdminsService.ActivityLogs] and its like read what teammates did in Intercom, and [ActivityType.Risk] grades it.
//
// Lists have List for a page and All for a sequence that fetches pages as they are needed. Writes take a params struct;
// where Intercom wants to know which teammate acts, the params' AdminID says so, or else the [Principal] of the context.
//
// # Deciding who may do what
//
// A [Policy] gives roles permissions, always or under a [Condition]; [StockPolicy] is one to begin with, [ParsePolicy]
// reads one from JSON. [NewChecker] finds its mistakes and makes a [Checker], whose [Decision] says why. A [Guard], made
// by [NewGuard] and given to a client by [WithGuard], puts the checker before every call and the record ([AuditSink])
// around it. Who acts is the [Principal] of the context. [Authenticate] and [Checker.Require] or [Guard.Require] do the same
// for HTTP routes, and [Guard.Audited] for other actions of a service's own. A [RoleDirectory] finds out which role a
// teammate holds in Intercom.
//
// A guarded call is decided before anything is sent, and once more before each attempt. Where a grant hangs on a
// condition, one read comes before a write, to look at the thing that it is about (and one more where the right to act in
// another's name hangs on a condition as well). A read is judged by its answer: lists and searches leave out what the
// principal may not see, and a hidden thing is told like one that is not there.
//
// Limits: what changes between the look and the write is not seen. The stock conditions are part of the search, so that
// what is hidden leaves no trace; a condition of the service's own and a deny are not, and short pages, cursors and the
// number of requests then tell that something was left out. What Intercom quotes of a hidden thing in another one is not
// looked into.
//
// # Installing by OAuth
//
// [NewOAuth] makes an [OAuth] of an app's client id and secret. [OAuth.Handler] has the two pages of an install; without it,
// [OAuth.NewState] and [OAuth.AuthCodeURL] begin one, and [OAuth.Callback] ends it with a [Workspace] and its token. Tokens and
// client secrets are [Secret] values: they are not printed, and are an error to encode.
//
// [NewWorkspaces] keeps installed workspaces in a [WorkspaceStore], their tokens sealed under a [KeyRing], and gives each a
// [Client] and a [RoleDirectory] of its own: [Workspaces.Install] takes what an install returned, [Workspaces.For] finds the
// client of the principal's workspace, and a principal of another is [ErrWrongWorkspace]. A token that Intercom declares dead
// twice revokes its workspace; it is kept, sealed, for a day, within which [Workspaces.Revive] undoes what was a mistake of
// Intercom's.
//
// # The record
//
// A guard's [AuditSink] gets an [AuditEvent] for the intent and for the outcome of each write, and for each denial.
// [SinkFunc] is a function of your own, [SlogSink] writes to a logger; [MultiSink], [BestEffort] and [SensitiveOnly] put
// sinks together, and [DataEventSink] shows the record in Intercom. Package auditfile keeps it in files, durably, and so that
// changes show.
//
// # Webhooks
//
// [NewReceiver] makes a [Receiver], the HTTP handler of what Intercom sends to an app: notifications, whose signature is
// checked and which are handled once, from a queue; uninstall notices, for which [Workspaces.Check] fits; and health checks, for which [Workspaces.Health] does.
// What tells that a role is old makes the [RoleDirectory] forget it, and never grants anything.
//
// # Routing
//
// A [Router] assigns conversations to teams by topic, as the principal of the context. A [Classifier], made by [NewClassifier]
// of rules by tag, attribute and keywords, finds the topic and says why. [Router.RouteAll] works off a backlog as fast as the
// rate windows allow, and with a [Checkpoint] goes on where it was interrupted; each conversation is read before it is
// assigned, and looked at where the outcome of that is not known. [Router.Handler] routes what a [Receiver] is told of,
// once.
//
// # Errors
//
// errors.Is tells the class of an error, and [Advice] what to do about it. A refusal by Intercom is an [*APIError] as well
// (ErrUnauthorized to ErrUnavailable, with RetryAfter where one was told), and so is ErrRateLimited when the limiter sees
// that no request can be sent in time. The rest have no answer behind them: [ErrUnavailable] when Intercom could not be
// reached, [ErrBadResponse], [ErrNoToken], [ErrNoActingAdmin], [ErrWrongWorkspace], [ErrCursorRepeated], and
// [ErrInvalidRequest] for what was refused before it was sent. [ErrOAuthState] is a callback that nobody here began,
// [ErrOAuthExchange] an install without a token; [ErrWorkspaceNotFound], [ErrWorkspaceTaken], [ErrSealed] and
// [ErrVersionConflict] are about installed workspaces. A guard adds [ErrDenied], as a [*DeniedError], and
// [ErrAuditUnavailable] and [ErrAuditIncomplete] for a sink that fails. [ErrOutcomeUnknown] comes on top of others and marks a
// write that was sent and may have been done: look for it first.
//
// # What holds always
//
// Nothing is allowed that a rule does not allow: no identity, no role, no rule, or an error is a denial. No write under a
// guard leaves the process before its intent is on record. What is named Dangerously is the exception. A token goes to
// the configured host alone: redirects are not followed, and nothing that comes from the network decides where the next
// request goes. No secret is in an error, a log line or a hook. No request is repeated when repeating
// could do the thing twice. Requests wait for Intercom's 10-second rate windows instead of running into them; every wait
// ends with the context.
//
// This project is independent of Intercom.
package intercomrbac
