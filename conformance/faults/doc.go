// Package faults holds tests alone: what goes wrong in networks and servers, brought about
// for real, in each version of HTTP.
package faults
