// Package redact removes known secrets from text that comes from elsewhere.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
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
	folded := make([][]byte, len(patterns))
	for i, p := range patterns {
		folded[i] = lowerASCII(p)
	}
	return Redactor{func(b []byte, fold bool) []byte {
		for i, p := range patterns {
			switch {
			case fold:
				b = replaceFold(b, folded[i])
			case bytes.Contains(b, p):
				b = bytes.ReplaceAll(b, p, []byte(Mark))
			}
		}
		return b
	}}
}

// Bytes returns b with every secret replaced: b itself where it holds none.
func (r Redactor) Bytes(b []byte) []byte {
	if r.replace == nil {
		return b
	}
	return r.replace(b, false)
}

// String returns s with every secret replaced, also where letters changed their case, as in the name of a header.
func (r Redactor) String(s string) string {
	if r.replace == nil || s == "" {
		return s
	}
	return string(r.replace([]byte(s), true))
}

// replaceFold replaces what is pattern, which is in lower case, but for the case of its letters.
func replaceFold(b, pattern []byte) []byte {
	lower := lowerASCII(b)
	if !bytes.Contains(lower, pattern) {
		return b
	}
	var out []byte
	for {
		i := bytes.Index(lower, pattern)
		if i < 0 {
			return append(out, b...)
		}
		out = append(append(out, b[:i]...), Mark...)
		b, lower = b[i+len(pattern):], lower[i+len(pattern):]
	}
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
