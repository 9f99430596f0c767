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
	Path string // path of the file, absolute in a Record
	Name string
	Seed uint64
}

// A Record holds the tests that failed in their last run. A file stores it for --last-failed.
type Record struct{ Failed []Failed }

// maxRecord is the largest number of failures in a Record. Beyond it the oldest failures are removed.
const maxRecord = 10_000

// RecordFile returns the path of the record's file, which is in the user's cache folder. It returns an error if the
// user has no such folder.
func RecordFile() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "smolsh", "last-failed.json"), err
}

// ReadRecord reads a record from the file at path. A file that does not exist is an empty record.
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

// Write replaces the file at path by the record.
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

// Select returns the tests that are in the record, each with the seeds with which it failed. It also returns every Test whose Wrong is
// set, because its file may hold tests of the record.
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

// UpdateRecord takes the cases of a run off the record in a file, and puts those that failed on it. Runs that end at once update the
// record one after the other.
func UpdateRecord(path string, tests []Test, result Result) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	if err := lockFile(lock); err != nil {
		return err
	}
	r, err := ReadRecord(path)
	if err != nil {
		r = Record{} // a damaged record is replaced
	}
	if len(r.Failed) == 0 && len(result.failures) == 0 {
		return nil
	}
	r.update(tests, result.ran, result.failures)
	return r.Write(path)
}

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
