package conformance_test

// The differences from the description that are meant. A name is the id of the operation in the description, the status
// of an answer, and the member.

// undeclaredRequests is what the client sends although the description does not have it.
var undeclaredRequests = []exception{
	{"createConversation from.id", "declared as a UUID of 24 characters, which there is none of: ids of contacts are 24 hexadecimal digits"},
	{"createMessage from.id", "declared an integer; text in Intercom's own examples, as other ids of admins are"},
	{"createMessage message_type", "declared in_app; inapp in the examples, in the answers and in Intercom's own clients"},
	{"createDataEvent metadata.*", "declared as text alone; the text beside it has numbers, links and amounts, and Intercom takes them"},
	{"listA* *page", "not declared for articles and collections either, whose answers give numbers of pages"},
	{"searchArticles *page", "not declared; they are in the URL that Intercom gives for the next page"},
	{"listActivityLogs *page", "neither page nor per_page is declared; both are in the URL that Intercom gives for the next page"},
	{"*ActivityLogs starting_after", "not declared; the answers are declared to give it for the next page"},
	{"lisDataEvents per_page", "not declared, and works"},
	{"lisDataEvents starting_after", "not declared; it is in the URL that the answer gives for the next page"},
	{"searchConversations sort", "not declared; the guide to searching has it"},
}

// notOffered is what the description has and no call of an operation sends. It goes by the operation's name here; by its
// id in the description where the member belongs to an alternative that no operation with that id takes.
var notOffered = []exception{
	{"admins.list display_avatar", "access control needs no pictures"},
	{"*rticle* ai_*_availability", "access control is not about what is used to answer; Client.Do can say it"},
	{"*rticle* audience_ids", "audiences have operations of their own; Client.Do can name them"},
	{"*rticle* scheduled_*publish_at", "Client.Do can ask for it"},
	{"*rticle* translated_content.*", "each language is a member, of which a call sends some"},
	{"*ollection* translated_content.*", "each language is a member, of which a call sends some"},
	{"*ttach*customer.customer*", "it says again what is beside it, and no example has it"},
	{"attachContactToConversation customer.email", "by an address that nobody has, Intercom makes a contact"},
	{"contacts.get* include_merge_history", "access control needs no history of merges; Client.Do can ask for it"},
	{"conversations.delete retain_metrics", "without it they are retained; conversations.delete_with_metrics sends it"},
	{"conversations.get display_as", "bodies are HTML"},
	{"conversations.get include_translations", "access control needs no translations; Client.Do can ask for them"},
	{"conversations.note reply_options", "buttons are for customers"},
	{"conversations.search include_monitors", "access control needs no evaluations; Client.Do can ask for them"},
	{"conversations.search include_scorecards", "access control needs no evaluations; Client.Do can ask for them"},
	{"conversations.update display_as", "bodies are HTML"},
	{"createTag companies*", "tagging companies is not offered"},
	{"events.list summary", "it makes the answer one of counts: events.summaries sends it"},
	{"replyConversation email", "replying as a contact is not offered"},
	{"replyConversation intercom_user_id", "replying as a contact is not offered"},
	{"replyConversation user_id", "replying as a contact is not offered"},
	{"tags.apply id", "the description has the name alone beside contacts"},
	{"tags.create id", "tags.rename sends it"},
}

// oddAnswers is what the fake answers otherwise than described.
var oddAnswers = []exception{
	{"* 403 request_id", "it is declared a UUID, and is not always one"},
	{"*teammates.admins", "the description calls this list teammates, Intercom's answers call it admins: the fake has both"},
	{"listConversations 200 pages.next", "some lists of Intercom have a URL here: UseURLCursors"},
	{"searchConversations 200 pages.next", "some lists of Intercom have a URL here: UseURLCursors"},
	{"listArticles 200 pages.next", "Intercom has a URL with the number of the page here"},
	{"listAllCollections 200 pages.next", "Intercom has a URL with the number of the page here"},
	{"*ActivityLogs 200 pages.next", "Intercom has a URL here, and says so in the text on the search from 2.17 on: UseURLCursors"},
	{"*ActivityLogs 200 activity_logs.metadata.before", "declared an object; text in Intercom's own examples, which the fake follows"},
	{"*ActivityLogs 200 activity_logs.metadata.after", "declared an object; text in Intercom's own examples, which the fake follows"},

	{"* 403 undeclared", "any operation can lack its scope"},
	{"* 429 undeclared", "any operation can be refused for rate"},
	{"* 500 undeclared", "any operation can fail"},
	{"identifyAdmin 401 undeclared", "seen, as everywhere"},
	{"searchConversations 40? undeclared", "only 200 is declared"},
	{"*Contact* 404 undeclared", "seen: not_found, User Not Found"},
	{"CreateContact 400 undeclared", "a role that there is none of is refused somehow"},
	{"CreateContact 409 undeclared", "seen: conflict, with the id of the contact that is there in the text"},
	{"*ActivityLogs 400 undeclared", "as other lists declare it for a cursor that is none"},
	{"*Articles 400 undeclared", "numbers of pages, and states, that there are none of are refused somehow"},
	{"listAllCollections 400 undeclared", "numbers of pages that there are none of are refused somehow"},
	{"updateArticle 400 undeclared", "as createArticle declares it"},
	{"updateCollection 400 undeclared", "as createCollection declares it"},
	{"listConversations 400 undeclared", "as other lists declare it for a cursor that is none"},
	{"lisDataEvents 400 undeclared", "as other lists declare it for a cursor that is none"},
	{"lisDataEvents 404 undeclared", "as createDataEvent has it in its text, for a contact that is not there"},
	{"createDataEvent 404 undeclared", "in the text of the operation: a contact that is not there"},
	{"createDataEvent 422 undeclared", "seen, for times that cannot be"},
	{"createMessage 404 undeclared", "in the text of the operation: a contact who cannot be messaged yet"},
	{"createTag 404 undeclared", "a tag or a contact that is not there is refused somehow"},
	{"dataEventSummaries 404 undeclared", "as createDataEvent has it in its text"},
	{"redactConversation 400 undeclared", "its code is in the text of the operation, its status is not"},
	{"deleteConversation 404 undeclared", "as the other operations on a conversation declare it"},
}

// leftOut is what the description has and the client does not give. Members that only an example has are told apart by the reason.
var leftOut = []exception{
	{"list* type", "the method gives the list without its envelope"},
	{"search* type", "the method gives the list without its envelope"},
	{"lisDataEvents type", "the method gives the list without its envelope"},
	{"lisDataEvents email", "each event has it too"},
	{"lisDataEvents user_id", "each event has it too"},
	{"lisDataEvents intercom_user_id", "each event has it too"},
	{"lisDataEvents pages", "counts are not paged"},
	{"lisDataEvents pages.next", "of a URL only the query is kept, so that no answer decides where the next request goes"},
	{"lisDataEvents pages.since", "it leads back to newer events; the client goes one way"},
	{"* pages.page", "pages are told by their cursor"},
	{"* pages.per_page", "pages are told by their cursor"},
	{"* pages.total_pages", "pages are told by their cursor"},
	{"* pages.next.per_page", "pages are told by their cursor"},
	{"*teammates.type", "says what kind of list it is, always the same"},
	{"*Contact* tags.type", "says what kind of list it is, always the same"},
	{"* avatar.type", "the client gives the URL of the picture"},
	{"*tachContact*Conversation *", "the methods give who takes part, which is all that the examples have"},
	{"createTag companies", "tagging companies is not offered"},
	{"createTag users", "only tags.apply tags anybody, and gives them"},
	{"deleteConversation *", "the method has no result but its error"},
	{"deleteArticle *", "the method has no result but its error"},
	{"deleteCollection *", "the method has no result but its error"},
	{"*Article* *statistics.conversions", "read as conversations, which is its name in the examples"},
	{"searchArticles data.highlights", "what is made from the examples of single members has those of another article"},
	{"DeleteContact *", "the method has no result but its error"},
	{"*Contact* opted_*_subscription_types.*", "only an example has it; subscriptions have operations of their own"},
}

// brokenExamples are examples of answers that break their own schema. The client reads them all the same.
var brokenExamples = []exception{
	{"*ActivityLogs 200 Successful response", "before and after in the metadata are text"},
	{"setAwayAdmin 200 Successful response", "away_status_reason_id is text"},
	{"retrieveConversation 200 conversation found", "ids of parts are integers"},
	{"updateConversation 200 update a conversation with an association to a custom object instance", "a custom object is not as declared"},
}
