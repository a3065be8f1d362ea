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

// script opens a stream in the page, and reports what the stream shows it.
const script = `
let reported = Promise.resolve(); // one after another: calls of see may overtake each other
const open = url => {
	const report = r => reported = reported.then(() => see(JSON.stringify({...r, url})));
	const es = new EventSource(url);
	const types = new Set(['message', 'open', 'error', ...new URL(url).searchParams.getAll('type')]);
	for (const type of types) es.addEventListener(type, e => {
		if (e instanceof MessageEvent) report({type: e.type, data: e.data, id: e.lastEventId});
		else if (type == 'open') report({open: true});
		else report(es.readyState == EventSource.CLOSED ? {closed: true} : {error: 'it reconnects'});
	});
};
`

func main() {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU,
		chromedp.ExecPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium")), chromedp.Flag("no-proxy-server", true))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // which does not work for root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	lines := bufio.NewScanner(os.Stdin)
	for page := ""; lines.Scan(); {
		u, err := url.Parse(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		if page == "" { // a page of the same origin
			page = u.ResolveReference(&url.URL{Path: "/"}).String()
			err = chromedp.Do(ctx, chromedp.ExposeFunc("see", see), chromedp.Navigate(page), chromedp.Evaluate[chromedp.Void](script))
			if err != nil {
				log.Fatal(err)
			}
		}
		arg, _ := json.Marshal(lines.Text())
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("open(%s)", arg))); err != nil {
			log.Fatal(err)
		}
	}
}

// see prints a line of the protocol.
func see(_ context.Context, line string) (chromedp.Void, error) {
	_, err := fmt.Println(line)
	return chromedp.Void{}, err
}
