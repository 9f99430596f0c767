package repl

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// emulator is the part of a terminal that the shell and readline use. It has no bottom: lines do not scroll away.
type emulator struct {
	width    int
	lines    [][]rune
	row, col int
	wrap     bool   // true if the last column was written, so that the next rune goes to the next line
	rest     []byte // an incomplete sequence or rune
}

func newEmulator(width int) *emulator { return &emulator{width: width, lines: [][]rune{nil}} }

func (e *emulator) text() string {
	var out []string
	for _, l := range e.lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	for len(out) > e.row+1 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return strings.Join(out, "\n")
}

// forget removes the lines above the line of the cursor.
func (e *emulator) forget() {
	e.lines = e.lines[e.row:]
	e.row = 0
}

func (e *emulator) write(p []byte) {
	e.rest = append(e.rest, p...)
	for len(e.rest) > 0 {
		n := e.one(e.rest)
		if n == 0 {
			return
		}
		e.rest = e.rest[n:]
	}
}

// one processes a character or sequence and returns its length, 0 if it is incomplete.
func (e *emulator) one(p []byte) int {
	switch p[0] {
	case '\r':
		e.col, e.wrap = 0, false
	case '\n':
		e.down()
	case '\b':
		e.col, e.wrap = max(0, e.col-1), false
	case 7:
	case 0x1b:
		return e.sequence(p)
	default:
		if !utf8.FullRune(p) {
			return 0
		}
		r, n := utf8.DecodeRune(p)
		e.put(r)
		return n
	}
	return 1
}

func (e *emulator) down() {
	e.wrap = false
	if e.row++; e.row == len(e.lines) {
		e.lines = append(e.lines, nil)
	}
}

func (e *emulator) put(r rune) {
	if e.wrap {
		e.down()
		e.col = 0
	}
	l := e.lines[e.row]
	for len(l) <= e.col {
		l = append(l, ' ')
	}
	l[e.col] = r
	e.lines[e.row] = l
	if e.col++; e.col == e.width {
		e.col, e.wrap = e.width-1, true
	}
}

func (e *emulator) sequence(p []byte) int {
	i := 2
	for i < len(p) && (p[i] < 0x40 || p[i] > 0x7e) {
		i++
	}
	if i >= len(p) {
		return 0
	}
	arg := string(p[2:i])
	n, err := strconv.Atoi(arg)
	if err != nil {
		n = 1
	}
	l := e.lines[e.row]
	switch p[i] {
	case 'A':
		e.row, e.wrap = max(0, e.row-n), false
	case 'C':
		e.col, e.wrap = min(e.width-1, e.col+n), false
	case 'J', 'K':
		switch {
		case arg == "2":
			l = nil
		case e.col < len(l):
			l = l[:e.col]
		}
		e.lines[e.row] = l
		if p[i] == 'J' {
			e.lines = e.lines[:e.row+1]
		}
	case 'm', 'h', 'l', 'H':
	default:
		panic("the emulator does not know ESC " + string(p[1:i+1]))
	}
	return i + 1
}

func TestEmulator(t *testing.T) {
	e := newEmulator(10)
	e.write([]byte("abc\r\n0123456789xy\b\b\x1b[A\r\x1b[2CZ\x1b[K\x1b[1mé"))
	if got, want := e.text(), "abc\n01Zé\nxy"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.write([]byte("\x1b[J\r\nlast"))
	if got, want := e.text(), "abc\n01Zé\nlast"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
