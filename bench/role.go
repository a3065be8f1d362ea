package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// roleEnv tells a process that it was started by another one of the same program, and what for:
// what a server or another client takes must not be measured with the client at hand.
const roleEnv = "SSE_BENCH_ROLE"

// RunRole plays the part that this process was started for, if any, and does not return
// then. It comes first in main.
func RunRole() {
	var err error
	switch role, arg, _ := strings.Cut(os.Getenv(roleEnv), " "); role {
	case "":
		return
	case "serve":
		err = serve()
	case "idle":
		err = runIdle(arg)
	case "busy":
		err = runBusy(arg)
	default:
		err = fmt.Errorf("bench: no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func startRole(role string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout *bufio.Reader, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	return cmd, in, bufio.NewReader(out), cmd.Start()
}

// startServer runs handler in a process of its own, for HTTP/1.1 and HTTP/2 without TLS,
// and returns its URL.
func startServer() (url string, stop func(), err error) {
	cmd, stdin, stdout, err := startRole("serve")
	if err != nil {
		return "", nil, err
	}
	stop = func() {
		stdin.Close()
		_ = cmd.Wait()
	}
	line, err := stdout.ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("bench: the server did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serve is the server's process. It ends when its standard input does.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler(), Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("http://" + l.Addr().String())
	return s.Serve(l)
}
