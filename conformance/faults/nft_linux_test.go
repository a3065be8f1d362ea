package faults

import (
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
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

// recordPort tells the port of each request's client.
type recordPort struct {
	http.Handler
	ports chan<- int
}

func (h recordPort) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, port, _ := net.SplitHostPort(r.RemoteAddr)
	n, _ := strconv.Atoi(port)
	h.ports <- n
	h.Handler.ServeHTTP(w, r)
}
