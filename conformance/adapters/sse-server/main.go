// Command sse-server is the adapter of package sse for sseconform -server: it opens each URL
// that it reads, and names it in what it prints.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/lastevent/sse"
)

func main() {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		url := lines.Text()
		show := func(line map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			line["url"] = url
			_ = out.Encode(line)
		}
		client := sse.Client{Reconnect: sse.Standard, Trace: &sse.Trace{
			Open:       func(*http.Response) { show(map[string]any{"open": true}) },
			Disconnect: func(info sse.DisconnectInfo) { show(map[string]any{"error": fmt.Sprint(info.Err)}) },
		}}
		go func() {
			for ev, err := range client.Get(context.Background(), url) {
				if err == nil {
					show(map[string]any{"type": ev.Type, "data": ev.Data, "id": ev.LastEventID})
				}
			}
			show(map[string]any{"closed": true})
		}()
	}
}
