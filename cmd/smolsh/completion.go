package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// completionShells are the shells for which `smolsh completion` writes code.
var completionShells = []string{"bash", "zsh", "fish"}

const completionUsage = `usage: smolsh completion bash|zsh|fish

  bash   source <(smolsh completion bash)
  zsh    smolsh completion zsh >"${fpath[1]}/_smolsh", and a new shell
  fish   smolsh completion fish >~/.config/fish/completions/smolsh.fish`

// completion implements `smolsh completion`. It writes the code with which a shell completes smolsh's command line.
func (o *options) completion(stdout, _ io.Writer) (status int, err error) {
	return 0, writeCompletion(o.args, stdout)
}

func writeCompletion(args []string, stdout io.Writer) error {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		_, err := fmt.Fprintln(stdout, completionUsage)
		return err
	}
	switch {
	case len(args) > 1:
		return usageError("completion: it takes one shell, got %q as well\n%s", args[1], completionUsage)
	case len(args) == 1 && !slices.Contains(completionShells, args[0]):
		return usageError("completion: there is none for %s, only for %s\n%s", args[0], list(completionShells), completionUsage)
	}
	if len(args) == 0 {
		return usageError("completion: say for which shell\n%s", completionUsage)
	}
	write := map[string]func(b *strings.Builder){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s completion of smolsh's command line; made by: smolsh completion %[1]s\n", args[0])
	text := &b
	if args[0] == "zsh" {
		b.Reset()
		b.WriteString("#compdef smolsh\n# made by: smolsh completion zsh\n")
	}
	write[args[0]](text)
	_, err := io.WriteString(stdout, b.String())
	return err
}

// candidates returns possible values of a flag's argument. files is true if the argument is a file name.
func candidates(f *pflag.Flag) (words []string, files bool) {
	name, _ := argument(f)
	switch {
	case f.Name == "device":
		return []string{"lab", "sim", "loopback", "tap:", "tun:", "raw:", "switch:"}, false
	case name == "FILE" || name == "DIR":
		return nil, true
	}
	return nil, false
}

// flagNames returns the spellings of a flag, the short one first.
func flagNames(f *pflag.Flag) (list []string) {
	if f.Shorthand != "" {
		list = append(list, "-"+f.Shorthand)
	}
	return append(list, "--"+f.Name)
}

func bashCompletion(b *strings.Builder) {
	all := verbs()
	var named, valued []string
	for _, v := range all {
		if v.name != "" {
			named = append(named, v.name)
		}
	}
	for _, f := range all[0].flags() {
		if name, _ := argument(f); name != "" {
			valued = append(valued, flagNames(f)...)
		}
	}
	fmt.Fprintf(b, `_smolsh() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%s) ((i++)) ;;
		-*) ;;
		%s) verb=${COMP_WORDS[i]}; break ;;
		*) compopt -o default; return ;;
		esac
	done
	case $verb,$prev in
`, strings.Join(valued, " | "), strings.Join(named, " | "))
	for _, v := range all {
		for _, f := range v.flags() {
			if name, _ := argument(f); name == "" {
				continue
			}
			words, files := candidates(f)
			do := "return"
			if files {
				do = "compopt -o default; return"
			} else if len(words) > 0 {
				do = fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, strings.Join(words, " "))
			}
			var at []string
			for _, n := range flagNames(f) {
				at = append(at, v.name+","+n)
			}
			fmt.Fprintf(b, "\t%s) %s ;;\n", strings.Join(at, " | "), do)
		}
	}
	b.WriteString("\tesac\n\tcase $verb in\n")
	for _, v := range all {
		var flags []string
		for _, f := range v.flags() {
			flags = append(flags, "--"+f.Name)
		}
		words := v.words()
		if v.name == "" {
			words = named
		}
		pattern := v.name
		if pattern == "" {
			pattern = "''"
		}
		fmt.Fprintf(b, "\t%s)\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n\t\telse\n\t\t\tCOMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n",
			pattern, strings.Join(flags, " "), strings.Join(words, " "))
		if v.files {
			b.WriteString("\t\t\t[[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default\n")
		}
		b.WriteString("\t\tfi ;;\n")
	}
	b.WriteString("\tesac\n}\ncomplete -F _smolsh smolsh\n")
}

func zshCompletion(b *strings.Builder) {
	text := func(s string) string {
		return strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(s)
	}
	specs := func(v verb) {
		for _, f := range v.flags() {
			name, usage := argument(f)
			end := ""
			if name != "" {
				words, files := candidates(f)
				end = ":" + text(name) + ": "
				if files {
					end = ":" + text(name) + ":_files"
				} else if len(words) > 0 {
					end = ":" + text(name) + ":(" + strings.ReplaceAll(strings.Join(words, " "), ":", `\:`) + ")"
				}
			}
			for _, n := range flagNames(f) {
				if name != "" && strings.HasPrefix(n, "--") {
					n += "="
				}
				fmt.Fprintf(b, " \\\n\t\t'*%s[%s]%s'", n, text(usage), end)
			}
		}
	}
	all := verbs()
	b.WriteString("_smolsh() {\n\tlocal curcontext=$curcontext state line\n\ttypeset -A opt_args\n\t_arguments -C")
	specs(all[0])
	b.WriteString(" \\\n\t\t'1: :->verb' '*:: :->rest'\n\tcase $state in\n\tverb)\n\t\tlocal -a verbs=(")
	for _, v := range all[1:] {
		fmt.Fprintf(b, " '%s:%s'", v.name, strings.ReplaceAll(v.doc, "'", `'\''`))
	}
	b.WriteString(")\n\t\t_describe verb verbs\n\t\t_files -g '*.star' ;;\n\trest)\n\t\tcase $line[1] in\n")
	for _, v := range all[1:] {
		fmt.Fprintf(b, "\t\t%s)\n\t\t_arguments", v.name)
		specs(v)
		switch {
		case len(v.words()) > 0:
			fmt.Fprintf(b, " '*:%s:(%s)' ;;\n", "argument", strings.ReplaceAll(strings.Join(v.words(), " "), ":", `\:`))
		case v.files:
			b.WriteString(" '*:path:_files' ;;\n")
		default:
			b.WriteString(" ;;\n")
		}
	}
	b.WriteString("\t\t*) _files ;;\n\t\tesac ;;\n\tesac\n}\n" +
		"[ \"$funcstack[1]\" = _smolsh ] && _smolsh \"$@\" || compdef _smolsh smolsh\n")
}

func fishCompletion(b *strings.Builder) {
	text := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	for _, v := range verbs() {
		when := "__fish_use_subcommand"
		if v.name != "" {
			when = "__fish_seen_subcommand_from " + v.name
			fmt.Fprintf(b, "complete -c smolsh -n __fish_use_subcommand -a %s -d %s\n", v.name, text(v.doc))
		}
		if len(v.words()) > 0 || v.name != "" && !v.files {
			fmt.Fprintf(b, "complete -c smolsh -n %s -f -a %s\n", text(when), text(strings.Join(v.words(), " ")))
		}
		for _, f := range v.flags() {
			name, usage := argument(f)
			line := fmt.Sprintf("complete -c smolsh -n %s -l %s -d %s", text(when), f.Name, text(usage))
			if f.Shorthand != "" {
				line += " -s " + f.Shorthand
			}
			if name != "" {
				words, files := candidates(f)
				if line += " -r"; !files {
					line += " -f"
				}
				if len(words) > 0 {
					line += " -a " + text(strings.Join(words, " "))
				}
			}
			b.WriteString(line + "\n")
		}
	}
}
