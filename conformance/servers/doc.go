// Package servers holds tests alone: streams of other people's servers, and through other
// people's proxies, that are dropped and restarted under way.
package servers
