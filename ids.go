package intercomrbac

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Ids are unique within one workspace only. They decode from a JSON string, number or null, because Intercom sends
// all three for one field (numbers are read from their text, so that none is rounded), and encode as strings.
// null, 0 and "0" are the empty id. The empty id identifies nothing. What can be no id is refused when it
// is sent, with ErrInvalidRequest.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/identifiers-and-urls
type (
	// AdminID identifies a teammate; digits. It is not a TeamID, though both look alike.
	AdminID string
	// TeamID identifies a team; digits. It is not an AdminID, though both look alike.
	TeamID string
	// ConversationID identifies a conversation; letters, digits, - and _ with at least one digit.
	ConversationID string
	// ContactID is Intercom's own id of a person (24 hexadecimal digits; checked as a ConversationID is), not the id that
	// your system gave them, which is the external id.
	ContactID string
	// TagID identifies a tag; checked as a ConversationID is.
	TagID string
	// WorkspaceID identifies a workspace: app.id_code in GET /me, app_id in notifications.
	WorkspaceID string
	// AwayReasonID identifies a reason for being away; digits.
	AwayReasonID string
	// ArticleID identifies an article; digits.
	ArticleID string
	// CollectionID identifies a collection of articles; digits.
	CollectionID string
	// HelpCenterID identifies a help center; digits.
	HelpCenterID string
)

// UnmarshalJSON accepts a string, a whole number or null.
func (id *AdminID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *TeamID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *ConversationID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *ContactID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *TagID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *WorkspaceID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *AwayReasonID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *ArticleID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *CollectionID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// UnmarshalJSON accepts a string, a whole number or null.
func (id *HelpCenterID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

func decodeID[T ~string](id *T, b []byte) error {
	s, err := idText(b)
	if err != nil {
		return err
	}
	*id = T(s)
	return nil
}

func idText(b []byte) (string, error) {
	switch {
	case len(b) == 0:
		return "", errors.New("intercomrbac: an id is a string, a whole number or null, not nothing")
	case string(b) == "null":
		return "", nil
	case b[0] == '"':
		s, err := quotedText(b)
		if s == "0" {
			return "", err
		}
		return s, err
	case string(b) == "0":
		return "", nil
	case b[0] != '0' && isDigits(b):
		return string(b), nil
	default:
		return "", errors.New("intercomrbac: an id is a string, a whole number or null") // without the value: it may hold anything
	}
}

// quotedText reads a JSON string. Most ids are plain, and need neither the decoder nor the allocation of a string that
// it writes to.
func quotedText(b []byte) (string, error) {
	if n := len(b) - 1; n > 0 && b[n] == '"' && !bytes.ContainsAny(b[1:n], `"\`) && utf8.Valid(b) {
		return string(b[1:n]), nil
	}
	s := new(string)
	if err := json.Unmarshal(b, s); err != nil {
		return "", errors.New("intercomrbac: an id is a string that is not valid JSON")
	}
	return *s, nil
}

func (id AdminID) check(op Operation) error {
	if !isNumber(id) {
		return invalid(op, "%.40q is no admin id: admin ids are digits (list the admins)", string(id))
	}
	return nil
}

func (id TeamID) check(op Operation) error {
	if !isNumber(id) {
		return invalid(op, "%.40q is no team id: team ids are digits (list the teams)", string(id))
	}
	return nil
}

func (id ArticleID) check(op Operation) error { return checkNumber(op, "article", string(id)) }

func (id CollectionID) check(op Operation) error { return checkNumber(op, "collection", string(id)) }

func (id HelpCenterID) check(op Operation) error { return checkNumber(op, "help center", string(id)) }

func checkNumber(op Operation, kind, id string) error {
	if !isNumber(id) {
		return invalid(op, "%.40q is no %s id: %s ids are digits", id, kind, kind)
	}
	return nil
}

// isNumber reports whether s is digits as in the ids of admins, teams and articles: they do not begin with 0.
func isNumber[T ~string](s T) bool { return isDigits(s) && s[0] != '0' }

func (id ConversationID) check(op Operation) error { return checkID(op, "conversation_id", string(id)) }

func (id ContactID) check(op Operation) error { return checkID(op, "contact_id", string(id)) }

func (id TagID) check(op Operation) error { return checkID(op, "tag_id", string(id)) }

// checkID refuses what is none of Intercom's ids: a word of the API's paths, such as "last", which would lead to another
// endpoint, and what a server that decodes a path before it looks could take for more of it, or for another spelling of an
// id that a condition knows. That an id is empty is for the path to say.
func checkID(op Operation, name, id string) error {
	digits := 0
	for i := range len(id) {
		switch c := id[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return invalid(op, "%s is %.40q, which is no id: Intercom's ids are letters, digits, - and _", name, id)
		}
	}
	if id != "" && digits == 0 {
		return invalid(op, "%s is %.40q, which is no id but a word", name, id)
	}
	return nil
}

// isObjectID reports whether s is as the ids of contacts are: 24 hexadecimal digits, in lower case.
func isObjectID(s string) bool {
	return len(s) == 24 && strings.Trim(s, "0123456789abcdef") == ""
}

func isDigits[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// Timestamp is a point in time as Intercom sends it. It decodes from unix seconds (an integer, a fraction or either
// in quotes), RFC 3339 with or without a zone (UTC is taken), and null; null, second 0 and "" are the zero time. It
// encodes as whole unix seconds, the zero time as null. Times are in UTC, so that equal ones compare equal with ==.
type Timestamp struct{ time.Time }

// NewTimestamp returns t cut to whole seconds, which is what Intercom keeps.
func NewTimestamp(t time.Time) Timestamp {
	if t.IsZero() || t.Unix() == 0 {
		return Timestamp{}
	}
	return Timestamp{time.Unix(t.Unix(), 0).UTC()}
}

// MarshalJSON writes whole unix seconds, or null for the zero time. A year beyond 9999 is an error, since such a time was
// made from milliseconds.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	switch sec := t.Unix(); {
	case t.IsZero():
		return []byte("null"), nil
	case sec < -maxUnix || sec > maxUnix:
		return nil, errTimeRange
	}
	return strconv.AppendInt(nil, t.Unix(), 10), nil
}

// UnmarshalJSON accepts what the type's comment lists.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	if len(b) <= 11 && isDigits(b) { // nearly all of them
		var sec int64
		for _, c := range b {
			sec = sec*10 + int64(c-'0')
		}
		*t = Timestamp{}
		if sec != 0 {
			t.Time = time.Unix(sec, 0).UTC()
		}
		return nil
	}
	if string(b) == "null" {
		*t = Timestamp{}
		return nil
	}
	s := string(bytes.TrimSpace(b))
	if strings.HasPrefix(s, `"`) {
		if err := json.Unmarshal(b, &s); err != nil {
			return errors.New("intercomrbac: a time is a string that is not valid JSON")
		}
		s = strings.TrimSpace(s)
	}
	parsed, err := parseTime(s)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// maxUnix is the end of the year 9999: beyond it RFC 3339 cannot write a time, and milliseconds would slip through.
const maxUnix = 253402300799

var errTimeRange = errors.New("intercomrbac: a time is out of range: unix seconds are expected, not milliseconds")

func parseTime(s string) (Timestamp, error) {
	if s == "" {
		return Timestamp{}, nil
	}
	if sec, err := strconv.ParseInt(s, 10, 64); err == nil {
		if sec < -maxUnix || sec > maxUnix {
			return Timestamp{}, errTimeRange
		}
		if sec == 0 {
			return Timestamp{}, nil
		}
		return Timestamp{time.Unix(sec, 0).UTC()}, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if !(math.Abs(f) <= maxUnix) { // also false for NaN
			return Timestamp{}, errTimeRange
		}
		sec, frac := math.Modf(f)
		if sec == 0 {
			return Timestamp{}, nil
		}
		return Timestamp{time.Unix(int64(sec), int64(frac*1e9)).UTC()}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05Z0700", "2006-01-02"} {
		if v, err := time.Parse(layout, s); err == nil {
			switch {
			case v.IsZero() || v.Unix() == 0:
				return Timestamp{}, nil
			case v.Unix() > maxUnix: // its zone takes it into the year 10000
				return Timestamp{}, errTimeRange
			}
			return Timestamp{v.UTC()}, nil
		}
	}
	return Timestamp{}, errors.New("intercomrbac: a time is unix seconds, RFC 3339 or null")
}
