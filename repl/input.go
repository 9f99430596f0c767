package repl

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/chzyer/readline"
)

// Runes of a private plane stand for events that readline does not support. The keyboard can't send them, since input
// replaces them.
const (
	runeRedraw  rune = 0x10F000 + iota // output must be shown, or the terminal has a new width
	runePaste                          // a pasted block, or many characters that arrive at once
	runeTab                            // a pasted tab
	runeNewline                        // the end of a line within a block
	runeDelete                         // the delete key, which is not Ctrl-D
	runeSuspend                        // Ctrl-Z
	runeLast
)

// input is the reader that readline uses instead of the terminal. It delivers whole keys, at most one line at a time.
// While no line is wanted it delivers none, so that a command can read the terminal itself. It collects the text of a
// bracketed paste, and lets other goroutines wake readline up.
type input struct {
	terminal *os.File
	wake     [2]*os.File // a pipe that wakes Read up
	//lint:ignore U1000 other systems need it
	reading

	mu      sync.Mutex
	raw     []byte   // octets read and not interpreted yet
	out     []byte   // octets interpreted and not delivered yet
	pasting bool     // true while raw is within the brackets of a paste
	scanned int      // number of octets of raw that don't contain the beginning of the closing bracket
	search  bool     // true while readline searches its history, which takes single keys only
	pastes  []string // text for each runePaste that readline has not processed
	open    bool     // true while a line is wanted
	redraw  bool
	closed  bool
	ended   bool // true after the terminal has reported its end
}

// The terminal's brackets around pasted text, and the sequences that switch them on and off.
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
)

// burst is the number of characters from which readline gets them as one text. It draws the whole line for each key.
const burst = 16

// escapeWait is the time to wait, after an Esc, for the rest of a key's sequence. After it the key counts as Esc.
const escapeWait = 50 * time.Millisecond

func newInput(f *os.File) (*input, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &input{terminal: f, wake: [2]*os.File{r, w}}, nil
}

// set changes the state and wakes Read up.
func (in *input) set(change func()) {
	in.mu.Lock()
	change()
	in.mu.Unlock()
	in.wake[1].Write([]byte{0})
}

func (in *input) want(open bool) { in.set(func() { in.open = open }) }
func (in *input) poke()          { in.set(func() { in.redraw = true }) }

// stop makes Read return io.EOF from now on.
func (in *input) stop() { in.set(func() { in.closed = true }) }

// Close implements io.Closer; the terminal stays open.
func (in *input) Close() error {
	in.stop()
	return nil
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	for {
		n, err := in.deliver(p)
		if n > 0 || err != nil {
			return n, err
		}
		in.wait()
	}
}

func (in *input) deliver(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.closed:
		return 0, io.EOF
	case !in.open:
		return 0, nil
	case len(in.out) > 0:
		n := copy(p, in.out)
		if i := bytes.IndexAny(in.out[:n], "\r\n"); i >= 0 {
			n = i + 1
			in.open = false
		}
		in.out = in.out[n:]
		return n, nil
	case in.redraw:
		in.redraw = false
		return utf8.EncodeRune(p, runeRedraw), nil
	case in.ended:
		return 0, io.EOF
	}
	return 0, nil
}

// wait waits until there are octets to deliver, or the state has changed.
func (in *input) wait() {
	in.mu.Lock()
	open, timeout := in.open && !in.ended, -1
	if len(in.raw) > 0 && !in.pasting {
		timeout = int(escapeWait / time.Millisecond)
	}
	in.mu.Unlock()
	got, late := in.read(open, timeout)
	in.mu.Lock()
	if late {
		in.raw = in.raw[1:]
	}
	in.raw = append(in.raw, got...)
	in.understand()
	in.mu.Unlock()
}

// understand moves whole keys from raw to out, translated.
func (in *input) understand() {
	for len(in.raw) > 0 {
		n := 0
		switch c := in.raw[0]; {
		case in.pasting:
			n = in.paste()
		case c == 0x1b:
			n = in.escape()
		case c < 0x20 || c == 0x7f:
			in.control(c)
			n = 1
		case utf8.FullRune(in.raw):
			n = in.characters()
		}
		if n == 0 {
			return
		}
		in.raw = in.raw[n:]
	}
}

// characters moves the characters at the beginning of raw, and returns the number of their octets.
func (in *input) characters() int {
	n, count := 0, 0
	for n < len(in.raw) && in.raw[n] >= 0x20 && in.raw[n] != 0x7f && utf8.FullRune(in.raw[n:]) {
		_, size := utf8.DecodeRune(in.raw[n:])
		n += size
		count++
	}
	text := pasted(string(in.raw[:n]))
	if count < burst || in.search {
		in.out = append(in.out, text...)
	} else {
		in.text(text)
	}
	return n
}

// text hands text to readline at once.
func (in *input) text(text string) {
	in.pastes = append(in.pastes, text)
	in.out = utf8.AppendRune(in.out, runePaste)
}

// pending reports whether more input has arrived.
func (in *input) pending() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.out)+len(in.raw) > 0 {
		return true
	}
	return in.ready()
}

// forget drops the texts that readline has not asked for, though it has got their keys.
func (in *input) forget() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if ahead := bytes.Count(in.out, []byte(string(runePaste))); ahead < len(in.pastes) {
		in.pastes = in.pastes[len(in.pastes)-ahead:]
	}
}

// control passes on the control characters that readline supports. It drops others: readline would interpret NUL as the
// end of the input, and insert the rest.
func (in *input) control(c byte) {
	in.search = c == readline.CharBckSearch || c == readline.CharFwdSearch || in.search && c == readline.CharBackspace
	switch c {
	case 0, 15, 17, 22, 24, 28, 29, 30, 31:
	case 26:
		in.out = utf8.AppendRune(in.out, runeSuspend)
	default:
		in.out = append(in.out, c)
	}
}

// keys maps key sequences to those that readline supports.
var keys = map[string]string{
	"\x1b[A": "\x10", "\x1b[B": "\x0e", "\x1b[C": "\x06", "\x1b[D": "\x02", "\x1b[H": "\x01", "\x1b[F": "\x05",
	"\x1bOA": "\x10", "\x1bOB": "\x0e", "\x1bOC": "\x06", "\x1bOD": "\x02", "\x1bOH": "\x01", "\x1bOF": "\x05",
	"\x1b[1~": "\x01", "\x1b[7~": "\x01", "\x1b[4~": "\x05", "\x1b[8~": "\x05", "\x1b[3~": string(runeDelete),
	"\x1b[1;5C": "\x1bf", "\x1b[1;3C": "\x1bf", "\x1b[1;5D": "\x1bb", "\x1b[1;3D": "\x1bb",
	"\x1bb": "\x1bb", "\x1bf": "\x1bf", "\x1bd": "\x1bd", "\x1b\x7f": "\x1b\x7f",
}

// escape interprets the sequence at the beginning of raw and returns its length, 0 if it is incomplete.
func (in *input) escape() int {
	n := 2
	switch {
	case len(in.raw) < 2:
		return 0
	case in.raw[1] == '[':
		for n < len(in.raw) && (in.raw[n] < 0x40 || in.raw[n] > 0x7e) {
			n++
		}
		n++
	case in.raw[1] == 'O':
		n = 3
	}
	if n > len(in.raw) {
		return 0
	}
	seq := string(in.raw[:n])
	if seq == pasteBegin {
		in.pasting = true
	}
	in.out = append(in.out, keys[seq]...)
	return n
}

// paste consumes the pasted text if the closing bracket has arrived, and returns the length of the text and the
// bracket.
func (in *input) paste() int {
	i := bytes.Index(in.raw[in.scanned:], []byte(pasteEnd))
	if i < 0 {
		in.scanned = max(0, len(in.raw)-len(pasteEnd)+1)
		return 0
	}
	i += in.scanned
	in.pasting, in.scanned = false, 0
	text := pasted(string(in.raw[:i]))
	switch {
	case strings.Contains(text, "\n"):
		in.text(text)
		in.out = append(in.out, '\r')
	case len(text) >= burst && !in.search:
		in.text(text)
	default:
		in.out = append(in.out, strings.ReplaceAll(text, "\t", string(runeTab))...)
	}
	return i + len(pasteEnd)
}

// pasted returns text with
// as line ends, and without control characters.
func pasted(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return r
		case r < 0x20 || r == 0x7f:
			return -1
		case r >= runeRedraw && r < runeLast:
			return utf8.RuneError
		}
		return r
	}, text)
}

// block removes and returns the next pasted block.
func (in *input) block() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.pastes) == 0 {
		return ""
	}
	text := in.pastes[0]
	in.pastes = in.pastes[1:]
	return text
}
