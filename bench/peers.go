package bench

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"

	anthropic "github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	openai "github.com/openai/openai-go/v3/packages/ssestream"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
	jetify "go.jetify.com/sse"
	"gopkg.in/cenkalti/backoff.v1"
)

// Peers are the other Go clients, each by what it offers for a body that is there
// already, with its limit on the size of events raised where it can be.
func Peers() []Subject {
	return []Subject{
		{Name: "openai-go", Drain: drainOpenAI, Events: openAIEvents},
		{Name: "anthropic-sdk-go", Drain: drainAnthropic, Events: anthropicEvents},
		{Name: "go-sse", Drain: drainGoSSE, Events: goSSEEvents},
		{Name: "r3labs/sse", Drain: drainR3labs, Events: r3labsEvents},
		{Name: "jetify/sse", Drain: drainJetify, Events: jetifyEvents},
		{Name: "donovanhide", Drain: drainDonovanhide, Events: donovanhideEvents},
		{Name: "launchdarkly", Drain: drainLaunchDarkly, Events: launchDarklyEvents},
	}
}

func response(r io.Reader) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(r),
	}
}

// message is the type of an event whose stream named none, which most peers leave empty.
func message(typ string) string { return cmp.Or(typ, "message") }

func drainOpenAI(r io.Reader) (n int, err error) {
	d := openai.NewDecoder(response(r))
	for d.Next() {
		n += len(d.Event().Data) - 1 // it leaves the LF after the last line
	}
	return n, d.Err()
}

func openAIEvents(r io.Reader) iter.Seq2[Event, error] {
	d := openai.NewDecoder(response(r))
	return sequence(func() (Event, error) {
		if !d.Next() {
			return Event{}, cmp.Or(d.Err(), io.EOF)
		}
		ev := d.Event()
		return Event{Type: message(ev.Type), Data: strings.TrimSuffix(string(ev.Data), "\n")}, nil
	})
}

func drainAnthropic(r io.Reader) (n int, err error) {
	d := anthropic.NewDecoder(response(r))
	for d.Next() {
		n += len(d.Event().Data) - 1 // it leaves the LF after the last line
	}
	return n, d.Err()
}

func anthropicEvents(r io.Reader) iter.Seq2[Event, error] {
	d := anthropic.NewDecoder(response(r))
	return sequence(func() (Event, error) {
		if !d.Next() {
			return Event{}, cmp.Or(d.Err(), io.EOF)
		}
		ev := d.Event()
		return Event{Type: message(ev.Type), Data: strings.TrimSuffix(string(ev.Data), "\n")}, nil
	})
}

func drainGoSSE(r io.Reader) (n int, err error) {
	for ev, err := range gosse.Read(r, &gosse.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return n, err
		}
		n += len(ev.Data)
	}
	return n, nil
}

func goSSEEvents(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for ev, err := range gosse.Read(r, &gosse.ReadConfig{MaxEventSize: maxEvent}) {
			if !yield(Event{message(ev.Type), ev.Data, ev.LastEventID}, err) {
				return
			}
		}
	}
}

// transport answers each request with the same body: r3labs/sse parses nothing without one.
type transport struct{ body io.Reader }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := response(t.body)
	resp.Request = req
	return resp, nil
}

func subscribeR3labs(r io.Reader, handle func(*r3labs.Event)) error {
	c := r3labs.NewClient("http://memory/", r3labs.ClientMaxBufferSize(maxEvent))
	c.Connection = &http.Client{Transport: transport{r}}
	c.ReconnectStrategy = &backoff.StopBackOff{}
	return c.SubscribeRawWithContext(context.Background(), handle)
}

func drainR3labs(r io.Reader) (n int, err error) {
	err = subscribeR3labs(r, func(ev *r3labs.Event) { n += len(ev.Data) })
	return n, err
}

func r3labsEvents(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		more := true
		err := subscribeR3labs(r, func(ev *r3labs.Event) {
			more = more && yield(Event{message(string(ev.Event)), string(ev.Data), string(ev.ID)}, nil)
		})
		if err != nil && more {
			yield(Event{}, err)
		}
	}
}

func drainJetify(r io.Reader) (n int, err error) {
	d := jetify.NewDecoder(r)
	for {
		var ev jetify.Event
		if err := d.Decode(&ev); err != nil {
			return n, eof(err)
		}
		if raw, ok := ev.Data.(jetify.Raw); ok {
			n += len(raw)
		}
	}
}

var errDecoded = errors.New("gives JSON decoded, not the data")

func jetifyEvents(r io.Reader) iter.Seq2[Event, error] {
	d := jetify.NewDecoder(r)
	return sequence(func() (Event, error) {
		var ev jetify.Event
		if err := d.Decode(&ev); err != nil {
			return Event{}, err
		}
		raw, ok := ev.Data.(jetify.Raw)
		if !ok {
			return Event{}, errDecoded
		}
		return Event{message(ev.Event), string(raw), ev.ID}, nil
	})
}

// drainDecoder is for donovanhide's decoder and launchdarkly's, which comes from it.
func drainDecoder[E interface{ Data() string }](decode func() (E, error)) (n int, err error) {
	for {
		ev, err := decode()
		if err != nil {
			return n, eof(err)
		}
		n += len(ev.Data())
	}
}

func drainDonovanhide(r io.Reader) (int, error) {
	return drainDecoder(donovanhide.NewDecoder(r).Decode)
}

func donovanhideEvents(r io.Reader) iter.Seq2[Event, error] {
	d := donovanhide.NewDecoder(r)
	return sequence(func() (Event, error) {
		ev, err := d.Decode()
		if err != nil {
			return Event{}, err
		}
		return Event{message(ev.Event()), ev.Data(), ev.Id()}, nil
	})
}

func drainLaunchDarkly(r io.Reader) (int, error) {
	return drainDecoder(launchdarkly.NewDecoder(r).Decode)
}

func launchDarklyEvents(r io.Reader) iter.Seq2[Event, error] {
	d := launchdarkly.NewDecoder(r)
	return sequence(func() (Event, error) {
		ev, err := d.Decode()
		if err != nil {
			return Event{}, err
		}
		return Event{message(ev.Event()), ev.Data(), ev.(launchdarkly.EventWithLastID).LastEventID()}, nil
	})
}
