package intercomrbac

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/intercomrbac/intercomrbac/internal/seal"
)

// KeyRing holds the keys that the tokens of workspaces are sealed with (AES-256-GCM): one that seals, and others that still
// open what was sealed under them before. Printing it shows none. It is made by [NewKeyRing], is not changed afterwards, and
// is safe for concurrent use; nil and the zero value are refused.
//
// To rotate, give every process a ring with the old key and the new one, the old one being primary; then make the new one
// primary; then run [Workspaces.Rotate], and take the old key out of the ring.
type KeyRing struct{ ring seal.Ring }

// NewKeyRing returns a ring of keys by id. A key is 32 random bytes in base64, as "openssl rand -base64 32" prints them. An id is
// up to 64 letters, digits, dots, dashes and underscores; it is stored with what was sealed, and must stay with its key. New
// tokens are sealed under the key with the id primary. All that is wrong is in the error at once, without the keys.
func NewKeyRing(primary string, keys map[string]Secret) (*KeyRing, error) {
	var errs []error
	var list []seal.Key
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		key, err := base64.StdEncoding.Strict().DecodeString(keys[id].Reveal())
		if err != nil || len(key) != seal.KeySize {
			errs = append(errs, fmt.Errorf("the key %.80q is not %d bytes in base64: make one with: openssl rand -base64 %d", id, seal.KeySize, seal.KeySize))
			continue
		}
		list = append(list, seal.Key{ID: id, Secret: key})
	}
	var ring seal.Ring
	if errs == nil {
		var err error
		ring, err = seal.New(primary, list...)
		errs = append(errs, err)
	}
	for _, key := range list {
		clear(key.Secret)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewKeyRing: %w", err)
	}
	return &KeyRing{ring}, nil
}
