// Command llm prints the answers of language models as they arrive, in three wire formats:
// OpenAI's chat completions, Anthropic's messages, and OpenAI's responses. The services are
// fakes inside this program. Each of them cuts one answer in the middle.
//
//	go run ./examples/llm
//	go run ./examples/llm -format responses
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/lastevent/sse"
)

// A format is one service's way to stream an answer.
type format struct {
	name   string
	fake   func() http.Handler // the service
	models []string            // the models to ask, in this order
	ask    func(ctx context.Context, w io.Writer, client *sse.Client, url, model string) (answer, error)
}

var formats = []format{
	{"chat", newFakeChat, []string{"weather", "weather", "retired", "busy", "broken"}, askChat},
	{"messages", newFakeMessages, []string{"sky", "sky", "busy"}, askMessages},
	{"responses", func() http.Handler { return newFakeResponses(5) }, []string{"sky"}, askResponses},
}

func main() {
	name := flag.String("format", "", "show only this format: chat, messages or responses")
	flag.Parse()
	if !showAll(os.Stdout, *name) {
		fmt.Fprintf(os.Stderr, "llm: unknown format %q\n", *name)
		flag.Usage()
		os.Exit(2)
	}
}

// showAll shows the formats of a name, all of them if it is "", within a minute. It reports
// whether there are any.
func showAll(w io.Writer, name string) (found bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, f := range formats {
		if name == "" || name == f.name {
			show(ctx, w, f)
			found = true
		}
	}
	return found
}

// show starts the fake of a format, asks its models, and prints how each answer ended.
func show(ctx context.Context, w io.Writer, f format) {
	srv := httptest.NewServer(f.fake())
	defer srv.Close()
	client := &sse.Client{
		IdleTimeout:      time.Minute,
		ReconnectionTime: 100 * time.Millisecond, // a user is waiting for the answer
		Trace: &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				fmt.Fprint(w, "[cut] ")
			}
		}},
	}
	for _, model := range f.models {
		fmt.Fprintf(w, "%s, model %s: ", f.name, model)
		a, err := f.ask(ctx, w, client, srv.URL, model)
		if err != nil {
			fmt.Fprintf(w, "\n\t%v\n", err)
			continue
		}
		fmt.Fprintf(w, "\n\tcomplete answer: %s\n", a)
	}
}
