package script

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/escape"
	"smolsh/script/packetvalue"
	"smolsh/script/screen"
	"smolsh/script/table"
)

// displayer is a value for which the prompt shows more than print() does.
type displayer interface{ display() string }

// redisplayer is a value that the call which made it has printed. The prompt shows it where another expression has it, such as its name.
type redisplayer interface{ redisplay(s *Session) string }

// display returns the text that the prompt shows for a value, fitted to the terminal.
func (s *Session) display(v starlark.Value) string {
	switch v := v.(type) {
	case displayer:
		return v.display()
	case *table.Table:
		return s.displayTable(v)
	case *packetvalue.Value:
		if v.Composed() {
			return s.displayPacket(v)
		}
	case *starlarkstruct.Struct:
		if text, ok := s.displayStruct(v); ok {
			return text
		}
	case *starlark.List:
		if text, ok := s.packetLines(v); ok {
			return text
		}
	}
	text := s.clean(s.shortened(v))
	return foldValue(text, s.cfg.Width)
}

// quotedText matches a str or bytes as Starlark writes it.
var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// foldValue folds the text of a value to a width between its parts. It leaves strings whole, since another number of blanks would be another value: the
// terminal wraps one that is too wide.
func foldValue(text string, width int) string {
	const blank, comma = "\u00a0", "\u201a" // stand for those at which the text is not folded
	if strings.Contains(text, blank) || strings.Contains(text, comma) {
		return text
	}
	text = quotedText.ReplaceAllStringFunc(text, strings.NewReplacer(" ", blank, ",", comma).Replace)
	return strings.NewReplacer(blank, " ", comma, ",").Replace(screen.Fold(text, width, 1))
}

// displayTable returns the text of a table, with the heading in the prompt's style.
func (s *Session) displayTable(t *table.Table) string {
	text, headed := t.Format()
	text = s.clean(text)
	if !headed || s.cfg.Heading == nil {
		return text
	}
	head, rest, more := strings.Cut(text, "\n")
	if text = s.cfg.Heading(head); more {
		text += "\n" + rest
	}
	return text
}

// structWidth is the width in cells up to which a struct is shown in one line where there is no terminal.
const structWidth = 100

// displayStruct returns the names and values of a struct's fields, in the order of the help text of the builtin that returns such a
// struct, down the columns and then to the right. ok is false for a struct that fits into a line.
func (s *Session) displayStruct(v *starlarkstruct.Struct) (text string, ok bool) {
	width := s.cfg.Width
	if width <= 0 {
		width = structWidth
	}
	names, blocks := s.blocks(v, s.fieldOrder(v))
	values := make([]string, len(names))
	name, total, widest := 0, len("struct()"), 0
	for i, n := range names {
		field, err := v.Attr(n)
		if err != nil {
			return "", false
		}
		values[i] = s.displayField(v, n, field)
		name, widest = max(name, screen.Width(n)), max(widest, screen.Width(values[i]))
		total += screen.Width(n) + screen.Width(values[i]) + len(` = "", `)
	}
	if total <= width && blocks == "" {
		return "", false
	}
	cols := 1
	if cell := name + 2 + widest + 2; len(names) > 10 {
		cols = max(1, (width+2)/cell)
	}
	rows := (len(names) + cols - 1) / cols
	lines := make([]string, rows)
	for i, n := range names {
		line := &lines[i%rows]
		head := screen.Pad(n, name) + "  "
		switch {
		case cols == 1:
			*line = screen.Hang(head, values[i], s.cfg.Width, name+2)
		case i+rows < len(names):
			*line += head + screen.Pad(values[i], widest+2)
		default:
			*line += head + values[i]
		}
	}
	return strings.TrimPrefix(strings.Join(lines, "\n")+blocks, "\n"), true
}

// blocks returns the names of a struct's fields without those that are tables or lists of packets, and the text of these below each other,
// each below its name.
func (s *Session) blocks(v *starlarkstruct.Struct, names []string) (rest []string, text string) {
	for _, n := range names {
		field, _ := v.Attr(n)
		shown := ""
		switch x := field.(type) {
		case *table.Table:
			if x.Len() > 0 {
				shown = s.displayTable(x)
			}
		case *starlark.List:
			shown, _ = s.packetLines(x)
		}
		if shown == "" {
			rest = append(rest, n)
			continue
		}
		text += "\n" + n + ":\n" + shown
	}
	return rest, text
}

// displayField returns the text of a struct's field: a string without quotes, and times of a connection's variables with their units.
func (s *Session) displayField(v *starlarkstruct.Struct, name string, field starlark.Value) string {
	text := s.within(field)
	if v.Constructor() == starlark.String("info") && field != starlark.None {
		for _, f := range infoFields {
			if table.FieldName(f.name) == name && f.show != nil {
				text = f.show(field)
			}
		}
	}
	if str, ok := field.(starlark.String); ok && len(str) <= maxShown {
		text = string(str)
	}
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(escape.Controls(text))
}

// fieldOrder returns the names of a struct's fields: first those that the help text of the builtin lists, in its order, then the others,
// sorted.
func (s *Session) fieldOrder(v *starlarkstruct.Struct) []string {
	rest := map[string]bool{}
	for _, n := range v.AttrNames() {
		rest[n] = true
	}
	var names []string
	kind, _ := starlark.AsString(v.Constructor())
	for _, sec := range s.reg.Sections {
		for _, b := range sec.Builtins {
			if kind == "" || b.Result != kind {
				continue
			}
			for _, n := range strings.Fields(b.Fields) {
				if rest[n] {
					names = append(names, n)
					delete(rest, n)
				}
			}
		}
	}
	return append(names, slices.Sorted(maps.Keys(rest))...)
}

// maxShown is the largest number of characters of a value that the prompt shows on a terminal.
const maxShown = 2000

// shortened formats a value. On a terminal it formats only the begin of a long one, and adds how much is left and how to see it.
func (s *Session) shortened(v starlark.Value) string {
	if !s.cfg.Terminal {
		return v.String()
	}
	switch v := v.(type) {
	case starlark.Bytes:
		if left := len(v) - maxShown; left > 0 {
			return v[:maxShown].String() + remark(left, len(v), "octets")
		}
	case starlark.String:
		if len(v) > maxShown {
			head := strings.ToValidUTF8(string(v[:maxShown]), "")
			return starlark.String(head).String() + remark(len(v)-len(head), len(v), "octets")
		}
	case *starlark.List:
		return s.elements(v.Elements(), v.Len(), "[", "]")
	case *starlark.Set:
		return s.elements(v.Elements(), v.Len(), "set([", "])")
	case *starlark.Dict:
		return s.items(v)
	case starlark.Tuple:
		if len(v) > 1 {
			return s.elements(slices.Values(v), v.Len(), "(", ")")
		}
	}
	return v.String()
}

// remark returns the line below the begin of a long value.
func remark(left, all int, what string) string {
	return fmt.Sprintf("\n… %d of %d %s more: print(_) shows all", left, all, what)
}

// within formats a value that is a part of another one. A remark on it does not begin a line.
func (s *Session) within(v starlark.Value) string {
	return strings.Replace(s.shortened(v), "\n… ", " … ", 1)
}

// elements formats a sequence of n elements. It cuts between two of them.
func (s *Session) elements(seq iter.Seq[starlark.Value], n int, begin, end string) string {
	var texts iter.Seq[string] = func(yield func(string) bool) {
		for v := range seq {
			if !yield(s.within(v)) {
				return
			}
		}
	}
	return list(texts, n, begin, end, "elements")
}

// items formats a dict. It cuts between two items.
func (s *Session) items(d *starlark.Dict) string {
	var texts iter.Seq[string] = func(yield func(string) bool) {
		for k, v := range d.Entries() {
			if !yield(s.within(k) + ": " + s.within(v)) {
				return
			}
		}
	}
	return list(texts, d.Len(), "{", "}", "items")
}

// list joins the texts of n parts until they are long, and adds how many parts are left.
func list(texts iter.Seq[string], n int, begin, end, what string) string {
	var b strings.Builder
	b.WriteString(begin)
	i := 0
	for text := range texts {
		if i > 0 {
			b.WriteString(", ")
		}
		if i > 0 && b.Len()+len(text) > maxShown {
			return b.String() + "…" + end + remark(n-i, n, what)
		}
		b.WriteString(text)
		i++
	}
	return b.String() + end
}
