package scenario

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Failed is a test that failed with a seed.
type Failed struct {
	Path string // absolute in a Record
	Name string
	Seed uint64
}

// A Record keeps the tests that failed last, in a file, for --last-failed.
type Record struct{ Failed []Failed }

// maxRecord bounds the failures on record; the oldest make room.
const maxRecord = 10_000

// RecordFile returns the record's file in the user's cache folder.
func RecordFile() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "smolsh", "last-failed.json"), err
}

// ReadRecord reads a record. A file that does not exist is an empty record.
func ReadRecord(path string) (r Record, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r.Failed)
	}
	return r, err
}

// Write writes the record in place of the file.
func (r *Record) Write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r.Failed, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "last-failed-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Select returns those of tests that are on record, each with the seeds with which it failed.
func (r *Record) Select(tests []Test) (list []Test) {
	for _, t := range tests {
		path, err := filepath.Abs(t.Path)
		if err != nil {
			continue
		}
		t.Seeds = nil
		for _, f := range r.Failed {
			if f.Path == path && f.Name == t.Name {
				t.Seeds = append(t.Seeds, f.Seed)
			}
		}
		if t.Seeds != nil || t.Wrong != nil {
			list = append(list, t)
		}
	}
	return list
}

// Update takes the cases that have run off the record, and puts those that failed on it.
func (r *Record) Update(tests []Test, result Result) { r.update(tests, result.ran, result.failures) }

func (r *Record) update(tests []Test, ran, failed []job) {
	paths := map[string]string{}
	of := func(j job) Failed {
		t := &tests[j.test]
		if paths[t.Path] == "" {
			paths[t.Path] = t.Path
			if p, err := filepath.Abs(t.Path); err == nil {
				paths[t.Path] = p
			}
		}
		return Failed{paths[t.Path], t.Name, j.seed}
	}
	again := make(map[Failed]bool, len(ran))
	for _, j := range ran {
		again[of(j)] = true
	}
	r.Failed = slices.DeleteFunc(r.Failed, func(f Failed) bool { return again[f] })
	for _, j := range failed {
		r.Failed = append(r.Failed, of(j))
	}
	r.Failed = r.Failed[max(0, len(r.Failed)-maxRecord):]
}
