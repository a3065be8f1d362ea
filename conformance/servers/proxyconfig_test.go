package servers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/wire"
)

const nginxStreams = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 1h;`

var nginxProxy = proxy{
	name:     "nginx",
	version:  nginxVersion,
	streams:  nginxStreams,
	compress: nginxStreams + "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;",
	holds:    " ", // its defaults
	start: func(t *testing.T, p wire.Protocol, upstream, options string) (*program.Program, string) {
		listen := ";"
		if p == wire.HTTP2 {
			pair := wire.CertificateFile(t)
			listen = fmt.Sprintf("ssl http2; ssl_certificate %s; ssl_certificate_key %s;", pair, pair)
		}
		prog, port := program.Nginx(t, "", "", fmt.Sprintf(`%s
		location / {
			proxy_pass http://%s;
			%s
		}`, listen, upstream, options))
		return prog, fmt.Sprintf("127.0.0.1:%d", port)
	},
}

var haproxy = proxy{
	name: "haproxy",
	version: func(t *testing.T) string {
		return program.Version(t, func(out string) string { return strings.Fields(out)[2] }, program.Find("haproxy"), "-v")
	},
	compress: "compression algo gzip\n\tcompression type text/event-stream",
	start: func(t *testing.T, p wire.Protocol, upstream, options string) (*program.Program, string) {
		port, bind := program.FreePort(t), ""
		if p == wire.HTTP2 {
			bind = "ssl crt " + wire.CertificateFile(t) + " alpn h2"
		}
		file := program.Config(t, "haproxy.cfg", fmt.Sprintf(`
defaults
	mode http
	option http-no-delay
	timeout connect 5s
	timeout client 1h
	timeout server 1h
frontend front
	bind 127.0.0.1:%d %s
	default_backend back
backend back
	server log %s
	%s
`, port, bind, upstream, options))
		return program.Start(t, port, program.Find("haproxy"), "-db", "-f", file), fmt.Sprintf("127.0.0.1:%d", port)
	},
}

var caddy = proxy{
	name: "caddy",
	version: func(t *testing.T) string {
		return program.Version(t, func(out string) string { return strings.Fields(out)[0] }, program.Find("caddy"), "version")
	},
	compress: "encode gzip {\n\t\tminimum_length 1\n\t\tmatch header Content-Type text/event-stream*\n\t}",
	start: func(t *testing.T, p wire.Protocol, upstream, options string) (*program.Program, string) {
		port, scheme, tls := program.FreePort(t), "http", ""
		if p == wire.HTTP2 {
			pair := wire.CertificateFile(t)
			scheme, tls = "https", fmt.Sprintf("tls %s %s", pair, pair)
		}
		file := program.Config(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https disable_redirects
	skip_install_trust
}
%s://127.0.0.1:%d {
	bind 127.0.0.1
	%s
	%s
	reverse_proxy %s
}
`, scheme, port, tls, options, upstream))
		return program.Start(t, port, program.Find("caddy"), "run", "--adapter", "caddyfile", "--config", file), fmt.Sprintf("127.0.0.1:%d", port)
	},
}
