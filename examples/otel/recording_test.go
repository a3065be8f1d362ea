package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays feature flags: a span lasts as long as its connection.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
		srv := ssetest.Replay(t, "../../testdata/recordings/launchdarkly.txt")
		if err := watch(t.Context(), srv.Client().Transport, srv.URL()+"/all"); err != nil {
			t.Fatal(err)
		}
		// The client waits a minute for a sign of life, and the service sends one each three.
		var lasted []time.Duration
		for _, s := range spans.Ended() {
			lasted = append(lasted, s.EndTime().Sub(s.StartTime()).Round(time.Second))
		}
		if want := []time.Duration{time.Minute, time.Minute, 0}; !slices.Equal(lasted, want) {
			t.Errorf("spans of %s, want %s", lasted, want)
		}
	})
}
