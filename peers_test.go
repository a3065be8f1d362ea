package sse_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// What was seen to go wrong in other clients, where no other test is about it.

// TestLargeEvents: lines and events of many times 64 KiB, in reads of a network's size.
// Where the time is quadratic, this takes a minute.
func TestLargeEvents(t *testing.T) {
	line := strings.Repeat("x", 16<<20)
	p := sse.NewParser(everyN([]byte("data:"+line+"\n\n"), 1400))
	require.NoError(t, p.Next())
	require.True(t, string(p.Data()) == line)

	const lines = 200_000
	p = sse.NewParser(everyN([]byte(strings.Repeat("data: a short line\n", lines)+"\n"), 1400))
	require.NoError(t, p.Next())
	require.True(t, string(p.Data()) == strings.Repeat("a short line\n", lines-1)+"a short line")
}

// TestLargeEventThroughClient: no limit of 64 KiB, which the next connection would meet again.
func TestLargeEventThroughClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		large := strings.Repeat("0123456789", 100_000)
		s := serve(t, stream("id:1\ndata:"+large+"\n\ndata:2\n\n"))
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.True(t, got[0].Data == large)
		require.Equal(t, "- 1", s.lastEventIDs())
	})
}

// TestStoppingUnderLoad: streams that are busy end when they are told to, all of them.
func TestStoppingUnderLoad(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		in(t, map[bool]string{false: "HTTP1", true: "HTTP2"}[http2], func(t *testing.T) {
			var open sync.WaitGroup
			s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				open.Add(1)
				defer open.Done()
				for n := 0; r.Context().Err() == nil; n++ {
					send(w, strings.Repeat(fmt.Sprintf(":\nid:%d\ndata:%d\n\n", n, n), 100))
					pause(r, time.Millisecond)
				}
			})
			if http2 {
				s.useHTTP2(t)
			}
			c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Second}
			var streams sync.WaitGroup
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				streams.Go(func() {
					n := 0
					for _, err := range c.Get(ctx, "http://memnet/") {
						if n++; n > 50*i && i%2 == 0 {
							break
						}
						if err != nil && (i%2 == 0 || err != context.Canceled) {
							t.Error(err)
						}
					}
				})
				if i%2 == 0 {
					context.AfterFunc(t.Context(), cancel)
				} else {
					time.AfterFunc(time.Duration(i)*time.Millisecond/3, cancel)
				}
			}
			streams.Wait() // a bubble in which everyone waits fails
			open.Wait()
		})
	}
}
