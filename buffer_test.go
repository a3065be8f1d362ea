package sse_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestSizes: the sizes that the documents promise.
func TestSizes(t *testing.T) {
	require.Equal(t, 32<<20, sse.DefaultMaxEventSize)
	require.Equal(t, 512, sse.MinBuffer)
	require.Equal(t, 64<<10, sse.MaxBuffer)
	require.Equal(t, 64<<10, sse.MaxComment)
	require.Equal(t, 64, sse.MaxTypes)
	require.Equal(t, 64, sse.MaxTypeLen)
}

// TestReads: a busy stream is read 32 KiB at a time, also inside a large event.
func TestReads(t *testing.T) {
	largest := 0
	r := &endless{text: "data: some data\n\n" + "data:" + strings.Repeat("x", 1<<20) + "\n\n", max: 8 << 20}
	p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
		largest = max(largest, len(b))
		return r.Read(b)
	}))
	for p.Next() == nil {
	}
	require.Equal(t, 32<<10, largest)
}

// TestEmptyReads: a reader may return nothing 99 times in a row.
func TestEmptyReads(t *testing.T) {
	for _, test := range []struct {
		empty int
		want  error
	}{{99, nil}, {100, io.ErrNoProgress}} {
		reads := 0
		p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
			reads++
			if reads <= test.empty {
				return 0, nil
			}
			return copy(b, "data\n\n"), nil
		}))
		require.Equal(t, test.want, p.Next())
	}
}

// TestNoReadBehindAnError: an error that comes with bytes is the last that is read.
func TestNoReadBehindAnError(t *testing.T) {
	broken := errors.New("broken")
	reads := 0
	p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
		reads++
		return copy(b, "data\n\ndata\n\nda"), broken
	}))
	require.NoError(t, p.Next())
	require.NoError(t, p.Next())
	require.Equal(t, broken, p.Next())
	require.Equal(t, 1, reads)
}

// TestGrowth: a full buffer of 64 KiB grows where more than three quarters of it are kept,
// data lines and the beginning of a line; else those move to the front.
func TestGrowth(t *testing.T) {
	const size = sse.MaxBuffer
	for _, test := range []struct{ kept, want int }{
		{1, size}, {size/4*3 - 1, size}, {size / 4 * 3, size}, {size/4*3 + 1, 160 << 10}, {size - 9, 160 << 10},
	} {
		for _, data := range []int{0, 20_000} {
			part := test.kept - data // of the line in the buffer
			if part < 1 {
				continue
			}
			t.Run(fmt.Sprint(test.kept, " with ", data, " of data"), func(t *testing.T) {
				event := "data:" + strings.Repeat("x", 200_000) + "\n\n"
				length := 200_000
				skipped := size - part
				if data > 0 {
					event = "data:" + strings.Repeat("y", data) + "\n" + event
					length += data + 1
					skipped -= len("data:\n") + data
				}
				stream := strings.NewReader(":" + strings.Repeat("c", skipped-2) + "\n" + event)
				var p *sse.Parser
				reads, got := 0, 0
				p = sse.NewParser(io.MultiReader(strings.NewReader(strings.Repeat("data:1\n\n", 30_000)), readerFunc(func(b []byte) (int, error) {
					if reads++; reads == 3 { // two have filled it
						got = p.BufferSize()
					}
					return stream.Read(b)
				})))
				for range 30_000 {
					require.NoError(t, p.Next())
				}
				require.NoError(t, p.Next())
				require.Len(t, p.Data(), length)
				require.Equal(t, test.want, got)
			})
		}
	}
}

// TestResetKeepsTheBuffer: a new connection allocates nothing for what it reads.
func TestResetKeepsTheBuffer(t *testing.T) {
	stream := strings.Repeat("data:1\n\n", 30_000)
	p, r := sse.NewParser(strings.NewReader(stream)), new(strings.Reader)
	for p.Next() == nil {
	}
	require.Equal(t, sse.MaxBuffer, p.BufferSize())
	require.Zero(t, testing.AllocsPerRun(10, func() {
		r.Reset(stream)
		p.Reset(r)
		for p.Next() == nil {
		}
	}))
}
