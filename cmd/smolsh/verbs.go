package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"smolsh/script"
	"smolsh/script/suggest"
)

// verb is one verb of the command line: the function that runs it, and its description for the man page and for
// completion. The verb without a name runs the shell or a script.
type verb struct {
	name, args, doc string

	run     func(o *options, stdout, stderr io.Writer) (status int, err error)
	flagSet func() *pflag.FlagSet // nil if it has no flags
	choices func() []string       // words that its arguments may be, in addition to files; nil for none
	files   bool                  // true if the verb's arguments may be files
}

// verbs is the table of the command line. execute, the man page and completion use it.
func verbs() []verb {
	return []verb{
		{"", "[FILE [ARG…]]", "the shell, or a script with its arguments", (*options).start, shellFlags, nil, true},
		{"doc", "[NAME]", "the reference, or its entry for a name", (*options).doc, docFlags, script.Names, false},
		{"test", "PATH…", "run scenario tests", (*options).test, testFlags, nil, true},
		{"doctor", "[DEVICE…]", "check this machine and its devices, and print the remedies", (*options).doctor, nil, deviceWords, false},
		{"bench", "", "measure smolsh beside its peers", (*options).bench, benchFlags, nil, false},
		{"switch", "PATH", "a switch for hosts of other processes", (*options).serveSwitch, switchFlags, nil, true},
		{"proxy", "[LISTEN=TARGET…]", "carry other programs' TCP and UDP through a lab, with loss, delay and other faults", (*options).serveProxy, proxyFlags, nil, false},
		{"completion", "SHELL", "completion for bash, zsh or fish", (*options).completion, nil, shellWords, false},
		{"help", "[VERB]", "the usage of smolsh, or of a verb", (*options).helpVerb, nil, verbWords, false},
		{"version", "", "print the version", (*options).printVersion, nil, nil, false},
	}
}

// verbNamed returns the verb called name. ok is false if there is none, or name is empty.
func verbNamed(name string) (v verb, ok bool) {
	for _, v := range verbs() {
		if v.name == name && name != "" {
			return v, true
		}
	}
	return v, false
}

// helpVerb prints the usage of smolsh, or of the verb that the argument names. For another name it points to the reference.
func (o *options) helpVerb(stdout, stderr io.Writer) (status int, err error) {
	switch name := strings.Join(o.args, " "); {
	case name == "":
		_, err = io.WriteString(stdout, o.usage())
		return 0, err
	case !slices.Contains(verbWords(), name):
		return 0, usageError("help: there is no verb %q%s; smolsh doc NAME describes a builtin", name, didYouMean(name))
	default:
		return runVerb([]string{name, "--help"}, stdout, stderr)
	}
}

// asksUsage reports whether the arguments of a verb without flags ask for its usage.
func (v verb) asksUsage(o *options) bool {
	return v.flagSet == nil && len(o.args) == 1 && (o.args[0] == "--help" || o.args[0] == "-h")
}

// usage returns the usage of a verb without flags.
func (v verb) usage() string {
	return fmt.Sprintf("usage: %s\n%s\n", strings.TrimSpace("smolsh "+v.name+" "+v.args), v.doc)
}

// printVersion prints the version.
func (o *options) printVersion(stdout, _ io.Writer) (status int, err error) {
	if err := o.noArguments(); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintln(stdout, "smolsh "+version)
	return 0, err
}

// verbWords returns the names of the verbs.
func verbWords() []string {
	return []string{"doc", "test", "doctor", "bench", "switch", "proxy", "completion", "help", "version"}
}

// didYouMean returns a remark that names the verb of which name may be a misspelling, "" if there is none.
func didYouMean(name string) string {
	if verb := suggest.Nearest(name, verbWords()); verb != "" {
		return " (did you mean smolsh " + verb + "?)"
	}
	return ""
}

// flagError returns the error of a set of flags that could not be parsed. verb is the verb's name and a blank, "" for the shell. A flag
// that is not there may be a misspelled one.
func flagError(verb string, f *pflag.FlagSet, err error) error {
	near := ""
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		names := []string{}
		for _, f := range flagsOf(f) {
			names = append(names, f.Name)
		}
		if near = suggest.Nearest(missing.GetSpecifiedName(), names); near != "" {
			near = "did you mean --" + near + "? "
		}
	}
	prefix := ""
	if verb != "" {
		prefix = strings.TrimSpace(verb) + ": "
	}
	return usageError("%s%v (%ssmolsh %s--help lists the flags)", prefix, err, near, verb)
}

// noArguments returns an error if a verb that takes no argument has one.
func (o *options) noArguments() error {
	if len(o.args) > 0 {
		return usageError("%s: it takes no argument, got %q", o.verb, o.args[0])
	}
	return nil
}

// noFile returns the error for a script that can't be opened. A name that looks like no file's may be a misspelled verb.
func (o *options) noFile(err error) error {
	remark := ""
	switch {
	case !errors.Is(err, fs.ErrNotExist):
	case strings.ContainsAny(o.file, "(="):
		remark = " (smolsh -c 'TEXT' runs statements)"
	case !strings.ContainsAny(o.file, "./"):
		if remark = didYouMean(o.file); remark == "" {
			remark = asStatement(strings.Join(append([]string{o.file}, o.args...), " "))
		}
	}
	return usageError("%s: %v%s", o.file, errors.Unwrap(err), remark)
}

// asStatement returns a remark with the statement that does what a command line of another program does, such as "ping 192.168.69.100"; "" if there is none.
func asStatement(line string) string {
	text := suggest.Line("", line, func(name string) bool { return slices.Contains(script.Names(), name) })
	if i := strings.Index(text, "), "); i > 0 { // another statement, or a remark
		text = text[:i+1]
	}
	if text == "" || strings.HasPrefix(text, "sh(") || !strings.HasSuffix(text, ")") || strings.Contains(text, "'") {
		return ""
	}
	return " (smolsh -c '" + text + "')"
}

// flags lists the verb's flags in the order of its usage.
func (v verb) flags() []*pflag.Flag {
	if v.flagSet == nil {
		return nil
	}
	return flagsOf(v.flagSet())
}

// words returns the words that the verb's arguments may be.
func (v verb) words() []string {
	if v.choices == nil {
		return nil
	}
	return v.choices()
}

func shellFlags() *pflag.FlagSet {
	o, _ := parseFlags(nil)
	return o.flags
}

func docFlags() *pflag.FlagSet {
	f := newFlagSet("smolsh doc")
	f.Bool("markdown", false, "write the whole reference to docs/reference.md, or the file that follows; - prints it")
	f.Bool("man", false, "print the man page")
	return f
}

func testFlags() *pflag.FlagSet { return newTestFlags(&testOptions{}, &rawTest{}) }

func benchFlags() *pflag.FlagSet {
	o, _ := parseBench(nil)
	return o.flags
}

func switchFlags() *pflag.FlagSet { return newSwitchOptions().flags }

func deviceWords() []string { return []string{"tap:", "tun:", "raw:", "switch:"} }

func shellWords() []string { return completionShells }

// flagsOf returns the flags of a set in their order, with --help.
func flagsOf(f *pflag.FlagSet) (list []*pflag.Flag) {
	f.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	if f.Lookup("help") == nil {
		list = append(list, &pflag.Flag{Name: "help", Shorthand: "h", Usage: "print the usage", Value: boolValue{}, NoOptDefVal: "true"})
	}
	return list
}

// boolValue is the value of --help, which pflag defines itself.
type boolValue struct{}

func (boolValue) String() string   { return "false" }
func (boolValue) Set(string) error { return nil }
func (boolValue) Type() string     { return "bool" }

// argument returns the name of a flag's argument, "" if there is none, and the flag's usage without quotes.
func argument(f *pflag.Flag) (name, usage string) { return pflag.UnquoteUsage(f) }

// manPage writes the man page, in the macros of man(7).
func manPage(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" made by: smolsh doc --man\n.TH SMOLSH 1 \"\" \"smolsh %s\" \"User Commands\"\n", version)
	b.WriteString(".SH NAME\nsmolsh \\- a scriptable shell that owns a TCP/IP stack\n.SH SYNOPSIS\n")
	all := verbs()
	for _, v := range all {
		flags := "[flags] "
		if len(v.flags()) == 0 {
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
		for _, f := range v.flags() {
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

// roff escapes text, so that roff finds no command in it.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
