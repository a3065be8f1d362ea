package replay

import (
	"net/http"
	"sync/atomic"
)

// Split has a handler's bytes sent in parts of n bytes, each by itself.
func Split(h http.Handler, n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&splitWriter{w, n}, r)
	})
}

type splitWriter struct {
	http.ResponseWriter
	n int
}

func (w *splitWriter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n, err := w.ResponseWriter.Write(p[:min(len(p), w.n)])
		if err == nil {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// Unwrap is for http.ResponseController.
func (w *splitWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Refuse answers some requests with a status, in place of a handler. They are named by their
// numbers, from 1.
func Refuse(h http.Handler, statuses map[int64]int) http.Handler {
	var requests atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, ok := statuses[requests.Add(1)]; ok {
			http.Error(w, http.StatusText(code), code)
			return
		}
		h.ServeHTTP(w, r)
	})
}
