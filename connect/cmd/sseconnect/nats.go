package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// The engine's core has no output for NATS. This one has the name and the most important
// fields of Redpanda Connect's, so that a configuration for it works there, too.
func init() {
	service.MustRegisterOutput("nats_jetstream", natsSpec(), newNATSOutput)
}

func natsSpec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Categories("Services").
		Summary("Publishes messages to a subject of NATS JetStream, which has a stream for it. A message is acknowledged when JetStream has stored it.").
		Fields(
			service.NewStringListField("urls").
				Description("The URLs of NATS servers.").
				Example([]string{"nats://127.0.0.1:4222"}),
			service.NewInterpolatedStringField("subject").
				Description("The subject of each message.").
				Example("events.${! @sse_type }"),
			service.NewInterpolatedStringMapField("headers").
				Description("Headers of each message. JetStream drops a message whose `Nats-Msg-Id` it has seen within its window for duplicates. So the repeats that a crash may cause are stored once.").
				Example(map[string]any{"Nats-Msg-Id": "${! @sse_id }"}).
				Default(map[string]any{}),
			service.NewOutputMaxInFlightField().Default(1024),
		)
}

type natsOutput struct {
	urls    string
	subject *service.InterpolatedString
	headers map[string]*service.InterpolatedString

	mu   sync.Mutex
	conn *nats.Conn
	js   jetstream.JetStream
}

func newNATSOutput(p *service.ParsedConfig, _ *service.Resources) (service.Output, int, error) {
	o := new(natsOutput)
	urls, err := p.FieldStringList("urls")
	if err != nil {
		return nil, 0, err
	}
	o.urls = strings.Join(urls, ",")
	if o.subject, err = p.FieldInterpolatedString("subject"); err != nil {
		return nil, 0, err
	}
	if o.headers, err = p.FieldInterpolatedStringMap("headers"); err != nil {
		return nil, 0, err
	}
	inFlight, err := p.FieldMaxInFlight()
	return o, inFlight, err
}

func (o *natsOutput) Connect(context.Context) error {
	conn, err := nats.Connect(o.urls, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.js = conn, js
	return nil
}

func (o *natsOutput) Write(ctx context.Context, m *service.Message) error {
	o.mu.Lock()
	js := o.js
	o.mu.Unlock()
	if js == nil {
		return service.ErrNotConnected
	}
	subject, err := o.subject.TryString(m)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(subject)
	for name, value := range o.headers {
		v, err := value.TryString(m)
		if err != nil {
			return err
		}
		msg.Header.Set(name, v)
	}
	if msg.Data, err = m.AsBytes(); err != nil {
		return err
	}
	_, err = js.PublishMsg(ctx, msg)
	if errors.Is(err, nats.ErrConnectionClosed) {
		return service.ErrNotConnected
	}
	return err
}

func (o *natsOutput) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn != nil {
		o.conn.Close()
		o.conn, o.js = nil, nil
	}
	return nil
}
