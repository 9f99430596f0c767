package escape

import (
	"errors"
	"strings"
	"testing"
)

func TestControls(t *testing.T) {
	for in, want := range map[string]string{
		"plain, äöü 漢字 …\n\tx": "plain, äöü 漢字 …\n\tx",
		"\x1b[2J\a\r\x7f\x00":  `\x1b[2J\x07\x0d\x7f\x00`,
		"\u009b2J\u202eabc":    `\u009b2J\u202eabc`,
		"a\xff\x9bb":           `a\xff\x9bb`,
		"\ufffd":               "\ufffd",
	} {
		if got := Controls(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Write reports the octets that it got, not those that it wrote.
func TestWriter(t *testing.T) {
	var out strings.Builder
	if n, err := (Writer{&out}).Write([]byte("a\x1bb")); n != 3 || err != nil || out.String() != `a\x1bb` {
		t.Errorf("%d, %v, wrote %q", n, err, out.String())
	}
	if n, err := (Writer{failing{}}).Write([]byte("a")); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A failing writer returns an error.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }
