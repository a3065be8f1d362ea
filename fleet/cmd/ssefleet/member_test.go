package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// twoPorts returns an address with a free port that another free one follows.
func twoPorts(t *testing.T) string {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		next, err := net.Listen("tcp", demoAddress(&options{listen: l.Addr().String()}))
		l.Close()
		if err == nil {
			next.Close()
			return l.Addr().String()
		}
	}
	require.Fail(t, "no two consecutive ports are free")
	return ""
}

// TestDemo: two members share the demo's streams; one leaves, and the other continues with all.
func TestDemo(t *testing.T) {
	address, dir := twoPorts(t), t.TempDir()
	args := []string{"-demo", "-v", "-listen", address, "-dir", dir, "-ttl", "2s", "-bucket", "b", "-member"}
	one := start(t, append(args, "one")...)
	event := one.next()
	require.Equal(t, "one", event.Member)
	require.Equal(t, "message", event.Type)
	require.NotZero(t, event.Token)
	two := start(t, append(args, "two")...)
	seen := make(map[string]string) // the last ID, by stream
	for len(seen) < 4 {
		event := two.next()
		require.Equal(t, "two", event.Member)
		seen[event.Stream] = event.ID
	}

	var table string
	eventually(t, "half of the streams for each", func() bool {
		_, out, _ := outputOf(t, "status", "-listen", address, "-bucket", "b")
		table = out
		return strings.Count(out, "  one  ") == 4 && strings.Count(out, "  two  ") == 4
	})
	require.Regexp(t, `(?m)^STREAM +READ BY +STATE +POSITION +LAST EVENT +COMMITTED +LAG +ERROR$`, table)
	require.Regexp(t, `(?m)^one +4 +8 +[0-9.]+m?s ago`, table)

	for _, event := range two.stop() {
		require.Equal(t, "two", event.Member)
		seen[event.Stream] = event.ID
	}
	require.Contains(t, two.stderr.String(), "msg=rebalanced members=2 streams=8 share=4\n")
	require.Contains(t, two.stderr.String(), "msg=acquired stream=http://")
	require.Contains(t, two.stderr.String(), `msg="handed over" stream=http://`)
	for continued := 0; continued < 4; {
		event := one.next()
		if last, ok := seen[event.Stream]; ok && event.ID > last {
			n, err := strconv.Atoi(last)
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(n+1), event.ID, "nothing is left out")
			delete(seen, event.Stream)
			continued++
		}
	}
	one.stop()
	require.Contains(t, one.stderr.String(), `msg="this member is NATS for the fleet" address=`+address)
}

// TestList: the streams of a file, with the other flags; positions outlive the process, and
// the NATS in it; 204 ends a stream.
func TestList(t *testing.T) {
	resumed := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed <- r.Header.Get("Last-Event-ID")
		if r.Header.Get("Last-Event-ID") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\nevent: a\ndata: one\n\nid: 2\ndata: two\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	address, dir := twoPorts(t), t.TempDir()
	list := t.TempDir() + "/list"
	writeFile(t, list, "# ours\n\n  "+srv.URL+"/x \n")
	args := []string{"-listen", address, "-dir", dir, "-commit-events", "5", "-commit-interval", "1h", "-idle", "1h", "-member", "me"}
	p := start(t, append(args, list)...)
	require.Empty(t, <-resumed)
	first, second := p.next(), p.next()
	require.NotZero(t, first.Token)
	require.Equal(t, record{srv.URL + "/x", "a", "1", "one", "me", first.Token}, first)
	require.Equal(t, record{srv.URL + "/x", "message", "2", "two", "me", first.Token}, second)
	p.stop()
	require.Empty(t, p.stderr.String(), "without -v it is quiet")

	p = start(t, append(args, "-v", list)...)
	require.Equal(t, "2", <-resumed, "committed when it was stopped")
	p.logs("msg=ended stream=" + srv.URL)
	eventually(t, "the stream has ended", func() bool {
		code, out, _ := outputOf(t, "status", "-nats", "nats://"+address)
		return code == exitStopped && regexp.MustCompile(`/x +- +ended +2 `).MatchString(out)
	})
	p.stop()
}

// TestReload: SIGHUP reads FILE again: streams come and go, and keep their positions. A file
// that is wrong changes nothing.
func TestReload(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	_, nats := startNATS(t, server.Options{})
	config := t.TempDir() + "/c.yaml"
	writeFile(t, config, "streams: [{url: "+feed.URL+"/a, name: a}, {url: "+feed.URL+"/b, name: b}]")
	p := start(t, "-nats", nats, "-log", "json", config)
	seen := func(n int) []string {
		var got []string
		for range n {
			event := p.next()
			got = append(got, event.Stream+event.ID)
		}
		slices.Sort(got)
		return got
	}
	require.Equal(t, []string{"a1", "b1"}, seen(2))

	writeFile(t, config, "streams: [{url: "+feed.URL+"/b, name: b}, {url: "+feed.URL+"/c, name: c}]")
	p.signal(syscall.SIGHUP)
	require.Equal(t, []string{"c1"}, seen(1))
	p.logs(`"msg":"the streams were read again"`)
	eventually(t, "one stream less", func() bool {
		_, out, _ := outputOf(t, "status", "-nats", nats)
		return regexp.MustCompile(`(?m)^a +- +unlisted +1 `).MatchString(out)
	})
	feed.publish(1)
	require.Equal(t, []string{"b2", "c2"}, seen(2))

	writeFile(t, config, "streams: [{url: "+feed.URL+"/b, nome: b}]")
	p.signal(syscall.SIGHUP)
	p.logs(`"msg":"the streams stay as they are","err":"` + config + `:1: unknown key nome"`)
	feed.publish(1)
	require.Equal(t, []string{"b3", "c3"}, seen(2))

	writeFile(t, config, "streams: [{url: "+feed.URL+"/a, name: a}]")
	p.signal(syscall.SIGHUP)
	require.Equal(t, []string{"a2", "a3"}, seen(2))
	require.Empty(t, p.stop())
}

// TestReloadOfNothing: a list from standard input cannot be read again, and says so.
func TestReloadOfNothing(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	_, nats := startNATS(t, server.Options{})
	cmd := command(t, "-nats", nats, "-")
	cmd.Stdin = strings.NewReader(feed.URL + "/a\n")
	p := &process{t: t, Cmd: cmd}
	r, w := newPipe(t)
	p.Stdout = w
	p.start()
	require.Eventually(t, func() bool { return buffered(t, r) > 0 }, patience, 10*time.Millisecond)
	p.signal(syscall.SIGHUP)
	p.logs(`msg="the streams stay as they are" err="they are not from a file"`)
	p.stop()
}

// TestDeadLetters: an event that the webhook refuses goes to a file after some attempts, and the
// others do not wait for it. Without a file its stream is stopped before it.
func TestDeadLetters(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, r *http.Request, event record) {
		if event.ID == "2" {
			http.Error(w, "not \x1b[2Jthis one", http.StatusUnprocessableEntity)
		}
	})
	feed := newFeed(t)
	feed.publish(3)
	ids := func() (ids []string) {
		for _, post := range h.all() {
			ids = append(ids, post.event.ID)
		}
		return ids
	}
	_, nats := startNATS(t, server.Options{})
	dead := t.TempDir() + "/dead"
	list := feed.list(t, "/a")
	p := start(t, "-nats", nats, "-output", h.URL, "-attempts", "2", "-dead-letter", dead, list)
	eventually(t, "all events", func() bool { return slices.Equal(ids(), []string{"1", "2", "2", "3"}) })
	p.stop()
	letter := readFileText(t, dead)
	require.Regexp(t, `^{"stream":"`+feed.URL+`/a","type":"message","id":"2","data":"/a","member":".+","token":\d+,"time":".+Z","error":".*422 Unprocessable Entity: not \\\\u001b\[2Jthis one"}\n$`, letter)
	require.Contains(t, p.stderr.String(), `level=ERROR msg="an event is a dead letter" stream=`+feed.URL+"/a id=2 err=")

	_, nats = startNATS(t, server.Options{})
	n := len(h.all())
	args := []string{"-nats", nats, "-output", h.URL, "-attempts", "2", list}
	p = start(t, args...)
	p.logs(`level=ERROR msg="stopped at an event" stream=` + feed.URL + "/a after=1 err=")
	require.Equal(t, []string{"1", "2", "2"}, ids()[n:])
	code, out, _ := outputOf(t, "status", "-nats", nats)
	require.Equal(t, exitUnhealthy, code)
	require.Regexp(t, `(?m)/a +- +stopped +1 .*422 Unprocessable Entity`, out)
	h.setAnswer(nil)
	code, _, stderr := outputOf(t, "reopen", "-nats", nats, feed.URL+"/a")
	require.Zero(t, code, stderr)
	eventually(t, "the rest", func() bool { return slices.Equal(ids()[n:], []string{"1", "2", "2", "2", "3"}) })
	p.stop()
}

// TestAttemptsAtTheEnd: what fails since the member ends, or since its output does, says nothing
// about the event, which is left to the next member also after the last attempt.
func TestAttemptsAtTheEnd(t *testing.T) {
	feed := newFeed(t)
	feed.publish(2)
	_, nats := startNATS(t, server.Options{})
	dead := t.TempDir() + "/dead"
	for _, flags := range [][]string{nil, {"-dead-letter", dead}} {
		path := "/" + strconv.Itoa(len(flags))
		list := feed.list(t, path)
		args := append([]string{"-nats", nats, "-ttl", "2s", "-drain", "300ms", "-attempts", "1"}, flags...)
		h := newHook(t, func(w http.ResponseWriter, _ *http.Request, _ record) { w.WriteHeader(http.StatusServiceUnavailable) })
		p := start(t, append(args, "-output", h.URL, list)...)
		eventually(t, "a post", func() bool { return len(h.all()) > 0 })
		p.stop()

		r, w := newPipe(t)
		require.NoError(t, r.Close())
		p = startOnto(t, w, append(args, list)...)
		require.Equal(t, exitBroken, p.end())

		p = start(t, append(args, list)...)
		require.Equal(t, "1", p.next().ID)
		require.Equal(t, "2", p.next().ID)
		p.stop()
	}
	require.Empty(t, readFileText(t, dead))
}
