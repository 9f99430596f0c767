package outfile

import (
	"io/fs"
	"os"
	"testing"
)

// Until a file of the set is released, no other call can write or empty it, whatever path the call uses.
func TestOneWriter(t *testing.T) {
	for by, want := range map[string][2]string{
		Capture:     {"a capture writes this file; stop it first", "the capture a writes this file; stop it first"},
		Log:         {"a log writes this file; stop it first", "the log a writes this file; stop it first"},
		"conn.sink": {"conn.sink writes this file; wait for its end", "conn.sink writes this file as a; wait for its end"},
	} {
		t.Chdir(t.TempDir())
		var s Set
		f, release, err := s.Create("a", 0o600, by)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("packets"); err != nil {
			t.Fatal(err)
		}
		if err := os.Link("a", "hard"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("a", "soft"); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{"a": want[0], "./a": want[1], "hard": want[1], "soft": want[1]} {
			for _, open := range []func(string, fs.FileMode, string) (*os.File, func(), error){s.Create, s.Append} {
				if g, _, err := open(path, 0o600, "save"); g != nil || err == nil || err.Error() != want {
					t.Errorf("%s: %v, %v", path, g, err)
				}
			}
		}
		if b, err := os.ReadFile("a"); string(b) != "packets" || err != nil || s.Len() != 1 {
			t.Errorf("the file has %q, %v, and the set %d files", b, err, s.Len())
		}
		release()
		g, again, err := s.Create("hard", 0o600, by)
		if err != nil {
			t.Fatal(err)
		}
		release() // of a claim that has ended, which is not g's
		if b, err := os.ReadFile("a"); len(b) != 0 || err != nil || s.Len() != 1 {
			t.Errorf("after its release the file was opened to write, and has %q, %v; the set has %d files", b, err, s.Len())
		}
		again()
		if s.Len() != 0 {
			t.Errorf("%d files are left in the set", s.Len())
		}
		f.Close()
		g.Close()
	}
}

// A device is not claimed, nor a file that could not be opened.
func TestNotClaimed(t *testing.T) {
	t.Chdir(t.TempDir())
	var s Set
	for range 2 {
		f, release, err := s.Create(os.DevNull, 0o600, Capture)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		f.Close()
	}
	if f, _, err := s.Create("no/such", 0o600, Capture); err == nil {
		f.Close()
		t.Error("a file in no folder was opened")
	}
	if s.Len() != 0 {
		t.Errorf("%d files are claimed", s.Len())
	}
}

// Append writes after the file's octets. Other writers refuse the file as after Create.
func TestAppend(t *testing.T) {
	t.Chdir(t.TempDir())
	var s Set
	for _, text := range []string{"one ", "two"} {
		f, release, err := s.Append("a", 0o600, "write_file")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if g, _, err := s.Create("a", 0o600, Log); g != nil || err == nil {
			t.Errorf("a file that is appended to was opened: %v", g)
		}
		f.Close()
		release()
	}
	if b, err := os.ReadFile("a"); string(b) != "one two" || err != nil || s.Len() != 0 {
		t.Errorf("the file has %q, %v, and the set %d files", b, err, s.Len())
	}
}
