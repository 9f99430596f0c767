package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"smolsh/script"
)

// A File is a file that may hold tests.
type File struct {
	Path  string          // path from the working directory
	Shown string          // path in reports, from the folder that the user named
	wrong *script.Failure // error of reading it as Starlark; nil if there is none
}

// A Test is one test of a file, or a file that can't be evaluated.
type Test struct {
	File
	Name    string // printed name; "" if Wrong or Skipped is set
	Index   int    // of the case among those of its global
	Tags    []string
	Wrong   *script.Failure // error of evaluating the file; nil if there is none
	Skipped bool            // true if the file's top level called skip()
	Why     string          // reason that skip() was given
	Seeds   []uint64        // seeds with which the test runs; nil for Config.Seeds
	others  bool            // true if the name of another test of the file contains Name
}

// Found holds the tests of a search, sorted by path and then in the order of their file. Remarks are about names that
// look like tests and are none.
type Found struct {
	Tests   []Test
	Remarks []string
}

// Files returns the files among paths that may hold tests, sorted by path, and remarks about names of functions that
// look like tests and are none. In a folder it reads every *.star file, also in subfolders, except files and folders
// whose name begins with a dot. It returns an error if a path does not exist.
func Files(paths []string) (list []File, remarks []string, err error) {
	seen := map[string]bool{}
	add := func(path, shown string) {
		clean := filepath.Clean(path)
		if seen[clean] {
			return
		}
		seen[clean] = true
		f := File{Path: path, Shown: shown}
		may, odd, err := script.MayHaveTests(path)
		if err != nil {
			f.wrong = &script.Failure{Message: err.Error()}
			errors.As(err, &f.wrong)
		}
		remarks = append(remarks, odd...)
		if may || err != nil {
			list = append(list, f)
		} else if base := filepath.Base(path); len(odd) == 0 && (strings.HasPrefix(base, "test_") || strings.HasSuffix(base, "_test.star")) {
			remarks = append(remarks, path+": it has no test, a function whose name begins with test_")
		}
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, nil, fmt.Errorf("%s: %w", p, err)
		}
		if info.IsDir() {
			err = walk(p, ".", nil, add)
		} else if info.Mode().IsRegular() {
			add(p, filepath.Base(p))
		} else {
			err = fmt.Errorf("%s: it is no regular file", p)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return list, remarks, nil
}

// walk calls add with every regular *.star file in the folder at root/rel and below, except names that begin with a dot. It follows
// symbolic links, but not into a folder of above, the folders from root on down.
func walk(root, rel string, above []fs.FileInfo, add func(path, shown string)) error {
	folder := filepath.Join(root, rel)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	here, err := os.Stat(folder)
	if err != nil {
		return err
	}
	above = append(slices.Clip(above), here)
	for _, e := range entries {
		shown := filepath.Join(rel, e.Name())
		path := filepath.Join(root, shown)
		info, err := os.Stat(path)
		switch {
		case strings.HasPrefix(e.Name(), "."), err != nil: // a link to nothing is no file
		case info.IsDir():
			if !slices.ContainsFunc(above, func(x fs.FileInfo) bool { return os.SameFile(x, info) }) {
				if err := walk(root, shown, above, add); err != nil {
					return err
				}
			}
		case info.Mode().IsRegular() && filepath.Ext(path) == ".star":
			add(path, shown)
		}
	}
	return nil
}

// Collect evaluates files, up to Jobs of them at once, and returns their tests.
func (c *Config) Collect(files []File) Found {
	c.began = time.Now()
	parts := make([]Found, len(files))
	var next sync.Mutex
	n := 0
	var jobs sync.WaitGroup
	for range min(c.Jobs, len(files)) {
		jobs.Go(func() {
			for {
				next.Lock()
				i := n
				n++
				next.Unlock()
				if i >= len(files) || c.stopped() {
					return
				}
				parts[i] = c.collect(files[i])
			}
		})
	}
	jobs.Wait()
	var all Found
	for _, p := range parts {
		all.Tests = append(all.Tests, p.Tests...)
		all.Remarks = append(all.Remarks, p.Remarks...)
	}
	return all
}

// collect evaluates one file in a worker and returns its tests.
func (c *Config) collect(f File) (found Found) {
	if f.wrong != nil {
		return Found{Tests: []Test{{File: f, Wrong: f.wrong}}}
	}
	r := c.ask(request{Path: f.Path, Seed: c.Seeds.First})
	switch {
	case r.Outcome.Failure != nil:
		return Found{Tests: []Test{{File: f, Wrong: r.Outcome.Failure}}}
	case r.Collection.Skipped:
		return Found{Tests: []Test{{File: f, Skipped: true, Why: r.Collection.Why}}}
	}
	for _, t := range r.Collection.Tests {
		x := Test{File: f, Name: t.Name, Tags: t.Tags}
		x.Index = t.Index
		x.others = regexp.QuoteMeta(t.Name) == t.Name && slices.ContainsFunc(r.Collection.Tests, func(o script.TestFunc) bool {
			return o.Name != t.Name && strings.Contains(o.Name, t.Name)
		})
		found.Tests = append(found.Tests, x)
	}
	found.Remarks = r.Collection.Remarks
	return found
}

// Select returns the tests whose printed names match, and that have one of tags. A nil match, or no tags, selects all. A file that
// can't be evaluated is always selected.
func Select(tests []Test, match *regexp.Regexp, tags []string) (list []Test) {
	for _, t := range tests {
		named := match == nil || match.MatchString(t.Name)
		tagged := len(tags) == 0 || slices.ContainsFunc(t.Tags, func(tag string) bool { return slices.Contains(tags, tag) })
		if t.Wrong != nil || named && tagged || t.Skipped && match == nil {
			list = append(list, t)
		}
	}
	return list
}

// plain matches a word that needs no quotes in a shell command.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quote returns s quoted as one word of a shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// chooser returns the value of --run that selects the test t and no other test of its file.
func chooser(t Test) string {
	text := regexp.QuoteMeta(t.Name)
	if t.others || text != t.Name {
		return "^" + text + "$"
	}
	return t.Name
}
