package main

import (
	"os"
	"strings"
	"testing"

	"smolsh/script"
)

// TestReferenceIsCurrent holds docs/reference.md against the registry.
func TestReferenceIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../" + referenceFile)
	if err != nil {
		t.Fatalf("%v: go run ./cmd/smolsh doc --markdown writes it", err)
	}
	if want := script.Reference(); string(got) != want {
		t.Errorf("%s is stale at %q: go run ./cmd/smolsh doc --markdown renews it", referenceFile, firstDifference(string(got), want))
	}
}

// firstDifference is the first line of want that got does not have in its place.
func firstDifference(got, want string) string {
	lines := strings.Split(got, "\n")
	for i, w := range strings.Split(want, "\n") {
		if i >= len(lines) || lines[i] != w {
			return w
		}
	}
	return "the end"
}
