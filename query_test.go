package intercomrbac_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The words of queries, for shorter tables.
var (
	where = intercomrbac.Where
	and   = intercomrbac.And
	or    = intercomrbac.Or
)

func TestQueriesOnTheWire(t *testing.T) {
	t.Parallel()
	open := where(intercomrbac.FieldState, intercomrbac.Equals, "open")
	at := time.Date(2023, 11, 14, 22, 13, 20, 5e8, time.FixedZone("x", 3600))
	const seconds = `1699996400` // at, to the second
	type state string
	tests := map[string]struct {
		query intercomrbac.Query
		want  string
	}{
		"text": {open, `{"field":"state","operator":"=","value":"open"}`},
		"state": {where("state", "!=", intercomrbac.StateClosed),
			`{"field":"state","operator":"!=","value":"closed"}`},
		"a type of the caller": {where("state", "=", state("x")), `{"field":"state","operator":"=","value":"x"}`},
		"empty text":           {where("source.subject", "=", ""), `{"field":"source.subject","operator":"=","value":""}`},
		"contains":             {where(intercomrbac.FieldSourceBody, intercomrbac.Contains, "refund"), `{"field":"source.body","operator":"~","value":"refund"}`},
		"does not contain":     {where("source.body", intercomrbac.NotContains, "a<b>&c"), `{"field":"source.body","operator":"!~","value":"a<b>&c"}`},
		"starts":               {where("source.subject", intercomrbac.StartsWith, "Re:"), `{"field":"source.subject","operator":"^","value":"Re:"}`},
		"ends":                 {where("source.author.email", intercomrbac.EndsWith, "@example.com"), `{"field":"source.author.email","operator":"$","value":"@example.com"}`},
		"true":                 {where(intercomrbac.FieldOpen, "=", true), `{"field":"open","operator":"=","value":true}`},
		"false":                {where(intercomrbac.FieldRead, "!=", false), `{"field":"read","operator":"!=","value":false}`},
		"null":                 {where("snoozed_until", "=", nil), `{"field":"snoozed_until","operator":"=","value":null}`},
		"not null":             {where("source.subject", "!=", nil), `{"field":"source.subject","operator":"!=","value":null}`},

		"time":             {where(intercomrbac.FieldUpdatedAt, intercomrbac.GreaterThan, at), `{"field":"updated_at","operator":">","value":` + seconds + `}`},
		"timestamp":        {where("created_at", intercomrbac.LessThan, intercomrbac.NewTimestamp(at)), `{"field":"created_at","operator":"<","value":` + seconds + `}`},
		"time as a number": {where("created_at", "<", 1699996400), `{"field":"created_at","operator":"<","value":1699996400}`},
		"time of a custom": {where("custom_attributes.renewed", "<", at), `{"field":"custom_attributes.renewed","operator":"<","value":` + seconds + `}`},
		"whole number":     {where("statistics.count_reopens", ">", 2), `{"field":"statistics.count_reopens","operator":">","value":2}`},
		"unsigned number":  {where("statistics.count_reopens", ">", uint16(2)), `{"field":"statistics.count_reopens","operator":">","value":2}`},
		"large number":     {where("custom_attributes.n", "=", int64(9007199254740993)), `{"field":"custom_attributes.n","operator":"=","value":9007199254740993}`},
		"text of a custom": {where("custom_attributes.plan", "=", "gold"), `{"field":"custom_attributes.plan","operator":"=","value":"gold"}`},
		"digits of a custom": {where("custom_attributes.code", "=", "0042"),
			`{"field":"custom_attributes.code","operator":"=","value":"0042"}`},

		"admin id": {where(intercomrbac.FieldAdminAssigneeID, "=", intercomrbac.AdminID("814860")), `{"field":"admin_assignee_id","operator":"=","value":814860}`},
		"team id":  {where(intercomrbac.FieldTeamAssigneeID, "=", intercomrbac.TeamID("814865")), `{"field":"team_assignee_id","operator":"=","value":814865}`},
		"team id beyond 2^53": {where("team_assignee_id", "=", intercomrbac.TeamID("9007199254740993")),
			`{"field":"team_assignee_id","operator":"=","value":9007199254740993}`},
		"team id as text":  {where("team_assignee_id", "=", "814865"), `{"field":"team_assignee_id","operator":"=","value":814865}`},
		"unassigned":       {where("team_assignee_id", "=", 0), `{"field":"team_assignee_id","operator":"=","value":0}`},
		"unassigned, text": {where("team_assignee_id", "=", "0"), `{"field":"team_assignee_id","operator":"=","value":0}`},
		"tag id":           {where(intercomrbac.FieldTagIDs, "=", intercomrbac.TagID("77")), `{"field":"tag_ids","operator":"=","value":"77"}`},
		"tag id as number": {where(intercomrbac.FieldTagIDs, "=", 77), `{"field":"tag_ids","operator":"=","value":"77"}`},
		"unsigned tag id":  {where(intercomrbac.FieldTagIDs, "=", uint32(77)), `{"field":"tag_ids","operator":"=","value":"77"}`},
		"contact id":       {where(intercomrbac.FieldContactIDs, "=", intercomrbac.ContactID("667d61c88a68186f43bafe93")), `{"field":"contact_ids","operator":"=","value":"667d61c88a68186f43bafe93"}`},
		"conversation id":  {where(intercomrbac.FieldID, "=", intercomrbac.ConversationID("42")), `{"field":"id","operator":"=","value":"42"}`},

		"in":            {where("state", intercomrbac.In, []string{"open", "snoozed"}), `{"field":"state","operator":"IN","value":["open","snoozed"]}`},
		"in teams":      {where("team_assignee_id", intercomrbac.In, []intercomrbac.TeamID{"1", "2"}), `{"field":"team_assignee_id","operator":"IN","value":[1,2]}`},
		"not in tags":   {where("tag_ids", intercomrbac.NotIn, []intercomrbac.TagID{"1", "2"}), `{"field":"tag_ids","operator":"NIN","value":["1","2"]}`},
		"in numbers":    {where("conversation_rating.score", intercomrbac.In, []int{1, 2}), `{"field":"conversation_rating.score","operator":"IN","value":[1,2]}`},
		"in times":      {where("created_at", intercomrbac.In, []time.Time{at}), `{"field":"created_at","operator":"IN","value":[` + seconds + `]}`},
		"in any values": {where("team_assignee_id", intercomrbac.In, []any{intercomrbac.TeamID("1"), 0}), `{"field":"team_assignee_id","operator":"IN","value":[1,0]}`},

		"and": {and(open, where("read", "=", false)),
			`{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"},{"field":"read","operator":"=","value":false}]}`},
		"or of one": {or(open), `{"operator":"OR","value":[{"field":"state","operator":"=","value":"open"}]}`},
		"two levels": {and(or(open, where("state", "=", "snoozed")), or(where("tag_ids", "=", "7"))),
			`{"operator":"AND","value":[
				{"operator":"OR","value":[{"field":"state","operator":"=","value":"open"},{"field":"state","operator":"=","value":"snoozed"}]},
				{"operator":"OR","value":[{"field":"tag_ids","operator":"=","value":"7"}]}]}`},
		"filter beside a group": {and(open, or(where("read", "=", true), where("priority", "=", "high"))),
			`{"operator":"AND","value":[
				{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"}]},
				{"operator":"OR","value":[{"field":"read","operator":"=","value":true},{"field":"priority","operator":"=","value":"high"}]}]}`},
		"filter beside a group, or": {or(and(open), open),
			`{"operator":"OR","value":[
				{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"}]},
				{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"}]}]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, json200(`{"type":"conversation.list","conversations":[],"total_count":0,"pages":{"type":"pages","next":null}}`))
			page, err := m.Client.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: tt.query})
			require.NoError(t, err)
			assert.Empty(t, page.Items)
			sent := m.onlyRequest(t)
			assert.Equal(t, "POST /conversations/search", sent.Method+" "+sent.Path)
			assert.Empty(t, sent.Query)
			assert.JSONEq(t, `{"query":`+tt.want+`}`, sent.Body)
		})
	}
}

func TestLargestQueries(t *testing.T) {
	t.Parallel()
	fifteen := slices.Repeat([]intercomrbac.Query{where("state", "=", "open")}, 15)
	m := newMock(t, json200(`{"conversations":[]}`))
	_, err := m.Client.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: and(or(fifteen...), or(fifteen...))})
	require.NoError(t, err)
	var body struct {
		Query struct{ Value []struct{ Value []any } }
	}
	require.NoError(t, json.Unmarshal([]byte(m.onlyRequest(t).Body), &body))
	require.Len(t, body.Query.Value, 2)
	assert.Len(t, body.Query.Value[1].Value, 15)
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	open := where("state", "=", "open")
	var noIDs []intercomrbac.TeamID
	tests := map[string]struct {
		query intercomrbac.Query
		hint  string
	}{
		"empty":                   {intercomrbac.Query{}, "the query is empty"},
		"empty within a group":    {and(open, intercomrbac.Query{}), "the query is empty"},
		"and of nothing":          {and(), "AND of nothing"},
		"or of nothing":           {or(), "OR of nothing"},
		"nested and of nothing":   {or(and()), "AND of nothing"},
		"three levels":            {and(or(and(open))), "deeper than 2 levels"},
		"three levels, mixed":     {and(open, or(open, and(open))), "deeper than 2 levels"},
		"16 filters":              {and(slices.Repeat([]intercomrbac.Query{open}, 16)...), "16 filters in one AND: Intercom takes 15"},
		"16 filters within":       {and(or(slices.Repeat([]intercomrbac.Query{open}, 16)...)), "16 filters in one OR"},
		"no field":                {where("", "=", "x"), "without a field"},
		"no operator":             {where("state", "", "open"), "the query is empty"},
		"unknown operator":        {where("state", "LIKE", "open"), `no operator "LIKE"`},
		"operator of contacts":    {where("created_at", ">=", 1), `no operator ">="`},
		"lower-case operator":     {where("state", "in", []string{"open"}), `no operator "in"`},
		"group as an operator":    {where("state", "AND", "open"), "AND of nothing"},
		"greater than text":       {where("state", ">", "open"), "state cannot be compared by >: that is for numbers and times"},
		"less than a truth":       {where("open", "<", true), "open cannot be compared by <"},
		"contains in a time":      {where("created_at", "~", "2023"), "created_at cannot be compared by ~: that is for text"},
		"starts in a number":      {where("team_assignee_id", "^", "81"), "team_assignee_id cannot be compared by ^"},
		"ends in a truth":         {where("open", "$", "e"), "open cannot be compared by $"},
		"a word for a truth":      {where("open", "=", "true"), "open is compared with true or false, not with this string"},
		"a number for a truth":    {where("open", "=", 1), "open is compared with true or false, not with this int"},
		"a truth for text":        {where("state", "=", true), "state is compared with text or an id, not with this bool"},
		"a word for a number":     {where("statistics.count_reopens", "=", "two"), "is compared with a whole number or an id of digits, not with this string"},
		"a word for a team":       {where("team_assignee_id", "=", intercomrbac.TeamID("billing")), "a whole number or an id of digits"},
		"leading zero":            {where("team_assignee_id", "=", "0042"), "a whole number or an id of digits"},
		"a word for a time":       {where("created_at", "=", "yesterday"), "created_at is compared with a time"},
		"a time for text":         {where("state", "=", time.Unix(1700000000, 0)), "state is compared with text or an id, not with this time.Time"},
		"a timestamp for text":    {where("tag_ids", "=", intercomrbac.NewTimestamp(time.Unix(1700000000, 0))), "tag_ids is compared with text or an id"},
		"a time for a truth":      {where("open", "=", time.Unix(1700000000, 0)), "open is compared with true or false"},
		"a time for a number":     {where("statistics.count_reopens", "=", time.Unix(1700000000, 0)), "a whole number or an id of digits, not with this time.Time"},
		"the zero time":           {where("created_at", ">", time.Time{}), "created_at is compared with the zero time"},
		"the zero timestamp":      {where("created_at", ">", intercomrbac.Timestamp{}), "created_at is compared with the zero time"},
		"a duration":              {where("statistics.time_to_assignment", ">", time.Minute), "not with this time.Duration"},
		"a fraction":              {where("statistics.count_reopens", "=", 1.5), "not with this float64"},
		"bytes":                   {where("state", "=", []byte("open")), "takes one value, not a slice"},
		"a struct":                {where("custom_attributes.x", "=", struct{}{}), "not with this struct {}"},
		"a pointer":               {where("state", "=", new("open")), "not with this *string"},
		"a map":                   {where("custom_attributes.x", "=", map[string]int{}), "not with this map[string]int"},
		"null greater":            {where("created_at", ">", nil), "null"},
		"null contains":           {where("source.body", "~", nil), "null"},
		"null in":                 {where("state", "IN", nil), "takes a slice"},
		"null within a slice":     {where("state", "IN", []any{"open", nil}), "null"},
		"a slice with =":          {where("state", "=", []string{"open"}), "takes one value, not a slice"},
		"in without a slice":      {where("state", "IN", "open"), "takes a slice"},
		"empty slice":             {where("state", "IN", []string{}), "has an empty slice"},
		"nil slice":               {where("team_assignee_id", "NIN", noIDs), "has an empty slice"},
		"slice within a slice":    {where("state", "IN", [][]string{{"open"}}), "not with this []string"},
		"wrong value in a slice":  {where("team_assignee_id", "IN", []string{"1", "x"}), "a whole number or an id of digits"},
		"empty team id":           {where("team_assignee_id", "=", intercomrbac.TeamID("")), "empty id: for what is unassigned use 0"},
		"empty tag id":            {where("tag_ids", "=", intercomrbac.TagID("")), "empty id"},
		"empty id of a custom":    {where("custom_attributes.x", "=", intercomrbac.ContactID("")), "empty id"},
		"empty id within a slice": {where("team_assignee_id", "IN", []intercomrbac.TeamID{"1", ""}), "empty id"},
		"empty text for a number": {where("team_assignee_id", "=", ""), "a whole number or an id of digits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			params := intercomrbac.SearchParams{Query: tt.query}
			_, err := m.Client.Conversations.Search(t.Context(), params)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.ErrorContains(t, err, tt.hint)
			assertOneLine(t, err.Error())
			n := 0
			for _, err := range m.Client.Conversations.SearchAll(t.Context(), params) {
				assert.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
				n++
			}
			assert.Equal(t, 1, n)
			assert.Empty(t, m.requests())
		})
	}
}

func TestQueriesAreNotChangedByTheirMaker(t *testing.T) {
	t.Parallel()
	parts := []intercomrbac.Query{where("state", "=", "open"), where("read", "=", true)}
	query := and(parts...)
	parts[0] = where("state", "=", "closed")
	m := newMock(t, json200(`{"conversations":[]}`))
	for range 2 { // and not by its use
		_, err := m.Client.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: query})
		require.NoError(t, err)
	}
	for _, sent := range m.requests() {
		assert.JSONEq(t, `{"query":{"operator":"AND","value":[{"field":"state","operator":"=","value":"open"},{"field":"read","operator":"=","value":true}]}}`, sent.Body)
	}
}

func TestSortAndPaginationOfASearch(t *testing.T) {
	t.Parallel()
	const query = `"query":{"field":"state","operator":"=","value":"open"}`
	tests := map[string]struct {
		params intercomrbac.SearchParams
		want   string
	}{
		"descending": {intercomrbac.SearchParams{Sort: intercomrbac.Sort{Field: intercomrbac.FieldUpdatedAt}}, `"sort":{"field":"updated_at","order":"descending"}`},
		"ascending":  {intercomrbac.SearchParams{Sort: intercomrbac.Sort{Field: "created_at", Ascending: true}}, `"sort":{"field":"created_at","order":"ascending"}`},
		"page size":  {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{PerPage: 150}}, `"pagination":{"per_page":150}`},
		"cursor":     {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{After: "WzE3XQ=="}}, `"pagination":{"starting_after":"WzE3XQ=="}`},
		"all": {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{PerPage: 1, After: "x"}, Sort: intercomrbac.Sort{Field: "id"}},
			`"pagination":{"per_page":1,"starting_after":"x"},"sort":{"field":"id","order":"descending"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, json200(`{"conversations":[]}`))
			tt.params.Query = where("state", "=", "open")
			_, err := m.Client.Conversations.Search(t.Context(), tt.params)
			require.NoError(t, err)
			assert.JSONEq(t, `{`+query+`,`+tt.want+`}`, m.onlyRequest(t).Body)
		})
	}
	for name, tt := range map[string]struct {
		params intercomrbac.SearchParams
		hint   string
	}{
		"order of nothing":       {intercomrbac.SearchParams{Sort: intercomrbac.Sort{Ascending: true}}, "Sort has no Field"},
		"page too large":         {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{PerPage: 151}}, "PerPage is 151"},
		"page negative":          {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{PerPage: -1}}, "PerPage is -1"},
		"cursor of another list": {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{After: "?page=2"}}, "no cursor of a search"},
		"broken cursor":          {intercomrbac.SearchParams{ListParams: intercomrbac.ListParams{After: "?a=%zz"}}, "no cursor that a Page gave"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			tt.params.Query = where("state", "=", "open")
			_, err := m.Client.Conversations.Search(t.Context(), tt.params)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.ErrorContains(t, err, tt.hint)
			assert.Empty(t, m.requests())
		})
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("state", "=", "open", uint8(1), uint8(0))
	f.Add("team_assignee_id", "IN", "814865", uint8(15), uint8(2))
	f.Add("", ">", "", uint8(16), uint8(3))
	f.Fuzz(func(t *testing.T, field, operator, value string, width, depth uint8) {
		for _, v := range []any{value, []string{value}, intercomrbac.TeamID(value), len(value), nil} {
			query := where(intercomrbac.Field(field), intercomrbac.Operator(operator), v)
			for range depth % 4 {
				query = and(slices.Repeat([]intercomrbac.Query{query}, int(width%17))...)
			}
			for _, search := range []func(*intercomrbac.Client) error{
				func(c *intercomrbac.Client) error {
					_, err := c.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: query})
					return err
				},
				func(c *intercomrbac.Client) error {
					_, err := c.Contacts.Search(t.Context(), intercomrbac.SearchParams{Query: query})
					return err
				},
			} {
				m := newMock(t, json200(`{"conversations":[],"data":[]}`))
				if err := search(m.Client); err != nil {
					require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
					require.Empty(t, m.requests())
					continue
				}
				var body struct{ Query any }
				require.NoError(t, json.Unmarshal([]byte(m.onlyRequest(t).Body), &body))
				require.NoError(t, checkWireQuery(body.Query, 0))
			}
		}
	})
}

// checkWireQuery checks a query against Intercom's limits.
func checkWireQuery(node any, depth int) error {
	object, ok := node.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no object", node)
	}
	if _, leaf := object["field"]; leaf {
		if len(object) != 3 || object["field"] == "" || object["operator"] == "" {
			return fmt.Errorf("%v is no filter", object)
		}
		return nil
	}
	list, ok := object["value"].([]any)
	if !ok || len(object) != 2 || len(list) == 0 || len(list) > 15 || depth >= 2 || (object["operator"] != "AND" && object["operator"] != "OR") {
		return fmt.Errorf("%v is no group at depth %d", object, depth)
	}
	for _, sub := range list {
		if err := checkWireQuery(sub, depth+1); err != nil {
			return err
		}
	}
	return nil
}
