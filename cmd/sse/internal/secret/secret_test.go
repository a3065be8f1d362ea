package secret

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBody: values whose names suggest a secret are removed, and nothing else is.
func TestBody(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	multipart := "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"password\"\r\n" +
		"Content-Type: text/plain\r\n\r\nhunter2\r\nhunter3\r\n--b--\r\n"
	for _, test := range []struct {
		name, typ, body, want string
		values                []string
	}{
		{"JSON", "application/json", ` {"a": "b", "api_key" : "hunter2", "n":{"access_token":"hunter3"}}`,
			` {"a": "b", "api_key" : "[redacted]", "n":{"access_token":"[redacted]"}}`, []string{"hunter2", "hunter3"}},
		{"escapes", "", `{"\u0070assword":"h\"\u0075nter2","a":1}`, `{"\u0070assword":"[redacted]","a":1}`, []string{`h"unter2`}},
		{"nested", "", `{"credentials":{"user":"u","list":["v",7,true,null]},"x":["y"]}`,
			`{"credentials":{"user":"[redacted]","list":["[redacted]","[redacted]",true,null]},"x":["y"]}`, []string{"u", "v", "7"}},
		{"counts", "", `{"max_tokens":100,"tokens":["t"],"pin":1234}`, `{"max_tokens":100,"tokens":["[redacted]"],"pin":"[redacted]"}`, []string{"t", "1234"}},
		{"lines", "", "{\"token\":\"a\"}\n{\"token\":\"b\"}\n", "{\"token\":\"[redacted]\"}\n{\"token\":\"[redacted]\"}\n", []string{"a", "b"}},
		{"form", form, "q=x&client%5Fsecret=a%20b&sig=&token=c", "q=x&client%5Fsecret=[redacted]&sig=&token=[redacted]", []string{"a b", "c", "a%20b", "c"}},
		{"parts", "multipart/form-data; boundary=b", multipart, strings.Replace(multipart, "hunter2\r\nhunter3", "[redacted]", 1), []string{"hunter2\r\nhunter3"}},
		{"URLs", "text/plain", "see http://u:p@h/?key=k", "see http://[redacted]@h/?key=[redacted]", []string{"k", "k"}},
		{"a URL in JSON", "", `{"u":"http://h/?key=k&x"}`, `{"u":"http://h/?key=[redacted]&x"}`, []string{"k"}},
		{"cut JSON", "application/json", `{"password":"hunter2"`, `{"password":"[redacted]"`, []string{"hunter2"}},
		{"broken JSON", "application/json", `{"password":"hunter2" x "password":"hunter3"`, `{"password":"[redacted]" [redacted]`, []string{"hunter2"}},
		{"empty", "", "", "", nil},
	} {
		redacted, values := Body(test.typ, []byte(test.body), "[redacted]")
		assert.Equal(t, test.want, string(redacted), test.name)
		assert.Equal(t, test.values, values, test.name)
	}
	deep := strings.Repeat("[", 1<<16)
	redacted, _ := Body("application/json", []byte(deep), "x")
	require.Equal(t, deep[:maxDepth+1]+"x", string(redacted))
}

// TestRedact: what is no secret stays, so that a reader still sees what the text is about.
func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"http://u:p@h/":              "http://(hidden)@h/",
		"http://h/?token=a&b=c":      "http://h/?token=(hidden)&b=c",
		"http://h/?token%zz=a":       "http://h/?token%zz=(hidden)",
		"http://h/?%74oken=a":        "http://h/?%74oken=(hidden)",
		"http://[::1]:80/a@b":        "http://[::1]:80/a@b",
		"// me@example.com":          "// me@example.com",
		"///etc/passwd me@h":         "///etc/passwd me@h",
		"http://h:80/a@b":            "http://h:80/a@b",
		"http://h/ and http://u@h2/": "http://h/ and http://(hidden)@h2/",
	} {
		assert.Equal(t, want, Redact(in, "(hidden)"))
	}
}
