package main

import (
	"os"
	"strings"
	"testing"

	"smolsh/script"
)

// TestReferenceIsCurrent compares docs/reference.md with the registry.
func TestReferenceIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../" + referenceFile)
	if err != nil {
		t.Fatalf("%v: go run ./cmd/smolsh doc --markdown writes it", err)
	}
	if want := script.Reference(); string(got) != want {
		t.Errorf("%s is stale at %q: go run ./cmd/smolsh doc --markdown renews it", referenceFile, firstDifference(string(got), want))
	}
}

// firstDifference returns the first line in which the text got differs from the text want.
func firstDifference(got, want string) string {
	lines := strings.Split(got, "\n")
	for i, w := range strings.Split(want, "\n") {
		if i >= len(lines) || lines[i] != w {
			return w
		}
	}
	return "the end"
}

// TestExamplesLive runs the reference's examples by the wall clock. Each example has its own session, and a peer in
// this process. script's tests run them on a virtual lab; the examples of the kernel's sockets need its network.
func TestExamplesLive(t *testing.T) {
	examples := 0
	for _, chunk := range strings.Split(script.Reference(), "\n### ")[1:] {
		name, _, _ := strings.Cut(chunk, "\n")
		_, example, there := strings.Cut(chunk, "```python\n")
		example, _, _ = strings.Cut(example, "\n```\n")
		if !there || strings.HasPrefix(name, "kernel") {
			continue
		}
		examples++
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("other.star", []byte("answer = 42\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("net.yaml", []byte("hosts: {a: 10.0.0.1/24, b: 10.0.0.2/24}\nlinks: [{ends: [a, b], delay: 5ms}]\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			s := newLive(t)
			if err := s.Typed("x = 1"); err != nil { // gives save() something to save
				t.Fatal(err)
			}
			if got := statusOf(s.RunCommand(example)); got != 0 || s.err.String() != "" {
				t.Errorf("exit status %d: %s\n%s", got, example, s.err.String())
			}
		})
	}
	if examples < 90 {
		t.Errorf("found %d examples only", examples)
	}
}
