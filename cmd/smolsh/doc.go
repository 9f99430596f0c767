package main

import (
	"fmt"
	"io"
	"os"

	"smolsh/script"
)

// referenceFile is the file that `smolsh doc --markdown` writes, relative to the top of the tree.
const referenceFile = "docs/reference.md"

const docUsage = `usage: smolsh doc [NAME]            list every builtin, or describe NAME
       smolsh doc --markdown [FILE]  write the reference to FILE (default docs/reference.md; - prints it)
       smolsh doc --man              print the man page: smolsh doc --man | man -l -`

// doc implements `smolsh doc`. It prints the reference, which it makes from the registry of builtins.
func (o *options) doc(stdout, _ io.Writer) (status int, err error) {
	return 0, writeDoc(o.args, stdout)
}

func writeDoc(args []string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "--markdown" {
		return docMarkdown(args[1:], stdout)
	}
	if len(args) == 1 && args[0] == "--man" {
		return manPage(stdout)
	}
	if len(args) > 1 || len(args) == 1 && len(args[0]) > 0 && args[0][0] == '-' {
		if args[0] == "--help" || args[0] == "-h" {
			fmt.Fprintln(stdout, docUsage)
			return nil
		}
		if args[0] != "" && args[0][0] == '-' {
			return usageError("doc: unknown flag: %s\n%s", args[0], docUsage)
		}
		return usageError("doc: it takes one name\n%s", docUsage)
	}
	name := ""
	if len(args) == 1 {
		name = args[0]
	}
	text, err := script.Help(name)
	if err != nil {
		return usageError("doc: %v", err)
	}
	fmt.Fprintln(stdout, text)
	return nil
}

func docMarkdown(args []string, stdout io.Writer) error {
	file := referenceFile
	switch {
	case len(args) > 1:
		return usageError("doc: --markdown takes one file\n%s", docUsage)
	case len(args) == 1:
		file = args[0]
	}
	if file == "-" {
		_, err := io.WriteString(stdout, script.Reference())
		return err
	}
	if err := os.WriteFile(file, []byte(script.Reference()), 0o666); err != nil {
		return usageError("doc: %v (--markdown - prints it)", err)
	}
	return nil
}
