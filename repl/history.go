package repl

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// history holds the statements typed in this run and in earlier ones. A statement may have several lines.
type history struct {
	path    string // path of the file; "" for a history in memory
	entries []string
}

const (
	maxEntries = 1000
	maxEntry   = 8000 // in octets; longer entries are not kept
)

// HistoryFile returns the path of the history's file, under $XDG_STATE_HOME or ~/.local/state, or "" if the user has no home.
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

// maxHistory is the number of octets read from the file's end.
const maxHistory = 4 * maxEntries * maxEntry

// loadHistory reads the newest entries of the file. If the file can't be read, there are no earlier entries. A file
// that is not regular is not changed, and new entries stay in memory; warning is then a line about it, otherwise "".
func loadHistory(path string) (h *history, warning string) {
	h = &history{path: path}
	if path == "" {
		return h, ""
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0) // because opening a FIFO would wait
	if err != nil {
		return h, ""
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return h, ""
	case !info.Mode().IsRegular():
		h.path = ""
		return h, path + " is no regular file: what is typed is not kept (remove it, or set XDG_STATE_HOME)"
	case info.Size() > maxHistory:
		if _, err := f.Seek(-maxHistory, io.SeekEnd); err != nil {
			return h, ""
		}
	}
	lines, long := h.read(bufio.NewReaderSize(f, 4*maxEntry))
	if lines > 2*maxEntries {
		h.rewrite()
	}
	if long > 0 {
		warning = fmt.Sprintf("%s: lines of more than %d octets are left out: %d", path, 4*maxEntry, long)
	}
	return h, warning
}

// read adds the entries of a file. Each line is one entry. read skips lines that are longer than the reader's buffer.
// It returns the number of lines, and of skipped lines.
func (h *history) read(in *bufio.Reader) (lines, long int) {
	for passing := false; ; {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			if !passing {
				long++
			}
			passing = true
			continue
		}
		if len(line) > 0 && !passing {
			lines++
			h.remember(unescape.Replace(strings.TrimSuffix(string(line), "\n")))
		}
		passing = false
		if err != nil {
			return lines, long
		}
	}
}

var (
	escape   = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
)

// add appends an entry, also to the file. It reports whether the entry was added.
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
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|noWait|flag, 0o600)
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
