package outfile

import (
	"os"
	"testing"
)

const toWrite = os.O_WRONLY | os.O_CREATE | os.O_TRUNC

// A claimed file can be read, and is neither written nor emptied by another, by whichever path, until its release.
func TestClaim(t *testing.T) {
	t.Chdir(t.TempDir())
	var s Set
	f, err := s.Claim("a", toWrite, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("packets"); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link("a", "hard"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", "soft"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"a":    "a capture writes this file; stop it first",
		"./a":  "the capture a writes this file; stop it first",
		"hard": "the capture a writes this file; stop it first", "soft": "the capture a writes this file; stop it first",
	} {
		for _, flag := range []int{toWrite, os.O_WRONLY | os.O_APPEND, os.O_RDWR} {
			for name, open := range map[string]func() (*os.File, error){
				"Open":  func() (*os.File, error) { return s.Open(path, flag, 0o600) },
				"Claim": func() (*os.File, error) { return s.Claim(path, flag, 0o600) },
			} {
				if g, err := open(); g != nil || err == nil || err.Error() != want {
					t.Errorf("%s %s: %v, %v", name, path, g, err)
				}
			}
		}
		g, err := s.Open(path, os.O_RDONLY, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		g.Close()
	}
	if b, err := os.ReadFile("a"); string(b) != "packets" || err != nil || len(s.files) != 1 {
		t.Errorf("the file has %q, %v, and the set %d files", b, err, len(s.files))
	}
	s.Release(info)
	s.Release(info)
	g, err := s.Open("hard", toWrite, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if b, err := os.ReadFile("a"); len(b) != 0 || err != nil || len(s.files) != 0 {
		t.Errorf("after its release the file was opened to write, and has %q, %v; the set has %d files", b, err, len(s.files))
	}
}

// A file that is only read is not claimed, nor is a device or a file that could not be opened.
func TestNotClaimed(t *testing.T) {
	t.Chdir(t.TempDir())
	var s Set
	if err := os.WriteFile("a", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, flag := range map[string]int{"a": os.O_RDONLY, os.DevNull: toWrite} {
		for range 2 {
			f, err := s.Claim(path, flag, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	if f, err := s.Claim("no/such", toWrite, 0o600); err == nil {
		f.Close()
		t.Error("a file in no folder was opened")
	}
	if len(s.files) != 0 {
		t.Errorf("%d files are claimed", len(s.files))
	}
}
