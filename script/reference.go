package script

import (
	"fmt"
	"slices"
	"strings"
)

// Reference is the whole reference as Markdown: docs/reference.md.
func Reference() string {
	r := newRegistry(sections())
	var out strings.Builder
	out.WriteString("# Reference\n\nEvery builtin of the language, as `help(x)` has it at the prompt. " +
		"This page is written by `smolsh doc --markdown`; the examples are run by the tests.\n\n")
	for _, s := range r.sections {
		fmt.Fprintf(&out, "- [%s](#%s): %s\n", s.title, anchor(s.title), strings.Join(r.links(s), " "))
	}
	fmt.Fprintf(&out, "- [Options of TCP sockets](#options-of-tcp-sockets)\n- [Values](#values)\n")
	for _, s := range r.sections {
		fmt.Fprintf(&out, "\n## %s\n", s.title)
		if s.intro != "" {
			fmt.Fprintf(&out, "\n%s\n", s.intro)
		}
		for _, b := range s.builtins {
			r.markdown(&out, b)
		}
	}
	out.WriteString("\n## Options of TCP sockets\n\n`tcp.connect`, `tcp.listen` and `serve` take them as keyword arguments, " +
		"`conn.set` changes them. Those of the operating system's sockets are " + kernelOptionNames() + ".\n\n")
	for _, o := range optionWords(tcpOptions) {
		fmt.Fprintf(&out, "- `%s` %s\n", o[0], o[1])
	}
	out.WriteString("\n## Values\n\nThe types that builtins return and take, with their fields; what can be called stands above.\n")
	for i := range valueTypes {
		t := &valueTypes[i]
		fmt.Fprintf(&out, "\n**%s**: %s\n", t.name, t.doc)
		if len(t.fields) > 0 {
			out.WriteString("\n")
		}
		for _, f := range t.fields {
			fmt.Fprintf(&out, "- `.%s` %s\n", f[0], f[1])
		}
		var methods []string
		for _, m := range r.members[t.name] {
			methods = append(methods, link(t.name+"."+m))
		}
		if len(methods) > 0 {
			fmt.Fprintf(&out, "\n%s\n", strings.Join(methods, " "))
		}
	}
	return out.String()
}

// links are the table of contents of a chapter: what belongs to one name stands behind it.
func (r *registry) links(s section) []string {
	var list []string
	for _, b := range s.builtins {
		prefix, _, dotted := strings.Cut(b.name, ".")
		if !dotted || topNamespaces[prefix] {
			list = append(list, link(b.name))
		} else if first := r.members[prefix]; first[0] == b.name[len(prefix)+1:] && !slices.Contains(list, link(prefix)) {
			list = append(list, fmt.Sprintf("[%s.…](#%s)", prefix, anchor(b.name)))
		}
	}
	return list
}

func link(name string) string { return fmt.Sprintf("[%s](#%s)", name, anchor(name)) }

// anchor is a heading's name in a link, as Git hosts make it.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(heading), " ", "-"), ".", "")
}

func (r *registry) markdown(out *strings.Builder, b *builtin) {
	fmt.Fprintf(out, "\n### %s\n\n    %s\n\n%s\n", b.name, b.usage(), b.doc)
	list := b.arguments()
	if b.ofTCP() != nil {
		list = append(list, [2]string{"**options", "[of TCP sockets](#options-of-tcp-sockets)"})
	}
	if len(list) > 0 {
		out.WriteString("\n")
	}
	for _, a := range list {
		fmt.Fprintf(out, "- `%s` %s\n", a[0], a[1])
	}
	if b.fields != "" {
		if b.result == "table" {
			fmt.Fprintf(out, "\nColumns: `%s`\n", b.fields)
		} else {
			fmt.Fprintf(out, "\nFields of the %s: %s\n", b.result, b.fields)
		}
	}
	if b.example != "" {
		fmt.Fprintf(out, "\n```python\n%s\n```\n", strings.ReplaceAll(b.example, "; ", "\n"))
	}
	if b.see != "" {
		var see []string
		for _, n := range strings.Split(b.see, ", ") {
			if r.byName[n] != nil {
				n = link(n)
			}
			see = append(see, n)
		}
		fmt.Fprintf(out, "\nSee also %s.\n", strings.Join(see, ", "))
	}
}
