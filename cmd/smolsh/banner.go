package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// banner returns the shell's first output: the hosts and their addresses, in columns. Lines are folded to width
// columns; 0 means no folding. That of a virtual lab says when its time passes, and that commands of the system are outside it.
func (l *shellLab) banner(width int) string {
	var rows [][3]string
	for _, i := range l.local.IfaceInfos() {
		where := i.Name
		if l.peer != nil {
			where = "link to peer"
		}
		if len(i.Addrs) == 0 {
			rows = append(rows, [3]string{"you", "listening only", fmt.Sprintf("%s, mtu %d: --addr gives you an address", where, i.MTU)})
		}
		text := fmt.Sprintf("%v   %s, mtu %d", i.MAC, where, i.MTU)
		for _, a := range i.Addrs {
			rows = append(rows, [3]string{"you", a.String(), text})
			text = ""
		}
	}
	for n, a := range l.kernel {
		text := ""
		if n == 0 && len(rows) > 0 {
			us, _, _ := strings.Cut(rows[0][1], "/")
			text = "in a namespace of its own: try !ping -c1 " + us
		}
		rows = append(rows, [3]string{"kernel", a.String(), text})
	}
	if l.peer != nil {
		text := "answers ping, echo (7), http (8000)"
		for _, a := range l.peer.Addrs() {
			rows = append(rows, [3]string{"peer", a.String(), text})
			text = ""
		}
	}
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r[1]))
	}
	var b strings.Builder
	b.WriteString(fold(fmt.Sprintf("smolsh %s   help() for help, Ctrl-D to leave", version), width))
	if l.peer != nil {
		b.WriteString(fold("time stands still while nothing waits; !cmd is in this machine's own network", width))
	}
	if l.why != "" {
		b.WriteString(fold(l.why, width))
	}
	for _, r := range rows {
		b.WriteString(fold(strings.TrimRight(fmt.Sprintf("%-6s  %-*s  %s", r[0], wide, r[1], r[2]), " "), width))
	}
	return b.String()
}

// foldIndent begins the continuation of a folded line.
const foldIndent = "        "

// fold breaks a line at blanks, so that each part has fewer columns than width. A width of 0 means no folding.
func fold(line string, width int) string {
	var b strings.Builder
	for width > 0 && utf8.RuneCountInString(line) > width {
		from := len(line) - len(strings.TrimLeft(line, " "))
		at := strings.LastIndexByte(string([]rune(line)[:width+1]), ' ')
		if at <= from {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = foldIndent + strings.TrimLeft(line[at:], " ")
	}
	return b.String() + line + "\n"
}
