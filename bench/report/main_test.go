package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/plotter"

	"github.com/lastevent/sse/bench"
)

// TestRendered: RESULTS.md and the plots say what results.json does.
func TestRendered(t *testing.T) {
	r, err := load(filepath.Join("..", figures))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, render(dir, r))
	for _, name := range []string{
		"RESULTS.md",
		"plots/throughput-light.svg", "plots/throughput-dark.svg",
		"plots/idle-light.svg", "plots/idle-dark.svg",
		"plots/size-light.svg", "plots/size-dark.svg",
	} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err)
		assert.True(t, string(want) == string(got), "%s: run `go run ./report -render`", name)
	}
}

// TestComplete: the figures are of all that is measured.
func TestComplete(t *testing.T) {
	r, err := load(filepath.Join("..", figures))
	require.NoError(t, err)
	subjects := len(bench.Ours()) + len(bench.Peers())
	assert.Len(t, r.Throughput, (len(bench.Corpora())+1)*(subjects+len(bench.Limits())))
	assert.Len(t, r.Sizes, len(bench.EventSizes())*subjects)
	assert.Len(t, r.Idle, len(bench.IdleSubjects)+9)                         // ours and net/http over all four
	assert.Len(t, r.Promptness, len(bench.PromptnessServers())*(subjects+3)) // Stream, Events and curl as well
	assert.Len(t, r.Busy, 4)
	assert.Len(t, r.IDs, 2)
	assert.Less(t, r.Took, 10*time.Minute)
	for _, g := range check(r) {
		assert.False(t, math.IsNaN(g.got), g.what)
	}
}

// TestGoals: a goal that is missed is shown so.
func TestGoals(t *testing.T) {
	list := []goal{
		{"a", 0.9, "", true, 1, ""},
		{"b", 1, "", true, 1, ""},
		{"c", 1.1, " ms", false, 1, "1 – 2"},
		{"d", 1, "", false, 1, ""},
		{"e", math.NaN(), "", false, 1, ""},
	}
	var text strings.Builder
	writeGoals(&text, list)
	assert.Contains(t, text.String(), "2 of 5 are met")
	assert.Contains(t, text.String(), "| a | ≥ 1 | 0.90 |  | **missed** |")
	assert.Contains(t, text.String(), "| b | ≥ 1 | 1 |  | met |")
	assert.Contains(t, text.String(), "| c | ≤ 1 ms | 1.10 ms | 1 – 2 | **missed** |")
	assert.Contains(t, text.String(), "| d | ≤ 1 | 1 |  | met |")
	assert.Contains(t, text.String(), "| e | ≤ 1 | – |  | **missed** |")
}

func TestFigure(t *testing.T) {
	for want, v := range map[string]float64{"–": math.NaN(), "0": 0, "0.012": 0.0123, "0.12": 0.123, "1.23": 1.23, "12.3": 12.3, "123": 123.4, "-1.50": -1.5} {
		assert.Equal(t, want, figure(v))
	}
}

func TestApart(t *testing.T) {
	ys := apart(plotter.XYs{{Y: 8}, {Y: 1}, {Y: 1.1}, {Y: 1000}})
	assert.Less(t, ys[1], ys[2])
	for _, pair := range [][2]int{{1, 2}, {2, 0}, {0, 3}} {
		assert.GreaterOrEqual(t, ys[pair[1]]/ys[pair[0]], 1.89)
	}
}

func TestTicks(t *testing.T) {
	var labels []string
	for _, tick := range (powers{64, 16, bytesLabel}).Ticks(64, 16<<20) {
		labels = append(labels, tick.Label)
	}
	assert.Equal(t, []string{"64 B", "1 KiB", "16 KiB", "256 KiB", "4 MiB"}, labels)
	assert.Equal(t, "0.1 µs", microsecondsLabel(0.1))
	assert.Equal(t, "10 ms", microsecondsLabel(1e4))
	assert.Equal(t, "1 s", microsecondsLabel(1e6))
}
