package program

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Config writes a configuration file, and returns its path.
func Config(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// Nginx starts nginx with directives for its main and its http part, and a server that
// listens on the port returned.
func Nginx(t testing.TB, main, http, server string) (*Program, int) {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	if err := os.Chmod(dir, 0o755); err != nil { // for the workers, which are nobody
		t.Fatal(err)
	}
	file := Config(t, "nginx.conf", fmt.Sprintf(`
daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr;
%[2]s
events { worker_connections 20000; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	%[3]s
	server {
		listen 127.0.0.1:%[4]d %[5]s
	}
}
`, dir, main, http, port, server))
	return Start(t, port, Find("nginx"), "-c", file, "-p", dir, "-e", "stderr"), port
}
