package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestConsume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Data: "a", LastEventID: "1"})
				c.Send(sse.Event{Data: "b", LastEventID: "2"})
				c.Wait()
			},
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "b", LastEventID: "2"}); c.Abort() },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "c", LastEventID: "3"}) },
		)
		var handled []string
		crash := errors.New("crash")
		c := consumer{client: srv.Client(), file: filepath.Join(t.TempDir(), "position.txt"), handle: func(ev sse.Event) error {
			handled = append(handled, ev.Data)
			if len(handled) == 2 {
				return crash
			}
			return nil
		}}
		if err := c.consume(t.Context(), srv.URL()); !errors.Is(err, crash) {
			t.Fatal(err)
		}
		if err := c.consume(t.Context(), srv.URL()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(handled, []string{"a", "b", "b", "c"}) {
			t.Errorf("handled %q", handled)
		}
		var after []string
		for _, r := range srv.Requests() {
			after = append(after, r.Header.Get("Last-Event-ID"))
		}
		if !slices.Equal(after, []string{"", "1", "2", "3"}) {
			t.Errorf("asked for what follows %q", after)
		}
		if position, _ := os.ReadFile(c.file); string(position) != "3\n" {
			t.Errorf("kept %q", position)
		}
	})
	if err := save(filepath.Join(t.TempDir(), "no such folder", "file"), "x"); err == nil {
		t.Error("a position that was not saved is no error")
	}
}
