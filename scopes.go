package intercomrbac

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

// Scope is an OAuth scope of Intercom, by the label that the Developer Hub shows beside its tick box. It is an
// open string: Intercom publishes no machine-readable list, and labels that are not listed here work as well.
// The zero value means that no scope is known to be needed.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/oauth-scopes
type Scope string

// Standard scopes: people and conversation data. [LookupScope] says what each of them grants.
const (
	ScopeReadAndListUsers Scope = "Read and list users and companies" // list and search contacts
	ScopeReadUsers        Scope = "Read one user and one company"     // look at one contact
	ScopeReadWriteUsers   Scope = "Read and write users"              // create and delete contacts
	ScopeWriteUsers       Scope = "Write users and companies"         // create and update companies

	ScopeReadTags  Scope = "Read tags"  // list tags
	ScopeWriteTags Scope = "Write tags" // create, apply, remove and delete tags

	ScopeReadConversations   Scope = "Read conversations"               // get, list and search; also macros
	ScopeWriteConversations  Scope = "Write conversations"              // also messages, which is not documented
	ScopeDeleteConversations Scope = "Delete conversations and metrics" // only where the metrics go too

	ScopeReadEvents  Scope = "Read events"  // list the events of a contact
	ScopeWriteEvents Scope = "Write events" // submit events

	ScopeReadTickets  Scope = "Read tickets"  // also tickets among the conversations
	ScopeWriteTickets Scope = "Write tickets" // also conversations that are tickets

	ScopeReadCounts          Scope = "Read counts"                            // count users and companies; the calls are not documented
	ScopeWriteDataAttributes Scope = "Write data attributes"                  // create and update custom attributes
	ScopeExportMessageData   Scope = "Export message data"                    // engagement with messages; the calls are not documented
	ScopeExportContentData   Scope = "Export content data"                    // engagement with content; the calls are not documented
	ScopeReadContentData     Scope = "Read content data"                      // how content fares, by webhook
	ScopeCustomObjects       Scope = "Read and write custom object instances" // and delete them
	ScopeReadJobStatus       Scope = "Read status of jobs"                    // jobs that were enqueued through the API
)

// Extended scopes: data of the workspace.
const (
	ScopeReadAdmins            Scope = "Read admins"              // list teammates, search in what they did; also teams and away reasons, which is not documented
	ScopeReadOneAdmin          Scope = "Read one admin"           // GET /me
	ScopeUpdateAdmins          Scope = "Update admins"            // away mode
	ScopeReadAdminActivityLogs Scope = "Read admin activity logs" // list what teammates did; the search wants Read admins, by Intercom's texts

	ScopeGatherAppData Scope = "Read data when entered into the app" // Canvas Kit

	ScopeReadNews      Scope = "Read and list news items and newsfeeds"  // news and where it is shown
	ScopeWriteNews     Scope = "Read and write news items and newsfeeds" // create, update and delete news
	ScopeReadArticles  Scope = "Read and list articles"                  // also collections
	ScopeWriteArticles Scope = "Read and write articles"                 // also collections

	ScopeCreatePhoneCallRedirects Scope = "Create phone call redirects"    // from the phone to the Messenger
	ScopeWriteAIContent           Scope = "Read and write AI content"      // external pages and where they come from
	ScopeReadDataConnectors       Scope = "Read data connectors"           // also the results of their runs
	ScopeWriteDataConnectors      Scope = "Read and write data connectors" // configure them
)

// Scopes that Intercom names beside webhook topics or in its API description and not in its list of scopes, so that
// their label in the Developer Hub is not documented.
const (
	ScopeReadAPIActivityLogs Scope = "Read API activity logs" // which requests the API answered, by webhook
	ScopeReadJobs            Scope = "Read jobs"              // may be ScopeReadJobStatus by another name
	ScopeReadContent         Scope = "Read content"           // search the knowledge base
	ScopeReadContentSnippets Scope = "Read content snippets"  // snippets of the knowledge base, by webhook
	ScopeReadAudiences       Scope = "Read audiences"         // who sees which content
)

// ScopeInfo is what is known of a scope. Intercom describes its scopes in a few words each and gives no complete list of
// what they grant; a call that is not listed here may be granted all the same.
type ScopeInfo struct {
	// Scope is the label.
	Scope Scope
	// MachineName is how Intercom's error texts and API description write the scope; empty where none has been seen.
	MachineName string
	// AlsoKnownAs are other names for it in Intercom's pages, and those of widely copied code that are not Intercom's,
	// such as "Read contacts".
	AlsoKnownAs []string
	// Calls are the calls that it grants, such as "GET /admins"; may be empty.
	Calls []string
	// Topics are the webhook topics that it unlocks, such as "conversation.*". One that stands at several scopes needs
	// only one of them. An app that drops the scope gets no notice that its topics fall silent.
	//
	// Source: https://developers.intercom.com/docs/references/webhooks/webhook-models
	Topics []string
	// Unconfirmed are those of the names and calls above that Intercom does not document at this scope; usually empty.
	Unconfirmed []string
	// Note is a remark, for people; usually empty.
	Note string
}

// Scopes returns all scopes that are known, ordered by label. The slice is the caller's.
func Scopes() []ScopeInfo {
	out := make([]ScopeInfo, len(scopes))
	for i, info := range scopes {
		out[i] = info.clone()
	}
	return out
}

// LookupScope returns the scope of that name, and whether there is one. The name is the label, the machine name, or
// another name that it goes by, in upper or lower case.
func LookupScope(name string) (ScopeInfo, bool) {
	for _, info := range scopes {
		if info.named(name) {
			return info.clone(), true
		}
	}
	return ScopeInfo{}, false
}

func (s ScopeInfo) named(name string) bool {
	is := func(other string) bool { return other != "" && strings.EqualFold(name, other) }
	return is(string(s.Scope)) || is(s.MachineName) || slices.ContainsFunc(s.AlsoKnownAs, is)
}

func (s ScopeInfo) clone() ScopeInfo {
	s.AlsoKnownAs, s.Calls = slices.Clone(s.AlsoKnownAs), slices.Clone(s.Calls)
	s.Topics, s.Unconfirmed = slices.Clone(s.Topics), slices.Clone(s.Unconfirmed)
	return s
}

// RequiredScopes returns the scopes that the operations need, sorted, each once; nil where they need none. Those of the
// whole library are RequiredScopes(Operations()...).
func RequiredScopes(ops ...Operation) []Scope {
	var need []Scope
	for _, op := range ops {
		if op.Scope != "" {
			need = append(need, op.Scope)
		}
	}
	slices.Sort(need)
	return slices.Compact(need)
}

// UsedScopes returns the scopes of [Client.UsedOperations], sorted, each once; nil where nothing was sent. After a run of its
// tests a service knows by it the least set of scopes to tick in the Developer Hub. It is safe for concurrent use. The slice
// is the caller's.
func (c *Client) UsedScopes() []Scope {
	if c == nil || c.s.used == nil {
		return nil
	}
	return RequiredScopes(c.s.used.list()...)
}

// UsedOperations returns the operations that were sent to Intercom, ordered by name, each once; nil where nothing was. The
// record is one with that of the client's copies (see [Client.With]), and what a guard and its directory look up counts; a
// list that a guard narrows to what the principal may see is sent as the search. What was denied, or failed before it was
// sent, does not count; what Intercom refused does. What [Preflight] sends does not. At most 1,000 operations are kept, of
// those with the same name and scope one. It is safe for concurrent use. The slice is the caller's.
func (c *Client) UsedOperations() []Operation {
	if c == nil || c.s.used == nil {
		return nil
	}
	return slices.Clone(c.s.used.list())
}

// maxUsedOperations bounds the record: names and scopes are open strings.
const maxUsedOperations = 1000

// usedOperations is a set: a sorted slice that is replaced and never changed, so that a call whose operation is in it, as
// nearly all are, takes no lock.
type usedOperations struct{ sorted atomic.Pointer[[]Operation] }

func (u *usedOperations) list() []Operation {
	if p := u.sorted.Load(); p != nil {
		return *p
	}
	return nil
}

func (u *usedOperations) add(op Operation) {
	for {
		old := u.sorted.Load()
		var have []Operation
		if old != nil {
			have = *old
		}
		i, found := slices.BinarySearchFunc(have, op, byNameAndScope)
		if found || len(have) >= maxUsedOperations {
			return
		}
		more := slices.Insert(slices.Clone(have), i, op)
		if u.sorted.CompareAndSwap(old, &more) {
			return
		}
	}
}

func byNameAndScope(a, b Operation) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Scope), string(b.Scope)))
}

// Topics that several scopes unlock.
var (
	contactTopics = []string{"contact.*", "visitor.*", "granular.*"}
	companyTopics = []string{"company.*"}
)

// scopes is the table, ordered by label and never changed after start-up. Names and topics are Intercom's, of the pages
// that [Scope] and [ScopeInfo] name; the calls follow from its descriptions there and in the OpenAPI document.
var scopes = sortedByLabel(
	ScopeInfo{
		Scope: ScopeReadAndListUsers, AlsoKnownAs: []string{"Read contacts", "Read users and companies"},
		Calls:  []string{"GET /contacts", "POST /contacts/search", "GET /companies", "POST /companies/list", "GET /segments"},
		Topics: slices.Concat(contactTopics, companyTopics),
	},
	ScopeInfo{
		Scope: ScopeReadUsers, MachineName: "read_users", AlsoKnownAs: []string{"Read one user"},
		Calls:  []string{"GET /contacts/{contact_id}", "GET /contacts/find_by_external_id/{external_id}", "GET /companies/{company_id}"},
		Topics: slices.Concat(contactTopics, companyTopics), Unconfirmed: []string{"read_users"},
	},
	ScopeInfo{
		Scope: ScopeReadWriteUsers, MachineName: "read_write_users", AlsoKnownAs: []string{"Write contacts"},
		Calls: []string{
			"POST /contacts", "PUT /contacts/{contact_id}", "DELETE /contacts/{contact_id}", "POST /contacts/merge",
			"POST /contacts/{contact_id}/archive", "POST /contacts/{contact_id}/unarchive", "POST /contacts/{contact_id}/block",
		},
		Topics: contactTopics, Note: "contact.deleted is not among its topics",
	},
	ScopeInfo{
		Scope: ScopeWriteUsers, MachineName: "write_users_companies",
		Calls: []string{"POST /companies", "PUT /companies/{company_id}"},
	},
	ScopeInfo{
		Scope: ScopeReadTags, MachineName: "read_tags",
		Calls: []string{"GET /tags", "GET /tags/{tag_id}", "GET /contacts/{contact_id}/tags"},
	},
	ScopeInfo{
		Scope: ScopeWriteTags, MachineName: "write_tags",
		Calls: []string{"POST /tags", "DELETE /tags/{tag_id}", "POST /contacts/{contact_id}/tags", "DELETE /contacts/{contact_id}/tags/{tag_id}"},
		Note:  "to tag a conversation is to write it: that needs Write conversations",
	},
	ScopeInfo{
		Scope: ScopeReadConversations, MachineName: "read_conversations", AlsoKnownAs: []string{"Read messages"},
		Calls: []string{
			"GET /conversations", "GET /conversations/{conversation_id}", "POST /conversations/search",
			"GET /conversations/{id}/handling_events", "GET /conversations/{id}/side_conversations", "GET /macros", "GET /macros/{id}",
		},
		Topics: []string{"conversation.*", "conversation_part.*", "call.*"}, Unconfirmed: []string{"Read messages"},
		Note: "messages that were sent have no call of their own: they are read as conversations; tickets are left out without Read tickets; " +
			"the topic conversation.read needs no scope",
	},
	ScopeInfo{
		Scope: ScopeWriteConversations, MachineName: "write_conversations", AlsoKnownAs: []string{"Write messages"},
		Calls: []string{
			"POST /conversations", "PUT /conversations/{conversation_id}", "POST /conversations/{conversation_id}/reply",
			"POST /conversations/{conversation_id}/parts", "POST /conversations/{conversation_id}/tags",
			"DELETE /conversations/{conversation_id}/tags/{tag_id}", "POST /conversations/{conversation_id}/customers",
			"DELETE /conversations/{conversation_id}/customers/{contact_id}", "POST /conversations/redact",
			"DELETE /conversations/{conversation_id}", "POST /conversations/{id}/merge", "POST /messages",
		},
		Unconfirmed: []string{"Write messages", "POST /messages"},
		Note:        "a conversation that is a ticket needs Write tickets too; messages may need a scope to write users instead",
	},
	ScopeInfo{
		Scope: ScopeDeleteConversations, MachineName: "delete_conversations_and_metrics",
		Calls: []string{"DELETE /conversations/{conversation_id}?retain_metrics=false"},
	},
	ScopeInfo{
		Scope: ScopeReadEvents, Calls: []string{"GET /events", "GET /events?summary=true"}, Topics: []string{"event.created"},
	},
	ScopeInfo{
		Scope: ScopeWriteEvents, Calls: []string{"POST /events", "POST /events/summaries"},
	},
	ScopeInfo{
		Scope: ScopeReadTickets, MachineName: "read_tickets",
		Calls: []string{"GET /tickets/{ticket_id}", "POST /tickets/search"}, Topics: []string{"ticket.*"},
		Note: "it also shows the tickets among the conversations",
	},
	ScopeInfo{
		Scope: ScopeWriteTickets, MachineName: "write_tickets",
		Calls: []string{
			"POST /tickets", "PUT /tickets/{ticket_id}", "POST /tickets/{ticket_id}/reply",
			"POST /tickets/{ticket_id}/linked_conversations", "DELETE /tickets/{ticket_id}/linked_conversations/{id}",
		},
	},
	ScopeInfo{Scope: ScopeReadCounts},
	ScopeInfo{
		Scope: ScopeWriteDataAttributes, Calls: []string{"POST /data_attributes", "PUT /data_attributes/{data_attribute_id}"},
	},
	ScopeInfo{Scope: ScopeExportMessageData},
	ScopeInfo{Scope: ScopeExportContentData},
	ScopeInfo{Scope: ScopeReadContentData, Topics: []string{"content_stat.*"}},
	ScopeInfo{
		Scope: ScopeCustomObjects,
		Calls: []string{
			"GET /custom_object_instances/{custom_object_type_identifier}", "POST /custom_object_instances/{custom_object_type_identifier}",
			"DELETE /custom_object_instances/{custom_object_type_identifier}",
			"GET /custom_object_instances/{custom_object_type_identifier}/{custom_object_instance_id}",
			"DELETE /custom_object_instances/{custom_object_type_identifier}/{custom_object_instance_id}",
		},
	},
	ScopeInfo{Scope: ScopeReadJobStatus, Calls: []string{"GET /jobs/status/{job_id}"}},

	ScopeInfo{
		Scope: ScopeReadAdmins, MachineName: "read_admins", AlsoKnownAs: []string{"Read admins and teammates"},
		Calls: []string{
			"GET /admins", "GET /admins/{admin_id}", "GET /away_status_reasons", "GET /teams", "GET /teams/{team_id}",
			"GET /teams/{team_id}/metrics", "POST /admins/activity_logs/search", "GET /admins/activity_log_event_types",
		},
		Topics: []string{"admin.*"},
		Unconfirmed: []string{
			"Read admins and teammates", "GET /away_status_reasons", "GET /teams", "GET /teams/{team_id}", "GET /admins/activity_log_event_types",
		},
	},
	ScopeInfo{
		Scope: ScopeReadOneAdmin, MachineName: "read_single_admin", AlsoKnownAs: []string{"Read one admin at a time"}, Calls: []string{"GET /me"},
	},
	ScopeInfo{Scope: ScopeUpdateAdmins, Calls: []string{"PUT /admins/{admin_id}/away"}},
	ScopeInfo{
		Scope: ScopeReadAdminActivityLogs, Calls: []string{"GET /admins/activity_logs", "POST /admins/activity_logs/search"},
		Unconfirmed: []string{"POST /admins/activity_logs/search"},
		Note:        "the search wants Read admins, by Intercom's texts: tick both",
	},
	ScopeInfo{
		Scope: ScopeGatherAppData, AlsoKnownAs: []string{"Gather App data"},
		Note: "apps that use Canvas Kit have it, Read conversations, Read admins and Read and list users and companies always",
	},
	ScopeInfo{
		Scope: ScopeReadNews, AlsoKnownAs: []string{"Read and list news"},
		Calls: []string{"GET /news/news_items", "GET /news/news_items/{news_item_id}", "GET /news/newsfeeds", "GET /news/newsfeeds/{newsfeed_id}"},
	},
	ScopeInfo{
		Scope: ScopeWriteNews, AlsoKnownAs: []string{"Read and write news"},
		Calls: []string{"POST /news/news_items", "PUT /news/news_items/{news_item_id}", "DELETE /news/news_items/{news_item_id}"},
	},
	ScopeInfo{
		Scope: ScopeReadArticles, MachineName: "read_articles_scope", AlsoKnownAs: []string{"Read articles"},
		Calls: []string{
			"GET /articles", "GET /articles/{article_id}", "GET /articles/search", "GET /help_center/collections",
			"GET /help_center/collections/{collection_id}",
		},
		Topics: []string{"article.*"},
	},
	ScopeInfo{
		Scope: ScopeWriteArticles, MachineName: "read_write_articles_scope", AlsoKnownAs: []string{"Write articles"},
		Calls: []string{
			"POST /articles", "PUT /articles/{article_id}", "DELETE /articles/{article_id}", "POST /help_center/collections",
			"PUT /help_center/collections/{collection_id}", "DELETE /help_center/collections/{collection_id}",
			"POST /articles/{article_id}/tags", "DELETE /articles/{article_id}/tags/{id}",
		},
	},
	ScopeInfo{Scope: ScopeCreatePhoneCallRedirects, Calls: []string{"POST /phone_call_redirects"}},
	ScopeInfo{
		Scope: ScopeWriteAIContent,
		Calls: []string{
			"POST /ai/content_import_sources", "PUT /ai/content_import_sources/{source_id}", "DELETE /ai/content_import_sources/{source_id}",
			"POST /ai/external_pages", "PUT /ai/external_pages/{page_id}", "DELETE /ai/external_pages/{page_id}",
		},
	},
	ScopeInfo{
		Scope: ScopeReadDataConnectors, Calls: []string{"GET /data_connectors", "GET /data_connectors/{id}"},
		Topics: []string{"data_connector.execution.completed"},
	},
	ScopeInfo{
		Scope: ScopeWriteDataConnectors,
		Calls: []string{"POST /data_connectors", "PATCH /data_connectors/{id}", "DELETE /data_connectors/{id}"},
	},

	ScopeInfo{
		Scope: ScopeReadAPIActivityLogs, Topics: []string{"api.request.completed"}, Unconfirmed: []string{string(ScopeReadAPIActivityLogs)},
	},
	ScopeInfo{
		Scope: ScopeReadJobs, Topics: []string{"job.completed"}, Unconfirmed: []string{string(ScopeReadJobs)},
		Note: "it may be Read status of jobs by another name",
	},
	ScopeInfo{
		Scope: ScopeReadContent, MachineName: "read_content", Calls: []string{"GET /content/search"},
		Topics: []string{"content_import_source.*"}, Unconfirmed: []string{string(ScopeReadContent)},
	},
	ScopeInfo{
		Scope: ScopeReadContentSnippets, Topics: []string{"content_snippet.*"}, Unconfirmed: []string{string(ScopeReadContentSnippets)},
	},
	ScopeInfo{
		Scope: ScopeReadAudiences, MachineName: "read_audiences", Topics: []string{"audience.*"}, Unconfirmed: []string{string(ScopeReadAudiences)},
	},
)

func sortedByLabel(list ...ScopeInfo) []ScopeInfo {
	slices.SortFunc(list, func(a, b ScopeInfo) int { return strings.Compare(string(a.Scope), string(b.Scope)) })
	return list
}
