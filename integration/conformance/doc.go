// Package conformance holds the client and the fake against Intercom's own OpenAPI description of its API: what the
// client sends, what it reads, and what the fake answers. It is all tests. They need the description, which is not part
// of this project (https://github.com/intercom/Intercom-OpenAPI, descriptions/2.16/api.intercom.io.yaml):
//
//	INTERCOM_OPENAPI=/path/to/api.intercom.io.yaml go test -v ./conformance
//
// The variable may name the files of other versions behind it, as PATH does: of those the examples are read, no more.
//
// A new operation of the client needs an entry in the table cases, and nothing else here.
package conformance
