package script

import (
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestMethodsOnTheBuiltin calls every method of a type on values that are not of the type: the builtin that has the type's name, a
// host's builtin of that name, and a value of another type. Whatever the arguments, the error says on which value to call the method.
func TestMethodsOnTheBuiltin(t *testing.T) {
	s := newSim(t, 1)
	for name, b := range s.reg.ByName {
		prefix, member := "", name
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			prefix, member = name[:i], name[i+1:]
		}
		if !s.reg.IsType(prefix) {
			continue
		}
		var recvs []starlark.Value
		for _, recv := range []starlark.Value{nil, starlark.None, starlark.String("x"), s.local} {
			recvs = append(recvs, &function{s.Session, b, recv})
			if owner := s.reg.ByName[prefix]; owner != nil {
				f, err := (&function{s.Session, owner, recv}).Attr(member)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				recvs = append(recvs, f)
			}
		}
		for _, f := range recvs {
			for _, args := range []starlark.Tuple{nil, slices.Repeat(starlark.Tuple{starlark.None}, b.Positional), slices.Repeat(starlark.Tuple{starlark.String("?")}, b.Positional)} {
				_, err := starlark.Call(s.main.thread, f, args, nil)
				if err == nil || !strings.Contains(err.Error(), name+": call it on a value that "+prefix+"() returned") {
					t.Errorf("%s%v: said %v", name, args, err)
				}
			}
		}
	}
}

// TestEveryBuiltinTakesNone calls every builtin on a value of its own type, once with None for every argument and once
// without arguments. Each call returns a value or an error.
func TestEveryBuiltinTakesNone(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, b := range newSim(t, 1).reg.ByName {
		if b.Owner != "" && receivers[b.Owner] == "" {
			continue
		}
		for _, n := range []int{0, b.Positional} {
			s := newSim(t, 1)
			call := name
			if b.Owner != "" {
				call = "(" + receivers[b.Owner] + ")" + strings.TrimPrefix(name, b.Owner)
			}
			call += "(" + strings.Join(slices.Repeat([]string{"None"}, n), ", ") + ")"
			if got := status(s.RunCommand("after(1, exit); catch(lambda: " + call + ")")); got < 0 {
				t.Errorf("%s: status %d", call, got)
			}
			if strings.Contains(s.err.String(), "panic") {
				t.Errorf("%s: %s", call, s.err.String())
			}
		}
	}
}
