// Command sse is the adapter of package sse for sseconform.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/lastevent/sse"
)

func main() {
	out := json.NewEncoder(os.Stdout)
	show := func(key string, value any) { _ = out.Encode(map[string]any{key: value}) }
	client := sse.Client{Reconnect: sse.Standard, Trace: &sse.Trace{
		Open:       func(*http.Response) { show("open", true) },
		Disconnect: func(info sse.DisconnectInfo) { show("error", fmt.Sprint(info.Err)) },
	}}
	for ev, err := range client.Get(context.Background(), os.Args[1]) {
		if err == nil {
			_ = out.Encode(map[string]string{"type": ev.Type, "data": ev.Data, "id": ev.LastEventID})
		}
	}
	show("closed", true)
}
