package main

import (
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays feature flags that a load balancer cuts off after ten minutes: a span
// lasts as long as its connection.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
		srv := ssetest.Replay(t, "../../testdata/recordings/launchdarkly.txt")
		if err := watch(t.Context(), srv.Client().Transport, srv.URL()+"/all"); err != nil {
			t.Fatal(err)
		}
		ended := spans.Ended()
		if len(ended) != 6 {
			t.Errorf("%d spans, want 6", len(ended))
		}
		for i, s := range ended {
			t.Log(i, s.EndTime().Sub(s.StartTime()).Round(time.Second))
		}
	})
}
