package check

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// A site is a feed behind a proxy.
type site struct {
	feed   feed
	secure bool // HTTPS, with HTTP/2
}

func url(secure bool, port int) string {
	if secure {
		return fmt.Sprintf("https://127.0.0.1:%d", port)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

func need(t *testing.T, name string) {
	t.Helper()
	if program.Find(name) == "" {
		t.Skipf("%s is not installed", name)
	}
}

const (
	nginxStreams = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;`
	nginxChunks  = `proxy_http_version 1.1;` // with buffers
	nginxGzip    = `gzip on; gzip_types text/event-stream; gzip_proxied any;`
)

// nginx puts the feed behind nginx, with directives for its location and its http block.
func (s site) nginx(location, http string) func(*testing.T) string {
	return func(t *testing.T) string {
		need(t, "nginx")
		return s.nginxBefore(t, wire.HTTP1.Serve(t, s.feed).Addr, location, http)
	}
}

func (s site) nginxBefore(t *testing.T, upstream, location, http string) string {
	listen := ";"
	if s.secure {
		pair := wire.CertificateFile(t)
		listen = fmt.Sprintf("ssl http2; ssl_certificate %s; ssl_certificate_key %s;", pair, pair)
	}
	_, port := program.Nginx(t, "", http, fmt.Sprintf("%s location / { proxy_pass http://%s; %s }", listen, upstream, location))
	return url(s.secure, port)
}

// haproxy puts the feed behind HAProxy, with a time limit and directives for its backend.
func (s site) haproxy(timeout, backend string) func(*testing.T) string {
	return func(t *testing.T) string {
		need(t, "haproxy")
		port, bind := program.FreePort(t), ""
		if s.secure {
			bind = "ssl crt " + wire.CertificateFile(t) + " alpn h2,http/1.1"
		}
		file := program.Config(t, "haproxy.cfg", fmt.Sprintf(`
defaults
	mode http
	timeout connect 5s
	timeout client 1h
	timeout server %s
frontend front
	bind 127.0.0.1:%d %s
	default_backend back
backend back
	server feed %s
	%s
`, timeout, port, bind, wire.HTTP1.Serve(t, s.feed).Addr, backend))
		program.Start(t, port, program.Find("haproxy"), "-db", "-f", file)
		return url(s.secure, port)
	}
}

// caddy puts the feed behind Caddy, with global options, and directives for the site and
// for its reverse_proxy.
func (s site) caddy(global, directives, proxy string) func(*testing.T) string {
	return func(t *testing.T) string {
		need(t, "caddy")
		port, scheme, tls := program.FreePort(t), "http", ""
		if s.secure {
			pair := wire.CertificateFile(t)
			scheme, tls = "https", fmt.Sprintf("tls %s %s", pair, pair)
		}
		file := program.Config(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https disable_redirects
	skip_install_trust
	%s
}
%s://127.0.0.1:%d {
	bind 127.0.0.1
	%s
	%s
	reverse_proxy %s {
		%s
	}
}
`, global, scheme, port, tls, directives, wire.HTTP1.Serve(t, s.feed).Addr, proxy))
		program.Start(t, port, program.Find("caddy"), "run", "--adapter", "caddyfile", "--config", file)
		return url(s.secure, port)
	}
}

// direct makes a row that also asks the server behind nginx.
func (s site) direct(name, want, also, location, http string) row {
	return row{name: name, want: want, also: also, run: func(t *testing.T) []string {
		need(t, "nginx")
		srv := wire.HTTP1.Serve(t, s.feed)
		return []string{"-direct", srv.URL(), s.nginxBefore(t, srv.Addr, location, http)}
	}}
}

// some sends a few events and is silent then.
var some = feed{last: 5, every: 100 * time.Millisecond, after: silent}

// late sends its header at once, and its first event after a while.
var late = feed{before: func(w http.ResponseWriter, r *http.Request) bool {
	_ = http.NewResponseController(w).Flush()
	return pause(r, 2*time.Second)
}}

// accelerated is a feed that asks nginx not to buffer.
var accelerated = feed{header: func(h http.Header) { h.Set("X-Accel-Buffering", "no") }}

// transformless is a feed that asks for no compression.
var transformless = feed{header: func(h http.Header) { h.Set("Cache-Control", "no-store, no-transform") }}

func TestNginx(t *testing.T) {
	plain, secure := site{}, site{secure: true}
	test(t, []row{
		{name: "good", url: plain.nginx(nginxStreams, "")},
		{name: "good, HTTP/2", args: []string{"-k"}, url: secure.nginx(nginxStreams, "")},
		{name: "good, X-Accel-Buffering", url: site{feed: accelerated}.nginx("", ""), unverified: "buffered"},
		{name: "good, compression of other types", url: plain.nginx(nginxStreams, "gzip on;")},
		{name: "good, compression that flushes", url: plain.nginx(nginxStreams, nginxGzip)},
		plain.direct("good, compared with its server", "", "", nginxStreams, ""),

		{name: "defaults", want: "problem header-late", url: plain.nginx("", ""), unverified: "buffered not-flushed compressed-buffering"},
		plain.direct("defaults, compared with its server", "problem buffered", "header-late", "", ""),
		{name: "buffers, over HTTP/1.1", want: "risk header-late", url: site{feed: late}.nginx(nginxChunks, "")},
		{name: "gzip", want: "problem compressed-buffering", url: plain.nginx(nginxChunks, nginxGzip)},
		{name: "buffers, over HTTPS", want: "problem buffered", args: []string{"-k"}, url: secure.nginx(nginxChunks, "")}, // only over HTTP/1.1, where they are filled
		{name: "gzip, HTTP/2", want: "problem compressed-buffering", also: "buffered", args: []string{"-k"}, url: secure.nginx(nginxChunks, nginxGzip)},
		{name: "gzip in spite of no-transform", want: "problem compressed-buffering", url: site{feed: transformless}.nginx(nginxChunks, nginxGzip)},
		{name: "read timeout", want: "problem idle-cut", args: []string{"-for", "14s"}, url: site{feed: some}.nginx(nginxStreams+"proxy_read_timeout 3s;", "")},
		{name: "another media type", want: "problem content-type", url: plain.nginx(nginxStreams+"proxy_hide_header Content-Type; add_header Content-Type text/plain;", "")},
		{name: "another charset", want: "problem content-type", url: plain.nginx(nginxStreams+"proxy_hide_header Content-Type; add_header Content-Type 'text/event-stream; charset=iso-8859-1';", "")},
		{name: "expires", want: "risk cache-control", url: plain.nginx(nginxStreams+"proxy_hide_header Cache-Control; expires 1h;", "")},
		{name: "few connections", want: "problem http1-limit", url: plain.nginx(nginxStreams+"limit_conn all 5;", "limit_conn_zone $server_port zone=all:1m;")},
		{name: "Last-Event-ID removed", want: "problem no-resume", url: plain.nginx(nginxStreams+`proxy_set_header Last-Event-ID "";`, "")},
		{name: "CORS in two layers", want: "problem cors", args: []string{"-origin", "https://app.example"},
			url: site{feed: feed{header: func(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") }}}.nginx(nginxStreams+"add_header Access-Control-Allow-Origin $http_origin;", "")},
		{name: "its server is down", want: "problem no-stream", url: func(t *testing.T) string {
			need(t, "nginx")
			return plain.nginxBefore(t, fmt.Sprintf("127.0.0.1:%d", program.FreePort(t)), nginxStreams, "")
		}},
		{name: "a certificate that nobody knows", want: "problem certificate", url: secure.nginx(nginxStreams, "")},
	})
}

func TestHAProxy(t *testing.T) {
	plain, secure := site{}, site{secure: true}
	test(t, []row{
		{name: "good", url: plain.haproxy("1h", "option http-no-delay")},
		{name: "good, without http-no-delay", url: plain.haproxy("1h", "")},
		{name: "good, HTTP/2", args: []string{"-k"}, url: secure.haproxy("1h", "")},
		{name: "compression", want: "problem compressed-buffering", url: plain.haproxy("1h", "compression algo gzip\n\tcompression type text/event-stream")},
		{name: "compression, HTTP/2", want: "problem compressed-buffering", args: []string{"-k"}, url: secure.haproxy("1h", "compression algo gzip\n\tcompression type text/event-stream")},
		{name: "server timeout", want: "problem idle-cut", args: []string{"-for", "14s"}, url: site{feed: some}.haproxy("3s", "")},
		{name: "waits for the body", want: "problem no-stream", also: "header-late", url: plain.haproxy("1h", "http-response wait-for-body time 6s")},
	})
}

func TestCaddy(t *testing.T) {
	plain, secure := site{}, site{secure: true}
	encode := func(algorithm string) string {
		return "encode " + algorithm + " {\n\t\tminimum_length 1\n\t\tmatch header Content-Type text/event-stream*\n\t}"
	}
	const writeTimeout = "servers {\n\t\ttimeouts {\n\t\t\twrite 4s\n\t\t}\n\t}"
	test(t, []row{
		{name: "good", url: plain.caddy("", "", "")},
		{name: "good, HTTP/2", args: []string{"-k"}, url: secure.caddy("", "", "")},
		{name: "encode gzip", want: "problem compressed-buffering", url: plain.caddy("", encode("gzip"), "")},
		{name: "encode zstd", want: "problem compressed-buffering", url: plain.caddy("", encode("zstd"), "")},
		{name: "encode gzip, HTTP/2", want: "problem compressed-buffering", args: []string{"-k"}, url: secure.caddy("", encode("gzip"), "")},
		{name: "encode in spite of no-transform", want: "problem compressed-buffering", url: site{feed: transformless}.caddy("", encode("gzip"), "")},
		{name: "buffered responses", want: "problem header-late", url: plain.caddy("", "", "buffer_responses")},
		{name: "write timeout", want: "problem age-cut", args: []string{"-for", "14s"}, url: plain.caddy(writeTimeout, "", "")},
	})
}

// node starts a script of servers/node.
func node(script, path string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		need(t, "node")
		dir := filepath.Join("..", "servers", "node")
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "compression")); err != nil {
			t.Skip("npm ci has not been run in conformance/servers/node")
		}
		port := program.FreePort(t)
		program.Start(t, port, program.Find("node"), append([]string{filepath.Join(dir, script), fmt.Sprint(port)}, args...)...)
		return url(false, port) + path
	}
}

// published is a server of servers/node whose log is made longer while the test runs.
func published(script string) func(*testing.T) string {
	return func(t *testing.T) string {
		stream := node(script, "/sse", "3")(t)
		go func() {
			for n := 4; t.Context().Err() == nil; n++ {
				resp, err := http.Post(fmt.Sprintf("%s/publish?to=%d", strings.TrimSuffix(stream, "/sse"), n), "text/plain", nil)
				if err == nil {
					resp.Body.Close()
				}
				time.Sleep(400 * time.Millisecond)
			}
		}()
		return stream
	}
}

func TestNode(t *testing.T) {
	test(t, []row{
		{name: "good, better-sse", url: published("better-sse.mjs")},
		{name: "good, @fastify/sse", url: published("fastify-sse.mjs")},
		{name: "express-sse", want: "problem no-resume", url: published("express-sse.mjs")},
		{name: "good, express", url: node("compression.mjs", "/sse", "none")},
		{name: "good, no-transform", url: node("compression.mjs", "/sse", "no-transform")},
		{name: "good, flush", url: node("compression.mjs", "/sse", "flush"), unverified: "compressed-buffering"},
		{name: "compression", want: "problem compressed-buffering", url: node("compression.mjs", "/sse", "compression")},
		{name: "compression by gzip", want: "problem compressed-buffering", url: node("compression.mjs", "/sse", "gzip")},
	})
}
