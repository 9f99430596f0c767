// Package filename completes names of files and programs, for the prompt. It opens folders only: to open another file, such
// as a FIFO, may block.
package filename

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smolsh/script/cursor"
)

// Complete completes the last word of a command line of the system's shell, text, which begins with "!". A word that
// begins a command is completed as a program, but as a file if it has a slash; other words as files. items are the
// sorted candidates, each of which may replace text[from:]. If there is only one, suffix may be added to it.
func Complete(text string) (from int, items []string, suffix string) {
	from = strings.LastIndexAny(text, " \t!|;&<>=") + 1
	word := text[from:]
	before := strings.TrimRight(text[:from], " \t")
	begins := strings.ContainsAny(before[len(before)-1:], "!|;&")
	if begins && !strings.Contains(word, "/") {
		return from, programs(word), " "
	}
	items = files(word, true)
	if len(items) == 1 && strings.HasSuffix(items[0], "/") {
		return from, items, ""
	}
	return from, items, " "
}

// Lines completes the last word of prefix, and returns the resulting command lines of the system's shell.
func Lines(prefix string) []string {
	from, items, _ := Complete("!" + prefix)
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = prefix[:from-1] + item
	}
	return lines
}

// Matching returns the names of files that begin with prefix, sorted. A folder's name ends with a slash.
func Matching(prefix string) []string { return files(prefix, false) }

// programs returns the names of programs in $PATH that begin with prefix, none for an empty prefix.
func programs(prefix string) []string {
	if prefix == "" {
		return nil
	}
	var names []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), prefix) && !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	return cursor.Matching(prefix, names)
}

// maxFiles is the largest number of names that are read from a folder.
const maxFiles = 1000

// files does the same as Matching. If whole is true, it leaves out names that a shell would split into words.
func files(prefix string, whole bool) []string {
	dir, base := filepath.Split(prefix)
	where := dir
	if where == "" {
		where = "."
	}
	if info, err := os.Stat(where); err != nil || !info.IsDir() {
		return nil
	}
	f, err := os.Open(where)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxFiles)
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || name[0] == '.' && base == "" || whole && strings.ContainsAny(name, " \t'\"$&;|<>()*?") {
			continue
		}
		if info, err := os.Stat(filepath.Join(where, name)); err == nil && info.IsDir() {
			name += "/"
		}
		names = append(names, dir+name)
	}
	slices.Sort(names)
	return names
}
