package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageOf is a page of conversations with these ids, and with what stands for pages.next.
func pageOf(next string, ids ...string) mockAnswer {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = `{"type":"conversation","id":"` + id + `"}`
	}
	return json200(`{"type":"conversation.list","conversations":[` + strings.Join(items, ",") + `],"pages":{"type":"pages","next":` + next + `}}`)
}

// after is pages.next as an object.
func after(cursor string) string { return `{"per_page":2,"starting_after":"` + cursor + `"}` }

// sequence is one way to go through pages. What pageOf makes are its pages, under the name that they have there.
type sequence struct {
	name   string
	list   string // the member that holds the items
	all    func(context.Context, *intercomrbac.Client, intercomrbac.ListParams) iter.Seq2[string, error]
	cursor func(*testing.T, sentRequest) string // the cursor of a request
}

var sequences = []sequence{
	{
		name: "All", list: "conversations",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return conversationIDs(c.Conversations.All(ctx, p))
		},
		cursor: cursorOfQuery,
	},
	{
		name: "SearchAll", list: "conversations",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return conversationIDs(c.Conversations.SearchAll(ctx, intercomrbac.SearchParams{Query: where("state", "=", "open"), ListParams: p}))
		},
		cursor: func(t *testing.T, s sentRequest) string {
			assert.Empty(t, s.Query)
			var body struct {
				Pagination struct {
					StartingAfter string `json:"starting_after"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(s.Body), &body))
			return body.Pagination.StartingAfter
		},
	},
	{
		name: "articles", list: "data",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return idsIn(c.Articles.All(ctx, p), func(a intercomrbac.Article) string { return string(a.ID) })
		},
		cursor: cursorOfQuery,
	},
	{
		name: "articles that were searched", list: "data.articles",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return idsIn(c.Articles.SearchAll(ctx, intercomrbac.SearchArticlesParams{Phrase: "x", ListParams: p}),
				func(a intercomrbac.ArticleMatch) string { return string(a.ID) })
		},
		cursor: cursorOfQuery,
	},
	{
		name: "collections", list: "data",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return idsIn(c.Collections.All(ctx, p), func(c intercomrbac.Collection) string { return string(c.ID) })
		},
		cursor: cursorOfQuery,
	},
	{
		name: "AllActivityLogs", list: "activity_logs",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return activityIDs(c.Admins.AllActivityLogs(ctx, intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(1701000000, 0), After: p.After}))
		},
		cursor: cursorOfQuery,
	},
	{
		name: "SearchAllActivityLogs", list: "activity_logs",
		all: func(ctx context.Context, c *intercomrbac.Client, p intercomrbac.ListParams) iter.Seq2[string, error] {
			return activityIDs(c.Admins.SearchAllActivityLogs(ctx, intercomrbac.SearchActivityLogsParams{
				ActivityLogsParams: intercomrbac.ActivityLogsParams{CreatedAfter: time.Unix(1701000000, 0), After: p.After}}))
		},
		cursor: func(t *testing.T, s sentRequest) string {
			assert.Empty(t, s.Query)
			var body struct {
				StartingAfter string `json:"starting_after"`
			}
			require.NoError(t, json.Unmarshal([]byte(s.Body), &body))
			return body.StartingAfter
		},
	},
}

func cursorOfQuery(_ *testing.T, s sentRequest) string { return s.Query.Get("starting_after") }

// mock answers with pages of the sequence.
func (s sequence) mock(t *testing.T, pages ...mockAnswer) *mock {
	t.Helper()
	answers := slices.Clone(pages)
	for i := range answers {
		if outer, inner, nested := strings.Cut(s.list, "."); nested {
			list := strings.NewReplacer(`"conversations":`, `"`+outer+`":{"`+inner+`":`, `],"pages"`, `]},"pages"`)
			answers[i].body = list.Replace(answers[i].body)
			continue
		}
		answers[i].body = strings.Replace(answers[i].body, `"conversations":`, `"`+s.list+`":`, 1)
	}
	return newMock(t, answers...)
}

func conversationIDs(seq iter.Seq2[intercomrbac.Conversation, error]) iter.Seq2[string, error] {
	return idsIn(seq, func(c intercomrbac.Conversation) string { return string(c.ID) })
}

func activityIDs(seq iter.Seq2[intercomrbac.ActivityLog, error]) iter.Seq2[string, error] {
	return idsIn(seq, func(l intercomrbac.ActivityLog) string { return string(l.ID) })
}

func idsIn[T any](seq iter.Seq2[T, error], id func(T) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for item, err := range seq {
			if !yield(id(item), err) {
				return
			}
		}
	}
}

// eachSequence runs a test for each way to go through pages.
func eachSequence(t *testing.T, test func(*testing.T, sequence)) {
	t.Helper()
	for _, s := range sequences {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// cursors returns the cursors of all requests in order.
func (s sequence) cursors(t *testing.T, m *mock) []string {
	var got []string
	for _, sent := range m.requests() {
		got = append(got, s.cursor(t, sent))
	}
	return got
}

// collect returns the ids that a sequence gives, and its error.
func collect(seq iter.Seq2[string, error]) (ids []string, err error) {
	for id, e := range seq {
		if e != nil {
			err = e
			continue
		}
		ids = append(ids, id)
	}
	return ids, err
}

func TestShapesOfNext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		next string // "" leaves the member out
		want url.Values
	}{
		"object":                       {`{"per_page":2,"starting_after":"WzE3MDEsNV0="}`, url.Values{"starting_after": {"WzE3MDEsNV0="}}},
		"object with a number":         {`{"starting_after":17010005}`, url.Values{"starting_after": {"17010005"}}},
		"object, cursor like a query":  {`{"starting_after":"?page=9"}`, url.Values{"starting_after": {"?page=9"}}},
		"URL":                          {`"https://api.intercom.test/base/conversations?per_page=2&starting_after=WzE3MDEsNV0%3D"`, url.Values{"starting_after": {"WzE3MDEsNV0="}}},
		"URL without a host":           {`"/conversations?starting_after=c"`, url.Values{"starting_after": {"c"}}},
		"query alone":                  {`"?starting_after=c"`, url.Values{"starting_after": {"c"}}},
		"URL, cursor like a query":     {`"https://api.intercom.test/x?starting_after=%3Fpage%3D9"`, url.Values{"starting_after": {"?page=9"}}},
		"URL with a page":              {`"https://api.intercom.test/base/conversations?page=2&per_page=2"`, url.Values{"page": {"2"}, "per_page": {"2"}}},
		"URL with other params":        {`"https://api.intercom.test/x?before=17&x=1&x=2#page=9"`, url.Values{"before": {"17"}, "x": {"1", "2"}}},
		"null":                         {`null`, nil},
		"absent":                       {``, nil},
		"empty URL":                    {`""`, nil},
		"empty object":                 {`{}`, nil},
		"object with null":             {`{"starting_after":null}`, nil},
		"object with an empty cursor":  {`{"starting_after":""}`, nil},
		"object with other members":    {`{"per_page":2,"page":1,"starting_after":"c"}`, url.Values{"starting_after": {"c"}}},
		"null with space around it":    {" null\n", nil},
		"object with space around it":  {"\n {\"starting_after\": \"c\"} ", url.Values{"starting_after": {"c"}}},
		"URL with the cursor in twice": {`"https://api.intercom.test/x?starting_after=c&starting_after=d"`, url.Values{"starting_after": {"c"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := pageOf(tt.next, "1")
			if tt.next == "" {
				first = json200(`{"conversations":[{"id":"1"}],"pages":{"type":"pages","page":1}}`)
			}
			m := newMock(t, first, pageOf("null", "2"))
			page, err := m.Client.Conversations.List(t.Context(), intercomrbac.ListParams{})
			require.NoError(t, err)
			if tt.want == nil {
				assert.Empty(t, page.Next)
				return
			}
			require.NotEmpty(t, page.Next)
			page, err = m.Client.Conversations.List(t.Context(), intercomrbac.ListParams{After: page.Next})
			require.NoError(t, err)
			assert.Equal(t, convoID("2"), page.Items[0].ID)
			assert.Equal(t, tt.want, m.requests()[1].Query)
		})
	}
	for name, next := range map[string]string{
		"number": `7`, "true": `true`, "list": `[]`, "cursor that is an object": `{"starting_after":{}}`, "cursor that is a fraction": `{"starting_after":1.5}`,
		"URL without a query": `"https://api.intercom.test/base/conversations"`, "URL with a broken query": `"https://api.intercom.test/x?a=%zz"`, "word": `"c"`,
		"cursor of 9 KB": `{"starting_after":"` + strings.Repeat("a", 9<<10) + `"}`,
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			_, err := newMock(t, pageOf(next, "1")).Client.Conversations.List(t.Context(), intercomrbac.ListParams{})
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			assertOneLine(t, err.Error())
		})
	}
}

func TestTotalsThatAreNoCountsAreRefused(t *testing.T) {
	t.Parallel()
	for _, total := range []string{`1.5`, `"many"`, `-1`, `true`, `{}`, `"99999999999999999999"`} {
		_, err := newMock(t, json200(`{"conversations":[],"total_count":`+total+`}`)).Client.Conversations.List(t.Context(), intercomrbac.ListParams{})
		assert.ErrorIs(t, err, intercomrbac.ErrBadResponse, total)
	}
}

func TestAllGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1", "2"), pageOf(after("b")), pageOf(after("c"), "3"), pageOf("null", "4"))
		ids, err := collect(s.all(t.Context(), m.Client, intercomrbac.ListParams{}))
		require.NoError(t, err)
		assert.Equal(t, []string{"1", "2", "3", "4"}, ids, "an empty page does not end a list")
		assert.Equal(t, []string{"", "a", "b", "c"}, s.cursors(t, m))
	})
}

func TestAllIsLazy(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1", "2"), pageOf(after("b"), "3", "4"), pageOf("null", "5"))
		seq := s.all(t.Context(), m.Client, intercomrbac.ListParams{})
		assert.Empty(t, m.requests(), "something was sent before the first range")
		next, stop := iter.Pull2(seq)
		defer stop()
		for i, pages := range []int{1, 1, 2, 2, 3} {
			id, err, ok := next()
			require.True(t, ok)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(i+1), id)
			assert.Len(t, m.requests(), pages)
		}
		_, _, ok := next()
		assert.False(t, ok)
		assert.Len(t, m.requests(), 3)
	})
}

func TestAllStopsAtABreak(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1", "2"), pageOf("null", "3"))
		n := 0
		for _, err := range s.all(t.Context(), m.Client, intercomrbac.ListParams{}) {
			require.NoError(t, err)
			if n++; n == 2 {
				break // at the last item of a page: the next one is not asked for
			}
		}
		assert.Len(t, m.requests(), 1)
	})
}

func TestAllStartsAnewAtEachRange(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1"), pageOf("null", "2"), pageOf(after("a"), "1"), pageOf("null", "2"), pageOf(after("a"), "1"))
		seq := s.all(t.Context(), m.Client, intercomrbac.ListParams{})
		for range 2 {
			ids, err := collect(seq)
			require.NoError(t, err)
			assert.Equal(t, []string{"1", "2"}, ids)
		}
		for _, err := range seq {
			require.NoError(t, err)
			break
		}
		assert.Equal(t, []string{"", "a", "", "a", ""}, s.cursors(t, m))
	})
}

func TestAllStartsWhereItIsTold(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("c"), "2"), pageOf("null", "3"), pageOf("null", "2"))
		seq := s.all(t.Context(), m.Client, intercomrbac.ListParams{After: "b"})
		ids, err := collect(seq)
		require.NoError(t, err)
		assert.Equal(t, []string{"2", "3"}, ids)
		_, err = collect(seq)
		require.NoError(t, err)
		assert.Equal(t, []string{"b", "c", "b"}, s.cursors(t, m))
	})
}

func TestAllEndsAfterTheFirstError(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1"), mockAnswer{status: 500, body: `{}`}, pageOf("null", "2"))
		errs := 0
		for id, err := range s.all(t.Context(), m.Client, intercomrbac.ListParams{}) {
			if err != nil {
				assert.ErrorIs(t, err, intercomrbac.ErrUnavailable)
				assert.Empty(t, id)
				errs++
			}
		}
		assert.Equal(t, 1, errs)
		assert.Len(t, m.requests(), 2)
	})
}

func TestAllRefusesRepeatedCursors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		start string
		pages []mockAnswer
		ids   []string
	}{
		"the same at once":      {"", []mockAnswer{pageOf(after("a"), "1"), pageOf(after("a"), "2")}, []string{"1", "2"}},
		"a cycle of two":        {"", []mockAnswer{pageOf(after("a"), "1"), pageOf(after("b"), "2"), pageOf(after("a"), "3")}, []string{"1", "2", "3"}},
		"the one it began at":   {"a", []mockAnswer{pageOf(after("b"), "1"), pageOf(after("a"), "2")}, []string{"1", "2"}},
		"empty pages":           {"", []mockAnswer{pageOf(after("a")), pageOf(after("a"))}, nil},
		"in the other shape":    {"", []mockAnswer{pageOf(after("a"), "1"), pageOf(`"https://api.intercom.test/x?starting_after=a"`, "2")}, []string{"1", "2"}},
		"a URL with less to it": {"", []mockAnswer{pageOf(`"https://a.test/x?starting_after=a&per_page=2"`, "1"), pageOf(`"https://b.test/y?starting_after=a"`, "2")}, []string{"1", "2"}},
	}
	eachSequence(t, func(t *testing.T, s sequence) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m := s.mock(t, tt.pages...)
				var ids []string
				errs := 0
				for id, err := range s.all(t.Context(), m.Client, intercomrbac.ListParams{After: tt.start}) {
					if err != nil {
						assert.ErrorIs(t, err, intercomrbac.ErrCursorRepeated)
						errs++
						continue
					}
					ids = append(ids, id)
				}
				assert.Equal(t, 1, errs)
				assert.Equal(t, tt.ids, ids)
				assert.Len(t, m.requests(), len(tt.pages))
			})
		}
	})
}

func TestAllKeepsThePageSize(t *testing.T) {
	t.Parallel()
	t.Run("of a list", func(t *testing.T) {
		t.Parallel()
		m := newMock(t, pageOf(`"https://api.intercom.test/x?page=2&per_page=60"`, "1"), pageOf(after("c"), "2"), pageOf("null"))
		_, err := collect(conversationIDs(m.Client.Conversations.All(t.Context(), intercomrbac.ListParams{PerPage: 7})))
		require.NoError(t, err)
		sent := m.requests()
		assert.Equal(t, url.Values{"per_page": {"7"}}, sent[0].Query)
		assert.Equal(t, url.Values{"per_page": {"7"}, "page": {"2"}}, sent[1].Query)
		assert.Equal(t, url.Values{"per_page": {"7"}, "starting_after": {"c"}}, sent[2].Query)
	})
	t.Run("of a search", func(t *testing.T) {
		t.Parallel()
		m := newMock(t, pageOf(`"https://api.intercom.test/x?starting_after=c&per_page=60"`, "1"), pageOf("null"))
		_, err := collect(conversationIDs(m.Client.Conversations.SearchAll(t.Context(), intercomrbac.SearchParams{Query: where("state", "=", "open"),
			Sort: intercomrbac.Sort{Field: "id"}, ListParams: intercomrbac.ListParams{PerPage: 7}})))
		require.NoError(t, err)
		sent := m.requests()
		assert.JSONEq(t, `{"query":{"field":"state","operator":"=","value":"open"},"sort":{"field":"id","order":"descending"},"pagination":{"per_page":7}}`, sent[0].Body)
		assert.JSONEq(t, `{"query":{"field":"state","operator":"=","value":"open"},"sort":{"field":"id","order":"descending"},"pagination":{"per_page":7,"starting_after":"c"}}`, sent[1].Body)
	})
}

func TestNextNeverLeadsToAnotherHost(t *testing.T) {
	t.Parallel()
	links := []string{
		"https://evil.test/conversations?starting_after=c", "//evil.test?page=2", "http://api.intercom.test.evil.test/x?page=2", "https://user:pass@evil.test/?page=2",
		"https://evil.test/?page=2#@api.intercom.test", "?page=2&@evil.test/", "https://evil.test?starting_after=//evil.test/..", `\\\\evil.test?page=2`,
	}
	for _, link := range links {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, pageOf(`"`+link+`"`, "1"), pageOf("null", "2"))
			ids, err := collect(conversationIDs(m.Client.Conversations.All(t.Context(), intercomrbac.ListParams{})))
			require.NoError(t, err)
			assert.Equal(t, []string{"1", "2"}, ids)
			for _, sent := range m.requests() {
				assert.Equal(t, "api.intercom.test GET /conversations", sent.Host+" "+sent.Method+" "+sent.Path)
			}
		})
	}
}

func TestNextDoesNotDecideWhoseEventsAreListed(t *testing.T) {
	t.Parallel()
	const evil = `"https://evil.test/events?before=17&type=company&user_id=other&email=other%40example.org&intercom_user_id=66ffff&summary=true&%5Buser_id%5D=other&%5Bemail%5D%5B%5D=other&per_page=50"`
	page := func(next, name string) mockAnswer {
		return json200(`{"type":"event.list","events":[{"event_name":"` + name + `"}],"pages":{"next":` + next + `}}`)
	}
	owners := map[string]intercomrbac.ListEventsParams{
		"user_id":          {UserID: "mine"},
		"email":            {Email: "mine"},
		"intercom_user_id": {ContactID: "mine"},
	}
	for name, params := range owners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params.PerPage = 2
			m := newMock(t, page(evil, "a"), page("null", "b"))
			var names []string
			for e, err := range m.Client.DataEvents.All(t.Context(), params) {
				require.NoError(t, err)
				names = append(names, e.Name)
			}
			assert.Equal(t, []string{"a", "b"}, names)
			sent := m.requests()
			require.Len(t, sent, 2)
			assert.Equal(t, url.Values{"type": {"user"}, "per_page": {"2"}, name: {"mine"}}, sent[0].Query)
			assert.Equal(t, url.Values{"type": {"user"}, "per_page": {"2"}, name: {"mine"}, "before": {"17"}}, sent[1].Query)
			assert.Equal(t, mockHost, sent[1].Host)
		})
	}
}

func TestAllEndsWithTheContext(t *testing.T) {
	t.Parallel()
	eachSequence(t, func(t *testing.T, s sequence) {
		m := s.mock(t, pageOf(after("a"), "1"), pageOf("null", "2"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var errs []error
		for _, err := range s.all(ctx, m.Client, intercomrbac.ListParams{}) {
			if err != nil {
				errs = append(errs, err)
			}
			cancel()
		}
		require.Len(t, errs, 1)
		assert.ErrorIs(t, errs[0], context.Canceled)
		assert.Len(t, m.requests(), 1)
	})
}

func FuzzPages(f *testing.F) {
	for _, seed := range []string{`null`, `{}`, `{"next":null}`, `{"next":{"starting_after":"c"}}`, `{"next":"https://evil.test/x?a=1&starting_after=c"}`, `{"next":"?a=%zz"}`,
		`{"next":{"starting_after":"?"}}`, `{"next":"?starting_after=%3F"}`, `[]`, `{"next":"?"}`, `{"next":"?per_page=9&type=x&user_id=u"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pages string) {
		if !json.Valid([]byte(pages)) {
			return
		}
		m := newMock(t, json200(`{"events":[{}],"pages":`+pages+`}`), json200(`{"events":[{}]}`))
		params := intercomrbac.ListEventsParams{UserID: "mine"}
		page, err := m.Client.DataEvents.List(t.Context(), params)
		if err != nil {
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			assertOneLine(t, err.Error())
			return
		}
		if page.Next == "" {
			return
		}
		params.After = page.Next
		_, err = m.Client.DataEvents.List(t.Context(), params)
		require.NoError(t, err, "a page gave the cursor %q, which is refused", page.Next)
		sent := m.requests()[1]
		assert.Equal(t, mockHost+" /events", sent.Host+" "+sent.Path)
		assert.Equal(t, []string{"mine"}, sent.Query["user_id"])
		assert.Equal(t, []string{"user"}, sent.Query["type"])
		assert.False(t, slices.ContainsFunc([]string{"email", "intercom_user_id", "summary"}, sent.Query.Has))
	})
}
