package seal_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/seal"
)

func key(id string, b byte) seal.Key {
	return seal.Key{ID: id, Secret: bytes.Repeat([]byte{b}, seal.KeySize)}
}

func ring(t testing.TB, primary string, keys ...seal.Key) seal.Ring {
	t.Helper()
	r, err := seal.New(primary, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	t.Parallel()
	a, b := key("a", 1), key("b", 2)
	old, both := ring(t, "a", a), ring(t, "b", a, b)
	for _, text := range []string{"", "x", strings.Repeat("long ", 1000)} {
		sealed := old.Seal([]byte(text), "store", "workspace")
		for _, r := range []seal.Ring{old, both} {
			got, err := r.Open(sealed, "store", "workspace")
			if err != nil || string(got) != text {
				t.Errorf("Open: %.20q, %v, want %.20q", got, err, text)
			}
		}
		if again := old.Seal([]byte(text), "store", "workspace"); bytes.Equal(again, sealed) {
			t.Error("the same text was sealed twice to the same bytes")
		}
		if id, err := seal.KeyID(both.Seal([]byte(text))); id != "b" || err != nil || both.Primary() != "b" {
			t.Errorf("sealed under %q (%v), want the primary key", id, err)
		}
	}
}

func TestTheRingKeepsItsOwnCopy(t *testing.T) {
	t.Parallel()
	k := key("a", 1)
	r := ring(t, "a", k)
	sealed := r.Seal([]byte("text"))
	clear(k.Secret)
	if _, err := r.Open(sealed); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesBadKeys(t *testing.T) {
	t.Parallel()
	good := key("a", 1)
	for name, tt := range map[string]struct {
		primary string
		keys    []seal.Key
		says    string
	}{
		"none":              {"a", nil, `no key with the id "a"`},
		"another primary":   {"b", []seal.Key{good}, `no key with the id "b"`},
		"no primary":        {"", []seal.Key{good}, `no key with the id ""`},
		"no id":             {"a", []seal.Key{good, key("", 2)}, `"" is no key id`},
		"odd id":            {"a", []seal.Key{good, key("a b", 2)}, `"a b" is no key id`},
		"long id":           {"a", []seal.Key{good, key(strings.Repeat("a", 65), 2)}, "is no key id"},
		"short":             {"a", []seal.Key{{ID: "a", Secret: make([]byte, 16)}}, "16 bytes, not 32"},
		"empty":             {"a", []seal.Key{{ID: "a"}}, "0 bytes, not 32"},
		"zeros":             {"a", []seal.Key{key("a", 0)}, "all zeros"},
		"one id twice":      {"a", []seal.Key{good, key("a", 2)}, `two keys have the id "a"`},
		"one key twice":     {"a", []seal.Key{good, key("b", 1)}, "are the same"},
		"all that is wrong": {"x", []seal.Key{key("", 1), {ID: "b"}}, "no key with"},
	} {
		r, err := seal.New(tt.primary, tt.keys...)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if _, err := r.Open(ring(t, "a", good).Seal(nil)); err == nil {
			t.Errorf("%s: the ring opens something", name)
		}
	}
}

// Whatever differs from what was sealed, for its place, does not open.
func TestNothingElseOpens(t *testing.T) {
	t.Parallel()
	r := ring(t, "a", key("a", 1), key("b", 2))
	place := []string{"store", "workspace", "EU", "token"}
	sealed := r.Seal([]byte("text"), place...)
	refused := func(what string, sealed []byte, place ...string) {
		t.Helper()
		if text, err := r.Open(sealed, place...); err == nil {
			t.Errorf("%s: opens as %q", what, text)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			other := slices.Clone(sealed)
			other[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d", bit, i), other, place...)
		}
	}
	for n := range sealed {
		refused(fmt.Sprintf("%d bytes", n), sealed[:n], place...)
	}
	refused("one byte more", append(slices.Clone(sealed), 0), place...)
	refused("nothing", nil, place...)
	for _, other := range [][]string{nil, place[:3], append(slices.Clone(place), ""), {"storew", "orkspace", "EU", "token"},
		{"store", "workspace", "EUtoken"}, {"workspace", "store", "EU", "token"}, {"store", "workspace", "EU", "tokeN"}, {"", "", "", ""}} {
		refused(fmt.Sprintf("place %q", other), sealed, other...)
	}
	swapped := ring(t, "a", key("a", 2), key("b", 1))
	if _, err := swapped.Open(sealed, place...); err == nil || !strings.Contains(err.Error(), `does not open under the key "a"`) {
		t.Errorf("keys with each other's ids: %v", err)
	}
	if _, err := ring(t, "b", key("b", 2)).Open(sealed, place...); err == nil || !strings.Contains(err.Error(), `under the key "a", which is not among the keys`) {
		t.Errorf("an unknown key: %v", err)
	}
	if _, err := r.Open(append([]byte{2}, sealed[1:]...), place...); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("an unknown format: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, "a", key("a", 1))
	good := r.Seal([]byte("text"), "place")
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte{1, 255})
	f.Add([]byte{1, 200, 'a'})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		text, err := r.Open(sealed, "place")
		if err == nil && string(text) != "text" {
			t.Errorf("%x opens as %q", sealed, text)
		}
		if id, idErr := seal.KeyID(sealed); idErr == nil && !seal.IsID(id) {
			t.Errorf("key id %q", id)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	text := bytes.Repeat([]byte("token"), 40)
	r := ring(b, "a", key("a", 1))
	sealed := r.Seal(text, "store", "workspace", "EU", "token")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(sealed, "store", "workspace", "EU", "token"); err != nil {
			b.Fatal(err)
		}
	}
}
