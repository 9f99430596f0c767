package script

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/screen"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/script/topic"
	"smolsh/stack/drop"
	"smolsh/stack/packet"
)

// topicsPage is the name of the page that lists the topics.
const topicsPage = "topics"

// helpNamed returns the help on a name: of a builtin, a type, a topic, or a word of drops(). A builtin's page is followed by
// the topic of the same name.
func helpNamed(r *registry.Registry[*call], protocols *packet.Catalogue, name string, width int) (string, error) {
	page, err := r.Page(name, width)
	text := topicText(name, width)
	reason, isReason := reasonNamed(name)
	w, isWord := topic.WordNamed(name)
	switch {
	case err == nil && isReason:
		return dropHelp(reason, width) + "\n\n" + page, nil
	case err == nil && isWord:
		return wordHelp(w, width) + "\n\n" + page, nil
	case err == nil && text != "":
		return page + "\n\n" + text, nil
	case err == nil:
		return page, nil
	case text != "":
		return text, nil
	}
	if p := protocols.ByName(name); p != nil {
		return helpOnProtocol(p, width), nil
	}
	if isReason {
		return dropHelp(reason, width), nil
	}
	if isWord {
		return wordHelp(w, width), nil
	}
	if lower := strings.ToLower(name); lower != name {
		if page, err := r.Page(lower, width); err == nil {
			return page, nil
		}
	}
	if page := memberHelp(r, name, width); page != "" {
		return page, nil
	}
	if text := suggest.Word(name); text != "" {
		return screen.Hang("", name+": here "+text, width, 2), nil
	}
	if n := nearestPage(r, name); n != "" {
		return "", fmt.Errorf("nothing is named %s (did you mean %s?)", name, n)
	}
	return "", fmt.Errorf("nothing is named %s; help(%q) lists the topics", name, topicsPage)
}

// wordHelp returns the page of a word.
func wordHelp(w topic.Word, width int) string {
	width = min(width, 80)
	var see []string
	for _, name := range w.See {
		see = append(see, fmt.Sprintf("help(%q)", name))
	}
	return screen.Hang("", w.Name+": "+w.Text, width, 2) + "\n" + screen.Hang("  ", "see also: "+strings.Join(see, ", "), width, 4)
}

// memberHelp returns a page about everything that is called name and belongs to a value: methods, fields, columns of tables. It returns ""
// if there is nothing.
func memberHelp(r *registry.Registry[*call], name string, width int) string {
	field := table.FieldName(strings.ToUpper(strings.TrimPrefix(name, ".")))
	var list [][2]string
	for _, full := range slices.Sorted(maps.Keys(r.ByName)) {
		b := r.ByName[full]
		switch owner, member, _ := strings.Cut(full, "."); {
		case strings.HasPrefix(owner, "kernel"):
		case member == field:
			list = append(list, [2]string{full, b.Doc})
		case b.Result == "table" && slices.Contains(strings.Fields(b.Fields), field):
			list = append(list, [2]string{full, "has a column " + field})
		}
	}
	for _, t := range r.Types {
		for _, f := range t.Fields {
			if f[0] == field {
				list = append(list, [2]string{t.Name + "." + field, f[1]})
			}
		}
	}
	if len(list) == 0 {
		return methodHelp(name)
	}
	return field + ":" + registry.Pairs(list, width)
}

// methodHelp returns a line about a method of the language's own values, "" if none has the name.
func methodHelp(name string) string {
	var owners []string
	for _, v := range []starlark.HasAttrs{starlark.String(""), starlark.Bytes(""), starlark.NewList(nil), starlark.NewDict(0), starlark.NewSet(0)} {
		if slices.Contains(v.AttrNames(), strings.ToLower(name)) {
			owners = append(owners, v.Type())
		}
	}
	if len(owners) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: a method of %s, as in Python\n  see also: help(\"language\")", strings.ToLower(name), strings.Join(owners, ", "))
}

// topicText returns the page of a topic, "" if there is none. A function of a module has the module's page.
func topicText(name string, width int) string {
	if name == topicsPage {
		return topicList()
	}
	t, ok := topic.Named(name)
	if module, _, dotted := strings.Cut(name, "."); dotted && !ok && modules[module] {
		t, ok = topic.Named(module)
	}
	switch {
	case !ok:
		return ""
	case t.Name == "drops":
		return t.Text + dropWords(width)
	}
	return t.Text
}

// modules are the modules of Starlark's, each of which has a topic.
var modules = map[string]bool{"json": true, "math": true, "time": true}

// helpOnModule returns the page of a value of Starlark's own that has a topic, "" for other values.
func (s *Session) helpOnModule(x any) string {
	switch x := x.(type) {
	case *starlarkstruct.Module:
		return topicText(x.Name, s.helpWidth())
	case *starlark.Builtin:
		if module, _, _ := strings.Cut(x.Name(), "."); modules[module] || x.Name() == "struct" {
			return topicText(x.Name(), s.helpWidth())
		}
	case *starlark.List:
		if x == s.globals["args"] {
			return topicText("args", s.helpWidth())
		}
	}
	return ""
}

// reasonNamed returns the reason of drops() that a text names, which may be a verdict such as "dropped: no socket".
func reasonNamed(text string) (drop.Reason, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	return drop.Named(strings.TrimPrefix(text, "dropped: "))
}

// dropHelp explains a word of drops(), and says what to do.
func dropHelp(r drop.Reason, width int) string {
	width = min(width, 80)
	return screen.Hang("", r.String()+": "+r.About(), width, 2) + "\n" + screen.Hang("  ", topic.Remedy(r.String()), width, 2) +
		fmt.Sprintf("\n  drops().where(reason=%q)\n  see also: help(\"drops\"), help(\"trace\")", r)
}

// nearestPage returns the name of which name probably is a misspelling: of a page, a word of drops(), or a word that has help. It
// returns "" if none is very near.
func nearestPage(r *registry.Registry[*call], name string) string {
	known := topicsAndReasons()
	for _, named := range []iter.Seq[string]{maps.Keys(r.ByName), maps.Keys(r.Namespaces)} {
		known = slices.AppendSeq(known, named)
	}
	for i := range r.Types {
		known = append(known, r.Types[i].Name)
	}
	for _, w := range topic.Words() {
		known = append(known, w.Name)
	}
	return suggest.VeryNear(name, known)
}

// topicsAndReasons returns the names of the topics and the words of drops().
func topicsAndReasons() []string {
	names := []string{topicsPage}
	for _, t := range topic.All() {
		names = append(names, t.Name)
	}
	for r := drop.None + 1; r < drop.NumReasons; r++ {
		names = append(names, r.String())
	}
	return names
}

// dropWords returns the words of drops(), as many in a line as the width has room for.
func dropWords(width int) string {
	var words []string
	for r := drop.None + 1; r < drop.NumReasons; r++ {
		words = append(words, r.String())
	}
	return columns(words, "  ", ",", min(width, 80))
}

// columns returns words in lines of at most width columns, each of which follows a line feed and begins with indent.
func columns(words []string, indent, between string, width int) string {
	var out strings.Builder
	line := indent
	for i, w := range words {
		if i < len(words)-1 {
			w += between
		}
		if line != indent && utf8.RuneCountInString(line+" "+w) > width {
			out.WriteString("\n" + line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += w
	}
	return out.String() + "\n" + line
}

// topicList returns the page of all topics, a line for each.
func topicList() string {
	out := topicsPage + `: pages by subject; help("keys") prints one`
	for _, t := range topic.All() {
		out += fmt.Sprintf("\n  %-10s  %s", t.Name, t.About)
	}
	return out + "\nEach word of drops() has a page too: help(\"no socket\"). The examples run in a\n" +
		"virtual lab, smolsh --device sim. On another device a page says what they need."
}

// topicNames returns the end of the list of builtins: the names of all topics.
func topicNames(width int) string {
	var names []string
	for _, t := range topic.All() {
		names = append(names, t.Name)
	}
	return "Topics, as in help(\"keys\"):" + columns(names, "  ", "", min(width, 80))
}

// moreOn returns a line that names the topic of a builtin's name, "" if there is none.
func moreOn(name string) string {
	if _, ok := topic.Named(name); !ok {
		return ""
	}
	return fmt.Sprintf("\n  more: help(%q)", name)
}
