package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/lastevent/sse"
)

var drawHerd = flag.Bool("herd", false, "draw ../plots/herd-*.svg")

const (
	herd     = 10_000
	downtime = 5 * time.Second
	herdBin  = 100 * time.Millisecond
	herdTime = 20 * time.Second
)

// restarting is a server that all clients are connected to; it goes, and is back after the
// downtime.
type restarting struct {
	gone chan struct{} // closed when it goes
	at   time.Time

	mu       sync.Mutex
	attempts []time.Duration // since it went
	last     time.Duration   // at which the last client was back
}

func (s *restarting) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-s.gone:
		since := time.Since(s.at)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.attempts = append(s.attempts, since)
		if since < downtime {
			return nil, errors.New("connection refused")
		}
		s.last = max(s.last, since)
		return s.response(req, make(chan struct{})), nil
	default:
		return s.response(req, s.gone), nil
	}
}

func (s *restarting) response(req *http.Request, until <-chan struct{}) *http.Response {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, ": hello\n\n")
		select {
		case <-until:
		case <-req.Context().Done():
		}
		w.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: r, Request: req}
}

// simulate returns how many attempts came in each bin since the server went, and when the last
// client was back.
func simulate(t *testing.T, backoff func(time.Duration) sse.Backoff) (perBin []int, last time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := &restarting{gone: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range herd {
			clients.Go(func() {
				c := sse.Client{HTTPClient: &http.Client{Transport: s}, NewBackoff: backoff}
				for _, err := range c.Get(ctx, "http://memory/") {
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(time.Second / 2) // open for less than the first wait, as none of this is progress
		s.at = time.Now()
		close(s.gone)
		time.Sleep(time.Minute)
		cancel()
		clients.Wait()
		perBin = make([]int, herdTime/herdBin)
		for _, at := range s.attempts {
			if bin := int(at / herdBin); bin < len(perBin) {
				perBin[bin]++
			}
		}
		last = s.last
	})
	return perBin, last
}

type constant time.Duration

func (c constant) NextBackOff() time.Duration { return time.Duration(c) }

// TestHerd: ten thousand clients whose server is gone for five seconds do not reconnect at
// the same moment, neither in the first second nor when the server is back.
func TestHerd(t *testing.T) {
	ours, last := simulate(t, nil)
	fixed, _ := simulate(t, func(r time.Duration) sse.Backoff { return constant(r) })
	t.Logf("in the busiest %v: %d of %d attempts with the default policy, %d with a fixed wait; the last client is back after %v",
		herdBin, slices.Max(ours), herd, slices.Max(fixed), last.Round(herdBin))
	require.Less(t, slices.Max(ours), herd/8, "a tenth, were they spread evenly over the first second")
	require.Equal(t, herd, slices.Max(fixed), "what it would be like without a random part")
	require.Less(t, last, downtime+16*time.Second)
	if *drawHerd {
		for _, th := range themes {
			require.NoError(t, drawHerdPlot(th, ours))
		}
	}
	for _, th := range themes {
		require.FileExists(t, herdFile(th))
	}
}

func herdFile(th theme) string {
	return filepath.Join("..", "plots", fmt.Sprintf("herd-%s.svg", th.name))
}

func drawHerdPlot(th theme, perBin []int) error {
	p := th.plot("Attempts in each 100 ms, of 10 000 clients whose server is gone for 5 s")
	p.X.Label.Text = "seconds since it went"
	p.Y.Min = 0
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 5, Label: "5"}, {Value: 10, Label: "10"}, {Value: 15, Label: "15"}, {Value: 20, Label: "20"}}
	points := make(plotter.XYs, len(perBin))
	for i, n := range perBin {
		points[i] = plotter.XY{X: (float64(i) + 0.5) * herdBin.Seconds(), Y: float64(n)}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = th.ours, vg.Points(1.5)
	back, err := plotter.NewLine(plotter.XYs{{X: downtime.Seconds(), Y: 0}, {X: downtime.Seconds(), Y: float64(slices.Max(perBin))}})
	if err != nil {
		return err
	}
	back.Color, back.Dashes = th.limit, []vg.Length{vg.Points(4), vg.Points(3)}
	label, err := plotter.NewLabels(plotter.XYLabels{
		XYs:    plotter.XYs{{X: downtime.Seconds() + 0.2, Y: 0.94 * float64(slices.Max(perBin))}},
		Labels: []string{"it is back"},
	})
	if err != nil {
		return err
	}
	for i := range label.TextStyle {
		label.TextStyle[i].Color = th.ink
		label.TextStyle[i].Font = p.X.Label.TextStyle.Font
	}
	p.Add(line, back, label)
	return save(p, 7*vg.Centimeter, herdFile(th))
}
