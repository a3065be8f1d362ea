package main

import (
	"errors"
	"strings"
	"text/template"
)

// stream is what the templates of URLs, headers and bodies see.
type stream struct {
	Stream int    // the first is 0
	Token  string // its line of -token-file
}

// event is what the templates of -publish-H and -publish-d see.
type event struct {
	Event int64  // the first is 1
	Text  string // which must come back in the event's data
}

// A text is an argument that may be a template.
type text struct {
	plain string
	tmpl  *template.Template // nil if the text is plain
}

// parseText reads an argument, and tries it with an example of what it is given.
func parseText(arg string, example any) (text, error) {
	if !strings.Contains(arg, "{{") {
		return text{plain: arg}, nil
	}
	tmpl, err := template.New("").Option("missingkey=error").Parse(arg)
	if err != nil {
		return text{}, templateError(err)
	}
	t := text{tmpl: tmpl}
	_, err = t.render(example)
	return t, err
}

func (t text) render(data any) (string, error) {
	if t.tmpl == nil {
		return t.plain, nil
	}
	var b strings.Builder
	if err := t.tmpl.Execute(&b, data); err != nil {
		return "", templateError(err)
	}
	return b.String(), nil
}

// templateError returns the error of a template without what package template calls it.
func templateError(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	return errors.New("this is no template: " + strings.TrimPrefix(text, ":"))
}
