package browser

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/conformance/internal/table"
)

func TestMain(m *testing.M) { os.Exit(table.Main(m, "browser")) }

// TestChromium compares what Chromium's EventSource and ours make of the same server. They
// agree on every scenario but those of the list in differences_test.go, and differ on those.
func TestChromium(t *testing.T) {
	const suite = "Chromium"
	path := chromiumPath()
	if path == "" {
		table.Skip(t, suite, "no chromium is installed")
	}
	scenarios := append(httpScenarios(), parserScenarios(t)...)
	played := scenarios
	for _, sc := range scenarios {
		if sc.timed {
			second, third := *sc, *sc
			sc.again = []*scenario{&second, &third}
			played = append(played, sc.again...)
		}
	}
	srv := newServer(t, played)
	ctx, version := page(t, path, srv.URL+"/page")
	watchChromium(ctx, t, srv)
	watchOurs(srv)

	row := table.Start(suite, version, "HTTP/1.1")
	seen := make(map[*difference]bool)
	for _, sc := range scenarios {
		agree := slices.Equal(sc.log(chromium), sc.log(ours))
		row.Count(1, agree)
		known := knownDifference(sc)
		switch {
		case !agree && known == nil:
			assert.Equal(t, sc.log(chromium), sc.log(ours), "%s: %.300q", sc.name, sc.stream)
		case agree && known != nil:
			t.Errorf("%s: does not differ, against the list: %s", sc.name, known.what)
		case !agree:
			seen[known] = true
		}
	}
	for i := range differences {
		d := &differences[i]
		if !seen[d] {
			t.Errorf("no scenario shows that %s", d.what)
		}
		row.Differs(d.what + ". " + d.decides)
	}
	require.LessOrEqual(t, len(differences), 10)
	writePage(t, version, scenarios)
}
