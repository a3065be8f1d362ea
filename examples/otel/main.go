// Command otel watches a stream with OpenTelemetry: a span for each request, by otelhttp, and
// metrics of events, drops and open streams, by Trace. It prints them when it is interrupted:
//
//	cd examples/otel && go run . https://stream.wikimedia.org/v2/stream/recentchange
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastevent/sse"
)

func main() {
	spans, err1 := stdouttrace.New()
	metrics, err2 := stdoutmetric.New()
	if len(os.Args) != 2 || err1 != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, "usage: otel URL", err1, err2)
		os.Exit(2)
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	otel.SetTracerProvider(tp)
	otel.SetMeterProvider(mp)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := watch(ctx, http.DefaultTransport, os.Args[1])
	fmt.Fprintln(os.Stderr, err, tp.Shutdown(context.Background()), mp.Shutdown(context.Background()))
}

func watch(ctx context.Context, base http.RoundTripper, url string) error {
	meter := otel.Meter("example.com/feed")
	events, _ := meter.Int64Counter("sse.client.events")
	drops, _ := meter.Int64Counter("sse.client.drops")
	open, _ := meter.Int64UpDownCounter("sse.client.open_streams")
	opened := false
	client := sse.Client{
		// A span lasts as long as its response: until the stream is dropped.
		HTTPClient:  &http.Client{Transport: otelhttp.NewTransport(base)},
		Reconnect:   sse.Transient,
		IdleTimeout: time.Minute,
		Trace: &sse.Trace{
			Connect: func(*http.Request) { opened = false },
			Open:    func(*http.Response) { opened = true; open.Add(ctx, 1) },
			Disconnect: func(info sse.DisconnectInfo) {
				if opened {
					open.Add(ctx, -1)
				}
				if info.Reconnect {
					drops.Add(ctx, 1, metric.WithAttributes(attribute.String("error", fmt.Sprintf("%T", info.Err))))
				}
			},
		},
	}
	for ev, err := range client.Get(ctx, url) {
		if err != nil {
			return err
		}
		events.Add(ctx, 1, metric.WithAttributes(attribute.String("type", ev.Type)))
	}
	return nil
}
