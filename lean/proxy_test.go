package lean_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/lean"
)

// A proxy sends requests on, and tunnels CONNECT. It answers 407 to whom it does not know.
type proxy struct {
	authorization string
	mu            sync.Mutex
	seen          []string
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+r.Header.Get("X-Tunnel")))
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != p.authorization {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		r.Header.Del("Proxy-Authorization")
		r.RequestURI = ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
		return
	}
	target, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer target.Close()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(target, rw)
		target.Close()
	}()
	_, _ = io.Copy(conn, target)
}

// TestProxy: requests go through proxies over HTTP and over TLS, to servers over each.
func TestProxy(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.Host+r.Header.Get("Proxy-Authorization"))
	})
	plain, secure := httptest.NewServer(hello), httptest.NewTLSServer(hello)
	defer plain.Close()
	defer secure.Close()
	roots := secure.Client().Transport.(*http.Transport).TLSClientConfig
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run("a proxy of "+name, func(t *testing.T) {
			p := &proxy{authorization: "Basic dXNlcjpwOjo="}
			srv := start(p)
			defer srv.Close()
			via, err := url.Parse(srv.URL)
			require.NoError(t, err)
			via.User = url.UserPassword("user", "p::")
			tr := &lean.Transport{Proxy: http.ProxyURL(via), TLSClientConfig: roots, ProxyConnectHeader: http.Header{"X-Tunnel": {"mine"}}}
			for _, target := range []string{plain.URL, secure.URL} {
				req := request(t, http.MethodGet, target+"/path?q", nil)
				resp, err := tr.RoundTrip(req)
				require.NoError(t, err)
				require.Empty(t, req.Header, "it is the caller's")
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, "hello "+target[strings.Index(target, "//")+2:], string(got))
			}
			require.Equal(t, []string{"GET " + plain.URL + "/path?q", "CONNECT " + strings.TrimPrefix(secure.URL, "https://") + " mine"}, p.seen)
			require.Len(t, tr.ProxyConnectHeader, 1, "it is the caller's")

			tr.ProxyConnectHeader = nil
			resp, err := tr.RoundTrip(request(t, http.MethodGet, secure.URL, nil))
			require.NoError(t, err)
			resp.Body.Close()

			via.User = nil
			resp, err = tr.RoundTrip(request(t, http.MethodGet, plain.URL, nil))
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, http.StatusProxyAuthRequired, resp.StatusCode)
			_, err = tr.RoundTrip(request(t, http.MethodGet, secure.URL, nil))
			require.EqualError(t, err, `lean: the proxy answered CONNECT with "407 Proxy Authentication Required"`)

			own := request(t, http.MethodGet, plain.URL, nil)
			own.Header.Set("Proxy-Authorization", p.authorization)
			via.User = url.User("another")
			resp, err = tr.RoundTrip(own)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode, "the request's header comes first")
		})
	}
}

// TestProxyFails: what can go wrong at a proxy.
func TestProxyFails(t *testing.T) {
	for name, test := range map[string]struct {
		proxy  *url.URL
		err    error
		answer string
		want   string
	}{
		"no proxy":               {answer: ok + "\r\n", want: ""},
		"Proxy returns an error": {err: errCaller, want: errCaller.Error()},
		"SOCKS":                  {proxy: &url.URL{Scheme: "socks5", Host: "proxy"}, want: `lean: unsupported proxy scheme "socks5"`},
		"a proxy without scheme": {proxy: &url.URL{Host: "proxy"}, answer: ok + "\r\n", want: ""},
		"it closes":              {proxy: &url.URL{Scheme: "http", Host: "proxy"}, want: "lean: the server closed the connection without a response: unexpected EOF"},
	} {
		in(t, name, func(t *testing.T) {
			w := serveText(t, test.answer)
			tr := transport(w.DialContext)
			tr.Proxy = func(*http.Request) (*url.URL, error) { return test.proxy, test.err }
			resp, err := tr.RoundTrip(get(t))
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			} else {
				require.EqualError(t, err, test.want)
			}
		})
	}
	refused := errors.New("refused")
	tr := &lean.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused },
		Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy"}),
	}
	_, err := tr.RoundTrip(get(t))
	var oe *net.OpError
	require.ErrorAs(t, err, &oe, "as over net/http")
	require.Equal(t, "proxyconnect", oe.Op)
	require.ErrorIs(t, err, refused)
}

// TestTLS is a stream over TLS, of which HTTP/2 is not offered.
func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2, srv.TLS = true, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	srv.Config.ErrorLog = noLog
	srv.StartTLS()
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig
	tr := &lean.Transport{TLSClientConfig: roots}
	for _, host := range []string{"127.0.0.1", "127.0.0.1", "example.com", "127.0.0.1"} { // of which the certificate is
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + host)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, "HTTP/1.1", string(got))
		require.Equal(t, "http/1.1", resp.TLS.NegotiatedProtocol)
		require.Len(t, resp.TLS.VerifiedChains, 1)
		if host != "127.0.0.1" { // addresses are not sent
			require.Equal(t, host, resp.TLS.ServerName)
		}
	}
	_, err := (&http.Client{Transport: tr}).Get("https://another.test")
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
	_, err = (&http.Client{Transport: new(lean.Transport)}).Get(srv.URL)
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = (&http.Client{Transport: new(lean.Transport)}).Get(strings.Replace(plain.URL, "http", "https", 1))
	require.ErrorIs(t, err, http.ErrSchemeMismatch)
}

// TestTLSClose: closing a stream does not wait for a server that reads nothing, which an
// alert of TLS would do.
func TestTLSClose(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	defer cert.Close()
	config := cert.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com"
	in(t, "", func(t *testing.T) {
		w := serveTLS(t, cert.TLS, func(conn *tls.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, ok+"\r\n")
			time.Sleep(time.Hour) // and reads nothing: the window fills
		})
		tr := transport(w.DialContext)
		tr.TLSClientConfig = config
		resp, err := tr.RoundTrip(request(t, http.MethodPost, "https://memnet/", endless{}))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(t, resp.Body.Close())
		require.Zero(t, time.Since(start))
		time.Sleep(2 * time.Hour)
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
