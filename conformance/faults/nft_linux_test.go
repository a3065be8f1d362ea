package faults

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nft changes the firewall.
func nft(t *testing.T, args ...string) {
	out, err := exec.Command("nft", args...).CombinedOutput()
	assert.NoError(t, err, "nft %s: %s", args, out)
}

func firstLine(t *testing.T, name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// A portRecorder is a transport that records the client's port of the connection that each
// request is given.
type portRecorder struct {
	http.RoundTripper

	mu    sync.Mutex
	ports []int
}

func (r *portRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ports = append(r.ports, info.Conn.LocalAddr().(*net.TCPAddr).Port)
	}})
	return r.RoundTripper.RoundTrip(req.WithContext(ctx))
}

// CloseIdleConnections is for http.Client, which looks for it.
func (r *portRecorder) CloseIdleConnections() {
	if tr, ok := r.RoundTripper.(*http.Transport); ok {
		tr.CloseIdleConnections()
	}
}

func (r *portRecorder) list() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ports)
}
