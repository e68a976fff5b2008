package intercomtest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func addConversations(s *intercomtest.Server, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = string(s.AddConversation(intercomtest.Conversation{Title: fmt.Sprint(i), CreatedAt: time.Unix(1700000000+int64(i%7), 0)}))
	}
	return ids
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	r := a.get("/conversations").requireOK(t)
	assert.Equal(t, map[string]any{
		"type": "conversation.list", "conversations": []any{}, "total_count": num("0"),
		"pages": map[string]any{"type": "pages", "page": num("1"), "per_page": num("20"), "total_pages": num("0")},
	}, r.body)

	ids := addConversations(s, 45)
	r = a.get("/conversations").requireOK(t)
	assert.Equal(t, ids[:20], r.ids(t, "conversations"))
	assert.Equal(t, num("45"), r.at(t, "total_count"))
	assert.Equal(t, num("3"), r.at(t, "pages", "total_pages"))
	assert.Equal(t, num("20"), r.at(t, "pages", "next", "per_page"))
	r = a.get("/conversations?starting_after=" + r.at(t, "pages", "next", "starting_after").(string)).requireOK(t)
	assert.Equal(t, ids[20:40], r.ids(t, "conversations"))
	assert.Equal(t, num("2"), r.at(t, "pages", "page"))
	cursor := r.at(t, "pages", "next", "starting_after").(string)
	// The item that the cursor stands on may go away.
	a.do(http.MethodDelete, "/conversations/"+ids[39], "").requireOK(t)
	r = a.get("/conversations?starting_after=" + cursor).requireOK(t)
	assert.Equal(t, ids[40:], r.ids(t, "conversations"))
	assert.NotContains(t, r.at(t, "pages"), "next")

	r = a.get("/conversations?per_page=44").requireOK(t)
	assert.Len(t, r.ids(t, "conversations"), 44)
	assert.NotContains(t, r.at(t, "pages"), "next", "the last page is full")
	a.get("/conversations?per_page=150").requireOK(t)
	for _, bad := range []string{"151", "0", "-1", "many"} {
		a.get("/conversations?per_page="+bad).requireError(t, 400, "parameter_invalid")
	}
	for _, bad := range []string{"x", "%00", base64.RawURLEncoding.EncodeToString([]byte(`{}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"p":1}`))} {
		r = a.get("/conversations?starting_after="+bad).requireError(t, 400, "client_error")
		assert.True(t, strings.HasPrefix(r.message(t), "Invalid starting_after param"))
	}
}

func TestURLCursors(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	ids := addConversations(s, 5)
	s.UseURLCursors(true)
	for name, a := range map[string]api{"memory": inMemory(t, s), "loopback": overLoopback(t, s)} {
		t.Run(name, func(t *testing.T) {
			var got []string
			path := "/conversations?per_page=2"
			for path != "" {
				r := a.get(path).requireOK(t)
				got = append(got, r.ids(t, "conversations")...)
				next, _ := r.at(t, "pages").(map[string]any)["next"].(string)
				path = ""
				if next != "" {
					require.True(t, strings.HasPrefix(next, a.base+"/conversations?"), next)
					path = strings.TrimPrefix(next, a.base)
				}
			}
			assert.Equal(t, ids, got)
		})
	}
	r := inMemory(t, s).post("/conversations/search", `{"query":{"field":"open","operator":"=","value":true},"pagination":{"per_page":2}}`).requireOK(t)
	next, err := url.Parse(r.at(t, "pages", "next").(string))
	require.NoError(t, err)
	assert.NotEmpty(t, next.Query().Get("starting_after"))
	s.UseURLCursors(false)
	assert.IsType(t, map[string]any{}, inMemory(t, s).get("/conversations?per_page=2").at(t, "pages", "next"))
}

// Ten thousand conversations are nothing special.
func TestManyConversations(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	ids := addConversations(s, 10_000)
	client := s.Client()
	var got []string
	for c, err := range client.Conversations.All(t.Context(), intercomrbac.ListParams{PerPage: 150}) {
		require.NoError(t, err)
		got = append(got, string(c.ID))
	}
	assert.Equal(t, ids, got)
}

func BenchmarkAddConversation(b *testing.B) {
	s := intercomtest.NewServer(b)
	for b.Loop() {
		s.AddConversation(intercomtest.Conversation{})
	}
}

func BenchmarkListPage(b *testing.B) {
	s := intercomtest.NewServer(b)
	addConversations(s, 10_000)
	a := inMemory(b, s)
	for b.Loop() {
		if a.get("/conversations?per_page=150").status != http.StatusOK {
			b.Fatal("no page")
		}
	}
}
