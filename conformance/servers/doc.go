// Package servers contains only tests. They follow streams of other people's servers, and
// through other people's proxies, which drop connections and are restarted meanwhile.
package servers
