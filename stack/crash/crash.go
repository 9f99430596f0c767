// Package crash describes a panic after it has been recovered: its value, and the functions that were running.
package crash

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Panic is a recovered panic, which shows that an invariant was broken.
type Panic struct {
	Value any // argument of panic

	frames []runtime.Frame // calls, from the function that panicked outwards, without the runtime's functions
}

// maxFrames is the largest number of functions that a Panic stores.
const maxFrames = 64

// Caught describes the panic whose value v recover has returned. The deferred function that called recover must call
// it, while the stack still exists. A *Panic that was raised again is returned unchanged.
func Caught(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p
	}
	p := &Panic{Value: v}
	pc := make([]uintptr, maxFrames)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			p.frames = p.frames[:0] // the functions so far are deferred ones
		case f.Function != "" && !strings.HasPrefix(f.Function, "runtime."):
			p.frames = append(p.frames, f)
		}
	}
	return p
}

// Error returns the value of the panic and the function that panicked, in one line.
func (p *Panic) Error() string {
	text := fmt.Sprintf("panic: %v", p.Value)
	if len(p.frames) > 0 {
		text += ", in " + place(p.frames[0])
	}
	return text
}

// Trace returns the stack in at most n lines. Each line states a function and its source line. The first line states
// the caller of the function that panicked, which Error names.
func (p *Panic) Trace(n int) string {
	var lines []string
	for _, f := range p.frames[min(1, len(p.frames)):min(n+1, len(p.frames))] {
		lines = append(lines, "  "+place(f))
	}
	return strings.Join(lines, "\n")
}

func place(f runtime.Frame) string {
	return fmt.Sprintf("%s (%s:%d)", path.Base(f.Function), path.Base(f.File), f.Line)
}

// Within reports whether the function that panicked is in a package whose path begins with one of the prefixes. It
// returns true if the function is not known.
func (p *Panic) Within(prefixes ...string) bool {
	if len(p.frames) == 0 {
		return true
	}
	for _, prefix := range prefixes {
		if strings.HasPrefix(p.frames[0].Function, prefix) {
			return true
		}
	}
	return false
}
