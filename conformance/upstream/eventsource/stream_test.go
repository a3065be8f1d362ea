package eventsource

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastevent/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// serve answers the n-th request, from 1 on, by handle.
func serve(t *testing.T, handle func(n int, w http.ResponseWriter, r *http.Request)) (*ssetest.Server, StreamOption) {
	n := 0
	srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		handle(n, w, r)
	}))
	return srv, StreamOptionHTTPClient(srv.Client())
}

// send writes text as the beginning of a stream.
func send(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, text)
	w.(http.Flusher).Flush()
}

func TestEventsAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				w.Header().Set("X-Env", "production")
				send(w, "id: 1\nevent: put\ndata: a\n\ndata: b\n\n")
			case 2:
				http.Error(w, "not now", http.StatusTeapot)
			case 3:
				send(w, "data: "+r.Header.Get("Last-Event-ID")+r.URL.RawQuery+"\n\n")
				<-r.Context().Done()
			}
		})
		basis := 0
		stream, err := SubscribeWithURL(srv.URL()+"?env=x", client, StreamOptionInitialRetry(time.Minute),
			StreamOptionDynamicQueryParams(func(q url.Values) url.Values {
				basis++
				q.Set("basis", fmt.Sprint(basis))
				return q
			}))
		require.NoError(t, err)
		defer stream.Close()
		first := <-stream.Events
		require.Equal(t, "1 put a", first.Id()+" "+first.Event()+" "+first.Data())
		require.Equal(t, "production", first.(EventWithHeaders).Headers().Get("X-Env"))
		second := <-stream.Events
		require.Equal(t, "1  b", second.(EventWithLastID).LastEventID()+" "+second.Event()+" "+second.Data())
		require.EqualError(t, <-stream.Errors, "EOF")
		begin := time.Now()
		refused := (<-stream.Errors).(SubscriptionError)
		require.Equal(t, http.StatusTeapot, refused.Code)
		require.Equal(t, "not now\n", refused.Message)
		require.Equal(t, time.Minute, time.Since(begin)) // neither jitter nor growth is asked for
		require.Equal(t, "1basis=3&env=x", (<-stream.Events).Data())
	})
}

func TestFirstConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n%4 != 0 {
				http.Error(w, "", http.StatusUnauthorized)
				return
			}
			send(w, "")
			<-r.Context().Done()
		})
		begin := time.Now()
		_, err := SubscribeWithURL(srv.URL(), client) // 1
		require.Equal(t, http.StatusUnauthorized, err.(SubscriptionError).Code)
		require.Zero(t, time.Since(begin))

		calls := 0
		handler := StreamOptionErrorHandler(func(error) StreamErrorHandlerResult {
			calls++
			return StreamErrorHandlerResult{CloseNow: calls == 1}
		})
		_, err = SubscribeWithURL(srv.URL(), client, handler, StreamOptionCanRetryFirstConnection(-1)) // 2
		require.Equal(t, http.StatusUnauthorized, err.(SubscriptionError).Code)
		require.Zero(t, time.Since(begin))

		stream, err := SubscribeWithURL(srv.URL(), client, handler, StreamOptionCanRetryFirstConnection(-1)) // 3 and 4
		require.NoError(t, err)
		require.Equal(t, DefaultInitialRetry, time.Since(begin))
		require.Nil(t, stream.Errors)
		stream.Close()
		_, open := <-stream.Events
		require.False(t, open)

		begin = time.Now()
		_, err = SubscribeWithURL(srv.URL(), client, // 5, 6 and 7
			StreamOptionInitialRetry(time.Second), StreamOptionCanRetryFirstConnection(2500*time.Millisecond))
		require.Equal(t, http.StatusUnauthorized, err.(SubscriptionError).Code)
		require.Equal(t, 2500*time.Millisecond, time.Since(begin))
	})
}

func TestReadTimeoutRestartClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			send(w, fmt.Sprintf("data: %d\n\n", n))
			<-r.Context().Done()
		})
		stream, err := SubscribeWithURL(srv.URL(), client, StreamOptionReadTimeout(time.Second))
		require.NoError(t, err)
		require.Equal(t, "1", (<-stream.Events).Data())
		require.Equal(t, ErrReadTimeout, <-stream.Errors)
		require.Equal(t, "2", (<-stream.Events).Data())
		begin := time.Now()
		stream.Restart()
		require.Equal(t, "3", (<-stream.Events).Data())
		require.Zero(t, time.Since(begin))
		stream.Restart()
		synctest.Wait() // until the next event waits for a reader
		stream.Close()
		_, open := <-stream.Events
		require.False(t, open)
		_, open = <-stream.Errors
		require.False(t, open)
	})
}

func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := waits{first: time.Second, longest: 5 * time.Second, reset: time.Minute}
		next := func() float64 { return w.NextBackOff().Seconds() }
		require.Equal(t, []float64{1, 2, 4, 5, 5}, []float64{next(), next(), next(), next(), next()})
		w.received()
		time.Sleep(time.Minute - 1)
		w.received()
		require.Equal(t, 5.0, next())
		w.received()
		time.Sleep(time.Minute)
		require.Equal(t, 1.0, next())
		require.Equal(t, 2.0, next())
		w = waits{first: time.Second, jitter: 0.5}
		for range 100 {
			require.InDelta(t, 0.75, next(), 0.25)
		}
	})
}
