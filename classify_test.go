package intercomrbac_test

import (
	"fmt"
	"html"
	"strings"
	"testing"
	"unicode"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newClassifier(tb testing.TB, rules ...intercomrbac.TopicRule) intercomrbac.Classifier {
	tb.Helper()
	c, err := intercomrbac.NewClassifier(rules...)
	require.NoError(tb, err)
	return c
}

// said is a conversation that began with a subject and a message.
func said(subject, body string) *intercomrbac.Conversation {
	return &intercomrbac.Conversation{ID: "1", Source: intercomrbac.ConversationSource{Subject: subject, Body: body}}
}

func TestNewClassifierTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := intercomrbac.NewClassifier()
	require.EqualError(t, err, "intercomrbac: NewClassifier: there are no rules")
	_, err = intercomrbac.NewClassifier(
		intercomrbac.TopicRule{Tag: "VIP"},
		intercomrbac.TopicRule{Topic: "a"},
		intercomrbac.TopicRule{Topic: "a", Tag: "VIP", Keywords: []string{"x"}},
		intercomrbac.TopicRule{Topic: "a", Attribute: "product"},
		intercomrbac.TopicRule{Topic: "a", Tag: "VIP", Value: "web"},
		intercomrbac.TopicRule{Topic: "a", Keywords: []string{"invoice", " \u00ad\t"}},
		intercomrbac.TopicRule{Topic: "a", Keywords: []string{"fine"}},
	)
	require.EqualError(t, err, `intercomrbac: NewClassifier: rule 1 has no Topic
rule 2 is to have one of Tag, Attribute and Keywords
rule 3 is to have one of Tag, Attribute and Keywords
rule 4 has an Attribute without a Value, or a Value without an Attribute
rule 5 has an Attribute without a Value, or a Value without an Attribute
rule 6 has a keyword without a letter: " \u00ad\t"`)
}

// The first rule that is met counts, in the order in which they are given, and says why.
func TestClassifierTakesTheFirstRule(t *testing.T) {
	t.Parallel()
	tag := intercomrbac.TopicRule{Topic: "vip", Tag: "VIP"}
	id := intercomrbac.TopicRule{Topic: "refund", Tag: "7522908"}
	web := intercomrbac.TopicRule{Topic: "web", Attribute: "product", Value: "web"}
	seats := intercomrbac.TopicRule{Topic: "large", Attribute: "seats", Value: "200"}
	trial := intercomrbac.TopicRule{Topic: "trial", Attribute: "trial", Value: "true"}
	words := intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"credit card", "invoice"}}

	vip := func(c *intercomrbac.Conversation) {
		c.Tags = intercomrbac.Tags{{ID: "1", Name: "Bug"}, {ID: "2", Name: "VIP"}}
	}
	refund := func(c *intercomrbac.Conversation) { c.Tags = intercomrbac.Tags{{ID: "7522908", Name: "Refund"}} }
	attribute := func(name string, v any) func(*intercomrbac.Conversation) {
		return func(c *intercomrbac.Conversation) { c.CustomAttributes = map[string]any{name: v} }
	}
	for name, tt := range map[string]struct {
		rules []intercomrbac.TopicRule
		set   func(*intercomrbac.Conversation)
		topic intercomrbac.Topic
		why   string
	}{
		"tag before words":        {[]intercomrbac.TopicRule{tag, words}, vip, "vip", `tag "VIP"`},
		"words before tag":        {[]intercomrbac.TopicRule{words, tag}, vip, "billing", `keyword "credit card" in the message`},
		"tag by id":               {[]intercomrbac.TopicRule{tag, id}, refund, "refund", `tag "7522908"`},
		"attribute of text":       {[]intercomrbac.TopicRule{web}, attribute("product", "web"), "web", `attribute "product" is "web"`},
		"in another case":         {[]intercomrbac.TopicRule{web}, attribute("product", "Web"), "", "no rule is met"},
		"attribute of a number":   {[]intercomrbac.TopicRule{seats}, attribute("seats", 200.0), "large", `attribute "seats" is "200"`},
		"attribute of a fraction": {[]intercomrbac.TopicRule{{Topic: "small", Attribute: "seats", Value: "1.5"}}, attribute("seats", 1.5), "small", `attribute "seats" is "1.5"`},
		"attribute of a number that may be another": {[]intercomrbac.TopicRule{{Topic: "other", Attribute: "order", Value: "9007199254740992"}},
			attribute("order", 9007199254740993.0), "", "no rule is met"},
		"attribute of a truth":    {[]intercomrbac.TopicRule{trial}, attribute("trial", true), "trial", `attribute "trial" is "true"`},
		"attribute of a list":     {[]intercomrbac.TopicRule{web}, attribute("product", []any{"app", "web"}), "web", `attribute "product" is "web"`},
		"attribute of an object":  {[]intercomrbac.TopicRule{web}, attribute("product", map[string]any{"web": "web"}), "", "no rule is met"},
		"attribute that is unset": {[]intercomrbac.TopicRule{web}, attribute("product", nil), "", "no rule is met"},
		"no attributes":           {[]intercomrbac.TopicRule{web, seats, trial, tag, id}, func(*intercomrbac.Conversation) {}, "", "no rule is met"},
		"the subject first": {[]intercomrbac.TopicRule{words}, func(c *intercomrbac.Conversation) { c.Source.Subject = "Credit  Card" },
			"billing", `keyword "credit card" in the subject`},
		"the second word": {[]intercomrbac.TopicRule{words}, func(c *intercomrbac.Conversation) { c.Source.Body = "<p>An invoice</p>" },
			"billing", `keyword "invoice" in the message`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := said("Hello", "<p>My credit card, and an invoice.</p>")
			tt.set(c)
			topic, why, err := newClassifier(t, tt.rules...).Classify(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, tt.topic, topic)
			assert.Equal(t, tt.why, why)
		})
	}
}

// met reports whether a message has a keyword, as subject and as body.
func met(tb testing.TB, keyword, text string) bool {
	tb.Helper()
	c := newClassifier(tb, intercomrbac.TopicRule{Topic: "found", Keywords: []string{keyword}})
	inBody, why, err := c.Classify(tb.Context(), said("", text))
	require.NoError(tb, err)
	inSubject, _, err := c.Classify(tb.Context(), said(text, ""))
	require.NoError(tb, err)
	require.Equal(tb, inBody, inSubject, why)
	return inBody == "found"
}

func TestKeywords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		keyword, text string
		want          bool
	}{
		// Words of their own.
		{"invoice", "Where is my INVOICE?", true},
		{"invoice", "invoice", true},
		{"invoice", "invoices", false},
		{"invoice", "reinvoice", false},
		{"invoice", "invoices, an invoice", true},
		{"invoice", "my_invoice", false},
		{"invoice", "invoice2", false},
		{"invoice", "invoice's", true},
		{"don't work", "They don’t work", true},
		{"don’t work", "They don't work", true},
		{"invoice", "pre-invoice", true},
		{"invoice", "«invoice»", true},
		{"invoice", "", false},
		{"INVOICE", "an invoice", true},
		{"credit card", "credit\n\t card", true},
		{"credit card", "credit&nbsp;card", true},
		{"credit card", "credit cards", false},
		{"credit  card", "credit card", true},
		{"c++", "I write C++.", true},
		{"c++", "I write C++11.", true},
		{"c", "c++", true},
		{"#refund", "a #Refund", true},
		{"R&D", "for R&amp;D only", true},
		// In any alphabet and case.
		{"größe", "DIE GRÖSSE", false},
		{"größe", "DIE GRÖẞE", true},
		{"ÉTÉ", "un été", true},
		{"cafe", "cafe\u0301", false},
		{"счёт", "Мой СЧЁТ?", true},
		{"счёт", "счётчик", false},
		{"λόγος", "ΛΌΓΟΣ", true},
		{"kelvin", "\u212aelvin", true},
		{"발권", "발권", true},
		{"发票", "我的发票在哪里", true},
		{"請求書", "この請求書を", true},
		{"インボイス", "インボイス番号", true},
		{"ใบ", "ขอใบแจ้ง", true},
		{"แจ", "แจ้ง", false},
		{"invoice", "我的invoice在哪里", true},
		// What nobody sees does not count.
		{"invoice", "in\u00advoice", true},
		{"invoice", "in&shy;voice", true},
		{"invoice", "\u200binvo\u200dice\ufeff", true},
		{"in\u00advoice", "invoice", true},
		{"invoice", "in\x00voice", true},
		// HTML.
		{"invoice", "<p>invoice</p>", true},
		{"invoice", "in<b>voice</b>", true},
		{"invoice", "in<B CLASS=\"x\">voice", true},
		{"invoice", "in<!-- and -->voice", true},
		{"invoice", "in<!---->voice", true},
		{"invoice", "in<!-->voice", true},
		{"invoice", "<!-- and --!> invoice <!-- and -->", true},
		{"invoice", "<!-- invoice --!> and <!-- and -->", false},
		{"invoice", "<div>invoice</div>paid", true},
		{"invoice", "<div>in</div><div>voice</div>", false},
		{"invoice", "an<br>invoice<br/>paid", true},
		{"invoice", "<td>invoice</td><td>paid</td>", true},
		{"invoice", "in<x-p>voice</x-p>", true},
		{"invoice", "inv&#111;ice", true},
		{"invoice", "inv&#x6F;ice", true},
		{"invoice", "&lt;b&gt;invoice&lt;/b&gt;", true},
		{"b", "&lt;b&gt;invoice&lt;/b&gt;", true},
		{"b", "<b>invoice</b>", false},
		{"invoice", `<img alt="invoice" src=x>`, false},
		{"invoice", `<a title="a > invoice">here</a>`, false},
		{"invoice", `<a title='a > "invoice'>here</a>`, false},
		{"here", `<a title=">" href = '>'>here</a>`, true},
		{"invoice", "<p don't>invoice</p>", true},
		{"invoice", "<script>var invoice</script>", false},
		{"invoice", "<SCRIPT type=x>'</scripts>' invoice</ScRipt >", false},
		{"invoice", "<style>.invoice{}</style>x", false},
		{"invoice", "<template>invoice</template>", false},
		{"invoice", "in<script>x</script>voice", true},
		{"invoice", "<!doctype html><?xml?>invoice", true},
		{"invoice", "<![CDATA[ invoice ]]>", false},
		// What breaks off or only looks like it.
		{"invoice", "3 < 4, invoice", true},
		{"invoice", "<3 invoice", true},
		{"invoice", "<", false},
		{"invoice", "invoice <", true},
		{"invoice", "<p invoice", true},
		{"invoice", "<!-- invoice", true},
		{"invoice", "<script>invoice", true},
		{"invoice", "<script>invoice</script", true},
		{"invoice", `<a title="> invoice`, true},
		{"invoice", `<a title="><b>invoice</b>`, true},
		{"invoice", "</ invoice", true},
		{"invoice", "\xffinvoice\xc0", true},
		{"invoice", "&invoice", true},
		{"invoice", "&#xFFFFFFFFF; invoice", true},
	} {
		assert.Equal(t, tt.want, met(t, tt.keyword, tt.text), "%q in %q", tt.keyword, tt.text)
	}
}

// However a body is made, the time that it takes goes with its length alone.
func TestHostileBodiesTakeNoTime(t *testing.T) {
	t.Parallel()
	c := newClassifier(t, intercomrbac.TopicRule{Topic: "x", Keywords: []string{"zz", "aaaaaaaaab"}})
	for _, part := range []string{
		"<", "</", "<a", "<a ", `<a ="`, `<a ='`, `<a =" > "`, `<a =">`, "<!--", "<!--->", "<!", "<?", "<script>", "<script></scrip", "<style><script>", "<template>",
		"</script>", "&", "&#", "&#x", "&amp", "&lt;", "a", "aaaaaaaaa ", "z ", "\u00ad", "\xff", " ", "<p>", "<b ", ">", `"`, "'", "=", "发", "\u0301",
		`<a ="'>`, `<a ='"><a ="'>`, "<script><!--", "<a>", "</a", "<plaintext>", "<textarea>",
	} {
		requireLinear(t, fmt.Sprintf("%q over and over", part), (1<<20)/len(part), func(n int) {
			body := strings.Repeat(part, n)
			_, _, err := c.Classify(t.Context(), said(body, body))
			require.NoError(t, err)
		})
	}
}

// Whatever stands before and behind a word, it is found: nothing hides it that is not closed, and nothing that comes later.
func FuzzKeywordsInHostileHTML(f *testing.F) {
	for _, seed := range []string{"", "<p>Hi</p>", "<", "<!--", "<script>", `<a title=">`, "<a =\"", "&", "&#", "<style>x</style>", "\xff", "<b", "in<b>", "<!-->", "</scrip", "<p\x00"} {
		f.Add(seed)
	}
	c := newClassifier(f, intercomrbac.TopicRule{Topic: "found", Keywords: []string{"zqinvoicezq"}})
	find := func(t *testing.T, body string) bool {
		topic, _, err := c.Classify(t.Context(), said("", body))
		require.NoError(t, err)
		return topic == "found"
	}
	f.Fuzz(func(t *testing.T, hostile string) {
		require.True(t, find(t, "zqInvoicezq "+hostile), "before %q", hostile)
		require.True(t, find(t, hostile+" zqInvoicezq"), "behind %q", hostile)
		require.True(t, find(t, "<div>"+html.EscapeString(hostile)+"</div><p>zqInvoicezq</p>"+html.EscapeString(hostile)), "beside the text %q", hostile)
	})
}

// Text that is written as HTML has the words that the text has, as a plain look at it finds them.
func FuzzKeywordsOfEscapedText(f *testing.F) {
	f.Add("Where is my invoice?", "invoice")
	f.Add("a b<c", "b<c")
	f.Add("Straße", "STRAẞE")
	f.Add("a\u00adb", "ab")
	f.Fuzz(func(t *testing.T, text, keyword string) {
		words := func(s string) []string {
			return strings.FieldsFunc(s, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) })
		}
		if w := words(keyword); len(w) != 1 || w[0] != keyword {
			t.Skip("no word")
		}
		for _, r := range text + keyword {
			if unicode.In(r, unicode.Cf, unicode.M, unicode.Han, unicode.Hiragana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || r == 0 || r == unicode.ReplacementChar || r == 'İ' || r == 'ı' {
				t.Skip("the plain look does not know of it")
			}
		}
		want := false
		for _, w := range words(text) {
			want = want || strings.EqualFold(w, keyword)
		}
		c := newClassifier(t, intercomrbac.TopicRule{Topic: "found", Keywords: []string{keyword}})
		got, _, err := c.Classify(t.Context(), said("", "<p>"+html.EscapeString(text)+"</p>"))
		require.NoError(t, err)
		require.Equal(t, want, got == "found", "%q in %q", keyword, text)
	})
}

// A conversation of 2 KB, by the last of ten rules.
func BenchmarkClassify(b *testing.B) {
	text := strings.Repeat("<p>Hello, I have a <b>question</b> about the plan that we are on &amp; what it costs, since last week&nbsp;or so.</p>\n", 17)
	c := said("A question", text[:2000]+"<p>It is about the invoice.</p>")
	c.Tags = intercomrbac.Tags{{ID: "1", Name: "Bug"}, {ID: "2", Name: "VIP"}}
	c.CustomAttributes = map[string]any{"product": "web", "seats": 200.0}
	rules := func(last intercomrbac.TopicRule, others int) (out []intercomrbac.TopicRule) {
		for range others {
			switch {
			case last.Tag != "":
				out = append(out, intercomrbac.TopicRule{Topic: "no", Tag: "Other"})
			case last.Attribute != "":
				out = append(out, intercomrbac.TopicRule{Topic: "no", Attribute: "product", Value: "app"})
			default:
				out = append(out, intercomrbac.TopicRule{Topic: "no", Keywords: []string{"refund", "chargeback", "credit card", "payment failed", "receipt"}})
			}
		}
		return append(out, last)
	}
	for name, last := range map[string]intercomrbac.TopicRule{
		"tag":       {Topic: "vip", Tag: "VIP"},
		"attribute": {Topic: "web", Attribute: "product", Value: "web"},
		"keywords":  {Topic: "billing", Keywords: []string{"invoice"}},
	} {
		b.Run(name, func(b *testing.B) {
			classifier := newClassifier(b, rules(last, 9)...)
			b.ReportAllocs()
			for b.Loop() {
				if topic, _, _ := classifier.Classify(b.Context(), c); topic != last.Topic {
					b.Fatal(topic)
				}
			}
		})
	}
}
