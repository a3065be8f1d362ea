// Package browser holds a test alone: the same bytes, from the same server, go to
// Chromium's EventSource and to package sse's, and what each sees is compared step by step.
package browser
