// Package seal encrypts small secrets for storage: AES-256-GCM under one of several keys, tied to the place where the result
// is kept.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// A sealed text is
//
//	format (1 byte) | length of the key id (1 byte) | key id | nonce (12 bytes) | ciphertext and tag (16 bytes)
//
// Format, key id and place are authenticated: a text does not open under another of them.
const (
	format  = 1
	KeySize = 32 // bytes
	maxID   = 64 // bytes
)

// Key is a key with its name.
type Key struct {
	ID     string
	Secret []byte
}

// Ring seals under one key and opens what was sealed under any of its keys. It holds them in closures, so that printing it
// shows none. The zero value has no key. It is safe for concurrent use.
type Ring struct {
	primary string
	seal    func(id string, text, place []byte) []byte
	open    func(id string, sealed, place []byte) ([]byte, error) // of a key that it has
	has     func(id string) bool
}

// New returns a ring that seals under the key with the id primary. The keys may be overwritten afterwards.
func New(primary string, keys ...Key) (Ring, error) {
	var errs []error
	aeads := make(map[string]cipher.AEAD, len(keys))
	for i, k := range keys {
		if !IsID(k.ID) {
			errs = append(errs, fmt.Errorf("%.80q is no key id: use up to %d letters, digits, dots, dashes and underscores", k.ID, maxID))
			continue
		}
		for _, other := range keys[:i] {
			if string(other.Secret) == string(k.Secret) {
				errs = append(errs, fmt.Errorf("the keys %q and %q are the same: make a new one to rotate", other.ID, k.ID))
			}
		}
		aead, err := newAEAD(k.Secret)
		if err != nil {
			errs = append(errs, fmt.Errorf("the key %q: %w", k.ID, err))
		}
		if _, twice := aeads[k.ID]; twice {
			errs = append(errs, fmt.Errorf("two keys have the id %q", k.ID))
		}
		aeads[k.ID] = aead
	}
	if _, ok := aeads[primary]; !ok {
		errs = append(errs, fmt.Errorf("there is no key with the id %.80q, which is to seal", primary))
	}
	if err := errors.Join(errs...); err != nil {
		return Ring{}, err
	}
	return Ring{
		primary: primary,
		seal: func(id string, text, place []byte) []byte {
			out := append([]byte{format, byte(len(id))}, id...)
			return aeads[id].Seal(out, nil, text, place)
		},
		open: func(id string, sealed, place []byte) ([]byte, error) { return aeads[id].Open(nil, nil, sealed, place) },
		has:  func(id string) bool { _, ok := aeads[id]; return ok },
	}, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("it has %d bytes, not %d", len(key), KeySize)
	}
	if string(key) == string(make([]byte, KeySize)) {
		return nil, errors.New("it is all zeros")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// IsID reports whether s can be the id of a key.
func IsID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

// Primary returns the id of the key that seals.
func (r Ring) Primary() string { return r.primary }

// Seal encrypts text for a place, which is told by its parts. The ring must have keys.
func (r Ring) Seal(text []byte, place ...string) []byte {
	return r.seal(r.primary, text, bind(r.primary, place))
}

// Open decrypts what was sealed for the same place. It tries one key, the one that the text names.
func (r Ring) Open(sealed []byte, place ...string) ([]byte, error) {
	id, rest, err := cut(sealed)
	switch {
	case err != nil:
		return nil, err
	case r.has == nil || !r.has(id):
		return nil, fmt.Errorf("it was sealed under the key %q, which is not among the keys", id)
	}
	text, err := r.open(id, rest, bind(id, place))
	if err != nil {
		return nil, fmt.Errorf("it does not open under the key %q: it was changed, belongs to another place, or another key has this id", id)
	}
	return text, nil
}

// KeyID returns the id of the key that a text says it was sealed under.
func KeyID(sealed []byte) (string, error) {
	id, _, err := cut(sealed)
	return id, err
}

func cut(sealed []byte) (id string, rest []byte, err error) {
	switch {
	case len(sealed) == 0:
		return "", nil, errors.New("there is nothing in it")
	case sealed[0] != format:
		return "", nil, fmt.Errorf("it is in format %d, which this version does not know", sealed[0])
	case len(sealed) < 2 || len(sealed)-2 < int(sealed[1]):
		return "", nil, errors.New("it is cut off")
	}
	id, rest = string(sealed[2:2+int(sealed[1])]), sealed[2+int(sealed[1]):]
	if !IsID(id) {
		return "", nil, errors.New("it names no key")
	}
	return id, rest, nil
}

// bind returns what a sealed text is authenticated with. Each part comes with its length, so that none can pass for the end
// of another.
func bind(id string, place []string) []byte {
	out := make([]byte, 0, 128)
	part := func(s string) { out = append(binary.BigEndian.AppendUint64(out, uint64(len(s))), s...) }
	part(string([]byte{format}))
	part(id)
	for _, p := range place {
		part(p)
	}
	return out
}
