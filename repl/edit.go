package repl

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/chzyer/readline"
	"github.com/fatih/color"
)

// editor is readline, extended by features that it lacks. readline's own goroutine calls all methods except line, and
// does nothing else meanwhile.
type editor struct {
	sh      *Shell
	in      *input
	rl      *readline.Instance
	onWidth func() // tells readline about a new width
	resized atomic.Bool
	opening atomic.Int32 // event before which no key is delivered: openAtPaint, openAtWrite; 0 for none
	prompt  string
	before  string       // earlier lines of the statement
	typed   atomic.Int32 // number of runes in the line
	block   string       // pasted text after the end of the first line
	stale   bool         // true if the history has entries that readline does not know yet; it gets them when no input waits
}

func newEditor(sh *Shell) (*editor, error) {
	in, err := newInput(sh.cfg.Stdin)
	if err != nil {
		return nil, err
	}
	e := &editor{sh: sh, in: in}
	raw := &rawMode{fd: int(sh.cfg.Stdin.Fd()), then: func() { sh.s.Begin() }}
	e.rl, err = readline.NewEx(&readline.Config{
		Stdin: in, Stdout: shownWriter{e}, Stderr: sh.cfg.Stdout,
		InterruptPrompt: "^C", EOFPrompt: "^D", HistoryLimit: maxEntries + 1, DisableAutoSaveHistory: true, HistorySearchFold: true,
		AutoComplete: e, Listener: e, Painter: e,
		FuncGetWidth:        sh.width,
		FuncIsTerminal:      func() bool { return true },
		FuncMakeRaw:         raw.enter,
		FuncExitRaw:         raw.exit,
		FuncOnWidthChanged:  func(f func()) { e.onWidth = f },
		FuncFilterInputRune: e.filter,
	})
	if err != nil {
		return nil, err
	}
	sh.screen.wake = in.poke
	e.setHistory()
	return e, nil
}

// readline's loop handles keys while the caller of Readline still shows the prompt. Both use the line, and the loop
// clears it without readline's lock. So input delivers no key before the prompt has been painted and written.
const (
	openAtPaint = 1 + iota
	openAtWrite
)

// shownWriter is the terminal to which readline writes.
type shownWriter struct{ e *editor }

func (w shownWriter) Write(p []byte) (int, error) {
	n, err := w.e.sh.cfg.Stdout.Write(p)
	if w.e.opening.CompareAndSwap(openAtWrite, 0) {
		w.e.in.want(true)
	}
	return n, err
}

func (e *editor) close() {
	e.in.stop()
	e.rl.Close()
}

// setHistory replaces all of readline's entries. readline itself would keep an older entry instead of its edited form.
func (e *editor) setHistory() {
	e.stale = false
	e.rl.ResetHistory()
	for _, entry := range e.sh.history.entries {
		e.rl.SaveHistory(toRunes.Replace(entry))
	}
}

var (
	toRunes   = strings.NewReplacer("\n", string(runeNewline), "\t", string(runeTab))
	fromRunes = strings.NewReplacer(string(runeNewline), "\n", string(runeTab), "\t", string(runePaste), "")
)

// line reads a line, which initially contains begin. block is pasted text after the end of the first line.
func (e *editor) line(prompt, begin, before string) (line, block string, err error) {
	e.prompt, e.before, e.block = prompt, before, ""
	e.typed.Store(int32(utf8.RuneCountInString(begin)))
	if e.stale && !e.in.pending() {
		e.setHistory()
	}
	e.in.forget()
	e.sh.screen.begin()
	io.WriteString(e.sh.cfg.Stdout, pasteOn)
	e.rl.SetPrompt(prompt)
	if begin != "" {
		e.rl.Operation.SetBuffer(toRunes.Replace(begin))
	}
	e.opening.Store(openAtPaint)
	line, err = e.rl.Readline()
	e.opening.Store(0)
	e.in.want(false)
	io.WriteString(e.sh.cfg.Stdout, pasteOff)
	e.sh.screen.end()
	return fromRunes.Replace(line), e.block, err
}

// filter processes each key before readline does. It returns the key that readline shall process, and false if readline
// shall ignore it.
func (e *editor) filter(r rune) (rune, bool) {
	switch r {
	case runeRedraw:
		if e.resized.Swap(false) && e.onWidth != nil {
			e.onWidth()
		}
		if b := e.sh.screen.drain(); len(b) > 0 {
			e.rl.Write(b)
		}
		return 0, false
	case runeSuspend:
		e.suspend()
		return 0, false
	case runeDelete:
		return readline.CharDelete, e.typed.Load() > 0
	}
	return r, true
}

// OnChange implements readline.Listener. It replaces the key that stands for a text by the text, or by the first line of
// a block. The rest of the block is returned when the line is read.
func (e *editor) OnChange(line []rune, pos int, key rune) ([]rune, int, bool) {
	switch key {
	case 0, readline.CharEnter, readline.CharCtrlJ, readline.CharInterrupt:
		return nil, 0, false // the line is complete, and the next one may have begun
	}
	if key == runePaste {
		text := e.in.block()
		if pos > 0 && pos <= len(line) && line[pos-1] == runePaste {
			first, rest, block := strings.Cut(text, "\n")
			if !block {
				inserted := []rune(toRunes.Replace(text))
				line = slices.Concat(line[:pos-1], inserted, line[pos:])
				e.typed.Store(int32(len(line)))
				return line, pos - 1 + len(inserted), true
			}
			after := string(line[pos:])
			e.block = rest + fromRunes.Replace(after)
			line = append(line[:pos-1:pos-1], []rune(toRunes.Replace(first))...)
			e.typed.Store(int32(len(line)))
			if e.block == "" {
				e.block = "\n" // not "", because even an empty rest is a block
			}
			return line, len(line), true
		}
	}
	e.typed.Store(int32(len(line)))
	return nil, 0, false
}

// Paint implements readline.Painter: it returns the line to show, one column per rune.
func (e *editor) Paint(line []rune, _ int) []rune {
	e.opening.CompareAndSwap(openAtPaint, openAtWrite)
	out := line
	for i, r := range line {
		if r < runeRedraw || r >= runeLast {
			continue
		}
		if &out[0] == &line[0] {
			out = append([]rune(nil), line...)
		}
		if out[i] = ' '; r == runeNewline {
			out[i] = '⏎'
		}
	}
	return out
}

// completionWait is the time that completion waits for a script that computes.
const completionWait = 200 * time.Millisecond

// Do implements readline.AutoCompleter. It lists several candidates above the continued line.
func (e *editor) Do(line []rune, pos int) ([][]rune, int) {
	defer e.sh.rescue("completion")
	before := fromRunes.Replace(string(line[:pos]))
	if strings.TrimSpace(before) == "" {
		return [][]rune{[]rune("    ")}, 0
	}
	from, items, suffix := e.sh.s.Complete(e.before+before, completionWait)
	typed := (e.before + before)[from:]
	switch common := commonPrefix(items); {
	case len(items) == 0:
		e.rl.Terminal.Bell()
	case len(items) == 1:
		return [][]rune{[]rune(items[0][len(typed):] + suffix)}, 0
	case len(common) > len(typed):
		return [][]rune{[]rune(common[len(typed):])}, 0
	default:
		text := e.prompt + string(e.Paint(line, pos)) + "\n" + columns(items, e.sh.width())
		e.rl.Write([]byte(text))
	}
	return nil, 0
}

func commonPrefix(items []string) string {
	if len(items) == 0 {
		return ""
	}
	p := items[0]
	for _, s := range items[1:] {
		for !strings.HasPrefix(s, p) {
			_, n := utf8.DecodeLastRuneInString(p)
			p = p[:len(p)-n]
		}
	}
	return p
}

// maxListed is the largest number of lines of candidates shown.
const maxListed = 16

// columns formats items as ls does: down the columns, then to the right. All columns have the width of the widest item.
func columns(items []string, width int) string {
	col := 0
	for _, s := range items {
		col = max(col, utf8.RuneCountInString(s))
	}
	col += 2
	n := max(1, width/col)
	rows := (len(items) + n - 1) / n
	shown := rows
	if rows > maxListed {
		shown = maxListed - 1
	}
	var b strings.Builder
	for i := range shown {
		var l strings.Builder
		for j := i; j < len(items); j += rows {
			fmt.Fprintf(&l, "%-*s", col, items[j])
		}
		text := []rune(strings.TrimRight(l.String(), " "))
		if len(text) > width-1 {
			text = append(text[:max(0, width-2)], '…')
		}
		b.WriteString(string(text) + "\n")
	}
	if shown < rows {
		b.WriteString(color.New(color.Faint).Sprintf("… %d in all: type more of it", len(items)) + "\n")
	}
	return b.String()
}
