package main

import (
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestWatch(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	srv := ssetest.NewScriptedServer(t,
		func(c *ssetest.Conn) { c.Write("retry: 10\n"); c.Send(sse.Event{Data: "a"}); c.Abort() },
		func(c *ssetest.Conn) { c.Send(sse.Event{Type: "e", Data: "b"}); c.Send(sse.Event{Data: "c"}) },
	)
	if err := watch(t.Context(), srv.Client().Transport, srv.URL()); err != nil {
		t.Fatal(err)
	}

	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
				for _, p := range sum.DataPoints {
					got = append(got, fmt.Sprint(m.Name, " ", p.Attributes.Encoded(attribute.DefaultEncoder()), " ", p.Value))
				}
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"sse.client.drops error=*errors.errorString 2",
		"sse.client.events type=e 1",
		"sse.client.events type=message 2",
		"sse.client.open_streams  0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("metrics %q, want %q", got, want)
	}
	if n := len(spans.Ended()); n != 3 {
		t.Errorf("%d spans, want one for each request, that of the 204 too", n)
	}
}
