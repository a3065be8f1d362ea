package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// script is run in the page: it shows one scenario to the browser's EventSource, and
// resolves to the steps.
const script = `
const states = ['CONNECTING', 'OPEN', 'CLOSED'];
const watch = s => new Promise(resolve => {
	const steps = [];
	let es, limit, errors = 0, over = false;
	const end = () => {
		if (over) return;
		over = true;
		clearTimeout(limit);
		es.close();
		setTimeout(() => resolve(steps), s.closeAt ? 500 : 0); // nothing may come after close
	};
	const see = (Kind, e) => {
		steps.push({Kind, State: states[es.readyState], Type: e?.type, Data: e?.data, ID: e?.lastEventId});
		if (Kind == 'error') errors++;
		if (Kind == s.closeAt || Kind == 'error' && (errors == s.maxErrors || es.readyState == 2)) end();
	};
	try {
		es = new EventSource(s.url);
	} catch {
		resolve([{Kind: 'throws'}]);
		return;
	}
	limit = setTimeout(() => { steps.push({Kind: 'still', State: 'CONNECTING or OPEN'}); end(); }, s.limit);
	see('new');
	for (const type of new Set(['message', 'open', 'error', ...s.types]))
		es.addEventListener(type, e => {
			if (!(e instanceof MessageEvent)) see(e.type);
			else if (type == 'message' || s.types.includes(type)) see('event', e);
		});
});
`

// chromiumPath returns where a Chromium is installed, or "".
func chromiumPath() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// page opens a page of the server in a browser of its own, without a network but the
// loopback, and returns the browser's version.
func page(t *testing.T, path, url string) (ctx context.Context, version string) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("no-proxy-server", true))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // which does not work for root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](script)))
	about, err := chromedp.CallBrowser(ctx, browser.GetVersion, cdp.Empty{})
	require.NoError(t, err)
	return ctx, about.Product
}

// watchChromium shows the scenarios to the browser's EventSource, a hundred at a time.
func watchChromium(ctx context.Context, t *testing.T, srv *server) {
	type order struct {
		URL       string   `json:"url"`
		Types     []string `json:"types"`
		CloseAt   string   `json:"closeAt"`
		MaxErrors int      `json:"maxErrors"`
		Limit     int64    `json:"limit"` // milliseconds
	}
	const batch = 100
	for from := 0; from < len(srv.scenarios); from += batch {
		some := srv.scenarios[from:min(from+batch, len(srv.scenarios))]
		orders := make([]order, len(some))
		for i, sc := range some {
			orders[i] = order{srv.url(chromium, from+i), append([]string{}, sc.types...), sc.closeAt, sc.maxErrors, watchLimit.Milliseconds()}
		}
		arg, err := json.Marshal(orders)
		require.NoError(t, err)
		limited, cancel := context.WithTimeout(ctx, 2*watchLimit)
		seen, err := chromedp.Run(limited, chromedp.Evaluate[[][]step](fmt.Sprintf("Promise.all(%s.map(watch))", arg), chromedp.EvalAwaitPromise))
		cancel()
		require.NoError(t, err)
		require.Len(t, seen, len(some))
		for i, sc := range some {
			sc.steps[chromium] = seen[i]
		}
	}
}
