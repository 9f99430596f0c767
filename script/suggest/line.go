package suggest

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Line returns what to type instead of a line that is written as in another shell or language; "" if the line is not known to be one.
// msg is the interpreter's error about the line. builtin reports whether a name is that of a function which the shell has.
func Line(msg, line string, builtin func(name string) bool) string {
	line = strings.TrimSpace(line)
	if rest := prompts.ReplaceAllString(line, ""); rest != line && rest != "" {
		if text := Line(msg, rest, builtin); text != "" {
			return text
		}
		return "the line without the prompt: " + rest
	}
	if strings.HasPrefix(msg, "undefined") || strings.HasPrefix(msg, "unknown binary op") { // the line is one of the language
		switch {
		case segment.MatchString(line):
			return segmentText
		case option.MatchString(line):
			return command(line)
		case listing.MatchString(line):
			return listing.ReplaceAllString(line, "fields($1)")
		case strings.HasPrefix(line, "ls()"):
			return `help("compose"), or sh("ls").out for files`
		case packetListing.MatchString(line):
			return packetListing.ReplaceAllString(line, "($1).show()")
		}
		return ""
	}
	if strings.Contains(msg, "in string") {
		return closed(line)
	}
	if text := command(line); text != "" {
		return text
	}
	bare := literal.ReplaceAllString(line, `""`)
	for _, r := range dialect {
		if (r.msg == "" || strings.Contains(msg, r.msg)) && r.line.MatchString(bare) {
			return r.text
		}
	}
	if text := renamed(line, builtin); text != "" {
		return text
	}
	return quoted(line)
}

// segmentText answers a line of packetdrill.
const segmentText = `trace("tcp"), which prints the segments; a.on("packet", fn, filter="tcp") compares them`

var (
	segment       = regexp.MustCompile(`^[+]?\d*\.?\d*\s+[<>]\s*[SFRPA.]+(?:\s|$)`)
	operator      = regexp.MustCompile(`^(?:[-+*/%=<>!&|(),.:]+|and|or|in|not|if)(?:$|[(=])`)
	option        = regexp.MustCompile(`^\w+ +(?:-\w|/\w)`)  // a command's option, or a path
	listing       = regexp.MustCompile(`^ls\(([A-Z]\w*)\)$`) // of a protocol's fields, as Scapy has it
	packetListing = regexp.MustCompile(`^ls\(([^"']*)\)$`)   // of a packet
	prompts       = regexp.MustCompile(`^(?:>>> ?|\$ +|# +|smolsh(?: \(virtual\))?> ?)`)
	literal       = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
)

// A rule recognises a line of another language by the interpreter's error and by the line without its literals' text.
type rule struct {
	msg  string // part of the error; "" for any
	line *regexp.Regexp
	text string
}

// dialect has the rules in the order in which they are tried.
var dialect = rules(
	"", `^(?:import|from)\s+(?:socket|asyncio|scapy)\b`, `tcp.connect("192.168.69.100:7"), udp.bind(5000) or sniff("icmp"): all are there without import`,
	"", `^(?:import|from)\s+(?:json|math|time)\b`, `json.encode(x), math.sqrt(x) or now(): all are there without import`,
	"", `^(?:import|from)\s+(?:os|sys|subprocess)\b`, `sh("uname -a").out, and args for the script's arguments`,
	"", `^(?:import|from|require|#include|using)\b`, `load("other.star", "name")`,
	"", `^(?:async|await)\b|\bawait\b`, `spawn(fn), and .join() of the task that it returns`,
	"", `^(?:try|except|finally|catch)\b`, `catch(fn, arg).error, which is None if fn(arg) succeeded`,
	"", `^class\b`, `struct(a=1, b=2), or a function that returns a dict`,
	"", `^with\b`, `c = tcp.connect("192.168.69.100:7"), and c.close() at the end`,
	"", `^(?:raise|throw)\b`, `fail("why")`,
	"", `^assert\s`, `assert.eq(got, want), or assert.true(x)`,
	"", `^del\b.*(?:\]\s*\.\s*\w+|\.\w+\)?)$`, `p.replace(tcp=dict(chksum=None)), a changed copy in which the field is unset`,
	"", `^del\b|^delete\b`, `d.pop(key)`,
	"", `^(?:global|nonlocal)\b`, `n = [0] outside the function, and n[0] += 1 inside`,
	"", `\byield\b`, `list.append(x), and return list`,
	"", `^@`, `f = g(f) after the function`,
	"", `^else\s+if\b|^elseif\b|^elsif\b`, `elif x > 0:`,
	"", `^(?:switch|match|case)\b`, `if x == 1: … elif x == 2: …`,
	"", `^(?:do|done|fi|then|esac)\b|^(?:for|while|if)\b.*;\s*(?:do|then)\b`, `for i in range(3): print(i); to use the system's shell, !for i in 1 2 3; do …; done`,
	"", `^for\s*\(`, `for i in range(10):`,
	"", `^(?:func|function|fn|sub|proc)\s+\w`, `def f(x): return x + 1`,
	"", `^(?:let|var|const|auto|int|my|set|local)\s+\w+\s*=`, `x = 1, without a word before it`,
	"", `^(?:export|declare|alias|unset)\s`, `x = 1; the system's shell has !export`,
	"got load, want", `\b(Raw|Padding)\(load\b`, `Raw("data"): load is a word of the language`,
	"not an identifier", `\.load\b`, `p.payload, or getattr(p.raw, "load"): load is a word of the language`,
	"want ':'", `\{[^:{}]*\}`, `set([1, 2]), or a list [1, 2]`,
	"", `^[A-Z_]+=\S*\s+\w`, `sh("…").out, or ! before the line at the prompt, for the system's shell`,
	"'{'", `\)\s*\{|\belse\s*\{`, `a colon instead of the brace, and an indented block`,
	"", `^\}`, `nothing: a block ends where its indentation does`,
	"", `^//|^/\*|^--\s|^;\s*\w+`, `# before a comment`,
	"", segment.String(), segmentText,
	"", `^[+]?\d*\.?\d+\s+(?:connect|write|read|accept|close|socket|bind|listen|setsockopt|fcntl)\(`, `c = tcp.connect("192.168.69.100:7"), sleep("100ms") and c.send("hi")`,
	"", `&&`, `and`,
	"", `\|\|`, `or`,
	"", `(?:\+\+|--)\W*$|^(?:\+\+|--)\w`, `x += 1 or x -= 1`,
	"", `\bis\s+not\b`, `x != None`,
	"got is", `\bis\b`, `x == None`,
	"", `===|!==`, `== or !=`,
	"", `:=`, `x = 1`,
	"", `<>`, `!=`,
	"'**'", `\*\*`, `math.pow(2, 3)`,
	"", `\b[fFrRuU]{0,1}[fF]""`, `"%s of %d" % (name, n), or "{} of {}".format(name, n)`,
	"want ':'", `^(?:if|elif|while)\b[^=]*[^=!<>]=[^=]`, `== to compare`,
	"", `^def\s.*(?:->|\w\s*:\s*\w)`, `def f(x, y):, without types`,
	"", `\?[^:]*:`, `a if x else b`,
	"", `=>|->`, `lambda x: x + 1`,
	"", `[“”‘’«»]`, `" in place of the typographic quotes`,
	"", `^(?:if|elif|else|for|while|def)\b[^:]*$`, `a colon at the end of the line`,
	"", `^print\s*>>`, `print(x)`,
	"", "`|\\$\\(", `sh("uname -a").out`,
	"", `\$\w`, `the name without $`,
	"'?'", `^\?\s*\w`, `help(ping)`,
	"'?'", `^[\w.]+\?$`, `help(ping)`,
	"", `\w\s+>>?\s+\S|\s\|\s+\w+`, `sh("…").out, or ! before the line at the prompt, for the system's shell`,
)

// rules makes rules of triples of an error, an expression and a text.
func rules(list ...string) []rule {
	var out []rule
	for t := range slices.Chunk(list, 3) {
		out = append(out, rule{t[0], regexp.MustCompile(t[1]), t[2]})
	}
	return out
}

// unquoted matches an address, with a port or a prefix length, or a number with a unit. Those are strings in the language.
var unquoted = regexp.MustCompile(`(?i)\b\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?\b|\[[0-9a-f:]*::?[0-9a-f:]*\]:\d+|(?:\b[0-9a-f]{1,4})?(?::[0-9a-f]{0,4}){2,7}(?:%\w+)?(?:/\d+)?|\b\d+(?:\.\d+)?(?:ms|us|s|m|h|d|[kmg]?bit|%)(?:\b|$|[,)])`)

// Access returns what to type instead of an access to a part that a value does not have, about which the interpreter says msg; "" for other errors.
func Access(msg, line string) string {
	if strings.Contains(msg, "field of packet") || strings.Contains(msg, "field of layer") {
		return assigned(line)
	}
	for _, r := range accesses {
		if strings.Contains(msg, r.msg) {
			if m := r.line.FindStringSubmatchIndex(line); m != nil {
				return string(r.line.ExpandString(nil, r.text, line, m))
			}
		}
	}
	return ""
}

// accesses has the rules of Access, whose texts may have parts of the line.
var accesses = rules(
	"unhandled index operation struct[string]", `([\w.]+|\))\["(\w+)"\]`, `.$2, with a dot`,
	"NoneType has no .", `\b(\w+)\.(eth|vlan|arp|ip|ipv6\w*|icmp\w*|igmp|mld\w*|tcp|udp|dns|dhcp|raw)\.\w+`, `$1.$2 is None, as a layer is that the packet does not have: if $1.$2: …`,
	"not in packet", `\b(\w+)\[([A-Z]\w*)\]`, `if $2 in $1: …; $1.layers lists its layers`,
	"which only a pattern may have", `\b(?:send|sr|sr1)\(`, `sr([IP(dst="192.168.69.100", ttl=n)/ICMP() for n in range(1, 6)]): a list of packets, each with one value`,
	"got bytes, want string", `.`, `str(data) in place of the bytes`,
)

// spaced matches a number and the name of a unit of time behind a blank.
var spaced = regexp.MustCompile(`(?i)\b(\d+(?:\.\d+)?) +(?:(m)illi(s)ec(?:ond)?s?|(ms|us|s|m|h)|(s)ec(?:ond)?s?|(m)in(?:ute)?s?|(h)ours?)\b`)

// closed returns a line with a quotation mark, and the parentheses behind it, where its last string does not end.
func closed(line string) string {
	open := strings.IndexAny(literal.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat(" ", len(s)) }), `"'`)
	if open < 0 {
		return ""
	}
	code := literal.ReplaceAllString(line[:open], `""`)
	text := strings.TrimRight(line[open+1:], ")]")
	return line[:open+1] + text + line[open:open+1] + strings.Repeat(")", max(0, strings.Count(code, "(")-strings.Count(code, ")")))
}

// quoted returns a line with quotes around the addresses and quantities that need them; "" if none does.
func quoted(line string) string {
	out, rest := "", line
	changed := false
	for rest != "" {
		text := rest
		if at := literal.FindStringIndex(rest); at != nil {
			text = rest[:at[0]]
			rest = rest[at[0]:]
			n := at[1] - at[0]
			out, changed = quoteAll(out, text, changed)
			out, rest = out+rest[:n], rest[n:]
			continue
		}
		out, changed = quoteAll(out, text, changed)
		rest = ""
	}
	if !changed {
		return ""
	}
	return out
}

func quoteAll(out, text string, changed bool) (string, bool) {
	text = spaced.ReplaceAllString(text, "$1$2$3$4$5$6$7")
	for {
		at := unquoted.FindStringIndex(text)
		if at == nil {
			return out + text, changed
		}
		m := text[at[0]:at[1]]
		tail := ""
		if n := len(m) - 1; m[n] == ',' || m[n] == ')' {
			m, tail = m[:n], m[n:]
		}
		out += text[:at[0]] + `"` + m + `"` + tail
		text, changed = text[at[1]:], true
	}
}

// system returns how to run a command line of the operating system.
func system(line string) string { return fmt.Sprintf("sh(%q).out, or !%s at the prompt", line, line) }

// command returns what to type instead of a command line of the system's shell; "" if the line is none.
func command(line string) string {
	f := strings.Fields(strings.TrimRight(line, "&; "))
	if len(f) == 0 {
		return ""
	}
	if i := slices.IndexFunc(f, func(w string) bool { return w[0] == '|' || w[0] == '>' }); i > 0 && !systems[f[0]] {
		f = f[:i] // a pager or a filter behind a command that has a counterpart here
	}
	name, args := f[0], f[1:]
	if len(args) > 0 && operator.MatchString(args[0]) {
		return ""
	}
	if name == "sudo" && len(args) > 0 {
		if text := command(strings.Join(args, " ")); text != "" {
			return text + " (it needs no sudo)"
		}
		return system(line) + "; the shell itself needs no sudo"
	}
	if fn := commands[name]; fn != nil {
		return fn(parseArgs(args))
	}
	if systems[name] {
		return system(line)
	}
	return ""
}

// renamed returns what to type instead of a command line whose first word has another name here, or is a function here.
func renamed(line string, builtin func(name string) bool) string {
	f := strings.Fields(strings.TrimRight(line, "&; "))
	if len(f) < 2 || operator.MatchString(f[1]) {
		return ""
	}
	text := Word(f[0])
	if !builtin(f[0]) {
		return text
	}
	a := parseArgs(f[1:])
	if len(a.words) == 0 || !wordlike.MatchString(a.words[0]) {
		return f[0] + "()"
	}
	return fmt.Sprintf("%s(%q)", f[0], a.words[0])
}

var wordlike = regexp.MustCompile(`^[\w:][\w.:/%-]*$`)

// arguments are the words and the options of a command line.
type arguments struct {
	line    string // all of them, as they were typed
	words   []string
	options map[string]string // an option, and the word after it
}

// parseArgs takes words apart. The word after an option may be its value, and is one of the words as well.
func parseArgs(list []string) arguments {
	a := arguments{line: strings.Join(list, " "), options: map[string]string{}}
	for i, w := range list {
		if strings.HasPrefix(w, "-") {
			a.options[w] = ""
			if i+1 < len(list) {
				a.options[w] = list[i+1]
			}
			continue
		}
		a.words = append(a.words, strings.Trim(w, `"'`))
	}
	return a
}

// has reports whether one of the options was given.
func (a arguments) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := a.options[n]; return ok })
}

// without returns the words that are not the values of the options.
func (a arguments) without(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(a.words), func(w string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return a.options[n] == w })
	})
}

// last returns the last of the words, or other if there is none.
func last(words []string, other string) string {
	if len(words) == 0 {
		return other
	}
	return words[len(words)-1]
}

// following returns the word after one of the given words, "" if there is none.
func (a arguments) following(names ...string) string {
	for i, w := range a.words[:max(0, len(a.words)-1)] {
		if slices.Contains(names, w) {
			return a.words[i+1]
		}
	}
	return ""
}

// example is the address of the virtual lab's peer and of the private lab's kernel.
const example = "192.168.69.100"

// endpoint returns an address or a name with its port as the language writes it.
func endpoint(host, port string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}
