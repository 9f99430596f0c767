// Package topic is the pages of help that are about a subject rather than about one builtin: the keys, filters, a line of
// trace. Each page is a file of at most 80 columns.
//
// A page's first line has its name and its summary, and its second line may list other names ("also: …"). Its paragraphs
// that begin with four spaces are examples in Starlark, which the tests run in order, and lines after "  $ " are commands.
package topic

import (
	"embed"
	"path"
	"slices"
	"strings"
)

//go:embed pages/*.txt
var pages embed.FS

// A Topic is a page of help.
type Topic struct {
	Name  string
	About string   // one line
	Also  []string // further names
	Text  string   // the whole page, which begins with the name and About; without a line feed at its end
}

// All returns every topic, sorted by name.
func All() []Topic {
	files, err := pages.ReadDir("pages")
	if err != nil {
		panic(err) // the pages are part of the program
	}
	var list []Topic
	for _, f := range files {
		text, err := pages.ReadFile(path.Join("pages", f.Name()))
		if err != nil {
			panic(err)
		}
		list = append(list, parse(string(text)))
	}
	return list
}

func parse(page string) Topic {
	first, rest, _ := strings.Cut(strings.TrimSpace(page), "\n")
	t := Topic{}
	t.Name, t.About, _ = strings.Cut(first, ": ")
	if also, ok := strings.CutPrefix(rest, "also: "); ok {
		also, rest, _ = strings.Cut(also, "\n")
		t.Also = strings.Fields(also)
	}
	t.Text = first + "\n" + rest
	return t
}

// Named returns the topic with the given name, in any case of letters and with spaces for hyphens. ok is false if there is
// none.
func Named(name string) (t Topic, ok bool) {
	name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "-")
	for _, t := range All() {
		if t.Name == name || slices.Contains(t.Also, name) {
			return t, true
		}
	}
	return Topic{}, false
}
