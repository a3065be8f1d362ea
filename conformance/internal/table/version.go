package table

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ModuleVersion returns the version of a module that the tests are built with.
func ModuleVersion(path string) string {
	_, here, _, _ := runtime.Caller(0)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../go.mod"))
	if err != nil {
		return err.Error()
	}
	_, rest, _ := strings.Cut(string(b), path+" ")
	version, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(version, " // indirect")
}
