package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lastevent/sse"
)

// A response is an answer that the service makes in the background, and that can be resumed
// after a cut. Its position is not in the events' id fields, but in their data.
type response struct {
	answer
	id    string // empty until the service has named it
	after int    // the sequence_number of the last event that was read
}

// prepare turns a request that would create the response into one that continues it.
func (r *response) prepare(req *http.Request) error {
	if r.id == "" {
		return nil
	}
	req.Method = http.MethodGet
	req.URL = req.URL.JoinPath(url.PathEscape(r.id))
	req.URL.RawQuery = url.Values{"stream": {"true"}, "starting_after": {strconv.Itoa(r.after)}}.Encode()
	req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	req.Header.Del("Content-Type")
	return nil
}

// reconnect is the policy. The default one would never repeat a POST. Once the ID is known,
// the next request is a GET, which may follow any cut. Before that it would be a POST, and
// create a second response.
func (r *response) reconnect(err error) bool { return r.id != "" && sse.Transient(err) }

// add appends an event to the answer, and moves the position after it.
func (r *response) add(w io.Writer, ev sse.Event) error {
	data := struct {
		SequenceNumber int `json:"sequence_number"`
		Response       struct {
			ID      string
			Status  string
			Usage   tokens
			Error   struct{ Code, Message string }
			Details struct{ Reason string } `json:"incomplete_details"`
		}
	}{SequenceNumber: r.after}
	if err := ev.Unmarshal(&data); err != nil {
		return err
	}
	switch ev.Type {
	case "response.created":
		r.id = data.Response.ID
	case "response.output_text.delta":
		var text struct{ Delta string }
		if err := ev.Unmarshal(&text); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text.Delta); err != nil {
			return err
		}
	case "response.completed":
		r.Stop, r.Usage = data.Response.Status, usage(data.Response.Usage)
	case "response.failed":
		return &failure{Outcome: failed, Service: &serviceError{data.Response.Error.Code, data.Response.Error.Message}}
	case "response.incomplete":
		return &failure{Outcome: failed, Service: &serviceError{data.Response.Details.Reason, "the answer is incomplete"}}
	case "error":
		var e struct{ Code, Message string }
		if err := ev.Unmarshal(&e); err != nil {
			return err
		}
		return &failure{Outcome: failed, Service: &serviceError{e.Code, e.Message}}
	}
	r.after = data.SequenceNumber
	return nil
}

// askResponses asks a model. It creates one response, and reads it over as many connections
// as it takes.
func askResponses(ctx context.Context, w io.Writer, client *sse.Client, url, model string) (answer, error) {
	req, err := newRequest(ctx, url+"/v1/responses", object{
		"model": model, "input": "What is above us?",
		"stream": true, "background": true, // only such a response outlives its connection
	})
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer key")

	var r response
	resuming := *client // the position belongs to this response only
	resuming.Prepare, resuming.Reconnect = r.prepare, r.reconnect
	completed := func(ev sse.Event) bool { return ev.Type == "response.completed" }
	for ev, err := range sse.Until(resuming.Events(req), completed) {
		if err == nil {
			err = r.add(w, ev)
		}
		if err != nil {
			return r.answer, explain(err, r.id != "")
		}
	}
	return r.answer, nil
}
