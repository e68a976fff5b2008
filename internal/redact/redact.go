// Package redact removes known secrets from text that comes from elsewhere.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mark stands where a secret stood.
const Mark = "[redacted]"

// minSecret is the length below which a secret is not looked for: a word that short is a placeholder of a test,
// and taking it out would tear real text apart.
const minSecret = 6

// Redactor replaces every occurrence of its secrets by [Mark]: as they are, URL-escaped, JSON-escaped, or within
// base64. It keeps them in a closure, so that printing it shows none. The zero value replaces nothing. It is safe
// for concurrent use.
type Redactor struct {
	replace func(b []byte, fold bool) []byte
}

// New returns a redactor of the secrets.
func New(secrets ...string) Redactor {
	var patterns [][]byte
	add := func(p string) {
		if len(p) >= minSecret && !slices.ContainsFunc(patterns, func(have []byte) bool { return string(have) == p }) {
			patterns = append(patterns, []byte(p))
		}
	}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		add(s)
		for _, escaped := range []string{url.QueryEscape(s), url.PathEscape(s)} {
			add(escaped)
			add(lowerEscapes(escaped))
		}
		for _, escaped := range jsonForms(s) {
			add(escaped)
			add(strings.ReplaceAll(escaped, `\`, `\\`)) // as %q quotes it in an error
		}
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for _, p := range base64Cores(enc, s) {
				add(p)
			}
		}
	}
	if len(patterns) == 0 {
		return Redactor{}
	}
	// The longest first: a short form may be the beginning of a longer one.
	slices.SortStableFunc(patterns, func(a, b []byte) int { return len(b) - len(a) })
	exact, folded := newMatcher(patterns), make([][]byte, len(patterns))
	for i, p := range patterns {
		folded[i] = lowerASCII(p)
	}
	anyCase := newMatcher(folded)
	return Redactor{func(b []byte, fold bool) []byte {
		if len(b) < exact.size {
			return b
		}
		if fold {
			return anyCase.replace(b, lowerASCII(b))
		}
		return exact.replace(b, b)
	}}
}

// Bytes returns b with every secret replaced: b itself where it holds none.
func (r Redactor) Bytes(b []byte) []byte {
	if r.replace == nil {
		return b
	}
	return r.replace(b, false)
}

// String returns s with every secret replaced, also where letters changed their case, as in the name of a header, or
// where s quotes JSON.
func (r Redactor) String(s string) string {
	if r.replace == nil || s == "" {
		return s
	}
	clean := func(form string) {
		if b := r.replace([]byte(form), true); string(b) != form {
			s = string(b)
		}
	}
	clean(s)
	if strings.Contains(s, `\`) {
		clean(string(PlainJSON([]byte(s))))
		clean(string(PlainJSON([]byte(strings.ReplaceAll(s, `\\`, `\`)))))
	}
	return s
}

// lowerASCII keeps the length, as bytes.ToLower does not.
func lowerASCII(b []byte) []byte {
	lower := bytes.Clone(b)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// PlainJSON returns JSON in which characters that need no escape have none, so that what was escaped can be found. It is
// b itself where there are none, and means the same.
func PlainJSON(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u00`)) && !bytes.Contains(b, []byte(`\/`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		if b[i+1] == '/' {
			out = append(out, '/')
			i++
			continue
		}
		if b[i+1] == 'u' && i+5 < len(b) {
			if n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 8); err == nil && n >= ' ' && n <= '~' && n != '"' && n != '\\' {
				out = append(out, byte(n))
				i += 5
				continue
			}
		}
		out = append(out, b[i], b[i+1])
		i++
	}
	return out
}

// lowerEscapes writes the hexadecimal digits of percent escapes in lower case.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// jsonForms returns the ways in which common encoders write s inside a JSON string.
func jsonForms(s string) []string {
	quoted, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	html := string(quoted[1 : len(quoted)-1])
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil
	}
	plain := strings.TrimSuffix(b.String(), "\n")
	plain = plain[1 : len(plain)-1]
	slash := strings.NewReplacer("/", `\/`)
	unicode := strings.NewReplacer("=", `\u003d`, "+", `\u002b`, "/", `\u002f`, "&", `\u0026`, "'", `\u0027`)
	return []string{html, plain, slash.Replace(plain), slash.Replace(html), unicode.Replace(html)}
}

// base64Cores returns what of s shows in a base64 text that holds s at any offset: for each of the three
// alignments the characters that s alone decides.
func base64Cores(enc *base64.Encoding, s string) []string {
	cores := make([]string, 0, 3)
	for offset := range 3 {
		text := enc.EncodeToString(append(make([]byte, offset), s...))
		first := (offset*8 + 5) / 6      // the first character without bits of what stands before s
		end := (offset + len(s)) * 8 / 6 // the first that could hold bits of what follows
		cores = append(cores, text[first:end])
	}
	return cores
}

// matcher finds the first of several patterns, the longest at each place, in steps nearly as long as the shortest of
// them: every answer of Intercom is searched, and hardly any holds a secret.
type matcher struct {
	patterns [][]byte      // the longest first
	size     int           // length of the shortest
	step     [4 << 10]byte // by the hash of two bytes: how far the window may move that ends with them
}

func newMatcher(patterns [][]byte) *matcher {
	m := &matcher{patterns: patterns, size: min(255, len(patterns[len(patterns)-1]))}
	for i := range m.step {
		m.step[i] = byte(m.size - 1)
	}
	for _, p := range patterns {
		for end := 2; end <= m.size; end++ {
			s := &m.step[hash(p[end-2], p[end-1])]
			*s = min(*s, byte(m.size-end))
		}
	}
	return m
}

func hash(a, b byte) uint16 { return (uint16(a)<<5 ^ uint16(b)) & (4<<10 - 1) }

// find returns where the first pattern begins in b, and its length; 0 if there is none.
func (m *matcher) find(b []byte) (at, length int) {
	for end := m.size; end <= len(b); {
		if step := int(m.step[hash(b[end-2], b[end-1])]); step > 0 {
			end += step
			continue
		}
		for _, p := range m.patterns {
			if bytes.HasPrefix(b[end-m.size:], p) {
				return end - m.size, len(p)
			}
		}
		end++
	}
	return 0, 0
}

// replace returns b with [Mark] where the patterns are in text, which is b or b in lower case.
func (m *matcher) replace(b, text []byte) []byte {
	at, length := m.find(text)
	if length == 0 {
		return b
	}
	var out []byte
	for ; length > 0; at, length = m.find(text) {
		out = append(append(out, b[:at]...), Mark...)
		b, text = b[at+length:], text[at+length:]
	}
	return append(out, b...)
}
