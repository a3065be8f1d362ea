package suite

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digest is of the files of edition 2026-1. If it changes, cases have changed: that needs
// a new edition, unless the present one has not been published yet.
const digest = "d76d80b6a9500a93cea3974f5c10a0ae975ea531f1b3417d0c5ff23aa23f7745"

func TestEditionIsFrozen(t *testing.T) {
	got, err := Digest()
	require.NoError(t, err)
	require.Equal(t, "2026-1", Edition)
	require.Equal(t, digest, got)
}

func TestCases(t *testing.T) {
	cases, clauses, err := Load()
	require.NoError(t, err)
	require.Len(t, cases, 449+234)
	ids := make(map[string]bool)
	used := make(map[string]bool)
	for i := range cases {
		c := &cases[i]
		assert.Regexp(t, `^[a-z0-9-]+/[a-z0-9.-]+$`, c.ID)
		assert.False(t, ids[c.ID], "%s is there twice", c.ID)
		ids[c.ID] = true
		assert.NotEmpty(t, c.Name, c.ID)
		assert.Contains(t, Chapters, c.Chapter(), c.ID)
		assert.Contains(t, []string{Must, Should, May}, c.Level, c.ID)
		assert.Contains(t, clauses, c.Clause, c.ID)
		used[c.Clause] = true

		s := c.Script()
		require.NotEmpty(t, s.Responses, c.ID)
		last := s.Responses[len(s.Responses)-1]
		if n := len(s.Events); n > 0 && s.Events[n-1].Data == End {
			assert.Equal(t, Open, last.End, "%s: the last response stays open", c.ID)
		} else {
			assert.True(t, s.Stops, "%s ends neither by the event nor by the client", c.ID)
			assert.NotEmpty(t, s.Requests, c.ID)
		}
		for _, r := range s.Responses {
			assert.True(t, slices.IsSorted(r.Cuts), c.ID)
			if n := len(r.Cuts); n > 0 {
				assert.LessOrEqual(t, r.Cuts[n-1], len(r.Bytes()), c.ID)
			}
		}
		if s.Requests != nil {
			assert.GreaterOrEqual(t, len(s.Requests), len(s.Responses)-s.Optional, c.ID)
		}
	}
	link := regexp.MustCompile(`^https://(html|fetch|mimesniff)\.spec\.whatwg\.org/.*#.+|^https://www\.rfc-editor\.org/rfc/rfc911[02]#section-.+`)
	for name, clause := range clauses {
		assert.True(t, used[name], "no case is about %s", name)
		assert.NotEmpty(t, clause.Standard, name)
		assert.NotEmpty(t, clause.Rule, name)
		assert.Regexp(t, link, clause.URL, name)
	}
}
