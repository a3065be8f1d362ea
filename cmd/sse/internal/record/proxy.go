package record

import (
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Proxy returns a handler that passes requests on to an origin, by base, which it changes,
// and records those that are answered with a stream of events. All else passes unrecorded.
// It asks for no content coding, in which nobody could look for secrets. An origin that does
// not answer is reported.
func (r *Recorder) Proxy(origin *url.URL, base *http.Transport, report func(error)) http.Handler {
	base.DisableCompression = true
	transport := r.Transport(base)
	transport.keep = isStream
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(origin)
			p.Out.Header.Set("Accept-Encoding", "identity")
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := p.In.Header[name]; ok { // of a proxy before this one
					p.Out.Header[name] = values
				}
			}
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // it is about streams that are cut, which the recording shows
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				report(err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// isStream reports whether a response is a stream of events.
func isStream(h *head) bool {
	media, _, err := mime.ParseMediaType(h.get("Content-Type"))
	return err == nil && strings.EqualFold(media, "text/event-stream")
}
