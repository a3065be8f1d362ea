// Package browser contains only a test. One server sends the same bytes to Chromium's
// EventSource and to package sse's, and the test compares step by step what each sees.
package browser
