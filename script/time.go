package script

import (
	"fmt"
	"slices"
	"smolsh/script/registry"
	"smolsh/script/task"
	"time"

	"go.starlark.net/starlark"
)

func timeBuiltins() []*builtin {
	return []*builtin{
		{Name: "now", Result: "float",
			Doc: "Return the seconds since the start of the lab of the host in use.", See: "use, lab.now", Example: `now()`, Fn: builtinNow},
		{Name: "sleep", Sig: "d", Kinds: "duration",
			Doc: "Wait for a time; other tasks run meanwhile.", See: "use, lab.run", Example: `sleep("20ms")`, Fn: builtinSleep},
		{Name: "spawn", Sig: "fn, *args, **kwargs", Kinds: "fn", Args: "fn: the function to call; args: its arguments", Result: "task", See: "task.join, wait, tasks",
			Doc: "Start a task; it runs when the caller next waits.", Example: `spawn(lambda x: x + 1, 41).join()`, Fn: builtinSpawn},
		{Name: "after", Sig: "d, fn", Kinds: "duration fn", Result: "task",
			Doc: "Call fn once, after a time.", Example: `after("10ms", lambda: print("now")).join()`, Fn: builtinAfter},
		{Name: "every", Sig: "d, fn", Kinds: "duration fn", Result: "task",
			Doc: "Call fn repeatedly, once per interval, until the task is canceled.", Example: `t = every("10ms", lambda: None); sleep("35ms"); t.cancel()`, Fn: builtinEvery},
		{Name: "wait", Sig: "timeout=", Kinds: "duration", See: "task.join, server.wait",
			Doc: "Wait until every other task and server has ended.", Example: `spawn(sleep, "5ms"); wait()`, Fn: builtinWait},
		{Name: "exit", Sig: "code=0", Kinds: "int:0..255", Args: "code: the exit status", See: "wait",
			Doc: "End the script with an exit status.", Example: `exit(0)`, Fn: builtinExit},
		{Name: "use", Sig: "host", Kinds: "host",
			Doc: "Choose the host of bare names such as ping() in this task.", Example: `use(peer); use(local)`, Fn: builtinUse},
		{Name: "run", Sig: "file, *args", Kinds: "infile",
			Doc: "Run a file in this task; args are its arguments.", Example: `run("other.star")`, Fn: builtinRun},
		{Name: "task.join", Sig: "timeout=", Kinds: "duration", Result: "any",
			Doc: "Wait for the task's end and return its result; an error of the task is raised.", Example: `spawn(lambda: 42).join()`, Fn: taskJoin},
		{Name: "task.cancel",
			Doc: "End the task and its waiting call.", Example: `t = spawn(sleep, 10); t.cancel()`, Fn: taskCancel},
	}
}

func builtinNow(c *call) (starlark.Value, error) {
	return starlark.Float(c.t.world().Now().Seconds()), nil
}

func builtinSleep(c *call) (starlark.Value, error) {
	d := arg[time.Duration](c, "d")
	if d == 0 {
		return starlark.None, c.t.Yield()
	}
	w := c.t.world()
	if err := c.t.Sleep(w, d); err != nil {
		return nil, err
	}
	// In a live lab the main task also sleeps in its virtual labs, so that a script does the same on a machine without
	// a live lab. It sleeps in the live lab first, so that actions which begin meanwhile get the time in both.
	if v := c.s.virt; v != nil && v.Held && w != v && c.t == c.s.main {
		defer v.Drive()()
		return starlark.None, c.t.Sleep(v, d)
	}
	return starlark.None, nil
}

func builtinSpawn(c *call) (starlark.Value, error) {
	if err := c.room(); err != nil {
		return nil, err
	}
	fn := arg[starlark.Callable](c, "fn")
	return c.spawn(fn.Name(), func(t *taskValue) (starlark.Value, error) {
		return starlark.Call(t.thread, fn, c.Rest, c.Opts)
	}), nil
}

// spawn starts a task that inherits the caller's host.
func (c *call) spawn(name string, fn func(t *taskValue) (starlark.Value, error)) *taskValue {
	return c.s.spawn(name, c.t.host, fn)
}

func builtinAfter(c *call) (starlark.Value, error) {
	fn, d := arg[starlark.Callable](c, "fn"), arg[time.Duration](c, "d")
	if err := c.room(); err != nil {
		return nil, err
	}
	at := c.t.world().Now().Add(d)
	return c.spawn("after "+fn.Name(), func(t *taskValue) (starlark.Value, error) {
		if err := t.Sleep(t.world(), at.Sub(t.world().Now())); err != nil {
			return nil, err
		}
		return starlark.Call(t.thread, fn, nil, nil)
	}), nil
}

func builtinEvery(c *call) (starlark.Value, error) {
	fn, d := arg[starlark.Callable](c, "fn"), arg[time.Duration](c, "d")
	if d <= 0 {
		return nil, c.errorf("the interval must be more than 0")
	}
	if err := c.room(); err != nil {
		return nil, err
	}
	at := c.t.world().Now().Add(d)
	return c.spawn("every "+fn.Name(), func(t *taskValue) (starlark.Value, error) {
		for {
			if err := t.Sleep(t.world(), at.Sub(t.world().Now())); err != nil {
				return nil, err
			}
			if _, err := starlark.Call(t.thread, fn, nil, nil); err != nil {
				return nil, err
			}
			at = at.Add(d)
		}
	}), nil
}

func builtinWait(c *call) (starlark.Value, error) {
	everyone := func(w *task.World, of func(*task.Task) bool) bool {
		return w.HasServers() || slices.ContainsFunc(c.s.tasks.All(), of)
	}
	err := c.t.untilWithin(timeoutOf(c), "the other tasks and servers", everyone, func() bool {
		all := c.s.tasks.All()
		others := len(all) - 1
		for _, u := range all {
			if u != c.t.Task && u.Waiting() == "the other tasks and servers" {
				others--
			}
		}
		return others <= 0 && len(c.s.servers.list) == 0
	})
	return starlark.None, failed(c.t, "wait", "the other tasks and servers", err)
}

func builtinExit(c *call) (starlark.Value, error) {
	e := &exitError{arg[int](c, "code")}
	c.s.end(e)
	return nil, e
}

func builtinUse(c *call) (starlark.Value, error) {
	c.t.host = arg[*hostValue](c, "host")
	return starlark.None, nil
}

func builtinRun(c *call) (starlark.Value, error) {
	return starlark.None, c.s.runFile(c.t, arg[string](c, "file"), c.Rest)
}

func taskJoin(c *call) (starlark.Value, error) {
	u := c.recv.(*taskValue)
	if u == c.t {
		return nil, c.errorf("a task can't wait for itself")
	}
	u.joiners++
	it := func(_ *task.World, of func(*task.Task) bool) bool { return of(u.Task) }
	what := fmt.Sprintf("task %d %s", u.ID, u.Name)
	err := c.t.untilWithin(timeoutOf(c), what, it, func() bool { return u.Done() })
	u.joiners--
	if err != nil {
		return nil, failed(c.t, c.b.Name, what, err)
	}
	if u.Failure() != nil {
		c.s.noticed(u.Failure())
		return nil, u.Failure()
	}
	return u.result, nil
}

func taskCancel(c *call) (starlark.Value, error) {
	u := c.recv.(*taskValue)
	u.Cancel(task.ErrCanceled)
	if u == c.t {
		return nil, task.ErrCanceled
	}
	return starlark.None, nil
}

// ParseDuration reads a duration as scripts write it: "20ms", "1m30s", "1d", "5 seconds", or "5" for seconds.
func ParseDuration(s string) (time.Duration, error) { return registry.ParseDuration(s) }

// ParseRate reads a rate as scripts write it, such as "10mbit", in bits per second. The command line uses it, and ParseChance.
func ParseRate(s string) (bps uint64, err error) { return registry.ParseRate(s) }

// ParseChance reads a probability as scripts write it: a number from 0 to 1, or a percentage such as "1%".
func ParseChance(s string) (float64, error) { return registry.ParseChance(s) }
