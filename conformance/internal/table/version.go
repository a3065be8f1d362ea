package table

import "runtime/debug"

// ModuleVersion returns the version of a module that the test is built with.
func ModuleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
