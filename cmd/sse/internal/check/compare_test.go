package check

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

// made returns a stream of eight seconds whose events, numbered from 1, are so many
// milliseconds apart and come so much later.
func made(apart, later int) *stream {
	v := capture.View{Response: &http.Response{StatusCode: 200}, Sent: time.Millisecond, Header: 2 * time.Millisecond, Now: 8 * time.Second}
	for n, at := 1, 10; at+later < 8000; n, at = n+1, at+apart {
		v.Body = fmt.Appendf(v.Body, "data: %d\n\n", n)
		v.Bursts = append(v.Bursts, capture.Burst{At: time.Duration(at+later) * time.Millisecond, End: len(v.Body)})
	}
	v.Size = int64(len(v.Body))
	return readStream(v)
}

// burst returns a stream of which everything comes at once.
func burst(apart, at int) *stream {
	s := made(apart, 0)
	var until []capture.Burst
	for _, b := range s.Bursts {
		if b.At <= time.Duration(at)*time.Millisecond {
			until = append(until, b)
		}
	}
	s.View.Body = s.View.Body[:until[len(until)-1].End]
	s.View.Bursts = []capture.Burst{{At: time.Duration(at) * time.Millisecond, End: len(s.View.Body)}}
	return readStream(s.View)
}

func TestCompare(t *testing.T) {
	nothing := made(500, 0)
	nothing.View.Body, nothing.View.Bursts = nil, nil
	unreadable := func(s *stream) *stream {
		s.View.Response = &http.Response{StatusCode: 200, Header: http.Header{"Content-Encoding": {"br"}}}
		return readStream(s.View)
	}
	for _, c := range []struct {
		name        string
		ref, other  *stream
		known, held bool
	}{
		{"the same", made(500, 0), made(500, 0), true, false},
		{"a little later", made(500, 0), made(500, 300), true, false},
		{"slow, a little later", made(3000, 0), made(3000, 700), true, false},
		{"two seconds later", made(500, 0), made(500, 2000), true, true},
		{"earlier", made(500, 2000), made(500, 0), true, false},
		{"one late", made(300, 0), made(300, 300), true, true},
		{"all at once", made(500, 0), burst(500, 7000), true, true},
		{"nothing", made(500, 0), readStream(nothing.View), true, true},
		{"nothing on both", readStream(nothing.View), readStream(nothing.View), false, false},
		{"one event", made(20000, 0), made(20000, 0), true, false},
		{"one event, and nothing", made(20000, 0), readStream(nothing.View), false, false}, // it came before the other had asked
		{"unreadable, on time", made(500, 0), unreadable(made(500, 100)), true, false},
		{"unreadable, at once", made(500, 0), unreadable(burst(500, 7000)), true, true},
		{"unreadable, of few", made(3000, 0), unreadable(burst(3000, 7000)), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := compare(c.ref, c.other)
			assert.Equal(t, c.known, got.known, got.why)
			assert.Equal(t, c.held, got.held, got.lags)
			if !c.known {
				assert.NotEmpty(t, got.why)
			}
		})
	}
}

// TestLaterStart: a stream that starts anew for each connection is not late because its
// connection was opened later.
func TestLaterStart(t *testing.T) {
	other := made(500, 1500)
	other.View.Sent += 1500 * time.Millisecond
	other.View.Header += 1500 * time.Millisecond
	got := compare(made(500, 0), readStream(other.View))
	assert.True(t, got.known)
	assert.False(t, got.held, got.lags)
}

// TestDecode: what a browser can make of the bytes that have arrived, whether the sender
// ends a block or not.
func TestDecode(t *testing.T) {
	for _, flush := range []bool{true, false} {
		for coding, compress := range map[string]func(io.Writer) interface {
			io.Writer
			Flush() error
		}{
			"gzip": func(w io.Writer) interface {
				io.Writer
				Flush() error
			} {
				return gzip.NewWriter(w)
			},
			"deflate": func(w io.Writer) interface {
				io.Writer
				Flush() error
			} {
				return zlib.NewWriter(w)
			},
		} {
			t.Run(fmt.Sprint(coding, " ", flush), func(t *testing.T) {
				var out bytes.Buffer
				v := capture.View{Response: &http.Response{StatusCode: 200, Header: http.Header{"Content-Encoding": {coding}}}, Now: 10 * time.Second}
				w := compress(&out)
				for n := range 4 {
					fmt.Fprintf(w, "data: %d\n\n", n)
					if flush {
						require.NoError(t, w.Flush())
					}
					v.Bursts = append(v.Bursts, capture.Burst{At: time.Duration(n+1) * time.Second, End: out.Len()})
				}
				v.Body = out.Bytes()
				v.Size = int64(len(v.Body))
				s := readStream(v)
				require.True(t, s.readable)
				if !flush {
					require.Empty(t, s.complete)
					return
				}
				assert.Equal(t, []time.Duration{1e9, 2e9, 3e9, 4e9}, s.complete)
			})
		}
	}
	t.Run("points", func(t *testing.T) {
		for _, n := range []int{0, 1, 199, 200, 201, 5000} {
			v := capture.View{Bursts: make([]capture.Burst, n)}
			for i := range v.Bursts {
				v.Bursts[i].End = i + 1
			}
			some := points(v)
			assert.LessOrEqual(t, len(some), maxPoints)
			if n > 0 {
				assert.Equal(t, n, some[len(some)-1].End)
			}
		}
	})
	s := readStream(capture.View{Response: &http.Response{StatusCode: 200, Header: http.Header{"Content-Encoding": {"gzip"}}}, Body: []byte("data: 1234\n\n"), Size: 12,
		Bursts: []capture.Burst{{At: 1, End: 12}}})
	assert.False(t, s.readable)
}

// TestEnds: what ends have in common.
func TestEnds(t *testing.T) {
	s := func(age, silence, longest float64) ending {
		d := func(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
		return ending{age: d(age), silence: d(silence), longest: d(longest), err: io.ErrUnexpectedEOF}
	}
	for _, c := range []struct {
		name string
		ends []ending
		want string
		text string
	}{
		{"idle", []ending{s(75, 60.1, 5), s(90, 60, 5), s(61, 60, 1)}, "idle-cut", "proxy_read_timeout"},
		{"age", []ending{s(30, 1.1, 2), s(30.1, 0.3, 2), s(29.9, 1.9, 2)}, "age-cut", "Google Cloud"},
		{"age of an even stream", []ending{s(15, 0.5, 1), s(15, 0.5, 1)}, "age-cut", "Envoy"},
		{"random", []ending{s(3, 1, 2), s(17, 0, 2), s(9, 1.5, 2)}, "random-cut", ""},
		{"silent from the beginning", []ending{s(60, 60, 0), s(60, 60, 0)}, "idle-cut", "proxy_read_timeout"},
		{"another limit", []ending{s(43, 42, 3), s(50, 42, 3)}, "idle-cut", "No layer has 42 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := &checker{options: &options{watch: time.Minute}, report: &Report{}, ends: c.ends}
			checker.judgeEnds()
			require.Len(t, checker.report.Findings, 1)
			f := checker.report.Findings[0]
			assert.Equal(t, c.want, f.ID)
			assert.Equal(t, Problem, f.Level)
			assert.Contains(t, f.Cause, c.text)
		})
	}
}
