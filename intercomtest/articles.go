package intercomtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Article is an article of the help center.
type Article struct {
	ID           intercomrbac.ArticleID // digits
	Title        string
	Description  string
	Body         string // HTML
	BodyMarkdown string
	AuthorID     intercomrbac.AdminID
	State        intercomrbac.ArticleState // "published" or "draft"
	ParentIDs    []intercomrbac.CollectionID
	TagIDs       []intercomrbac.TagID
	// Translations are shown as they are, by locale; nil shows none.
	Translations map[string]map[string]any
	// Views and Conversations are shown among the statistics.
	Views, Conversations int
	CreatedAt            time.Time
	UpdatedAt            time.Time
}

type article struct {
	Article
	seq int64
}

// helpCenter is the only one that the fake has.
const helpCenter = 79

// AddArticle adds an article, or replaces the one with that ID. An empty ID, Title, AuthorID, State (draft) or time is made
// up.
func (s *Server) AddArticle(a Article) intercomrbac.ArticleID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.AuthorID == "" {
		a.AuthorID = s.installer().ID
	}
	mustDigits("admin id", string(a.AuthorID))
	for _, id := range a.ParentIDs {
		mustDigits("collection id", string(id))
	}
	a.State = cmp.Or(a.State, intercomrbac.ArticleDraft)
	if a.State != intercomrbac.ArticleDraft && a.State != intercomrbac.ArticlePublished {
		panic(fmt.Sprintf("intercomtest: AddArticle: state %q: Intercom has draft and published", a.State))
	}
	return s.putArticle(a).ID
}

func (s *Server) putArticle(a Article) *article {
	a.ID = freeID(s, &s.articles, a.ID, "article", 39)
	mustDigits("article id", string(a.ID))
	a.Title = cmp.Or(a.Title, "Article "+string(a.ID))
	if a.CreatedAt.IsZero() {
		a.CreatedAt = time.Now()
	}
	if a.UpdatedAt.IsZero() {
		a.UpdatedAt = a.CreatedAt
	}
	return s.articles.put(a.ID, article{a.clone(), s.nextNumber("article order", 1)})
}

func (a Article) clone() Article {
	a.ParentIDs, a.TagIDs = slices.Clone(a.ParentIDs), slices.Clone(a.TagIDs)
	a.Translations = maps.Clone(a.Translations)
	for locale, content := range a.Translations {
		a.Translations[locale] = maps.Clone(content)
	}
	return a
}

// Article returns the article as it is now, and whether there is one.
func (s *Server) Article(id intercomrbac.ArticleID) (Article, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.articles.get(id)
	if !ok {
		return Article{}, false
	}
	return a.clone(), true
}

// articleJSON is an article as lists have it.
func (s *Server) articleJSON(a *article) object {
	tags := []object{}
	for _, id := range a.TagIDs {
		if t, ok := s.tags.get(id); ok {
			tags = append(tags, object{"type": "tag", "id": string(t.ID), "name": t.Name})
		}
	}
	o := object{
		"type": "article", "id": string(a.ID), "workspace_id": string(s.workspace.ID), "parent_ids": numbers(a.ParentIDs),
		"title": a.Title, "description": a.Description, "body": a.Body, "body_markdown": orNull(a.BodyMarkdown),
		"author_id": number(a.AuthorID), "state": a.State, "created_at": a.CreatedAt.Unix(), "updated_at": a.UpdatedAt.Unix(),
		"tags": object{"type": "tag.list", "tags": tags}, "url": nil,
	}
	if a.State == intercomrbac.ArticlePublished {
		o["url"] = "http://help-center.test/" + string(s.workspace.ID) + "/en/articles/" + string(a.ID)
	}
	if len(a.Translations) > 0 {
		content := object{"type": "article_translated_content"}
		for locale, t := range a.Translations {
			content[locale] = t
		}
		o["translated_content"], o["default_locale"] = content, "en"
	}
	return o
}

// wholeArticle has what lists leave out.
func (s *Server) wholeArticle(a *article) object {
	o := s.articleJSON(a)
	o["statistics"] = object{
		"type": "article_statistics", "views": a.Views, "conversations": a.Conversations, "reactions": 0,
		"happy_reaction_percentage": 0, "neutral_reaction_percentage": 0, "sad_reaction_percentage": 0,
	}
	return o
}

func (s *Server) getArticle(r *request) (any, error) {
	a, ok := s.articles.get(intercomrbac.ArticleID(r.args["article_id"]))
	if !ok {
		return nil, errNotFound
	}
	return s.wholeArticle(a), nil
}

// latestFirst returns the articles in the order of lists.
func (s *Server) latestFirst() []*article {
	list := slices.Clone(s.articles.items)
	slices.SortFunc(list, func(a, b *article) int {
		return cmp.Or(cmp.Compare(b.UpdatedAt.Unix(), a.UpdatedAt.Unix()), cmp.Compare(b.seq, a.seq))
	})
	return list
}

func (s *Server) listArticles(r *request) (any, error) {
	return numberedList(r, s.latestFirst(), 25, s.articleJSON)
}

// numberedList answers with a page that has a number.
func numberedList[T any](r *request, all []*T, fallback int, write func(*T) object) (any, error) {
	from, to, pages, err := numberedPage(r, len(all), fallback)
	if err != nil {
		return nil, err
	}
	items := []object{}
	for _, item := range all[from:to] {
		items = append(items, write(item))
	}
	return object{"type": "list", "pages": pages, "total_count": len(all), "data": items}, nil
}

// numberedPage says which of n items are on the page of the request, and what the answer says about pages: there is a URL of
// the next one where there is one.
func numberedPage(r *request, n, fallback int) (from, to int, pages object, err error) {
	per, err := perPage(r.query.Get("per_page"), fallback)
	if err != nil {
		return 0, 0, nil, err
	}
	page := 1
	if text := r.query.Get("page"); text != "" {
		if page, err = strconv.Atoi(text); err != nil || page < 1 {
			return 0, 0, nil, invalid("page", "page must be a positive number")
		}
	}
	from = n
	if page <= n/per+1 {
		from = min((page-1)*per, n)
	}
	to = min(from+per, n)
	pages = object{"type": "pages", "page": page, "per_page": per, "total_pages": (n + per - 1) / per}
	if to < n {
		q := url.Values{}
		maps.Copy(q, r.query)
		q.Set("page", strconv.Itoa(page+1))
		q.Set("per_page", strconv.Itoa(per))
		pages["next"] = r.base + r.path + "?" + q.Encode()
	}
	return from, to, pages, nil
}

func (s *Server) searchArticles(r *request) (any, error) {
	phrase, state := strings.ToLower(r.query.Get("phrase")), r.query.Get("state")
	if state != "" && state != "all" && state != "published" && state != "draft" {
		return nil, invalid("state", "state must be one of published, draft or all")
	}
	center := r.query.Get("help_center_id")
	if center != "" && !digits(center) {
		return nil, invalid("help_center_id", "help_center_id must be a number")
	}
	var found []*article
	for _, a := range s.latestFirst() {
		text := strings.ToLower(a.Title + "\n" + a.Description + "\n" + a.Body + "\n" + a.BodyMarkdown)
		if strings.Contains(text, phrase) && (state == "" || state == "all" || state == string(a.State)) &&
			(center == "" || center == strconv.Itoa(helpCenter)) {
			found = append(found, a)
		}
	}
	from, to, pages, err := numberedPage(r, len(found), 10)
	if err != nil {
		return nil, err
	}
	articles, highlights := []object{}, []object{}
	for _, a := range found[from:to] {
		articles = append(articles, s.articleJSON(a))
		if r.query.Get("highlight") == "true" {
			summary := [][]object{}
			if pieces := highlighted(a.Body, phrase); len(pieces) > 1 {
				summary = append(summary, pieces)
			}
			highlights = append(highlights, object{
				"article_id": string(a.ID), "highlighted_title": highlighted(a.Title, phrase), "highlighted_summary": summary,
			})
		}
	}
	return object{"type": "list", "pages": pages, "total_count": len(found), "data": object{"articles": articles, "highlights": highlights}}, nil
}

// highlighted cuts a text before and behind the first place of the phrase.
func highlighted(text, phrase string) []object {
	at := strings.Index(strings.ToLower(text), phrase)
	if phrase == "" || at < 0 || at+len(phrase) > len(text) {
		return []object{{"type": "plain", "text": text}}
	}
	pieces := []object{}
	for _, p := range []object{
		{"type": "plain", "text": text[:at]}, {"type": "highlight", "text": text[at : at+len(phrase)]}, {"type": "plain", "text": text[at+len(phrase):]},
	} {
		if p["text"] != "" {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// articleBody is what a new or changed article may say.
type articleBody struct {
	Title        *string                    `json:"title"`
	Description  *string                    `json:"description"`
	Body         *string                    `json:"body"`
	BodyMarkdown *string                    `json:"body_markdown"`
	AuthorID     wireID                     `json:"author_id"`
	State        string                     `json:"state"`
	ParentID     wireID                     `json:"parent_id"`
	Translations map[string]json.RawMessage `json:"translated_content"`
}

// changeArticle applies what the body says.
func (s *Server) changeArticle(a *Article, body *articleBody) error {
	_, known := s.admins.get(intercomrbac.AdminID(body.AuthorID))
	_, there := s.collections.get(intercomrbac.CollectionID(body.ParentID))
	switch {
	case body.Body != nil && body.BodyMarkdown != nil:
		return invalid("body", "body and body_markdown are mutually exclusive")
	case body.AuthorID != "" && !known:
		return invalid("author_id", "author_id must be that of a teammate")
	case body.State != "" && body.State != "draft" && body.State != "published":
		return invalid("state", "state must be draft or published")
	case body.ParentID != "" && !there:
		return invalid("parent_id", "there is no such collection")
	}
	for _, member := range []struct {
		from *string
		to   *string
	}{{body.Title, &a.Title}, {body.Description, &a.Description}, {body.Body, &a.Body}, {body.BodyMarkdown, &a.BodyMarkdown}} {
		if member.from != nil {
			*member.to = *member.from
		}
	}
	a.AuthorID = cmp.Or(intercomrbac.AdminID(body.AuthorID), a.AuthorID)
	a.State = cmp.Or(intercomrbac.ArticleState(body.State), a.State, intercomrbac.ArticleDraft)
	if body.ParentID != "" {
		a.ParentIDs = []intercomrbac.CollectionID{intercomrbac.CollectionID(body.ParentID)}
	}
	for locale, raw := range body.Translations {
		var content map[string]any
		if json.Unmarshal(raw, &content) != nil || content == nil {
			continue // such as the type of the whole
		}
		if a.Translations == nil {
			a.Translations = map[string]map[string]any{}
		}
		if a.Translations[locale] == nil {
			a.Translations[locale] = map[string]any{"type": "article_content"}
		}
		maps.Copy(a.Translations[locale], content)
	}
	return nil
}

func (s *Server) createArticle(r *request) (any, error) {
	var body articleBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	switch {
	case body.Title == nil || *body.Title == "":
		return nil, missing("title")
	case body.AuthorID == "":
		return nil, fail(http.StatusBadRequest, "parameter_not_found",
			"author_id must be in the main body or default locale translated_content object")
	}
	a := Article{CreatedAt: r.now}
	if err := s.changeArticle(&a, &body); err != nil {
		return nil, err
	}
	return s.wholeArticle(s.putArticle(a)), nil
}

func (s *Server) updateArticle(r *request) (any, error) {
	a, ok := s.articles.get(intercomrbac.ArticleID(r.args["article_id"]))
	if !ok {
		return nil, errNotFound
	}
	var body articleBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	changed := a.clone()
	changed.UpdatedAt = r.now
	if err := s.changeArticle(&changed, &body); err != nil {
		return nil, err
	}
	a.Article = changed
	return s.wholeArticle(a), nil
}

func (s *Server) deleteArticle(r *request) (any, error) {
	id := intercomrbac.ArticleID(r.args["article_id"])
	if !s.articles.remove(id) {
		return nil, errNotFound
	}
	return object{"id": string(id), "object": "article", "deleted": true}, nil
}
