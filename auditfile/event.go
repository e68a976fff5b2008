package auditfile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/intercomrbac/intercomrbac"
)

// texts are the members of an event that are texts.
var texts = func() (out []text) {
	for f := range reflect.TypeFor[intercomrbac.AuditEvent]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Type.Kind() == reflect.String {
			out = append(out, text{name, f.Index[0]})
		}
	}
	return out
}()

type text struct {
	name  string // in JSON
	index int    // of the field
}

// redactor returns what redacts an event. The key is in the closure, so that printing shows none.
func (r Redaction) redactor() (func(*intercomrbac.AuditEvent), error) {
	var errs []error
	index := func(names []string) []int {
		var out []int
		for _, name := range names {
			i := slices.IndexFunc(texts, func(t text) bool { return t.name == name })
			if i < 0 || name == "id" || name == "phase" || name == "outcome" {
				errs = append(errs, fmt.Errorf("the Redaction names %.40q, which is no member that can be redacted, such as adminEmail or ipAddress", name))
				continue
			}
			out = append(out, texts[i].index)
		}
		return out
	}
	hashed, dropped := index(r.HMAC), index(r.Drop)
	if len(r.HMAC) > 0 && (len(r.Key) < minRedactKey || r.KeyID == "") {
		errs = append(errs, fmt.Errorf("a Redaction with HMAC needs a KeyID and a Key of %d bytes or more", minRedactKey))
	}
	if len(r.KeyID) > maxKeyID {
		errs = append(errs, fmt.Errorf("the KeyID has %d bytes: at most %d", len(r.KeyID), maxKeyID))
	}
	if strings.ContainsFunc(r.KeyID, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_'
	}) {
		errs = append(errs, fmt.Errorf("the KeyID %.40q has other characters than letters, digits, dots, dashes and underscores", r.KeyID))
	}
	if err := errors.Join(errs...); err != nil || len(hashed)+len(dropped) == 0 {
		return nil, err
	}
	key, prefix := slices.Clone(r.Key), "hmac:"+r.KeyID+":"
	return func(e *intercomrbac.AuditEvent) {
		v := reflect.ValueOf(e).Elem()
		for _, i := range hashed {
			if text := v.Field(i).String(); text != "" {
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(text))
				v.Field(i).SetString(prefix + hex.EncodeToString(mac.Sum(nil)))
			}
		}
		for _, i := range dropped {
			v.Field(i).SetString("")
		}
	}, nil
}

// encode writes an event as JSON, with its texts cut where it is too large.
func encode(e *intercomrbac.AuditEvent) ([]byte, error) {
	size := textSize(e)
	if size <= maxEvent { // how large it becomes with escapes, only writing it tells
		if b, err := json.Marshal(e); err != nil || len(b) <= maxEvent {
			return b, err
		}
	}
	small := *e
	small.TruncatedFrom = size
	v := reflect.ValueOf(&small).Elem()
	for limit := 4096; ; limit /= 4 {
		for _, t := range texts {
			v.Field(t.index).SetString(cut(v.Field(t.index).String(), limit))
		}
		if b, err := json.Marshal(&small); err != nil || len(b) <= maxEvent {
			return b, err
		}
	}
}

func textSize(e *intercomrbac.AuditEvent) int {
	size := 0
	v := reflect.ValueOf(e).Elem()
	for _, t := range texts {
		size += v.Field(t.index).Len()
	}
	return size
}

// cut shortens a text to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i >= 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}
