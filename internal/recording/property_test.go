package recording_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/recording"
)

// generate makes a recording: connections with one of the framings each, cut at random and
// complete at random, of which each asks for what follows the one before it.
func generate(rnd *rand.Rand, framings ...recording.Framing) *recording.Recording {
	r := &recording.Recording{Start: time.Unix(rnd.Int64N(1<<31), 0).UTC()}
	at, id := time.Duration(0), 0
	later := func() time.Duration {
		at += time.Duration(10+rnd.IntN(1_000_000)) * recording.Resolution
		return at
	}
	conns := 1 + rnd.IntN(4)
	for conn := 1; conn <= conns; conn++ {
		framing := framings[rnd.IntN(len(framings))]
		add := func(at time.Duration, s recording.Step) {
			s.At, s.Conn = at, conn
			r.Steps = append(r.Steps, s)
		}
		add(later(), recording.Step{Kind: recording.Connect, Name: "GET", Value: "/feed?q=" + strconv.Itoa(conn)})
		if id > 0 {
			add(at, recording.Step{Kind: recording.Header, Name: "Last-Event-Id", Value: strconv.Itoa(id)})
		}
		if rnd.IntN(8) == 0 { // never answered
			add(later(), recording.Step{Kind: recording.Drop})
			continue
		}
		var chunks []string
		text := ""
		for range rnd.IntN(5) {
			id++
			text += fmt.Sprintf("id: %d\ndata: %s\n\n", id, strings.Repeat("ä\"`", rnd.IntN(1<<rnd.IntN(12))))
		}
		for text != "" {
			n := min(1+rnd.IntN(1<<rnd.IntN(14)), len(text))
			chunks, text = append(chunks, text[:n]), text[n:]
		}
		size := len(strings.Join(chunks, ""))
		cut := rnd.IntN(2) == 0
		add(later(), recording.Step{Kind: recording.Status, Code: 200, Framing: framing})
		if framing == recording.Length {
			if cut {
				size++
			}
			add(at, recording.Step{Kind: recording.Header, Name: "Content-Length", Value: strconv.Itoa(size)})
		}
		add(at, recording.Step{Kind: recording.Header, Name: "Content-Type", Value: "text/event-stream"})
		add(at, recording.Step{Kind: recording.Header, Name: "Set-Cookie", Value: "b=" + recording.Redacted})
		add(at, recording.Step{Kind: recording.Header, Name: "Set-Cookie", Value: "a=" + recording.Redacted})
		for _, chunk := range chunks {
			add(later(), recording.Step{Kind: recording.Bytes, Value: chunk})
		}
		switch {
		case cut:
			add(later(), recording.Step{Kind: recording.Drop})
		case framing == recording.Length: // which ends with its last byte
			add(at, recording.Step{Kind: recording.End})
		case conn == conns && rnd.IntN(2) == 0:
			add(later(), recording.Step{Kind: recording.Wait})
		default:
			add(later(), recording.Step{Kind: recording.End})
		}
	}
	return r
}

// A recorder makes the requests of a recording, at their times, and records the answers. It
// reads them from the connection: net/http would not show the chunks of HTTP/1.1.
type recorder struct {
	t     *testing.T
	start time.Time
	to    *recording.Writer
	conn  int
}

func (rec *recorder) add(s recording.Step) {
	s.At, s.Conn = time.Since(rec.start), rec.conn
	require.NoError(rec.t, rec.to.Write(s))
}

// status records a status and a header.
func (rec *recorder) status(resp *http.Response, framing recording.Framing) {
	rec.add(recording.Step{Kind: recording.Status, Code: resp.StatusCode, Framing: framing})
	var fields []recording.Step
	for name, values := range resp.Header {
		for _, value := range values {
			fields = append(fields, recording.Step{Kind: recording.Header, Name: name, Value: value})
		}
	}
	slices.SortStableFunc(fields, func(a, b recording.Step) int { return cmp.Compare(a.Name, b.Name) })
	for _, field := range fields {
		if field.Name != "Connection" {
			rec.add(field)
		}
	}
}

// body records what is read, a step for each time at which there is something.
func (rec *recorder) body(r io.Reader) error {
	chunk, at := "", time.Duration(0)
	flush := func() {
		if chunk != "" {
			require.NoError(rec.t, rec.to.Write(recording.Step{At: at, Conn: rec.conn, Kind: recording.Bytes, Value: chunk}))
		}
		chunk = ""
	}
	defer flush()
	for buf := make([]byte, 1000); ; {
		n, err := r.Read(buf)
		if now := time.Since(rec.start); now != at && n > 0 {
			flush()
			at = now
		}
		chunk += string(buf[:n])
		if err != nil {
			return err
		}
	}
}

// chunks records a chunked body, a step for each chunk.
func (rec *recorder) chunks(r *bufio.Reader) error {
	for { // until the last chunk, which is empty
		line, err := r.ReadString('\n')
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 31)
		require.NoError(rec.t, err)
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return io.ErrUnexpectedEOF
		}
		require.Equal(rec.t, "\r\n", string(chunk[n:]))
		if n == 0 {
			return io.EOF
		}
		rec.add(recording.Step{Kind: recording.Bytes, Value: string(chunk[:n])})
	}
}

// end records how a connection ended, by the error of its last read.
func (rec *recorder) end(err error) {
	switch {
	case err == io.EOF:
		rec.add(recording.Step{Kind: recording.End})
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		rec.add(recording.Step{Kind: recording.Wait})
	default:
		rec.add(recording.Step{Kind: recording.Drop})
	}
}

// http1 makes a request over HTTP/1.1.
func (rec *recorder) http1(conn io.ReadWriter, req *http.Request) {
	require.NoError(rec.t, req.Write(conn))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	switch {
	case err != nil:
		rec.end(err)
	case len(resp.TransferEncoding) > 0:
		rec.status(resp, recording.Chunked)
		rec.end(rec.chunks(r))
	case resp.ContentLength >= 0:
		rec.status(resp, recording.Length)
		rec.end(rec.body(resp.Body))
	default:
		rec.status(resp, recording.Close)
		rec.end(rec.body(r))
	}
}

// http2 makes a request over HTTP/2.
func (rec *recorder) http2(client *http.Client, req *http.Request) {
	resp, err := client.Do(req)
	if err != nil {
		rec.end(err)
		return
	}
	rec.status(resp, recording.HTTP2)
	rec.end(rec.body(resp.Body))
}

// TestReplayIsTheRecording: a client that makes the requests of a recording, to a Player of
// it, sees what was recorded: each status, header, chunk and end, at its time.
func TestReplayIsTheRecording(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			framings := []recording.Framing{recording.Chunked, recording.Length, recording.Close}
			if seed%4 == 0 {
				skipHTTP2(t)
				framings = []recording.Framing{recording.HTTP2}
			}
			r := generate(rand.New(rand.NewPCG(seed, 0)), framings...)
			text := write(t, r)
			require.Equal(t, r, read(t, text))
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, text, recordAgain(t, r, seed%4 == 0))
			})
		})
	}
}

// recordAgain plays a recording, and records that.
func recordAgain(t *testing.T, r *recording.Recording, http2 bool) string {
	client, l := serve(t, recording.NewPlayer(r), http2)
	var again strings.Builder
	rec := &recorder{t: t, start: time.Now(), to: recording.NewWriter(&again, r.Start)}
	for _, c := range r.Connections() {
		time.Sleep(time.Until(rec.start.Add(c.Steps[0].At)))
		rec.conn = c.Number
		rec.add(c.Steps[0])
		until := rec.start.Add(24 * time.Hour)
		if last := c.Steps[len(c.Steps)-1]; last.Kind == recording.Wait {
			until = rec.start.Add(last.At)
		}
		ctx, cancel := context.WithDeadline(t.Context(), until)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sse.test"+c.Steps[0].Value, nil)
		require.NoError(t, err)
		for name, value := range c.Request() {
			rec.add(recording.Step{Kind: recording.Header, Name: name, Value: value})
			req.Header.Set(name, value)
		}
		if http2 {
			rec.http2(client, req)
			continue
		}
		conn, err := l.DialContext(ctx, "", "")
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(until))
		rec.http1(conn, req)
		conn.Close()
	}
	return again.String()
}

// skipHTTP2 skips a test in a bubble that needs net/http's HTTP/2 server. Go 1.25's keeps
// channels in a pool, from one bubble to the next; this goes when 1.26 is the oldest Go.
func skipHTTP2(t testing.TB) {
	if strings.HasPrefix(runtime.Version(), "go1.25") {
		t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
	}
}
