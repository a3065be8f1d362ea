package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/replay"
	"github.com/lastevent/sse/internal/recording"
)

const replayHelp = `sse replay is a server that plays a recording, and prints its URL.

  sse replay [flags] FILE    a file of sse record, or one written by hand; or -

  -listen ADDR           host:port; :9000 is port 9000 of this machine; without
                         it a free port is taken
  -tls                   https and HTTP/2, by a certificate that needs sse -k
  -speed 10              ten times as fast; -speed max: without any wait
  -loop                  begin again when all connections were played
  -restamp               move the times in the data to now
  -q                     do not show requests
Faults
  -cut 5                 drop the first connection after its fifth event: the
                         client resumes; -cut 5@2: the second connection
  -status 503@2          answer the second request with 503
  -split 1               send byte by byte, or n bytes at a time

  sse replay -listen :9000 -speed 10 feed.rec
  sse check http://127.0.0.1:9000/feed

A client with a Last-Event-ID gets what follows that event. Each connection is
played once. After the last one the answer is 204, which ends a stream.
`

// replayOptions are what the arguments of sse replay say.
type replayOptions struct {
	listen  string
	tls     bool
	speed   speed
	loop    bool
	restamp bool
	quiet   bool
	cuts    numbered
	status  numbered
	split   int
}

func (o *replayOptions) flags() *flag.FlagSet {
	flags := newFlags("sse replay")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "")
	flags.BoolVar(&o.tls, "tls", false, "")
	flags.Var(&o.speed, "speed", "")
	flags.BoolVar(&o.loop, "loop", false, "")
	flags.BoolVar(&o.restamp, "restamp", false, "")
	flags.BoolVar(&o.quiet, "q", false, "")
	flags.Var(&o.cuts, "cut", "")
	flags.Var(&o.status, "status", "")
	flags.IntVar(&o.split, "split", 0, "")
	return flags
}

// speed is a factor. 0: not set; infinite: max.
type speed float64

func (s *speed) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

func (s *speed) Set(text string) error {
	if text == "max" {
		*s = speed(math.Inf(1))
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 1) {
		return errors.New("want a number such as 10 or 0.5, or max")
	}
	*s = speed(f)
	return nil
}

// numbered is a flag that may be repeated: value@number, where the number is 1 if it is
// left out.
type numbered []struct{ value, of int }

func (n *numbered) String() string { return fmt.Sprint(*n) }

func (n *numbered) Set(text string) error {
	value, of, ok := strings.Cut(text, "@")
	v, err := strconv.Atoi(value)
	number := 1
	if ok && err == nil {
		number, err = strconv.Atoi(of)
	}
	if err != nil || v < 1 || number < 1 {
		return errors.New("want a number, or number@number, such as 5@2")
	}
	*n = append(*n, struct{ value, of int }{v, number})
	return nil
}

// parseReplay reads the arguments, and the recording.
func (cmd *command) parseReplay(args []string) (*replayOptions, *recording.Recording, error) {
	o := new(replayOptions)
	files, given, err := parseFlags(o.flags(), args)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(files) != 1:
		return nil, nil, fmt.Errorf("it plays one file, and there are %d", len(files))
	case given["split"] && o.split < 1:
		return nil, nil, errors.New("-split must be positive")
	}
	for _, s := range o.status {
		if s.value < 200 || s.value > 599 {
			return nil, nil, errors.New("-status: want a status between 200 and 599")
		}
	}
	var rec *recording.Recording
	if files[0] == "-" {
		rec, err = recording.Read(cmd.stdin)
	} else {
		rec, err = recording.ReadFile(files[0])
	}
	if err != nil {
		return nil, nil, err
	}
	for _, c := range o.cuts {
		if err := replay.Cut(rec, c.of, c.value); err != nil {
			return nil, nil, fmt.Errorf("-cut: %w", err)
		}
	}
	if o.restamp {
		if err := replay.Restamp(rec, time.Now()); err != nil {
			return nil, nil, fmt.Errorf("-restamp: %w", err)
		}
	}
	return o, rec, nil
}

// replay runs sse replay.
func (cmd *command) replay(ctx context.Context, args []string) int {
	o, rec, err := cmd.parseReplay(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(cmd.stdout, replayHelp)
		return exitEnded
	}
	var l net.Listener
	if err == nil {
		l, err = listen(ctx, o.listen)
	}
	if err != nil {
		return cmd.usageOf("sse replay", err)
	}
	srv := &http.Server{
		Handler: cmd.player(o, rec), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(log.Writer(), "", 0), Protocols: new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	scheme := "http"
	if o.tls {
		scheme = "https"
		srv.Protocols.SetHTTP2(true)
		cert, err := replay.Certificate(l.Addr())
		if err != nil {
			l.Close()
			return cmd.code(ctx, err)
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	} else {
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	if rec.Truncated {
		fmt.Fprintln(cmd.stderr, "sse: the last line of the recording was cut off, and is left out")
	}
	fmt.Fprintln(cmd.stdout, scheme+"://"+l.Addr().String()+path(rec))
	ended := make(chan error, 1)
	go func() {
		if o.tls {
			ended <- srv.ServeTLS(l, "", "")
		} else {
			ended <- srv.Serve(l)
		}
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		srv.Close()
	}
	return cmd.code(ctx, err)
}

// player returns what answers requests.
func (cmd *command) player(o *replayOptions, rec *recording.Recording) http.Handler {
	p := recording.NewPlayer(rec)
	p.Speed, p.Loop, p.Again = float64(o.speed), o.loop, true
	var h http.Handler = p
	if o.split > 0 {
		h = replay.Split(h, o.split)
	}
	statuses := make(map[int64]int)
	for _, s := range o.status {
		statuses[int64(s.of)] = s.value
	}
	h = replay.Refuse(h, statuses)
	n := narrator{command: cmd, quiet: o.quiet, start: time.Now()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.say("", "%s %s%s", r.Method, r.RequestURI, resuming(r.Header.Get("Last-Event-ID")))
		h.ServeHTTP(w, r)
	})
}

// path returns the path that the first request of a recording is for.
func path(rec *recording.Recording) string {
	for _, s := range rec.Steps {
		if target, err := url.ParseRequestURI(s.Value); s.Kind == recording.Connect && err == nil {
			return target.EscapedPath()
		}
	}
	return "/"
}
