package registry

import (
	"fmt"
	"slices"
	"strings"
)

// Reference returns the whole reference as Markdown.
func (r *Registry[C]) Reference() string {
	var out strings.Builder
	out.WriteString("# Reference\n\nEvery builtin of the language, as `help(x)` has it at the prompt. " +
		"This page is written by `smolsh doc --markdown`; the examples are run by the tests.\n\n")
	for _, s := range r.Sections {
		fmt.Fprintf(&out, "- [%s](#%s): %s\n", s.Title, anchor(s.Title), strings.Join(r.links(s), " "))
	}
	fmt.Fprintf(&out, "- [%s](#%s)\n- [Values](#values)\n", r.OptionsTitle, anchor(r.OptionsTitle))
	for _, s := range r.Sections {
		fmt.Fprintf(&out, "\n## %s\n", s.Title)
		if s.Intro != "" {
			fmt.Fprintf(&out, "\n%s\n", s.Intro)
		}
		for _, b := range s.Builtins {
			r.markdown(&out, b)
		}
	}
	fmt.Fprintf(&out, "\n## %s\n\n%s", r.OptionsTitle, r.OptionsText)
	out.WriteString("\n## Values\n\nThe types that builtins return and take, with their fields; what can be called stands above.\n")
	for i := range r.Types {
		t := &r.Types[i]
		fmt.Fprintf(&out, "\n**%s**: %s\n", t.Name, t.Doc)
		if len(t.Fields) > 0 {
			out.WriteString("\n")
		}
		for _, f := range t.Fields {
			fmt.Fprintf(&out, "- `.%s` %s\n", f[0], f[1])
		}
		var methods []string
		for _, m := range r.Members[t.Name] {
			methods = append(methods, link(t.Name+"."+m))
		}
		if len(methods) > 0 {
			fmt.Fprintf(&out, "\n%s\n", strings.Join(methods, " "))
		}
	}
	return out.String()
}

// links returns the table of contents of a chapter. One link stands for all methods of a type.
func (r *Registry[C]) links(s Section[C]) []string {
	var list []string
	for _, b := range s.Builtins {
		prefix, _, dotted := strings.Cut(b.Name, ".")
		if !dotted || r.Globals[prefix] {
			list = append(list, link(b.Name))
		} else if first := r.Members[prefix]; first[0] == b.Name[len(prefix)+1:] && !slices.Contains(list, link(prefix)) {
			list = append(list, fmt.Sprintf("[%s.…](#%s)", prefix, anchor(b.Name)))
		}
	}
	return list
}

// link returns a link to the heading of a builtin.
func link(name string) string { return fmt.Sprintf("[%s](#%s)", name, anchor(name)) }

// anchor returns the anchor that Git hosts generate for a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(heading), " ", "-"), ".", "")
}

// markdown writes the reference's section on a builtin.
func (r *Registry[C]) markdown(out *strings.Builder, b *Builtin[C]) {
	fmt.Fprintf(out, "\n### %s\n\n    %s\n\n%s\n", b.Name, b.Usage(), b.Doc)
	list := b.arguments()
	if r.Options(b) != nil {
		list = append(list, [2]string{"**options", fmt.Sprintf("[%s](#%s)", strings.TrimPrefix(r.OptionsTitle, "Options "), anchor(r.OptionsTitle))})
	}
	if len(list) > 0 {
		out.WriteString("\n")
	}
	for _, a := range list {
		fmt.Fprintf(out, "- `%s` %s\n", a[0], a[1])
	}
	if b.Fields != "" {
		if b.Result == "table" {
			fmt.Fprintf(out, "\nColumns: `%s`\n", b.Fields)
		} else {
			fmt.Fprintf(out, "\nFields of the %s: %s\n", b.Result, b.Fields)
		}
	}
	if b.Example != "" {
		fmt.Fprintf(out, "\n```python\n%s\n```\n", strings.ReplaceAll(b.Example, "; ", "\n"))
	}
	if b.See != "" {
		var see []string
		for _, n := range strings.Split(b.See, ", ") {
			if r.ByName[n] != nil {
				n = link(n)
			}
			see = append(see, n)
		}
		fmt.Fprintf(out, "\nSee also %s.\n", strings.Join(see, ", "))
	}
}
