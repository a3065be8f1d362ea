// Package toxic puts toxiproxy between a client and a server, to bring about what goes
// wrong in networks.
package toxic

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A Proxy passes TCP connections on.
type Proxy struct {
	Addr  string // where it listens
	proxy *toxiproxy.Proxy
}

// Between listens on a loopback address, and passes connections on to upstream, until the
// test ends.
func Between(t testing.TB, upstream string) *Proxy {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &Proxy{p.Listen, p}
}

// Add adds a toxic to what the server sends, on the connections there are and those to come.
// The kinds and their attributes are toxiproxy's.
func (p *Proxy) Add(t testing.TB, kind string, attributes map[string]int) {
	t.Helper()
	order, err := json.Marshal(map[string]any{"type": kind, "stream": "downstream", "attributes": attributes})
	if err == nil {
		_, err = p.proxy.Toxics.AddToxicJson(strings.NewReader(string(order)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Cut closes the connections there are.
func (p *Proxy) Cut(t testing.TB) {
	t.Helper()
	p.proxy.Stop()
	if err := p.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// Clear takes the toxics away.
func (p *Proxy) Clear() { p.proxy.Toxics.ResetToxics(context.Background()) }
