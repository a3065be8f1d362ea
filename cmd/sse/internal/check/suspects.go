package check

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A sign is what gives a server or a proxy away in a response's header.
type sign struct {
	header, part string // part: in lower case, "" for any value
	server       string // its name in the catalogue
	proxy        bool   // it stands between the server and its clients
}

var signs = []sign{
	{"Server", "nginx", "nginx", true},
	{"Server", "openresty", "nginx", true},
	{"Server", "caddy", "Caddy", true},
	{"Via", "caddy", "Caddy", true},
	{"Server", "envoy", "Envoy", true},
	{"Server", "istio-envoy", "Envoy", true},
	{"X-Envoy-Upstream-Service-Time", "", "Envoy", true},
	{"Server", "cloudflare", "Cloudflare", true},
	{"Cf-Ray", "", "Cloudflare", true},
	{"Server", "apache", "Apache", true},
	{"Server", "awselb", "AWS ALB", true},
	{"Via", "cloudfront", "CloudFront", true},
	{"X-Amz-Cf-Id", "", "CloudFront", true},
	{"X-Amzn-Requestid", "", "AWS Lambda", true},
	{"Apigw-Requestid", "", "AWS Lambda", true},
	{"Via", "heroku", "Heroku", true},
	{"Via", "vegur", "Heroku", true},
	{"Via", "google", "Google Cloud", true},
	{"Server", "google frontend", "Google Cloud", true},
	{"Server", "vercel", "Vercel", true},
	{"X-Vercel-Id", "", "Vercel", true},
	{"Server", "netlify", "Netlify", true},
	{"X-Nf-Request-Id", "", "Netlify", true},
	{"Server", "fly", "Fly.io", true},
	{"Via", "varnish", "Varnish", true},
	{"X-Varnish", "", "Varnish", true},
	{"X-Served-By", "cache-", "Fastly", true},
	{"X-Powered-By", "express", "Express", false},
	{"X-Powered-By", "next.js", "Next.js", false},
	{"X-Powered-By", "php", "PHP", false},
	{"X-Powered-By", "asp.net", "ASP.NET", false},
	{"Server", "kestrel", "ASP.NET", false},
	{"Server", "uvicorn", "Django, Flask", false},
	{"Server", "gunicorn", "Django, Flask", false},
	{"Server", "werkzeug", "Django, Flask", false},
	{"Server", "jetty", "Spring", false},
	{"X-Application-Context", "", "Spring", false},
}

func matching(h http.Header) (found []sign) {
	for _, s := range signs {
		values, ok := h[s.header]
		if ok && strings.Contains(strings.ToLower(strings.Join(values, ",")), s.part) {
			found = append(found, s)
		}
	}
	return found
}

// serversOf returns the names of what the responses give away.
func serversOf(probes []*probe) (names []string) {
	for _, p := range probes {
		if p.s.Response == nil || p.name == nameDirect {
			continue
		}
		for _, s := range matching(p.s.Response.Header) {
			if !slices.Contains(names, s.server) {
				names = append(names, s.server)
			}
		}
	}
	return names
}

// proxies returns those of the names that stand between a server and its clients.
func proxies(names []string) (found []string) {
	for _, s := range signs {
		if s.proxy && slices.Contains(names, s.server) && !slices.Contains(found, s.server) {
			found = append(found, s.server)
		}
	}
	return found
}

// serverText returns the header fields that name the server and the proxies.
func serverText(h http.Header) string {
	var parts []string
	for _, name := range []string{"Server", "Via", "X-Powered-By"} {
		if v := h.Get(name); v != "" {
			parts = append(parts, name+": "+v)
		}
	}
	for _, s := range matching(h) {
		if s.part == "" && !strings.Contains(strings.Join(parts, " "), s.server) {
			parts = append(parts, s.header+" ("+s.server+")")
		}
	}
	return strings.Join(parts, "; ")
}

// A limit is a time after which something ends responses by default.
type limit struct {
	seconds float64
	server  string // its name in the catalogue, or in the text
	text    string
}

// idleLimits end a response that is silent for so long.
var idleLimits = []limit{
	{30, "HAProxy", "HAProxy: timeout client or timeout server, often 30 s"},
	{50, "HAProxy", "HAProxy: timeout client or timeout server, 50 s in Debian's configuration"},
	{55, "Heroku", "Heroku's router: 55 s"},
	{60, "nginx", "nginx: proxy_read_timeout, 60 s by default"},
	{60, "Apache", "Apache: Timeout and ProxyTimeout, 60 s by default"},
	{60, "AWS ALB", "AWS ALB: idle timeout, 60 s by default"},
	{60, "HAProxy", "HAProxy: timeout client or timeout server, often 60 s"},
	{100, "Cloudflare", "Cloudflare: proxy read timeout, 100 s for years"},
	{125, "Cloudflare", "Cloudflare: proxy read timeout, 125 s since 2025"},
	{230, "Azure", "Azure App Service: 230 s"},
	{240, "Azure", "Azure Load Balancer: idle timeout, 4 min by default"},
	{300, "Envoy", "Envoy: stream_idle_timeout, 5 min by default"},
	{350, "AWS NLB", "AWS NLB: idle timeout, 350 s"},
}

// ageLimits end a response of such an age.
var ageLimits = []limit{
	{10, "Vercel", "Vercel or Netlify functions: 10 s on small plans"},
	{15, "Envoy", "Envoy: a route's timeout, 15 s by default"},
	{15, "Vercel", "Vercel functions: 15 s by default on older plans"},
	{26, "Netlify", "Netlify functions: 26 s"},
	{29, "AWS Lambda", "AWS API Gateway: 29 s"},
	{30, "Google Cloud", "Google Cloud load balancer: timeoutSec of the backend service, 30 s by default"},
	{30, "Spring", "Spring on Tomcat: SseEmitter's timeout, 30 s by default"},
	{30, "gunicorn", "gunicorn with sync workers: --timeout, 30 s by default"},
	{60, "Vercel", "Vercel functions: 60 s on some plans"},
	{300, "Google Cloud", "Cloud Run: request timeout, 5 min by default"},
	{300, "Vercel", "Vercel functions: 300 s"},
	{900, "AWS Lambda", "AWS Lambda: 15 min"},
	{3600, "Google Cloud", "Cloud Run: 60 min at most"},
}

// suspects names what is known to end responses after d: those that the responses gave away
// first.
func suspects(limits []limit, d time.Duration, servers []string) string {
	var seen, others []string
	for _, l := range limits {
		if math.Abs(d.Seconds()-l.seconds) > 1+l.seconds/100 {
			continue
		}
		if slices.Contains(servers, l.server) {
			seen = append(seen, l.text+" (it is here)")
		} else {
			others = append(others, l.text)
		}
	}
	all := slices.Concat(seen, others)
	if len(all) == 0 {
		found := proxies(servers)
		if len(found) == 0 {
			return fmt.Sprintf("No layer has %s by default: look for that time in the configuration of each.", seconds(d))
		}
		return fmt.Sprintf("No layer has %s by default: look for that time in the configuration of %s first.", seconds(d), strings.Join(found, " and "))
	}
	return "Suspects: " + strings.Join(all, "; ") + "."
}
