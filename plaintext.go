package intercomrbac

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// appendPlain appends what a reader sees of HTML, folded. It reads plain text as well, but for what looks like a tag in it. What is
// opened and never closed is text: a message that breaks off, or means to hide the rest, hides nothing. It takes time in
// proportion to the length, whatever the text.
func appendPlain(dst []byte, text string) []byte {
	if strings.Contains(text, "<") {
		text = withoutMarkup(text)
	}
	return appendFolded(dst, html.UnescapeString(text))
}

// withoutMarkup returns HTML without its tags. Entities stay as they are.
func withoutMarkup(text string) string {
	var m markup
	var b strings.Builder
	b.Grow(len(text))
	for text != "" {
		i := strings.IndexByte(text, '<')
		if i < 0 {
			break
		}
		n, gap := m.skip(text[i:])
		if n == 0 { // no tag but a sign
			i++
		}
		b.WriteString(text[:i])
		if gap {
			b.WriteByte(' ')
		}
		text = text[i+n:]
	}
	b.WriteString(text)
	return b.String()
}

// markup knows what a text does not have from here on, so that it is looked for once.
type markup struct {
	noTagEnd, noComment bool
	noQuotes            bool // a quotation does not end: they are not gone by any more
	noClose             [len(hidden)]bool
}

// hidden are elements whose content is not shown.
var hidden = [...]string{"script", "style", "template"}

// skip returns how long the tag, comment or hidden element is that a text begins with, 0 if it is none, and whether it stands between
// words as a space does.
func (m *markup) skip(s string) (n int, gap bool) {
	switch {
	case len(s) < 2:
		return 0, false
	case strings.HasPrefix(s, "<!--"):
		n = until(s, 2, "-->", &m.noComment)
		if n > 0 {
			if i := strings.Index(s[4:n], "--!>"); i >= 0 { // as browsers have it
				n = 4 + i + len("--!>")
			}
		}
		return n, false
	case s[1] == '!' || s[1] == '?':
		return until(s, 2, ">", &m.noTagEnd), false
	case m.noTagEnd || s[1] != '/' && !isASCIILetter(s[1]):
		return 0, false
	}
	start := 1
	if s[1] == '/' {
		start = 2
	}
	end := start
	var name [10]byte // as long as those that matter
	for ; end < len(s) && !endsName(s[end]); end++ {
		if i := end - start; i < len(name) {
			name[i] = s[end] | 0x20 // in lower case, digits as they are
		}
	}
	if n = m.tagEnd(s, end); n == 0 {
		return 0, false
	}
	element := name[:min(end-start, len(name))]
	for i, h := range hidden {
		if start == 1 && string(element) == h && !m.noClose[i] {
			if length := indexClose(s[n:], h); length >= 0 {
				return n + length, false
			}
			m.noClose[i] = true
		}
	}
	return n, end-start <= len(name) && separates[string(element)]
}

// until returns where a mark ends, or 0 and that there is none.
func until(s string, from int, mark string, none *bool) int {
	if *none {
		return 0
	}
	i := strings.Index(s[from:], mark)
	if i < 0 {
		*none = true
		return 0
	}
	return from + i + len(mark)
}

// tagEnd returns where a tag ends whose name ends at from; 0 if it does not. A > in a quoted value ends none.
func (m *markup) tagEnd(s string, from int) int {
	value := false // an attribute's is to come
	for i := from; i < len(s) && !m.noQuotes; i++ {
		switch c := s[i]; {
		case c == '>':
			return i + 1
		case value && (c == '"' || c == '\''):
			length := strings.IndexByte(s[i+1:], c)
			if length < 0 {
				length = len(s)
			}
			i, value = i+1+length, false
		case c == '=':
			value = true
		case !endsName(c): // a space may follow the =
			value = false
		}
	}
	m.noQuotes = true
	return until(s, from, ">", &m.noTagEnd)
}

// indexClose returns where the end tag of an element begins; -1 if there is none.
func indexClose(s, element string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], "</")
		if i < 0 {
			return -1
		}
		at := from + i
		name := s[at+2:]
		if len(name) > len(element) && strings.EqualFold(name[:len(element)], element) && endsName(name[len(element)]) {
			return at
		}
		from = at + 2
	}
}

// endsName reports whether a character ends the name of a tag.
func endsName(c byte) bool {
	return c == '>' || c == '/' || c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'
}

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// separates are the elements that stand between words: those with lines or cells of their own, and those that are no text. The others,
// such as b and span, may stand within one.
var separates = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`address article aside audio blockquote body br button canvas caption center col colgroup dd details dialog
		dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img input
		legend li main map math menu nav object ol optgroup option p picture pre search section select summary svg table tbody td textarea
		tfoot th thead title tr ul video`) {
		m[name] = true
	}
	return m
}()

// appendFolded appends a text for comparing: in one case, each run of white space as one space, one apostrophe for both, and without
// characters that nobody sees, such as soft hyphens.
func appendFolded(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			switch {
			case unicode.IsSpace(r):
				dst = appendSpace(dst)
			case r == '’': // what telephones write for it
				dst = append(dst, '\'')
			case !unicode.Is(unicode.Cf, r):
				dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
			}
			continue
		case c == ' ' || '\t' <= c && c <= '\r':
			dst = appendSpace(dst)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c|0x20)
		case c != 0: // which nobody sees either
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

func appendSpace(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] == ' ' {
		return dst
	}
	return append(dst, ' ')
}

// isBoundary reports whether words end or begin at a place of a folded text.
func isBoundary(text []byte, at int) bool {
	before, _ := utf8.DecodeLastRune(text[:at])
	after, _ := utf8.DecodeRune(text[at:])
	switch {
	case at == 0 || at == len(text) || !isWordRune(before) || !isWordRune(after):
		return true
	case unicode.IsMark(after): // belongs to what it stands on
		return false
	}
	return unicode.In(before, unspaced...) || unicode.In(after, unspaced...)
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || '0' <= r && r <= '9' || isASCIILetter(byte(r))
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// unspaced are scripts that are written without spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}
