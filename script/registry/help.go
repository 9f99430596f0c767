package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"smolsh/script/screen"
	"smolsh/script/suggest"
)

// words explains parameters by name. It is used for builtins whose Args do not explain them.
var words = map[string]string{
	"a":          "the first host",
	"addr":       `the local address; without it, or "::", every address of both families; "0.0.0.0" for those of IPv4`,
	"address":    "an IP address, or a host or its name",
	"b":          "the second host",
	"backlog":    "number of connections that may wait to be accepted",
	"d":          "a duration",
	"data":       "octets, str or bytes",
	"delay":      "travel time of a packet",
	"dev":        "an interface's name or row",
	"duplicates": "whether two hosts there may have one address, as for RFC 5227",
	"endpoint":   `an address or a host's name, and a port: "192.168.69.1:80", "b:80", (b, 80)`,
	"filter":     `tcpdump's expression, "tcp and port 80"`,
	"fn":         "a function",
	"gateway":    "the next hop",
	"handler":    "echo, discard, chargen, f(conn) for TCP, f(data, src) for UDP that returns the reply or None",
	"host":       "a host of a lab, or its name",
	"jitter":     "largest random deviation from the delay",
	"local":      "the local address, with a port or without",
	"keepalive":  "idle time before a keep-alive, or False",
	"loss":       "the chance of a loss, 0 to 1",
	"mac":        `a hardware address, "02:00:00:00:00:01"`,
	"max":        "largest number of octets",
	"message":    "text of the error",
	"mtu":        "octets of the longest packet",
	"name":       "its name",
	"offload":    "whether super-segments may cross uncut, as with a network card",
	"path":       "a file's name",
	"pattern":    "a regular expression",
	"port":       "0 to 65535; 0 chooses one",
	"queue":      "largest number of packets that wait for the link",
	"rate":       `bits per second, "10mbit"`,
	"timeout":    "time to wait; without it, for ever",
	"to":         `an address or a host's name, and a port: "192.168.69.1:80", "b:80"`,
	"ttl":        "time to live of packets",
	"v6only":     "whether a socket for every address is for those of IPv6 alone",
	"x":          "any value",
	"seed":       "seed of all randomness",
	"proto":      `"tcp" or "udp"`,
	"headers":    "a dict of header names and values, strings",
	"url":        `"http://192.168.69.100:8000/", or with a host's name`,
	"got":        "the value to test",
	"want":       "the expected value",
	"file":       "a file's name",
	"addresses":  `addresses with prefix length, "10.0.0.1/24"`,
}

// Explain returns the explanation of a parameter, which states units and bounds.
func (b *Builtin[C]) Explain(p *Param) string {
	text := ""
	for _, item := range strings.Split(b.Args, "; ") {
		if name, what, ok := strings.Cut(item, ": "); ok && name == p.Name {
			text = what
		}
	}
	if text == "" {
		text = words[p.Name]
	}
	if text == "" {
		return p.Kind.Describe()
	}
	if _, bounds := p.Kind.Bounds(); bounds != "" {
		lo, hi, _ := strings.Cut(bounds, "..")
		if hi == "" {
			return text + ", at least " + lo
		}
		return text + ", " + lo + " to " + hi
	}
	return text
}

// pairs formats names with explanations, in two columns if the width allows it, otherwise in one. An explanation is folded at words and
// indented. It begins below a name that takes more than a third of the line.
func pairs(list [][2]string, width int) string {
	name, what, widest := 0, 0, max(width/3, 8)
	for _, p := range list {
		if n := screen.Width(p[0]); n <= widest {
			name = max(name, n)
		}
		what = max(what, screen.Width(p[1]))
	}
	long := slices.ContainsFunc(list, func(p [2]string) bool { return screen.Width(p[0]) > name })
	rows, cols := len(list), 1
	if !long && len(list) > 1 && 2*(2+name+2+what)+2 <= width {
		rows, cols = (len(list)+1)/2, 2
	}
	cell := func(p [2]string) string { return screen.Pad(p[0], name) + "  " + p[1] }
	var out strings.Builder
	for i := range rows {
		head, text := list[i][0], list[i][1]
		switch j := i + rows; {
		case cols == 2 && j < len(list):
			fmt.Fprintf(&out, "\n  %s  %s", screen.Pad(cell(list[i]), name+2+what), cell(list[j]))
		case screen.Width(head) > name:
			indent := strings.Repeat(" ", 2+name+2)
			out.WriteString("\n" + code("  ", head, width, 6) + "\n" + screen.Hang(indent, text, width, len(indent)))
		default:
			out.WriteString("\n" + screen.Hang("  "+screen.Pad(head, name)+"  ", text, width, 2+name+2))
		}
	}
	return out.String()
}

// Pairs formats names with explanations, as on a page of help.
func Pairs(list [][2]string, width int) string { return pairs(list, width) }

// FieldNames returns the names of fields that are described, with blanks between them.
func FieldNames(fields [][2]string) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f[0]
	}
	return strings.Join(names, " ")
}

// code returns head and an expression after it, folded after commas and semicolons, or at any blank if a part is too wide even so.
func code(head, text string, width, indent int) string {
	const blank = "\u00a0" // stands for a blank at which the text is not folded
	bound := strings.NewReplacer(", ", ", ", "; ", "; ", " ", blank).Replace(text)
	return screen.Fold(strings.ReplaceAll(screen.Hang(head, bound, width, indent), blank, " "), width, 2)
}

// arguments returns the parameters of a builtin with their explanations.
func (b *Builtin[C]) arguments() [][2]string {
	var list [][2]string
	for i := range b.Params {
		list = append(list, [2]string{b.Params[i].Name, b.Explain(&b.Params[i])})
	}
	if b.Rest != "" {
		if text := b.Explain(&Param{Name: b.Rest, Kind: KindAny}); text != KindAny.Describe() {
			list = slices.Insert(list, b.Positional, [2]string{"*" + b.Rest, text})
		}
	}
	return list
}

// help returns the page of a builtin.
func (r *Registry[C]) help(b *Builtin[C], width int) string {
	var out strings.Builder
	text := func(label, text string) { out.WriteString("\n" + screen.Hang("  "+label, text, width, 4)) }
	out.WriteString(code("", b.Usage(), width, min(len(b.Name)+1, 12)))
	out.WriteString("\n" + screen.Hang("  ", b.Doc, width, 2))
	out.WriteString(pairs(b.arguments(), width))
	if options := r.Options(b); options != nil {
		out.WriteString("\n  options, all of them optional:")
		out.WriteString(pairs(options, width))
	}
	if t := r.TypeOf(b.Result); t != nil && b.Fields == FieldNames(t.Fields) {
		out.WriteString("\n  fields of the " + b.Result + ":" + pairs(t.Fields, width))
	} else if b.Fields != "" {
		text(strings.Replace(b.Result, "table", "columns", 1)+": ", b.Fields)
	}
	if m := r.Members[b.Name]; len(m) > 0 && !r.IsType(b.Name) {
		text("members: ", "."+strings.Join(m, " ."))
	}
	if b.Example != "" {
		out.WriteString("\n" + code("  ", b.Example, width, 4))
	}
	if b.See != "" {
		text("see also: ", b.See)
	}
	return out.String()
}

// Group returns the page of a namespace or a type, which has a line for each field and member. width is the terminal's width in columns.
func (r *Registry[C]) Group(name, doc string, fields [][2]string, width int) string {
	list := slices.Clone(fields)
	for i := range list {
		list[i][0] = "." + list[i][0]
	}
	for _, m := range r.Members[name] {
		b := r.ByName[name+"."+m]
		list = append(list, [2]string{"." + m + "(" + b.Sig + ")", b.Doc})
	}
	for _, inner := range slices.Sorted(maps.Keys(r.Namespaces)) {
		if short, ok := strings.CutPrefix(inner, name+"."); ok {
			for _, m := range r.Members[inner] {
				b := r.ByName[inner+"."+m]
				list = append(list, [2]string{"." + short + "." + m + "(" + b.Sig + ")", b.Doc})
			}
		}
	}
	return screen.Hang("", name+": "+doc, width, 2) + pairs(list, width)
}

// Overview lists every global builtin with its explanation, by chapter. It leaves out the builtins of assert, and ends
// with the other ways to ask for help. width is the terminal's width in columns.
func (r *Registry[C]) Overview(width int) string {
	var out strings.Builder
	for _, s := range r.Sections {
		var list [][2]string
		for _, b := range s.Builtins {
			if ns, _, dotted := strings.Cut(b.Name, "."); !dotted || r.Globals[ns] && ns != "assert" {
				list = append(list, [2]string{b.Name, b.Doc})
			}
		}
		if len(list) > 0 {
			fmt.Fprintf(&out, "%s%s\n", s.Title, pairs(list, width))
		}
	}
	out.WriteString(screen.Fold("assert.eq and its like: help(assert). Every value too: help(tcp), help(x). Another way to ask: x?", width, 0))
	return out.String()
}

// Page returns the page of a builtin, a type or a namespace. width is the terminal's width in columns.
func (r *Registry[C]) Page(name string, width int) (string, error) {
	if full := r.Aliases[name]; full != "" {
		name = full
	}
	b := r.ByName[name]
	switch t := r.TypeOf(name); {
	case b != nil && t != nil:
		return r.help(b, width) + "\n\n" + r.Group(name, t.Doc, t.Fields, width), nil
	case b != nil:
		return r.help(b, width), nil
	case t != nil:
		return r.Group(name, t.Doc, t.Fields, width), nil
	case r.Namespaces[name] != "":
		return r.Group(name, r.Namespaces[name], nil, width), nil
	}
	var known []string
	for n := range r.ByName {
		known = append(known, n)
	}
	for i := range r.Types {
		known = append(known, r.Types[i].Name)
	}
	for n := range r.Namespaces {
		known = append(known, n)
	}
	if n := suggest.Nearest(name, known); n != "" {
		return "", fmt.Errorf("nothing is named %s (did you mean %s?)", name, n)
	}
	return "", fmt.Errorf("nothing is named %s", name)
}

// Glance lists the names of all builtins by chapter, on one screen of the given width. hosts are names of hosts.
func (r *Registry[C]) Glance(width int, hosts []string) string {
	head := 0
	for _, s := range r.Sections {
		head = max(head, screen.Width(s.Title))
	}
	var out strings.Builder
	chapter := func(title string, names []string) {
		if len(names) == 0 {
			return
		}
		line := screen.Pad(title, head) + " "
		for i, n := range names {
			if i > 0 && screen.Width(line)+1+len(n) >= width {
				out.WriteString(line + "\n")
				line = strings.Repeat(" ", head+1)
			}
			line += " " + n
		}
		out.WriteString(line + "\n")
	}
	chapter("Hosts", hosts)
	for _, s := range r.Sections {
		var names []string
		for _, b := range s.Builtins {
			ns, _, dotted := strings.Cut(b.Name, ".")
			if dotted && (!r.Globals[ns] || ns == "assert") || b.Beside {
				continue
			}
			names = append(names, b.Name)
			for _, short := range slices.Sorted(maps.Keys(r.Aliases)) {
				if r.Aliases[short] == b.Name {
					names = append(names, short)
				}
			}
		}
		chapter(s.Title, names)
	}
	out.WriteString(screen.Fold(`
ping? is help(ping), and x? helps on any value. Tab completes, Ctrl-R searches
what was typed, _ is the last value, !command runs one of the system's.
Ctrl-C stops what runs; twice ends the shell where something computes on.`, width, 0))
	return out.String()
}
