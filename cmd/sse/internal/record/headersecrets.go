package record

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/lastevent/sse/cmd/sse/internal/secret"
)

// headerSecrets returns the secrets in a header.
func headerSecrets(h http.Header) (values []string) {
	for name, lines := range h {
		for _, line := range lines {
			values = append(values, secret.Parameters(line)...)
			switch {
			case strings.EqualFold(name, "Cookie"):
				cookies, _ := http.ParseCookie(line)
				values = append(values, cookieSecrets(cookies)...)
			case strings.EqualFold(name, "Set-Cookie"):
				if cookie, err := http.ParseSetCookie(line); err == nil {
					values = append(values, cookieSecrets([]*http.Cookie{cookie})...)
				}
			case secret.IsName(name):
				values = append(values, credentialSecrets(line)...)
			}
		}
	}
	return values
}

func cookieSecrets(cookies []*http.Cookie) (values []string) {
	for _, c := range cookies {
		if secret.IsName(c.Name) || len(c.Value) >= minCookie {
			values = append(values, c.Value)
		}
	}
	return values
}

// credentialSecrets returns the secrets in the value of a header: all of it, and what follows its
// scheme, if there is one.
func credentialSecrets(value string) []string {
	values := []string{value}
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok {
		return values
	}
	rest = strings.TrimSpace(rest)
	values = append(values, rest)
	for param := range strings.SplitSeq(rest, ",") { // of Digest and the like
		name, v, ok := strings.Cut(param, "=")
		if name = strings.TrimSpace(name); ok && (secret.IsName(name) || name == "response") {
			values = append(values, strings.Trim(v, `" `))
		}
	}
	if strings.EqualFold(scheme, "Basic") {
		if pair, err := base64.StdEncoding.DecodeString(rest); err == nil {
			if name, password, ok := strings.Cut(string(pair), ":"); ok {
				values = append(values, basicSecrets(name, password)...)
			}
		}
	}
	return values
}

func basicSecrets(name, password string) []string {
	pair := name + ":" + password
	return []string{password, pair, base64.StdEncoding.EncodeToString([]byte(pair))}
}
