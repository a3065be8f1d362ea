// Package load opens many event streams on a server, holds them, and measures what the server does:
// how fast it opens them, how promptly and how completely each event reaches every stream, and what
// happens when connections break or the server restarts.
package load
