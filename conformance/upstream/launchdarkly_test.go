package upstream

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLaunchDarkly runs the tests of the data sources of LaunchDarkly's SDK, with package
// eventsource here in the place of theirs.
func TestLaunchDarkly(t *testing.T) {
	t.Parallel()
	sdk := module{
		"github.com/launchdarkly/go-server-sdk/v7", "v7.14.6", "h1:JWapfYHw45r3vYX6Nn6ZkokhoyXwlnOnXzb+0KNzQIc=",
	}.unpack(t)
	const path = "github.com/launchdarkly/eventsource"
	shim := t.TempDir()
	copyDir(t, shim, "eventsource", ".")
	require.NoError(t, os.WriteFile(filepath.Join(shim, "go.mod"), []byte("module "+path+"\n\ngo 1.25.0\n"), 0o600))
	replace(t, shim, nil)
	replace(t, sdk, map[string]string{path: shim})
	test(t, sdk, "./internal/datasource", "./internal/datasourcev2").check(t, 247, nil)
}
