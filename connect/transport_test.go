package connect

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// answer answers with one event and the end, and 204 for the next request.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Last-Event-ID") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 10\nid: 1\ndata: event 1\n\n")
}

func TestBasicAuth(t *testing.T) {
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	})
	p := start(t, fmt.Sprintf("sse: { url: %q, basic_auth: { enabled: true, username: u, password: p } }", srv.URL), "", nil)
	p.wait()
	require.Equal(t, events(1, 1), p.data())
}

// TestRotatingToken: a header is evaluated for each connection. A token that is refused, or a
// file that is missing for a while, is no end.
func TestRotatingToken(t *testing.T) {
	var accepted atomic.Value
	accepted.Store("Bearer two")
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != accepted.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	})
	file := filepath.Join(t.TempDir(), "token")
	p := start(t, fmt.Sprintf(`
sse:
  url: %q
  headers: { Authorization: 'Bearer ${! file(path: %q, no_cache: true).string().trim() }' }
  reconnect: { time: 10ms }
`, srv.URL, file), "", nil)
	p.awaitLog("level=WARN", "header Authorization", "no such file")
	require.NoError(t, os.WriteFile(file, []byte("one\n"), 0o600))
	p.awaitLog("level=WARN", "401 Unauthorized")
	require.NoError(t, os.WriteFile(file, []byte("two\n"), 0o600))
	p.wait()
	require.Equal(t, events(1, 1), p.data())
}

// TestOAuth2: tokens come from the endpoint, are used again, and are replaced when the server
// refuses them. An endpoint that fails for a while is no end.
func TestOAuth2(t *testing.T) {
	var tokens atomic.Int32
	endpoint := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		n := tokens.Add(1)
		if n <= 2 { // the library tries both ways to authenticate
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "a b" || r.PostFormValue("audience") != "us" {
			t.Errorf("token request: %v", r.PostForm)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("token-", n), "token_type": "Bearer", "expires_in": 3600})
	})
	var requests atomic.Int32
	var mu sync.Mutex
	var seen []string
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Get("Authorization"))
		mu.Unlock()
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	})
	p := start(t, fmt.Sprintf(`
sse:
  url: %q
  reconnect: { time: 10ms }
  oauth2:
    enabled: true
    client_key: id
    client_secret: secret
    token_url: %q
    scopes: [ a, b ]
    endpoint_params: { audience: [ us ] }
`, srv.URL, endpoint.URL), "", nil)
	p.wait()
	require.Equal(t, events(1, 1), p.data())
	require.True(t, p.log.has("level=WARN", "503"), p.log.String())
	require.Len(t, seen, 3)
	require.NotEqual(t, seen[0], seen[1], "a refused token was used again")
	require.Equal(t, seen[1], seen[2])
}

// TestRedirect: what authenticates does not go to the host that a server redirects to.
func TestRedirect(t *testing.T) {
	var leaked atomic.Value
	other := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Authorization") + r.Header.Get("X-Api-Key"))
		answer(w, r)
	})
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Api-Key") != "k":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/":
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
		default:
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
	})
	p := start(t, fmt.Sprintf("sse: { url: %q, headers: { X-Api-Key: k }, basic_auth: { enabled: true, username: u, password: p } }", srv.URL), "", nil)
	p.wait()
	require.Equal(t, events(1, 1), p.data())
	require.Equal(t, "", leaked.Load())
}

func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(answer))
	t.Cleanup(srv.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	p := start(t, fmt.Sprintf("sse: { url: %q, tls: { enabled: true, root_cas: %q } }", srv.URL, ca), "", nil)
	p.wait()
	require.Equal(t, events(1, 1), p.data())

	p = start(t, fmt.Sprintf("sse: { url: %q, reconnect: { on_error: transient } }", srv.URL), "", nil)
	p.wait()
	require.True(t, p.log.has("level=ERROR", "certificate"), p.log.String())
}

func TestProxy(t *testing.T) {
	proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "http://feed.invalid/events" {
			t.Error(r.URL)
		}
		answer(w, r)
	})
	p := start(t, fmt.Sprintf("sse: { url: 'http://feed.invalid/events', proxy_url: %q }", proxy.URL), "", nil)
	p.wait()
	require.Equal(t, events(1, 1), p.data())
}

// TestIdleTimeout: the connection to a server that is silent for too long is dropped.
func TestIdleTimeout(t *testing.T) {
	var requests atomic.Int32
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 3 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p := start(t, fmt.Sprintf("sse: { url: %q, idle_timeout: 50ms, reconnect: { time: 10ms } }", srv.URL), "", nil)
	p.wait()
	require.True(t, p.log.has("level=WARN", "silent for too long"))
}

// TestJWTKeyMissing: a key that cannot be read is in the log, and is tried again.
func TestJWTKeyMissing(t *testing.T) {
	p := start(t, "sse: { url: 'http://127.0.0.1:1', jwt: { enabled: true, signing_method: RS256, private_key_file: /nowhere }, reconnect: { time: 10ms } }", "", nil)
	p.awaitLog("level=WARN", "/nowhere")
	p.stop()
}
