// Package screen fits text to the width of a terminal. Widths are in cells: a Chinese character occupies two, a combining
// accent none.
package screen

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// cells measures text in the same way wherever the program runs, whatever the language of the user.
var cells = &runewidth.Condition{StrictEmojiNeutral: true}

// Width returns the number of cells that a line of text occupies. Control sequences for colours occupy none.
func Width(text string) int {
	n := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == 0x1b:
			return Width(text[:i]) + Width(afterSequence(text[i:]))
		case c >= 0x80:
			if before, after, ok := strings.Cut(text[i:], "\x1b"); ok {
				return n + cells.StringWidth(before) + Width("\x1b"+after)
			}
			return n + cells.StringWidth(text[i:])
		case c >= ' ' && c != 0x7f:
			n++
		}
	}
	return n
}

// afterSequence returns the text after the control sequence for a colour that it begins with (ECMA-48 SGR).
func afterSequence(text string) string {
	if !strings.HasPrefix(text, "\x1b[") {
		return text[1:]
	}
	rest := strings.TrimLeft(text[2:], "0123456789;")
	return strings.TrimPrefix(rest, "m")
}

// Pad returns the text with blanks after it, so that it occupies width cells. A text that is wider is returned unchanged.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-Width(text)))
}

// Lines divides a line of text at its blanks: the first part occupies at most first cells, each later one at most rest. A
// word that is wider than that is divided after its commas, and if it has none it is a line of its own that is too wide. The blanks
// at which the text is divided are omitted.
func Lines(text string, first, rest int) []string {
	var out []string
	line, used, room := "", 0, first
	add := func(blanks, word string) {
		n := Width(word)
		if line != "" && used+len(blanks)+n > room {
			out = append(out, line)
			line, used, room = "", 0, rest
			blanks = ""
		}
		line += blanks + word
		used += len(blanks) + n
	}
	for text != "" {
		word := strings.TrimLeft(text, " ")
		blanks := text[:len(text)-len(word)]
		if word == "" { // blanks at the end
			break
		}
		text = ""
		if i := strings.IndexByte(word, ' '); i >= 0 {
			word, text = word[:i], word[i:]
		}
		if Width(word) <= rest {
			add(blanks, word)
			continue
		}
		for part := range strings.SplitAfterSeq(word, ",") {
			add(blanks, part)
			blanks = ""
		}
	}
	return append(out, line)
}

// Fold folds the lines of a text at blanks to a width. Later parts of a line are indented by hang cells more than the line.
// A width of 0 means that there is no terminal, and leaves the text as it is.
func Fold(text string, width, hang int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if Width(line) <= width {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		lines[i] = Hang(line[:indent], line[indent:], width, indent+hang)
	}
	return strings.Join(lines, "\n")
}

// Hang returns head and the text after it, folded at blanks to a width. Later lines are indented by indent cells, and by at
// most half of the width. A width of 0 means that there is no terminal, and no folding.
func Hang(head, text string, width, indent int) string {
	if width <= 0 {
		return head + text
	}
	indent = min(indent, width/2)
	return head + strings.Join(Lines(text, width-Width(head), width-indent), "\n"+strings.Repeat(" ", indent))
}

// A Writer writes to a terminal what it gets, folded.
type Writer struct {
	To    io.Writer
	Width func() int // the terminal's width, 0 if it is not known
	Hang  int        // indentation of later parts of a line
}

// Write implements io.Writer; p is a whole message.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.To, Fold(string(p), w.Width(), w.Hang)); err != nil {
		return 0, err
	}
	return len(p), nil
}
