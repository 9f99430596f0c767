package script

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestStatements cuts texts into statements. A text gives the same ones however it arrives.
func TestStatements(t *testing.T) {
	for _, want := range [][]string{
		{"x = 1\n", "y = 2\n", "z"},
		{"\ufeffx = 1\n", ""},
		{"def f():\n    return 1\n\n# a comment\n\n    # another\n    x = 1\n", "f()\n", ""},
		{"if a: b\nelif c:\n  d\n\nelse: e\n", "f\n", ""},
		{"for i in range(3):\n\tif i: print(i)\n\telse: pass\n", "while True: break\n", "g\n", ""},
		{"x = [1,\n2,\n\n(3)]\n", "y = \"\"\"a\n  [b\ndef\n\"\"\"\n", "z = 'it\\'s # none' # one [\n", "w = 1 + \\\n2\n", ""},
		{"# nothing\n\n\nx\n", "def f(\n  a,\nb): return '''\nif\n'''\n", "defs = 1\n", "else_ = 2\r\n", ""},
		{"f(1,\n\"\"\"x\n# no comment\n\"\"\" # (\n)\n", "r'\\'; y\n", ""},
		{"def f(): return 1\n", "x = f()\n", "if x:\n  y = 'a\\\nb'\n"},
	} {
		text := strings.Join(want, "")
		want[0] = strings.TrimPrefix(want[0], "\ufeff")
		for _, size := range []int{1, 3, len(text)} {
			in := newSource(&slowly{text, size})
			var got []string
			for {
				stmt, err := in.statement()
				got = append(got, stmt)
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					break
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q in pieces of %d:\ngot  %q\nwant %q", text, size, got, want)
			}
		}
	}
}

// slowly is a reader that returns a few octets at a time.
type slowly struct {
	text string
	size int
}

func (r *slowly) Read(p []byte) (int, error) {
	n := copy(p, r.text[:min(r.size, len(r.text))])
	r.text = r.text[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestStreamRunsAsItArrives: a statement runs when it is complete, before the next one is written. Functions see the globals of a
// statement that is running.
func TestStreamRunsAsItArrives(t *testing.T) {
	s := newSim(t, 1)
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- status(s.RunStream(StdinName, r)) }()
	said := func(want string) {
		t.Helper()
		for range 3000 {
			if s.Flush(); s.out.String() == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("printed %q, want %q", s.out.String(), want)
	}
	fmt.Fprint(w, "n = 1\nprint('one', n)\n2 + 2\n")
	said("one 1\n")
	fmt.Fprint(w, "def show():\n    print(n, i)\n\nfor i in [7, 8]:\n    n += i\n    show()\n\nif n:\n  n = 5\n  show()\nprint(\n")
	said("one 1\n8 7\n16 8\n5 8\n")
	fmt.Fprint(w, "n)\nload('none.star', 'x')\nprint('never')\n")
	if got := <-ended; got != 1 || s.out.String() != "one 1\n8 7\n16 8\n5 8\n5\n" {
		t.Errorf("status %d, printed %q", got, s.out.String())
	}
	if !strings.Contains(s.err.String(), "none.star") {
		t.Errorf("said %q", s.err.String())
	}
}

// TestStreamErrors names the line of an error. What stands before it has run.
func TestStreamErrors(t *testing.T) {
	for src, want := range map[string]string{
		"print(1)\n\ndef f():\n    return 1 // 0\n\nx = 2\nf()\nprint(3)\n": "floored division by zero\n  <stdin>:4:14: in f\n  <stdin>:7:2: in <expr>\n",
		"print(1)\n# more\nx = = 2\nprint(3)":                               "got '=', want primary expression\n  <stdin>:3:5\n",
		"print(1)\nx = (2,\n":                                               "got end of file",
		"print(1)\ny = 1\x00\n":                                             "it has a NUL octet and is no text",
		"print(1)\nundefined_name\n":                                        "undefined: undefined_name",
	} {
		s := newSim(t, 1)
		if got := status(s.RunStream(StdinName, strings.NewReader(src))); got != 1 || s.out.String() != "1\n" || !strings.Contains(s.err.String(), want) {
			t.Errorf("%q: status %d, printed %q and %q", src, got, s.out.String(), s.err.String())
		}
	}
}

// TestStreamEnds: exit() and an interrupt end a script whose next line does not arrive.
func TestStreamEnds(t *testing.T) {
	for _, c := range []struct {
		src  string
		want int
	}{{"exit(3)\n", 3}, {"print(1)\n", 130}, {"def f():\n  print(1)\n", 130}} {
		s := newSim(t, 1)
		r, w := io.Pipe()
		ended := make(chan int, 1)
		go func() { ended <- status(s.RunStream(StdinName, r)) }()
		fmt.Fprint(w, c.src)
		if c.want == 130 {
			s.InterruptCall()
		}
		select {
		case got := <-ended:
			if got != c.want {
				t.Errorf("%q: status %d", c.src, got)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%q: it does not end", c.src)
		}
		w.Close()
	}
}
