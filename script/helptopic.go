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
	"smolsh/script/suggest"
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
	switch {
	case err == nil && isReason:
		return dropHelp(reason) + "\n\n" + page, nil
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
		return dropHelp(reason), nil
	}
	if n := nearestPage(r, name); n != "" {
		return "", fmt.Errorf("nothing is named %s (did you mean %s?)", name, n)
	}
	return "", fmt.Errorf("nothing is named %s; help(%q) lists the topics", name, topicsPage)
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

// dropHelp explains a word of drops(), in lines of at most 80 columns.
func dropHelp(r drop.Reason) string {
	text := columns(strings.Fields(r.String()+": "+r.About()), "", "", 78) // 2 columns for the indent
	return fmt.Sprintf("%s\n  drops().where(reason=%q)\n  see also: help(\"drops\"), help(\"trace\")", strings.ReplaceAll(text[1:], "\n", "\n  "), r)
}

// nearestPage returns the name that most likely was meant: a topic or a word of drops() that has name as one of its words, or
// else the page of which name is a misspelling. It returns "" if there is none.
func nearestPage(r *registry.Registry[*call], name string) string {
	known := topicsAndReasons()
	for _, k := range known {
		if slices.Contains(strings.Fields(k), strings.ToLower(name)) {
			return k
		}
	}
	for _, named := range []iter.Seq[string]{maps.Keys(r.ByName), maps.Keys(r.Namespaces)} {
		known = slices.AppendSeq(known, named)
	}
	for i := range r.Types {
		known = append(known, r.Types[i].Name)
	}
	return suggest.Nearest(name, known)
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
		"virtual lab, smolsh --device sim. On the default device, those without peer run\n" +
		"after kernel.serve(\"tcp\", 7, echo)."
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
