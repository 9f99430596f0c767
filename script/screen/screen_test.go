package screen

import (
	"slices"
	"strings"
	"testing"
)

// Width counts cells: two for a wide character, none for a combining one or a colour.
func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "…": 1, "日本": 4, "e\u0301a": 2, "\x1b[31mred\x1b[0m": 3, "\x1b[1;31m日\x1b[0m!": 3, "é\x1b[2mé": 2, "\x1b": 0, "\x1b[": 0,
	} {
		if got := Width(text); got != want {
			t.Errorf("%q occupies %d cells, want %d", text, got, want)
		}
	}
	if got := Pad("日", 4) + "|"; got != "日  |" {
		t.Errorf("padded %q", got)
	}
}

// Lines divides at blanks, and words that are too wide after commas.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		text        string
		first, rest int
		want        []string
	}{
		{"one two three", 8, 5, []string{"one two", "three"}},
		{"one   two", 4, 9, []string{"one", "two"}},
		{"one   two ", 9, 9, []string{"one   two"}},
		{"10.0.0.1/24,10.0.0.2/24 up", 12, 14, []string{"10.0.0.1/24,", "10.0.0.2/24 up"}},
		{"unbreakable x", 4, 4, []string{"unbreakable", "x"}},
		{"日本 日本", 8, 8, []string{"日本", "日本"}},
		{"", 4, 4, []string{""}},
	} {
		if got := Lines(c.text, c.first, c.rest); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d and %d: %q, want %q", c.text, c.first, c.rest, got, c.want)
		}
	}
}

// Fold keeps the indentation of a line, and Hang that of the text after its head.
func TestFold(t *testing.T) {
	if got, want := Fold("short\n  a line that is long", 12, 2), "short\n  a line\n    that is\n    long"; got != want {
		t.Errorf("folded to %q, want %q", got, want)
	}
	if got, want := Hang("name  ", "a few words", 12, 6), "name  a few\n      words"; got != want {
		t.Errorf("folded to %q, want %q", got, want)
	}
	if long := strings.Repeat("word ", 50); Fold(long, 0, 2) != long || Hang("", long, 0, 2) != long {
		t.Error("text is folded without a terminal")
	}
}
