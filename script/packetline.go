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

// width returns the number of cells that the line occupies at least.
func (l *packetLine) width() int {
	n := screen.Width(l.head(uncoloured)) + screen.Width(l.what)
	if l.verdict != "" {
		n += 2 + screen.Width(l.verdict)
	}
	return n
}

// omissible are the parts of a description that a narrow terminal does without, the first one first.
var omissible = []*regexp.Regexp{
	regexp.MustCompile(`, length \d+`),
	regexp.MustCompile(`, options \[[^\]]*\]`),
	regexp.MustCompile(`, win \d+`),
	regexp.MustCompile(`\bHBH |, \d+ group record\(s\)`),
	regexp.MustCompile(`\bFlags\b `),
}

// pairs matches the names of numbers and addresses, from which these are not divided.
var pairs = regexp.MustCompile(`\b(seq|ack|id|tgt|who|win|length|mtu|tell|who-has|is-at|is|has) `)

// tied stands for a blank at which a line is not folded.
const tied = "\u00a0"

// shorten omits the interface and parts of the description until the line fits into width cells.
func (l *packetLine) shorten(width int) {
	if l.width() > width {
		l.dev = ""
	}
	for _, part := range omissible {
		if l.width() <= width {
			return
		}
		l.what = part.ReplaceAllString(l.what, "")
	}
}

// line formats a packet's line. The verdict stands in its column. On a terminal that is too narrow, the line loses parts, and then goes
// on below, but the verdict always ends it.
func (s *Session) line(l packetLine) string {
	for _, text := range []*string{&l.at, &l.host, &l.dev, &l.what, &l.verdict} {
		*text = s.clean(*text) // of a file they may be anybody's words
	}
	width := int(s.watching.width.Load())
	whats := []string{l.what}
	if width > 0 {
		l.shorten(width)
		whats = screen.Lines(pairs.ReplaceAllString(l.what, "${1}"+tied), width-screen.Width(l.head(uncoloured)), width-hang)
		for i := range whats {
			whats[i] = strings.ReplaceAll(whats[i], tied, " ")
		}
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
