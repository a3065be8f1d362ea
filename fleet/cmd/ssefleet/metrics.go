package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what /metrics shows. Those of single streams are only of the streams that this
// member has, so that their number does not grow with time.
type metrics struct {
	registry *prometheus.Registry

	events, commits, leasesLost, disconnects, openErrors prometheus.Counter
	refused, deadLetters                                 prometheus.Counter
	outputFailures, duplicates                           prometheus.Counter
	trouble                                              *prometheus.CounterVec
	outputSeconds                                        prometheus.Histogram
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	f := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Namespace: "ssefleet", Name: name, Help: help})
	}
	return &metrics{
		registry:       registry,
		events:         counter("events_total", "Events that the output has taken."),
		commits:        counter("commits_total", "Positions that were committed."),
		leasesLost:     counter("leases_lost_total", "Leases that were lost and not handed over."),
		disconnects:    counter("disconnects_total", "Connections of streams that have ended, and attempts that have failed."),
		openErrors:     counter("stream_errors_total", "Streams that could not be opened, or have ended and are opened again."),
		refused:        counter("refused_total", "Attempts with events that the output has refused."),
		deadLetters:    counter("dead_letters_total", "Events that went to the dead letter file."),
		outputFailures: counter("output_failures_total", "Writes that the output did not take, and that are repeated."),
		duplicates:     counter("output_duplicates_total", "Events that NATS has dropped since it has them."),
		trouble: f.NewCounterVec(prometheus.CounterOpts{Namespace: "ssefleet", Name: "bucket_failures_total",
			Help: "Operations on the bucket that have failed."}, []string{"op"}),
		outputSeconds: f.NewHistogram(prometheus.HistogramOpts{Namespace: "ssefleet", Name: "output_seconds",
			Help: "Time until the output has taken an event.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10)}),
	}
}

// gauge describes a value that is read when it is asked for.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ssefleet_"+name, help, labels, nil)
}

var (
	membersGauge   = gauge("members", "Members of the fleet, those that are leaving not counted.")
	streamsGauge   = gauge("streams", "Streams to be read, in any member's list.")
	listsGauge     = gauge("lists", "Different lists among the members.")
	shareGauge     = gauge("share", "Streams that are for this member.")
	heldGauge      = gauge("held_streams", "Streams that this member has.")
	connectedGauge = gauge("connected_streams", "Streams that this member has and that are connected.")
	natsGauge      = gauge("nats_connected", "Whether NATS is connected.")

	streamConnected = gauge("stream_connected", "Whether a stream of this member is connected.", "stream")
	streamEvents    = gauge("stream_events_total", "Events of a stream since this member has it.", "stream")
	streamLastEvent = gauge("stream_last_event_timestamp_seconds", "When the last event of a stream was taken.", "stream")
)

// Describe and Collect make a monitor a collector of Prometheus.
func (m *monitor) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

func (m *monitor) Collect(ch chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		kind := prometheus.GaugeValue
		if desc == streamEvents {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	connected := 0
	for name, s := range m.held {
		connected += int(number(s.connected))
		send(streamConnected, number(s.connected), name)
		send(streamEvents, float64(s.events), name)
		if !s.lastEvent.IsZero() {
			send(streamLastEvent, float64(s.lastEvent.UnixMilli())/1000, name)
		}
	}
	send(membersGauge, float64(m.shared.Members))
	send(streamsGauge, float64(m.shared.Streams))
	send(listsGauge, float64(m.shared.Lists))
	send(shareGauge, float64(m.shared.Share))
	send(heldGauge, float64(len(m.held)))
	send(connectedGauge, float64(connected))
	send(natsGauge, number(m.natsConnected()))
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
