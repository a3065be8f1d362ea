package load_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	gosse "github.com/tmaxmax/go-sse"

	"github.com/lastevent/sse/conformance/internal/numbered"
)

// serve is the main function of a server process in Go. POST /publish?to=n lengthens its log, whose length is
// in a file, so that a server that was restarted has it again.
func serve(name, addr, file string) error {
	length := 0
	if b, err := os.ReadFile(file); err == nil {
		length, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	mux := http.NewServeMux()
	var publish func(n int) error
	switch name {
	case "go-sse":
		replayer, err := gosse.NewFiniteReplayer(4096, false)
		if err != nil {
			return err
		}
		srv := &gosse.Server{Provider: &gosse.Joe{Replayer: replayer}}
		defer func() { _ = srv.Shutdown(context.Background()) }()
		publish = func(n int) error {
			m := &gosse.Message{ID: gosse.ID(strconv.Itoa(n))}
			m.AppendData(numbered.Data(n))
			return srv.Publish(m)
		}
		mux.Handle("/sse", srv)
	case "net/http":
		log := new(numbered.Log)
		publish = func(int) error { log.Publish(1); return nil }
		mux.Handle("/sse", log)
	default:
		return fmt.Errorf("there is no server %q", name)
	}
	for n := 1; n <= length; n++ {
		if err := publish(n); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		to, _ := strconv.Atoi(r.FormValue("to"))
		for length < to {
			length++
			if err := publish(length); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(length)), 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return http.ListenAndServe(addr, mux)
}
