package repl

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// history is what was typed in this run and in earlier ones. An entry may have several lines.
type history struct {
	path    string // "" keeps it in memory
	entries []string
}

const (
	maxEntries = 1000
	maxEntry   = 8000 // octets; longer ones are not kept
)

// HistoryFile is where the history is kept: under $XDG_STATE_HOME, or ~/.local/state; "" where there is
// no home.
func HistoryFile() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "smolsh", "history")
}

// loadHistory reads the file and cuts it to the newest entries. Where that can't be done there is no
// history of earlier runs, and that is all.
func loadHistory(path string) *history {
	h := &history{path: path}
	if path == "" {
		return h
	}
	f, err := os.Open(path)
	if err != nil {
		return h
	}
	defer f.Close()
	lines := 0
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 4*maxEntry)
	for sc.Scan() {
		lines++
		h.remember(unescape.Replace(sc.Text()))
	}
	if lines > 2*maxEntries {
		h.rewrite()
	}
	return h
}

var (
	escape   = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
)

// add keeps an entry, in the file too. It reports whether there is a new one.
func (h *history) add(entry string) bool {
	if strings.HasPrefix(entry, " ") || !h.remember(entry) {
		return false
	}
	if h.path == "" {
		return true
	}
	if f := h.create(h.path, os.O_APPEND); f != nil {
		f.WriteString(escape.Replace(entry) + "\n")
		f.Close()
	}
	return true
}

func (h *history) create(path string, flag int) *os.File {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o600)
	if err != nil {
		return nil
	}
	return f
}

func (h *history) remember(entry string) bool {
	if strings.TrimSpace(entry) == "" || len(entry) > maxEntry {
		return false
	}
	if n := len(h.entries); n > 0 && h.entries[n-1] == entry {
		return false
	}
	h.entries = append(h.entries, entry)
	if extra := len(h.entries) - maxEntries; extra > 0 {
		h.entries = slices.Delete(h.entries, 0, extra)
	}
	return true
}

func (h *history) rewrite() {
	f := h.create(h.path+".new", os.O_TRUNC)
	if f == nil {
		return
	}
	w := bufio.NewWriter(f)
	for _, e := range h.entries {
		w.WriteString(escape.Replace(e) + "\n")
	}
	err := w.Flush()
	if cerr := f.Close(); err == nil && cerr == nil {
		err = os.Rename(h.path+".new", h.path)
	}
	if err != nil {
		os.Remove(h.path + ".new")
	}
}
