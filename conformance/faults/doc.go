// Package faults contains only tests. They bring about what goes wrong in networks and
// servers, over each version of HTTP.
package faults
