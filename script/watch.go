package script

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

func watchBuiltins() []*builtin {
	return []*builtin{{
		name: "watch", sig: `fn, every="1s", count=None`, kinds: "fn duration int:1..",
		args: "fn: called without arguments, such as ss; every: how long from one call to the next; count: how often, None for until Ctrl-C",
		doc:  "Show what a function returns again and again; on a terminal in the same place.", example: `watch(ss, every="10ms", count=2)`, see: "every", fn: builtinWatch,
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
			if !plain {
				text = c.s.display(v)
			}
			shown.show(c.s, text)
		}
		if n == count {
			return starlark.None, nil
		}
		at = max(at.Add(every), w.Now())
		if err := c.t.sleep(w, at.Sub(w.Now())); err != nil {
			return nil, err
		}
	}
}

// screenful is what watch has on the screen.
type screenful struct {
	rows int    // of the terminal that it takes
	mark uint64 // of the printer, when it was printed
}

// show prints text, on a terminal in the place of what was there before, unless something else has been
// printed since.
func (f *screenful) show(s *Session, text string) {
	width := s.cfg.Width
	if width > 0 && f.rows > 0 && f.mark == s.out.mark() {
		s.out.print(fmt.Sprintf("\x1b[%dA\r\x1b[J%s", f.rows, text))
	} else {
		s.out.print(text)
	}
	f.rows, f.mark = 0, s.out.mark()
	for _, line := range strings.Split(text, "\n") {
		f.rows++
		if width > 0 {
			f.rows += max(0, utf8.RuneCountInString(line)-1) / width
		}
	}
}
