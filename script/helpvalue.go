package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/screen"
	"smolsh/script/service"
	"smolsh/script/table"
	"smolsh/stack/drop"
)

// helpWidth is the width of help in columns without a terminal.
const helpWidth = 100

func (s *Session) helpWidth() int {
	if s.cfg.Width > 0 {
		return s.cfg.Width
	}
	return helpWidth
}

func builtinHelp(c *call) (starlark.Value, error) {
	text, err := c.s.helpOn(c.Values[0])
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	c.s.out.Print(screen.Fold(c.s.forDevice(text), c.s.cfg.Width, 2))
	return starlark.None, nil
}

// helpOn returns the help on a value. nil means that help() was called without argument.
func (s *Session) helpOn(x any) (string, error) {
	if text := s.helpOnModule(x); text != "" {
		return text, nil
	}
	switch x := x.(type) {
	case nil, starlark.NoneType:
		if s.tasks.Foreground {
			hosts := []string{"local", "kernel"}
			if s.globals.Has("peer") {
				hosts = []string{"local", "peer"}
			}
			return s.reg.Glance(s.helpWidth(), hosts) + "\n" + topicNames(s.helpWidth()), nil
		}
		return s.reg.Overview(s.helpWidth()) + "\n" + topicNames(s.helpWidth()), nil
	case *function:
		page, err := s.reg.Page(x.b.Name, s.helpWidth())
		return page + moreOn(x.b.Name), err
	case *namespace:
		return s.reg.Page(x.name, s.helpWidth())
	case starlark.String:
		return helpNamed(s.reg, s.catalogue.Load(), string(x), s.helpWidth())
	case *table.Row:
		return s.helpOnRow(x), nil
	case *starlark.Function:
		text := x.Name() + signature(x)
		if doc := x.Doc(); doc != "" {
			text += "\n  " + strings.Join(strings.Fields(doc), " ")
		}
		return text + fmt.Sprintf("\n  %s:%d", x.Position().Filename(), x.Position().Line), nil
	case result:
		return s.helpOnStruct(x.Struct), nil
	case *starlarkstruct.Struct:
		return s.helpOnStruct(x), nil
	case service.Kind:
		return helpNamed(s.reg, nil, string(x), s.helpWidth())
	case starlark.HasAttrs:
		if s.reg.IsType(x.Type()) {
			return s.reg.Page(x.Type(), s.helpWidth())
		}
		return x.Type() + ": ." + strings.Join(x.AttrNames(), " ."), nil
	case packetvalue.Any:
		return "ANY: in a field of a pattern, any value, as long as the packet has the field\n  see also: help(\"patterns\"), NOT", nil
	case packetvalue.Protocol:
		return helpOnProtocol(x.Table, s.helpWidth()), nil
	case starlark.Value:
		return x.Type() + ": " + registry.Brief(x), nil
	}
	return "", nil
}

// helpOnStruct returns help on a struct: its fields, with their meanings if a builtin has made it.
func (s *Session) helpOnStruct(x *starlarkstruct.Struct) string {
	kind, _ := starlark.AsString(x.Constructor())
	if b := s.reg.ByName[kind]; b != nil { // such as ping
		kind = b.Result
	}
	t := s.reg.TypeOf(kind)
	if t == nil {
		return "struct: ." + strings.Join(x.AttrNames(), " .")
	}
	var fields [][2]string
	for _, f := range t.Fields {
		if v, _ := x.Attr(f[0]); v != nil {
			fields = append(fields, f)
		}
	}
	return s.reg.Group(kind, t.Doc, fields, s.helpWidth())
}

// helpOnRow returns help on a table's row: its fields, and the methods of the object that it describes.
func (s *Session) helpOnRow(r *table.Row) string {
	text := "a row of " + r.Table.Builtin + "(): ." + strings.Join(r.Table.FieldNames(), " .")
	if why, err := r.Attr("reason"); err == nil && r.Table.Builtin == "drops" {
		word, _ := starlark.AsString(why)
		if reason, ok := drop.Named(word); ok {
			text += "\n" + dropHelp(reason, s.helpWidth())
		}
	}
	if t := s.reg.TypeOf(r.Actions); t != nil {
		text += "\n" + s.reg.Group(r.Actions, t.Doc, nil, s.helpWidth())
	}
	return text
}

// signature returns a Starlark function's parameters.
func signature(f *starlark.Function) string {
	var parts []string
	n := f.NumParams()
	if f.HasKwargs() {
		n--
	}
	if f.HasVarargs() {
		n--
	}
	for i := range n {
		name, _ := f.Param(i)
		if d := f.ParamDefault(i); d != nil {
			name += "=" + d.String()
		}
		parts = append(parts, name)
	}
	if f.HasVarargs() {
		name, _ := f.Param(n)
		parts = append(parts, "*"+name)
		n++
	}
	if f.HasKwargs() {
		name, _ := f.Param(n)
		parts = append(parts, "**"+name)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
