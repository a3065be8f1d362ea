// Package check contains only tests: the proof of sse check. They start servers, proxies and
// handlers, each in a good configuration or with one fault, and run the command against
// them. A fault must be found, and where there is none, no problem may be.
package check
