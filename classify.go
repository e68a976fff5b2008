package intercomrbac

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Classifier tells what a conversation is about. [NewClassifier] makes one of rules; a service may have its own. A [Router] calls it from
// many goroutines at once, with a conversation as Intercom has it at that moment.
type Classifier interface {
	// Classify returns the topic of a conversation, empty if it has none, and in a few words why, for people. The conversation is not to
	// be changed. An error is one of the conversation: nothing is assigned.
	Classify(ctx context.Context, c *Conversation) (topic Topic, why string, err error)
}

// TopicRule gives a topic to conversations. Exactly one of Tag, Attribute and Keywords is needed.
type TopicRule struct {
	// Topic is what a conversation is about that meets the rule; needed.
	Topic Topic
	// Tag is met where the conversation has it: a tag's name, exactly as Intercom has it, or its id.
	Tag string
	// Attribute is met where the custom attribute of that name is Value: a text, exactly; a number in plain digits, such as 200 or 1.5, and
	// below 2^53; true or false; or a list with such an item.
	Attribute string
	// Value goes with Attribute.
	Value string
	// Keywords is met where one of them is in the subject or in the first message, as words of their own, whatever their case: "invoice"
	// is in "Invoice?" and not in "invoices". It may be of several words. HTML does not count: tags, comments, scripts, style sheets and
	// templates are not there; what a style hides is. Letters of scripts that are written without spaces (Han, Hiragana, Thai, Lao, Khmer, Myanmar) are words each.
	Keywords []string
}

// NewClassifier returns a classifier that gives a conversation the topic of the first rule that it meets, and says which that was; of
// Keywords, the first one that is there, in the subject before the message. One that meets none has no topic. All that is wrong with
// the rules is in the error at once. It sends nothing and is safe for concurrent use.
func NewClassifier(rules ...TopicRule) (Classifier, error) {
	var errs []error
	if len(rules) == 0 {
		errs = append(errs, errors.New("there are no rules"))
	}
	var out ruleClassifier
	for i, rule := range rules {
		compiled, err := rule.compile()
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d %w", i+1, err))
		}
		out = append(out, compiled)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewClassifier: %w", err)
	}
	return out, nil
}

// ruleClassifier is the rules in their order.
type ruleClassifier []compiledRule

type compiledRule struct {
	TopicRule
	why      string // of a tag or an attribute
	keywords []keyword
}

type keyword struct {
	folded          []byte
	subject, source string // why, where it is in the one or in the other
}

func (r TopicRule) compile() (compiledRule, error) {
	out := compiledRule{TopicRule: r}
	kinds := 0
	for _, given := range []bool{r.Tag != "", r.Attribute != "", len(r.Keywords) > 0} {
		if given {
			kinds++
		}
	}
	switch {
	case r.Topic == "":
		return out, errors.New("has no Topic")
	case kinds != 1:
		return out, errors.New("is to have one of Tag, Attribute and Keywords")
	case (r.Attribute == "") != (r.Value == ""):
		return out, errors.New("has an Attribute without a Value, or a Value without an Attribute")
	case r.Tag != "":
		out.why = fmt.Sprintf("tag %.80q", r.Tag)
	case r.Attribute != "":
		out.why = fmt.Sprintf("attribute %.80q is %.80q", r.Attribute, r.Value)
	}
	for _, word := range r.Keywords {
		folded := bytes.TrimSpace(appendFolded(nil, word))
		if len(folded) == 0 {
			return out, fmt.Errorf("has a keyword without a letter: %.80q", word)
		}
		why := fmt.Sprintf("keyword %.80q in the ", word)
		out.keywords = append(out.keywords, keyword{folded, why + "subject", why + "message"})
	}
	return out, nil
}

// Classify implements [Classifier].
func (l ruleClassifier) Classify(_ context.Context, c *Conversation) (topic Topic, why string, err error) {
	var text plainText
	for i := range l {
		if why := l[i].met(c, &text); why != "" {
			return l[i].Topic, why, nil
		}
	}
	return "", "no rule is met", nil
}

// met says why a conversation meets the rule; empty if it does not.
func (r *compiledRule) met(c *Conversation, text *plainText) string {
	switch {
	case r.Tag != "" && slices.ContainsFunc(c.Tags, func(t Tag) bool { return t.Name == r.Tag || string(t.ID) == r.Tag }):
		return r.why
	case r.Attribute != "" && attributeIs(c.CustomAttributes[r.Attribute], r.Value):
		return r.why
	case len(r.keywords) > 0:
		text.read(c)
	}
	for _, k := range r.keywords {
		switch {
		case hasWords(text.subject, k.folded):
			return k.subject
		case hasWords(text.source, k.folded):
			return k.source
		}
	}
	return ""
}

// attributeIs reports whether an attribute has a value.
func attributeIs(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return v == want
	case bool:
		return strconv.FormatBool(v) == want
	case float64: // of larger ones JSON's decoder does not tell one from the next
		return math.Abs(v) < 1<<53 && strconv.FormatFloat(v, 'f', -1, 64) == want
	case []any:
		for _, item := range v {
			if _, nested := item.([]any); !nested && attributeIs(item, want) {
				return true
			}
		}
	}
	return false
}

// plainText is what a conversation began with, for a look at its words. It is read once, by the first rule that needs it.
type plainText struct {
	subject, source []byte
}

func (t *plainText) read(c *Conversation) {
	if t.subject != nil {
		return
	}
	b := make([]byte, 0, len(c.Source.Subject)+len(c.Source.Body)+1)
	b = appendPlain(b, c.Source.Subject)
	n := len(b)
	b = appendPlain(b, c.Source.Body)
	t.subject, t.source = b[:n], b[n:]
}

// hasWords reports whether a text has the words on their own. Both are folded.
func hasWords(text, words []byte) bool {
	for from := 0; ; {
		i := bytes.Index(text[from:], words)
		if i < 0 {
			return false
		}
		at := from + i
		if isBoundary(text, at) && isBoundary(text, at+len(words)) {
			return true
		}
		from = at + 1
	}
}
