package script

import (
	"regexp"
	"strings"

	"smolsh/script/screen"
)

// verdictColumn is the column in which verdicts begin. On a narrow terminal verdicts begin further left, so that
// verdictRoom columns are left for them.
const (
	verdictColumn = 120
	verdictRoom   = 30
)

// hang is the indentation of a line of a packet, a builtin or an error where it goes on below.
const hang = 4

// A packetLine is the line that describes a packet.
type packetLine struct {
	at      string // when the packet was seen
	host    string // prefix of the device's name, which identifies the host; "" for the session's own
	dev     string // name of the interface
	alone   bool   // true if the interface is the only one that dev can be
	arrow   string // direction
	what    string // description of the packet
	hue     hue    // colour of the description
	verdict string // what became of the packet
}

// where returns the text in front of the arrow.
func (l *packetLine) where() string {
	return strings.Join(strings.Fields(l.at+" "+strings.TrimSuffix(l.host+l.dev, ".")), " ")
}

// head returns the text in front of the description, in which paint colours the arrow.
func (l *packetLine) head(paint func(hue, string) string) string {
	where, arrow := l.where(), l.arrow
	if where == "" {
		arrow = strings.TrimLeft(arrow, " ")
	}
	var parts []string
	if where != "" {
		parts = append(parts, where)
	}
	if arrow != "" {
		parts = append(parts, paint(directionHue(arrow), arrow))
	}
	return strings.Join(append(parts, ""), " ")
}

// uncoloured returns the text as it is.
func uncoloured(_ hue, text string) string { return text }

// wideLine is the width from which a line has its parts that say nothing.
const wideLine = 160

// silent are the parts of a description that narrower terminals do without, since they say nothing: the length of a segment without
// data, and the word before its flags.
var silent = []struct {
	part *regexp.Regexp
	less string
}{
	{regexp.MustCompile(`(Flags \[.*), length 0$`), "$1"},
	{regexp.MustCompile(`\bFlags \[`), "["},
}

// pairs matches the names of numbers and addresses, from which these are not divided.
var pairs = regexp.MustCompile(`\b(seq|ack|id|tgt|who|win|length|mtu|tell|who-has|is-at|is|has) `)

// optionList matches the options of a segment.
var optionList = regexp.MustCompile(`\boptions [^\]]*\]`)

// tied stands for a blank at which a line is not folded.
const tied = "\u00a0"

// shorten omits what says nothing on a terminal that is narrower than wideLine: the interface of a host that has no other, and silent parts
// of the description. Every line at one width is shortened alike, whatever its length.
func (l *packetLine) shorten(width int) {
	if width >= wideLine {
		return
	}
	if l.alone {
		l.dev = ""
	}
	for _, p := range silent {
		l.what = p.part.ReplaceAllString(l.what, p.less)
	}
}

// folded returns the parts of the description, each of which has a line of a terminal. The options of a segment stay together.
func (l *packetLine) folded(width int) []string {
	what := pairs.ReplaceAllString(l.what, "${1}"+tied)
	what = strings.ReplaceAll(what, " group record(s)", tied+"group"+tied+"record(s)")
	what = optionList.ReplaceAllStringFunc(what, func(list string) string { return strings.ReplaceAll(list, " ", tied) })
	parts := screen.Lines(what, width-screen.Width(l.head(uncoloured)), width-hang)
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], tied, " ")
	}
	return parts
}

// line formats a packet's line. The verdict stands in its column. On a terminal that is too narrow, the line goes on below, and the
// verdict ends it.
func (s *Session) line(l packetLine) string {
	for _, text := range []*string{&l.at, &l.host, &l.dev, &l.what, &l.verdict} {
		*text = s.clean(*text) // of a file they may be anybody's words
	}
	width := int(s.watching.width.Load())
	whats := []string{l.what}
	if width > 0 {
		l.shorten(width)
		whats = l.folded(width)
	}
	indent := strings.Repeat(" ", hang)
	text := l.head(s.paint)
	used := screen.Width(l.head(uncoloured))
	for i, what := range whats {
		if i > 0 {
			text += "\n" + indent
			used = hang
		}
		text += s.paint(l.hue, what)
		used += screen.Width(what)
	}
	if l.verdict == "" {
		return text
	}
	room := width - used - screen.Width(l.verdict)
	if width > 0 && room < 2 {
		for _, part := range screen.Lines(l.verdict, width-hang, width-hang) {
			text += "\n" + indent + s.paint(verdictHue(l.verdict), part)
		}
		return text
	}
	pad := max(2, int(s.watching.verdictAt.Load())-used)
	if width > 0 {
		pad = min(pad, room)
	}
	return text + strings.Repeat(" ", pad) + s.paint(verdictHue(l.verdict), l.verdict)
}
