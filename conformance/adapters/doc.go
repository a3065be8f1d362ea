// Package adapters tests the programs beside it, which make sseconform play its scenarios to
// other clients of server-sent events, and to ours. What a client is known to fail is in
// expect/: the test fails if anything else fails, or if something of that passes. It writes
// docs/clients.md.
package adapters
