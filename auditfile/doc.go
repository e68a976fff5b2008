// Package auditfile keeps an audit trail in files: durable, and so that changes to it show.
//
//	log, err := auditfile.Open("/var/lib/desk/audit", auditfile.Config{SigningKey: key})
//	// ...
//	defer log.Close(context.Background())
//	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: log})
//
// [Log.Record] returns when the event is on the disk. Callers share syncs: while one is under way, the next ones gather. A
// power cut, a full disk, a short write or an I/O error loses nothing that was acknowledged, on a disk that keeps what it
// said to have synced and does not change older bytes when it writes newer ones.
//
// # The format
//
// A log is a directory with files audit-N.jsonl, where N is the sequence of the file's first line in 20 digits. Each line is
// a JSON object: first "sequence", which counts from 1 and goes on from file to file, and "previous", the hash of the line
// before, or 64 zeros in the first; then the members of the event, as [intercomrbac.AuditEvent] has them, or a "checkpoint";
// last "hash", the SHA-256 in lower-case hexadecimal of the bytes of the line up to the comma before it. Bytes are hashed,
// not values, so that a verifier needs no rules of how to write JSON. This one is whole:
//
//	import glob, hashlib, json, sys
//	previous, n = "0" * 64, 0
//	for name in sorted(glob.glob(sys.argv[1] + "/audit-*.jsonl")):
//	    for line in open(name, "rb"):
//	        n += 1
//	        body = line[: line.rfind(b',"hash":"')]
//	        digest = hashlib.sha256(body).hexdigest()
//	        if line != body + b',"hash":"' + digest.encode() + b'"}\n' or json.loads(line)["sequence"] != n or json.loads(line)["previous"] != previous:
//	            sys.exit(print("sequence", n, "is bad") or 1)
//	        previous = digest
//	print(n, "lines are as they were written")
//
// [Verify] does the same and more, [Events] reads events back, and for people there is
//
//	go run github.com/intercomrbac/intercomrbac/auditfile/verify DIR
//
// # What shows, and what does not
//
// A line that was changed, deleted, inserted, doubled or moved breaks the chain, and Verify names the first sequence that is
// bad. But whoever can write the files can also compute hashes: without a checkpoint that is kept elsewhere, nobody can see
// that lines were cut from the end, or that a whole log was made up. So keep one where the machine of the log cannot change
// it, such as in another account's object store, with a write-once policy, or in a ticket: either [Log.LastCheckpoint], each
// time that it is another one, or, without a signing key, Last and Hash of a [Report], which verify prints. What came after
// the checkpoint is not covered by it, so the more often the better. The public key in [Trust] shows in addition that every
// checkpoint in the log was signed with the service's own key, up to [Report.Covered].
// The key signs what Open found, too: a log that was written anew while no Log had it open, and was then opened again, shows
// only against a checkpoint that was kept elsewhere. Give each log a key of its own.
//
// # Retention and erasure
//
// A line cannot be taken out of a chain, so a log ends by whole files: archive and remove the oldest ones, and give Verify
// the sequence that the log begins with then ([Trust]); the hash that its first line has for the line before, and every later
// checkpoint, still vouch for what was removed and what stays. What may have to be erased for one person must not come into
// the log in clear: with [Redaction] an e-mail or IP address is dropped, or becomes an HMAC under a key that is kept elsewhere,
// so that equal ones can still be found by whoever has the key. To erase, destroy the key; a new one for each year, say, lets
// years go one by one. An admin's id is a pseudonym already, which Intercom or the service resolves. No token and no text of a
// message is ever part of an event.
package auditfile
