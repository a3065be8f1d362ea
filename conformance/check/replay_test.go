package check

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/conformance/internal/program"
)

// startReplay starts sse replay with a recording, and returns its address.
func startReplay(t *testing.T, recording string, args ...string) (addr string) {
	t.Helper()
	cmd := exec.Command(command, append(append([]string{"replay"}, args...), program.Config(t, "rec", recording))...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.Split(strings.TrimPrefix(line, "http://"), "/")[0]
}

// TestReplayBehindNginx: what is played reaches a client behind a proxy, and can be recorded
// there again.
func TestReplayBehindNginx(t *testing.T) {
	need(t, "nginx")
	t.Parallel()
	const recording = `sse-recording 1
0s     connect GET /feed
10ms   status 200 chunked
10ms   header Content-Type text/event-stream
50ms   bytes "retry: 10\nid: 1\ndata: a\n\n"
150ms  bytes "id: 2\ndat"
250ms  drop
0.3s   connect GET /feed
0.3s   header Last-Event-ID 1
310ms  status 200 chunked
310ms  header Content-Type text/event-stream
400ms  bytes "id: 2\ndata: b\n\n"
0.5s   bytes "id: 3\ndata: c\n\n"
0.6s   end
`
	addr := startReplay(t, recording, "-cut", "1@2")
	_, port := program.Nginx(t, "", "", fmt.Sprintf("; location / { proxy_pass http://%s; %s }", addr, nginxStreams))
	file := filepath.Join(t.TempDir(), "rec")
	out, err := exec.Command(command, "record", "-o", file, url(false, port)+"/feed").CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var got strings.Builder // pieces joined: a busy proxy has two of them at once
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		switch fields[2] {
		case "bytes":
			text, err := strconv.Unquote(strings.Join(fields[3:], " "))
			require.NoError(t, err)
			got.WriteString(text)
		case "end", "drop":
			got.WriteString(fields[2] + "\n")
		case "status":
			got.WriteString(fields[3] + "\n")
		}
	}
	require.Equal(t, "200\nretry: 10\nid: 1\ndata: a\n\nid: 2\ndatdrop\n200\nid: 2\ndata: b\n\ndrop\n200\nid: 3\ndata: c\n\nend\n204\nend\n", got.String(), "%s", b)
}

// TestCheckOfReplay: sse check finds what a proxy does to a recording, and nothing without it.
func TestCheckOfReplay(t *testing.T) {
	need(t, "nginx")
	var recording strings.Builder
	recording.WriteString("sse-recording 1\n0s connect\n1ms status 200 chunked\n1ms header Content-Type text/event-stream\n1ms header Cache-Control no-cache\n")
	for i := range 120 {
		fmt.Fprintf(&recording, "%dms event message %d id %d\n", 250*(i+1), i, i+1)
	}
	behind := func(location, http string) func(t *testing.T) string {
		return func(t *testing.T) string {
			addr := startReplay(t, recording.String(), "-loop")
			_, port := program.Nginx(t, "", http, fmt.Sprintf("; location / { proxy_pass http://%s; %s }", addr, location))
			return url(false, port)
		}
	}
	test(t, []row{
		{name: "gzip", want: "problem compressed-buffering", url: behind(nginxChunks, nginxGzip)},
		{name: "as it comes", url: behind(nginxStreams, "")},
	})
}
