package intercomrbac

// Scope is an OAuth scope of Intercom, by the label that the Developer Hub shows beside its tick box. It is an
// open string: Intercom publishes no machine-readable list, and labels that are not listed here work as well.
// The zero value means that no scope is known to be needed.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/oauth-scopes
type Scope string

// Scopes that the operations of this library need. [Operation.Scope] says which call needs which.
const (
	ScopeReadAdmins   Scope = "Read admins"    // list teammates; also teams, which is not documented
	ScopeReadOneAdmin Scope = "Read one admin" // GET /me
	ScopeUpdateAdmins Scope = "Update admins"  // away mode

	ScopeReadUsers      Scope = "Read one user and one company" // look at one contact
	ScopeReadWriteUsers Scope = "Read and write users"          // create and delete contacts

	ScopeReadConversations   Scope = "Read conversations"
	ScopeWriteConversations  Scope = "Write conversations"
	ScopeDeleteConversations Scope = "Delete conversations and metrics" // only where the metrics go too

	ScopeReadEvents  Scope = "Read events"
	ScopeWriteEvents Scope = "Write events"
)
