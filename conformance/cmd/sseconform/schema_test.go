package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
)

// TestSchema: each file of the edition is what the schema describes.
func TestSchema(t *testing.T) {
	dir := "../../../testdata/spec/"
	b, err := os.ReadFile(dir + "edition/schema.json")
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(b, &schema))
	resolved, err := schema.Resolve(nil)
	require.NoError(t, err)
	files, err := filepath.Glob(dir + "*.json")
	require.NoError(t, err)
	more, err := filepath.Glob(dir + "scenarios/*.json")
	require.NoError(t, err)
	require.Len(t, append(files, more...), 16+11)
	for _, name := range append(files, more...) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		var cases any
		require.NoError(t, json.Unmarshal(b, &cases))
		require.NoError(t, resolved.Validate(cases), name)
	}
	bad := []any{map[string]any{"id": "a/b", "name": "n", "clause": "bom", "level": "MUST", "events": []any{}, "strem": ""}}
	require.Error(t, resolved.Validate(bad), "the schema rejects something")
}
