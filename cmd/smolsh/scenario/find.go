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

	"smolsh/script"
)

// A Test is one test function of a file, or a file that is not valid Starlark.
type Test struct {
	Path  string          // path of the file from the working directory
	Shown string          // path of the file in reports, from the folder that the user named
	Name  string          // name of the function; "" if Wrong is set
	Wrong *script.Failure // reason why the file can't be read
}

// Find lists the tests of files and folders, by path and then in the file's order. In a folder it reads every *.star file, also in
// subfolders, except names that begin with a dot. match selects by the function's name; nil selects all. The error is about a path
// that does not exist.
func Find(paths []string, match *regexp.Regexp) ([]Test, error) {
	var list []Test
	seen := map[string]bool{}
	add := func(path, shown string) {
		if clean := filepath.Clean(path); !seen[clean] {
			seen[clean] = true
			list = append(list, testsOf(path, shown, match)...)
		}
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if !info.IsDir() {
			add(p, filepath.Base(p))
			continue
		}
		err = filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(d.Name(), ".") && path != p:
				if d.IsDir() {
					return fs.SkipDir
				}
			case !d.IsDir() && filepath.Ext(path) == ".star":
				shown, _ := filepath.Rel(p, path)
				add(path, shown)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func testsOf(path, shown string, match *regexp.Regexp) (list []Test) {
	funcs, err := script.Tests(path)
	if err != nil {
		wrong := &script.Failure{Message: err.Error()}
		errors.As(err, &wrong)
		return []Test{{Path: path, Shown: shown, Wrong: wrong}}
	}
	for _, f := range funcs {
		if match == nil || match.MatchString(f.Name) {
			list = append(list, Test{Path: path, Shown: shown, Name: f.Name})
		}
	}
	return list
}

// plain matches a word that a shell reads without quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quote returns s quoted as one word of a shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// chooser returns the value of --run that selects this test and no other test of its file.
func chooser(t Test) string {
	funcs, _ := script.Tests(t.Path)
	if slices.ContainsFunc(funcs, func(f script.TestFunc) bool { return f.Name != t.Name && strings.Contains(f.Name, t.Name) }) {
		return "^" + t.Name + "$"
	}
	return t.Name
}
