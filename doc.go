// Package intercomrbac works with Intercom under access control: a typed client whose every call goes one way, so that
// who may do what can be decided, explained and put on record at one place. That place is not filled yet: the policy, the
// guard and the audit trail come next, and until then no call is denied.
//
// # Calling Intercom
//
// [NewClient] makes a [Client] for one workspace; its services ([AdminsService], [TeamsService],
// [ConversationsService], [ContactsService], [DataEventsService]) hold a method for each call. Each method has an
// [Operation] that says which HTTP call it is, which OAuth [Scope] and which [Permission] it needs, and whether it may
// be repeated; [Operations] lists them. [Client.Do] calls what has no method yet.
//
// Lists have List for a page and All for a sequence that fetches pages as they are needed. Writes take a params struct;
// where Intercom wants to know which teammate acts, the params' AdminID says so, or else the [Principal] of the context.
//
// # Errors
//
// errors.Is tells the class of an error, and [Advice] what to do about it. A refusal by Intercom is an [*APIError] as well
// (ErrUnauthorized to ErrUnavailable, with RetryAfter where one was told), and so is ErrRateLimited when the limiter sees
// that no request can be sent in time. The rest have no answer behind them: [ErrUnavailable] when Intercom could not be
// reached, [ErrBadResponse], [ErrNoToken], [ErrNoActingAdmin], [ErrWrongWorkspace], [ErrCursorRepeated], and
// [ErrInvalidRequest] for what was refused before it was sent. [ErrOutcomeUnknown] comes on top of others and marks a
// write that was sent and may have been done: look for it first.
//
// # What holds always
//
// A token goes to the configured host alone: redirects are not followed, and nothing that comes from the network decides
// where the next request goes. No secret is in an error, a log line or a hook. No request is repeated when repeating
// could do the thing twice. Requests wait for Intercom's 10-second rate windows instead of running into them; every wait
// ends with the context.
//
// This project is independent of Intercom.
package intercomrbac
