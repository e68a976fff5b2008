// Package apipath fills in and compares path templates such as /conversations/{conversation_id}/parts.
package apipath

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Expand replaces the placeholders of template, in order, by the escaped args. An argument that could change
// where the path leads ("", ".", ".." or one with control characters) is an error, as is a wrong number of them.
func Expand(template string, args ...string) (string, error) {
	var b strings.Builder
	b.Grow(len(template) + 32)
	rest := template
	for _, arg := range args {
		open := strings.IndexByte(rest, '{')
		end := strings.IndexByte(rest, '}')
		if open < 0 || end < open {
			return "", fmt.Errorf("path %s takes fewer than %d arguments", template, len(args))
		}
		if err := checkSegment(arg); err != nil {
			return "", fmt.Errorf("%s %w", rest[open+1:end], err)
		}
		b.WriteString(rest[:open])
		b.WriteString(url.PathEscape(arg))
		rest = rest[end+1:]
	}
	if open := strings.IndexByte(rest, '{'); open >= 0 {
		return "", fmt.Errorf("path %s takes more than %d arguments", template, len(args))
	}
	b.WriteString(rest)
	return b.String(), nil
}

func checkSegment(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case s == "." || s == "..":
		return fmt.Errorf("is %q, which would lead to another path", s)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return errors.New("holds a control character")
	}
	return nil
}

// Clean returns where an escaped path leads for a server that decodes it, as often as it may, before it looks.
func Clean(escaped string) string { return path.Clean("/" + decoded(escaped)) }

// Climbs reports whether such a server would find a segment ".." in an escaped path.
func Climbs(escaped string) bool { return slices.Contains(strings.Split(decoded(escaped), "/"), "..") }

func decoded(escaped string) string {
	p := escaped
	for range 4 { // no server decodes more often; a path that still changes matches nothing
		u, err := url.PathUnescape(p)
		if err != nil || u == p {
			break
		}
		p = u
	}
	return strings.ReplaceAll(p, `\`, "/")
}

// Matches reports whether a clean path fits the template, and how many of its segments do so literally.
func Matches(template, clean string) (literal int, ok bool) {
	t, p := template, clean
	for strings.Trim(t, "/") != "" || strings.Trim(p, "/") != "" {
		var ts, ps string
		ts, t = cut(t)
		ps, p = cut(p)
		switch {
		case strings.HasPrefix(ts, "{") && ps != "":
		case strings.EqualFold(ts, ps), len(ps) > len(ts) && strings.EqualFold(ts+".", ps[:len(ts)+1]):
			literal++ // a format suffix such as .json leads to the same place
		default:
			return 0, false
		}
	}
	return literal, true
}

// cut takes the first segment off a path that begins with a slash.
func cut(p string) (segment, rest string) {
	p = strings.TrimPrefix(p, "/")
	if i := strings.IndexByte(p, '/'); i >= 0 {
		return p[:i], p[i:]
	}
	return p, ""
}
