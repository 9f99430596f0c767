package script

import (
	"fmt"
	"path/filepath"
	"smolsh/script/registry"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func shellBuiltins() []*builtin {
	return []*builtin{
		{Name: "reload", See: "run",
			Doc: "Run the last file of run() again; load() reads its files again.", Example: `run("other.star"); reload()`, Fn: builtinReload},
		{Name: "save", Sig: "file", Kinds: "outfile", Args: "file: the file to write, which replaces an existing one", See: "run",
			Doc: "Write the typed statements as a script that runs; failed and unrepeatable ones become comments.", Example: `save("session.star")`, Fn: builtinSave},
		{Name: "timeit", Sig: "fn, count=None", Kinds: "fn int:1..", Args: "fn: a function without parameters; count: number of calls (by default as many as 0.2 seconds allow)",
			Result: "struct", Fields: "count total each (seconds by the clock on the wall)",
			Doc: "Call fn repeatedly and measure the time of a call.", Example: `timeit(lambda: sockets(), count=10)`, Fn: builtinTimeit},
	}
}

// timeitFor is the time during which timeit calls a function repeatedly if no count is given.
const timeitFor = 200 * time.Millisecond

// timing is the value that timeit returns. The prompt shows it as one line.
type timing struct {
	*starlarkstruct.Struct
	count int
	each  time.Duration
}

func (v timing) display() string {
	calls := "calls"
	if v.count == 1 {
		calls = "call"
	}
	return fmt.Sprintf("%d %s, %s each", v.count, calls, brevity(v.each))
}

// brevity returns a duration with three significant digits.
func brevity(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			return fmt.Sprintf("%.3g %s", float64(d)/float64(u.unit), u.name)
		}
	}
	return fmt.Sprintf("%d ns", d)
}

func builtinTimeit(c *call) (starlark.Value, error) {
	fn := arg[starlark.Callable](c, "fn")
	n := 0
	start := time.Now()
	for n == 0 || !c.Given("count") && time.Since(start) < timeitFor || c.Given("count") && n < arg[int](c, "count") {
		if _, err := starlark.Call(c.t.thread, fn, nil, nil); err != nil {
			return nil, err
		}
		n++
	}
	total := time.Since(start)
	each := total / time.Duration(n)
	return timing{starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"count": starlark.MakeInt(n), "total": registry.Seconds(total), "each": registry.Seconds(each),
	}), n, each}, nil
}

func builtinReload(c *call) (starlark.Value, error) {
	if c.s.prompt.ran == "" {
		return nil, c.errorf("no file was run yet: run(\"file.star\")")
	}
	clear(c.s.files.loaded)
	return starlark.None, c.s.runFile(c.t, c.s.prompt.ran, c.s.prompt.ranArgs)
}

// runFile runs a file for run(). The names that it binds are defined at the prompt afterwards.
func (s *Session) runFile(t *taskValue, path string, args []starlark.Value) error {
	s.prompt.ran, s.prompt.ranArgs = path, args
	if full, err := filepath.Abs(path); err == nil {
		s.prompt.ran = full
	}
	old := s.globals["args"]
	s.globals["args"] = starlark.NewList(args)
	src, err := t.source(path)
	if err == nil {
		var g starlark.StringDict
		g, err = s.exec(t, path, src)
		if s.tasks.Foreground {
			s.ranNow(path, src, args, g)
			for n, v := range g {
				s.globals[n] = v
			}
		}
	}
	s.globals["args"] = old
	return err
}
