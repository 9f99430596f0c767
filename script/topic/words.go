package topic

import (
	_ "embed" // for the tables
	"regexp"
	"strings"
	"sync"
)

//go:embed words.txt
var wordTable string

//go:embed remedies.txt
var remedyTable string

// A Word is a word of the field, of a table, of a packet's line or of the language, which needs no page.
type Word struct {
	Name string
	Also []string // further spellings
	Text string   // what it means, in one or two sentences
	See  []string // names that have help
}

// Words returns every word.
var Words = sync.OnceValue(func() (list []Word) {
	for _, f := range rows(wordTable) {
		names := strings.Split(f[0], ", ")
		list = append(list, Word{names[0], names[1:], f[1], strings.Split(f[2], ", ")})
	}
	return list
})

// remedies maps the words of drops() to the sentences about their causes and what to do.
var remedies = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for _, f := range rows(remedyTable) {
		m[f[0]] = f[1]
	}
	return m
})

// rows returns the fields of a table's lines.
func rows(table string) (list [][]string) {
	for line := range strings.Lines(table) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, strings.Split(line, " | "))
		}
	}
	return list
}

// Remedy returns what a word of drops() comes from and what to do, "" for another word.
func Remedy(reason string) string { return remedies()[reason] }

// spellings maps each spelling of a word to it, and each verdict without its numbers.
var spellings = sync.OnceValue(func() map[string]Word {
	m := map[string]Word{}
	for _, form := range []func(string) string{normal, unnumbered} {
		for _, w := range Words() {
			for _, name := range append([]string{w.Name}, w.Also...) {
				if _, ok := m[form(name)]; !ok {
					m[form(name)] = Word{name, w.Also, w.Text, w.See}
				}
			}
		}
	}
	return m
})

// WordNamed returns the word with a spelling, as its Name: the case of letters does not matter, nor do hyphens for blanks, or the numbers of a verdict, such
// as "udp :53". A verdict of two parts has the word of its first part.
func WordNamed(name string) (w Word, ok bool) {
	first, _, _ := strings.Cut(name, ",")
	for _, key := range []string{normal(name), unnumbered(name), normal(first), unnumbered(first)} {
		if w, ok = spellings()[key]; ok {
			return w, true
		}
	}
	return Word{}, false
}

// normal returns a spelling in small letters, with hyphens.
func normal(name string) string {
	return strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(strings.TrimSpace(name)))
}

var number = regexp.MustCompile(`([: -])\d+`)

// unnumbered returns a verdict without its numbers.
func unnumbered(name string) string { return number.ReplaceAllString(normal(name), "$1") }
