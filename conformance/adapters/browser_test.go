package adapters

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChromiumDiffersAsKnown: what Chromium fails are differences that the browser's own test
// has found, too, and decided by a clause.
func TestChromiumDiffersAsKnown(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, reasons := expected(t, "chromium")
	require.NotEmpty(t, reasons)
	for id, reason := range reasons {
		require.Contains(t, string(readme), "- **Chromium**: "+reason, id)
	}
}
