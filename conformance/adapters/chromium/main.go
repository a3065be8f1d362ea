// Command chromium is the adapter of a browser's EventSource for sseconform -server. It drives
// a Chromium that is installed. CHROMIUM may name another executable.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"os"

	"github.com/chromedp/chromedp"
)

// script opens the stream of url, which the page finds at another address, and reports what
// it sees.
const script = `
let reported = Promise.resolve(); // one after another: calls of see may overtake each other
const open = (url, at) => {
	const report = r => reported = reported.then(() => see(JSON.stringify({...r, url})));
	const es = new EventSource(at);
	const types = new Set(['message', 'open', 'error', ...new URL(url).searchParams.getAll('type')]);
	for (const type of types) es.addEventListener(type, e => {
		if (e instanceof MessageEvent) report({type: e.type, data: e.data, id: e.lastEventId});
		else if (type == 'open') report({open: true});
		else report(es.readyState == EventSource.CLOSED ? {closed: true} : {error: 'it reconnects'});
	});
};
`

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU,
		chromedp.ExecPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium")), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // which does not work for root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	lines := bufio.NewScanner(os.Stdin)
	for n := 0; lines.Scan(); n++ {
		u, err := url.Parse(lines.Text())
		if err == nil && n == 0 {
			page := u.ResolveReference(&url.URL{Path: "/"}).String()
			err = chromedp.Do(ctx, chromedp.ExposeFunc("see", see), chromedp.Navigate(page), chromedp.Evaluate[chromedp.Void](script))
		}
		if err == nil {
			// Each stream has a host of its own, or at most six of them would be open.
			name, _ := json.Marshal(lines.Text())
			u.Host = fmt.Sprintf("%d.test:%s", n, u.Port())
			at, _ := json.Marshal(u.String())
			err = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("open(%s, %s)", name, at)))
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// see prints a line of the protocol.
func see(_ context.Context, line string) (chromedp.Void, error) {
	_, err := fmt.Println(line)
	return chromedp.Void{}, err
}
