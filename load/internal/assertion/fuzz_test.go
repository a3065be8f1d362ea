package assertion

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lastevent/sse/load"
)

// FuzzParse: each text is an assertion, which can be checked, or an error that says where.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"missing == 0", "lost <= 1%", "p99.9(skew) < 200ms", " back99 ( storm ) < 5s", "bytesPerStream < 14 KiB", "p99(skw) < 1s", "é"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			var where *Error
			if !errors.As(err, &where) || where.Character < 1 || where.Character > utf8.RuneCountInString(text)+1 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		r := a.Check(new(load.Report))
		if r.Text != strings.TrimSpace(text) || r.Got == "" {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}
