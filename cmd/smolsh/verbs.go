package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"smolsh/script"
)

// verb is a verb of the command line, as the man page and the shells' completions describe it. The one without
// a name is the shell and scripts.
type verb struct {
	name, args, doc string
	flags           []*pflag.Flag
	words           []string // what its arguments may be, beside files
	files           bool
}

// verbs is the definition of the command line that the program itself parses with, written down.
func verbs() []verb {
	root, _ := parseFlags(nil)
	bench, _ := parseBench(nil)
	test := newTestFlags(&testOptions{}, &rawTest{})
	doc := pflag.NewFlagSet("smolsh doc", pflag.ContinueOnError)
	doc.Bool("markdown", false, "write the whole reference to docs/reference.md, or the file that follows; - prints it")
	doc.Bool("man", false, "print the man page")
	return []verb{
		{"", "[FILE [ARG…]]", "the shell, or a script with its arguments", flagsOf(root.flags), nil, true},
		{"doc", "[NAME]", "the reference, or what it says of a name", flagsOf(doc), script.Names(), false},
		{"test", "PATH…", "run scenario tests", flagsOf(test), nil, true},
		{"doctor", "[DEVICE…]", "what this machine allows, and what mends it", nil, []string{"tap:", "tun:", "raw:", "switch:"}, false},
		{"bench", "", "figures, beside the peers'", flagsOf(bench.flags), nil, false},
		{"switch", "PATH", "a switch for hosts of other processes", flagsOf(newSwitchOptions().flags), nil, true},
		{"completion", "SHELL", "completion for bash, zsh or fish", nil, completionShells, false},
	}
}

func flagsOf(f *pflag.FlagSet) (list []*pflag.Flag) {
	f.SortFlags = false
	f.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	if f.Lookup("help") == nil {
		list = append(list, &pflag.Flag{Name: "help", Shorthand: "h", Usage: "say how it is used", Value: boolValue{}, NoOptDefVal: "true"})
	}
	return list
}

// boolValue stands for the flag that pflag knows by itself.
type boolValue struct{}

func (boolValue) String() string   { return "false" }
func (boolValue) Set(string) error { return nil }
func (boolValue) Type() string     { return "bool" }

// argument is the name of what a flag takes, "" where it takes nothing, and its usage without quotes.
func argument(f *pflag.Flag) (name, usage string) { return pflag.UnquoteUsage(f) }

// manPage writes the man page, in the macros of man(7).
func manPage(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" made by: smolsh doc --man\n.TH SMOLSH 1 \"\" \"smolsh %s\" \"User Commands\"\n", version)
	b.WriteString(".SH NAME\nsmolsh \\- a scriptable shell that owns a TCP/IP stack\n.SH SYNOPSIS\n")
	all := verbs()
	for _, v := range all {
		flags := "[flags] "
		if len(v.flags) == 0 {
			flags = ""
		}
		fmt.Fprintf(&b, ".B smolsh%s\n%s\n.br\n", strings.TrimRight(" "+v.name, " "), roff(strings.TrimSpace(flags+v.args)))
	}
	fmt.Fprintf(&b, ".B smolsh\n[flags] \\-c TEXT [ARG…]\n.SH DESCRIPTION\n%s\n", roff(
		"What is typed and what a script says is Starlark, a small deterministic Python; what it talks about is a host that lives in "+
			"this process: its addresses, neighbours, sockets and packets. The host stands on a TAP device in a network namespace of its own, "+
			"where the kernel is its neighbour, on a device of the machine, or in a virtual lab, where time is simulated and a seed repeats a "+
			"run octet for octet. help() at the prompt, or smolsh doc, is the reference of the language."))
	for _, v := range all {
		if v.name == "" {
			b.WriteString(".SH FLAGS\nThey stand before FILE or the verb.\n")
		} else {
			fmt.Fprintf(&b, ".SH %s\n.B smolsh %s\n%s\n.PP\n%s.\n", strings.ToUpper(v.name), v.name, roff(v.args), roff(v.doc))
		}
		for _, f := range v.flags {
			manFlag(&b, f)
		}
		if v.name == "test" {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(strings.Join(strings.Fields(strings.Split(testNotes, "Exit status")[0]), " ")))
		}
	}
	b.WriteString(".SH EXIT STATUS\n" +
		".TP\n0\nall went well\n.TP\n1\na script or a test failed\n.TP\n2\nwrong usage, or no test found\n" +
		".TP\n3\nthe device or the privileges are not there\n.TP\n130\nafter Ctrl-C\n")
	b.WriteString(".SH ENVIRONMENT\n.TP\nNO_COLOR\nno colours at the prompt, whatever its value\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func manFlag(b *strings.Builder, f *pflag.Flag) {
	name, usage := argument(f)
	text := "\\-\\-" + roff(f.Name)
	if f.Shorthand != "" {
		text = "\\-" + f.Shorthand + ", " + text
	}
	fmt.Fprintf(b, ".TP\n.B %s", text)
	if name != "" {
		fmt.Fprintf(b, " \\fI%s\\fR", roff(name))
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" && f.Name != "jobs" && !strings.Contains(usage, "default") {
		value := f.DefValue
		if d, err := time.ParseDuration(value); err == nil {
			value = d.String()
		}
		usage += " (default " + value + ")"
	}
	fmt.Fprintf(b, "\n%s\n", roff(usage))
}

// roff is text as roff takes it for text.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
