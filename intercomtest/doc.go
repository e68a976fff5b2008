// Package intercomtest is a fake Intercom for tests: a workspace in memory that answers the calls of this library,
// and those of any other client, as Intercom's API 2.16 does.
//
//	srv := intercomtest.NewServer(t)
//	ada := srv.AddAdmin(intercomtest.Admin{Name: "Ada"})
//	billing := srv.AddTeam(intercomtest.Team{Name: "Billing"})
//	id := srv.AddConversation(intercomtest.Conversation{Body: "Where is my invoice?"})
//
//	client := srv.Client()
//	// ... the code under test assigns the conversation ...
//
//	got, _ := srv.Conversation(id)
//	// got.TeamAssigneeID == billing
//
// # Two ways in
//
// [Server.Client] and [Server.Transport] work in memory: no socket, no goroutine, no timer outside of the request, so
// that they work in a bubble of testing/synctest. The fake reads the clock with time.Now, so in a bubble rate windows,
// snoozes and delays take no time. [Server.URL] starts a listener on the loopback interface for programs that want
// one; in a bubble it cannot be used. The command fakeintercom serves a seeded workspace to clients in any language.
//
// # What it does
//
// Every operation of [intercomrbac.Operations] is answered from the state of the workspace, and changes it. Access
// tokens have scopes ([Server.AddToken]) and can be revoked ([Server.RevokeToken]); requests are counted in windows of
// ten seconds ([WithRateLimit]); failures of servers, proxies and networks happen on demand ([Server.Inject]); and
// every request is on record ([Server.Calls]).
//
// An OAuth app ([Server.AddApp]) can be installed as Intercom has it: a consent page, codes that work once and expire,
// and the hosts of three regions. [Server.Authorize] and [Server.Deny] stand in for the browser, [Server.Uninstall] for an
// admin who takes the app out again. A [Group] is several workspaces behind one Intercom.
//
// Oddities of Intercom are kept: ids are strings in one place and numbers in another, an unassigned conversation has
// the assignee 0, request ids are not always UUIDs, a page's cursor may be an object or a URL
// ([Server.UseURLCursors]), and a missing scope is answered in either of two ways ([Server.SetMissingScopeStatus]).
// Only what was asked for is checked: a token owner's permissions in Intercom do not limit the API, nor here.
//
// Mistakes in a test's own set-up, such as an id that Intercom could not have given, panic.
package intercomtest
