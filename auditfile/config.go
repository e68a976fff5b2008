package auditfile

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Config says how a log is kept. The zero value keeps a durable log without a limit, checkpoints or redaction.
type Config struct {
	// MaxFileBytes is the size from which on a new file is begun; 0 means 64 MiB.
	MaxFileBytes int64
	// MaxFileAge is how long one file is written to; 0 means 24 hours.
	MaxFileAge time.Duration
	// MaxBytes is the quota of the directory; 0 means none. A fifth of it is kept free for intents and outcomes of
	// writes, and a quarter of that for outcomes alone: reads, denials and notices stop at 80 %, intents at 95 %.
	// What does not fit is an error, and nothing is removed for it: archive and remove the oldest files. It is no
	// less than 1 MiB.
	MaxBytes int64
	// DenialsPerMinute is how many denials of one principal and permission become events of their own within a
	// minute; 0 means 60, a negative number that all do. Those beyond it are counted in memory and become one event
	// with Count and Since when the minute ends, or on Close: that count is what a crash can lose.
	DenialsPerMinute int
	// BestEffort makes Record return without waiting for the disk, and succeed whatever the disk says. Events are
	// dropped while the disk fails or 1,024 of them wait, and counted: in [Log.Dropped], and in a notice
	// "audit.dropped" in the log as soon as it can be written again.
	BestEffort bool
	// SigningKey signs checkpoints; nil means that there are none. They are lines in the log. Whoever reads the key
	// can write the log anew unseen. It signs what Open found, too: that this was written anew while no Log had it
	// open, only a checkpoint that was kept elsewhere tells. Give each log a key of its own: nothing else tells logs
	// of one key apart.
	SigningKey ed25519.PrivateKey
	// CheckpointEvery is after how many events there is a checkpoint; 0 means 1,000.
	CheckpointEvery int
	// CheckpointInterval is how old the events become at the most that no checkpoint vouches for; 0 means one minute.
	CheckpointInterval time.Duration
	// Redact says which members do not come to the disk as they are.
	Redact Redaction
}

// Redaction replaces members of events before they are written. They are named as in the JSON of an event, such as
// "adminEmail" or "ipAddress", and must be texts; id, phase and outcome stay as they are. The zero value replaces nothing.
type Redaction struct {
	// HMAC members become "hmac:KeyID:" and the HMAC-SHA256 of the text in hexadecimal: equal texts can be found by
	// who has the key, and nobody else can guess. Empty ones stay empty.
	HMAC []string
	// Drop members become empty.
	Drop []string
	// KeyID names the key: up to 64 letters, digits, dots, dashes and underscores. It is needed with HMAC.
	KeyID string
	// Key has 32 bytes or more. It is needed with HMAC.
	Key []byte
}

const (
	minQuota       = 1 << 20
	maxQueue       = 1024    // events that wait for the disk
	maxBatch       = 1 << 20 // bytes of one write: half for events, half for what the log has to say
	maxDenialKeys  = 4096    // principals and permissions whose denials are counted
	denialWindow   = time.Minute
	retryAfter     = time.Second // with what is due while the disk fails
	recountQuota   = time.Second
	maxTorn        = maxBatch + 8*maxLine // a power cut damages no more than the write that was under way
	minRedactKey   = 32
	maxKeyID       = 64
	sharesOfQuota  = 100
	shareOfDenials = 80
	shareOfIntents = 95
)

// complete sets what was not given, or says what is wrong.
func (c *Config) complete() error {
	var errs []error
	if c.MaxFileBytes < 0 || c.MaxFileAge < 0 || c.CheckpointEvery < 0 || c.CheckpointInterval < 0 {
		errs = append(errs, errors.New("MaxFileBytes, MaxFileAge, CheckpointEvery and CheckpointInterval must not be negative"))
	}
	if c.MaxBytes < 0 || c.MaxBytes > 0 && c.MaxBytes < minQuota {
		errs = append(errs, fmt.Errorf("MaxBytes is %d: a quota is 1 MiB or more, and 0 means none", c.MaxBytes))
	}
	if c.SigningKey != nil && len(c.SigningKey) != ed25519.PrivateKeySize {
		errs = append(errs, fmt.Errorf("the SigningKey has %d bytes in place of %d", len(c.SigningKey), ed25519.PrivateKeySize))
	}
	setDefault(&c.MaxFileBytes, 64<<20)
	setDefault(&c.MaxFileAge, 24*time.Hour)
	setDefault(&c.DenialsPerMinute, 60)
	setDefault(&c.CheckpointEvery, 1000)
	setDefault(&c.CheckpointInterval, time.Minute)
	return errors.Join(errs...)
}

func setDefault[T comparable](to *T, value T) {
	if *to == *new(T) {
		*to = value
	}
}
