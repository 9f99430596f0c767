package script

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/screen"
)

func watchBuiltins() []*builtin {
	return []*builtin{{
		Name: "watch", Sig: `fn, every="1s", count=None`, Kinds: "fn duration int:1..",
		Args: "fn: a function without parameters, such as ss; every: time between two calls; count: number of calls, None until Ctrl-C",
		Doc:  "Call a function repeatedly and show its result, on a terminal in the same place.", Example: `watch(ss, every="10ms", count=2)`, See: "every", Fn: builtinWatch,
	}}
}

func builtinWatch(c *call) (starlark.Value, error) {
	fn, every, count := arg[starlark.Callable](c, "fn"), arg[time.Duration](c, "every"), arg[int](c, "count")
	if every <= 0 {
		return nil, c.errorf("argument 2 (every) must be more than 0")
	}
	w := c.t.world()
	var shown screenful
	at := w.Now()
	for n := 1; ; n++ {
		v, err := starlark.Call(c.t.thread, fn, nil, nil)
		if err != nil {
			return nil, err
		}
		if v != starlark.None {
			text, plain := starlark.AsString(v)
			if plain {
				text = c.s.clean(text)
			} else {
				text = c.s.display(v)
			}
			shown.show(c.s, text)
		}
		if n == count {
			return starlark.None, nil
		}
		at = max(at.Add(every), w.Now())
		over := c.t.Keeping()
		err = c.t.Sleep(w, at.Sub(w.Now()))
		keep := c.interrupted(err, nil)
		over()
		if keep {
			return starlark.None, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// screenful is the text that watch shows on the screen.
type screenful struct {
	text string
	mark uint64 // the printer's mark just after the text was printed
}

// show prints a text. On a terminal it replaces the previous text, unless other lines were printed since. It omits
// lines that do not fit the screen, because they could not be replaced later.
func (f *screenful) show(s *Session, text string) {
	rows, moves := 0, true
	if s.cfg.Size != nil {
		var width int
		if width, rows = s.cfg.Size(); width > 0 {
			s.SetWidth(width)
		}
		moves = rows > 0
	}
	width := s.cfg.Width
	text = cutRows(text, width, rows-1) // the last row is for the cursor
	if moves && width > 0 && f.text != "" && f.mark == s.out.Mark() {
		s.out.Print(fmt.Sprintf("\x1b[%dA\r\x1b[J%s", rowsOf(f.text, width), text))
	} else {
		s.out.Print(text)
	}
	f.text, f.mark = text, s.out.Mark()
}

// rowsOf returns the number of terminal rows that a text occupies.
func rowsOf(text string, width int) int {
	n := 0
	for _, line := range strings.Split(text, "\n") {
		n++
		if width > 0 {
			n += max(0, screen.Width(line)-1) / width
		}
	}
	return n
}

// cutRows returns as much of the text as fits into rows of a terminal, and a line with the number of omitted rows. It
// does not cut if rows is less than two.
func cutRows(text string, width, rows int) string {
	if width <= 0 || rows < 2 || rowsOf(text, width) <= rows {
		return text
	}
	lines := strings.Split(text, "\n")
	n, used := 0, 0
	for used += rowsOf(lines[n], width); used < rows; used += rowsOf(lines[n], width) {
		n++
	}
	return strings.Join(append(lines[:n:n], fmt.Sprintf("… %d more rows", len(lines)-n)), "\n")
}
