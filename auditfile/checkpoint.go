package auditfile

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

// Checkpoint says how far a log had come: it vouches for the line of a sequence, and by its hash for every line before
// it. Kept where the log's own machine cannot change it, it shows that a log was cut or written anew; see [Verify]. As JSON
// it is what a checkpoint in a log has.
type Checkpoint struct {
	// Sequence and Hash are those of the line; the first one has the sequence 1.
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
	// Time is when it was signed.
	Time time.Time `json:"time,omitzero"`
	// Signature is by Ed25519 over Sequence, Hash and Time. It may be empty where the checkpoint comes from a place
	// that is trusted, such as a Report that was kept elsewhere.
	Signature []byte `json:"signature,omitempty"`
}

// message is what is signed. No other use of a key has its first line.
func (c *Checkpoint) message() []byte {
	return fmt.Appendf(nil, "intercomrbac audit checkpoint 1\n%d\n%s\n%s\n", c.Sequence, c.Hash, c.Time.UTC().Format(time.RFC3339Nano))
}

// signedBy reports whether one of the keys signed it.
func (c *Checkpoint) signedBy(keys []ed25519.PublicKey) bool {
	for _, key := range keys {
		if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, c.message(), c.Signature) {
			return true
		}
	}
	return false
}
