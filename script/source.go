package script

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"go.starlark.net/syntax"

	"smolsh/script/task"
)

// RunStream runs source text as it arrives: each statement runs as soon as it is complete. A compound statement is complete
// when a line has arrived that does not belong to it. name is the name of the source in messages. RunStream does not print the
// values of expressions. The first error ends the script; RunStream may then leave a goroutine that reads src.
func (s *Session) RunStream(name string, src io.Reader) error {
	return s.result(s.stream(name, src))
}

func (s *Session) stream(name string, src io.Reader) error {
	in := newSource(src)
	defer close(in.quit)
	var text strings.Builder // what the messages quote
	for line := 1; ; {
		var chunk string
		var err error
		s.tasks.AwaitInput(func() { chunk, err = in.statement() }, in.stop, func() bool {
			s.tasks.DeliverInterrupt()
			return s.ending.exit != nil || s.main.Err() != nil
		})
		switch {
		case s.ending.exit != nil:
			return s.ending.exit
		case s.main.Err() != nil:
			return s.main.Err()
		case err != nil && err != io.EOF:
			return fmt.Errorf("%s: %w", name, err)
		}
		if text.Len() < maxSource {
			text.WriteString(chunk)
			s.files.sources[name] = text.String()
		}
		if strings.IndexByte(chunk, 0) >= 0 { // the scanner takes it for the end of the text
			return &Failure{File: name, Line: line, Message: "it has a NUL octet and is no text"}
		}
		f, perr := typedOptions.Parse(name, syntax.FilePortion{Content: []byte(chunk), FirstLine: int32(line), FirstCol: 1}, 0)
		if perr != nil {
			return perr
		}
		if serr := s.statements(s.main, name, f, false); serr != nil {
			return serr
		}
		if err == io.EOF {
			return nil
		}
		line += strings.Count(chunk, "\n")
	}
}

// source cuts text that arrives into statements. Its own goroutine reads, so that a wait for text can end.
type source struct {
	got    chan []byte // octets as read; closed at the end
	quit   chan struct{}
	halt   chan struct{} // closed by stop
	fail   error         // error of the read that ended the text; set before got is closed
	rest   []byte        // octets beyond the lines taken
	begun  bool          // true after the first line
	held   string
	holds  bool // true if held is a line that was taken and belongs to the next statement
	tokens tokenState
}

func newSource(src io.Reader) *source {
	in := &source{got: make(chan []byte), quit: make(chan struct{}), halt: make(chan struct{})}
	task.Background(func() {
		for {
			buf := make([]byte, 1<<16)
			n, err := src.Read(buf)
			if n > 0 {
				select {
				case in.got <- buf[:n]:
				case <-in.quit:
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					in.fail = err
				}
				return
			}
		}
	}, func() { close(in.got) })
	return in
}

// stop makes statement return soon.
func (in *source) stop() { close(in.halt) }

// statement returns the next statement with the lines before it that are empty or comments. The error is io.EOF with the last one.
func (in *source) statement() (string, error) {
	var b strings.Builder
	compound := false
	for {
		l, err := in.line()
		if err != nil {
			b.WriteString(l)
			return b.String(), err
		}
		if b.Len()+len(l) > maxSource {
			return "", fmt.Errorf("a statement has more than %d MiB", maxSource>>20)
		}
		inside := in.tokens.open()
		if compound && !inside && begins(l) && !continues(l) {
			in.held, in.holds = l, true
			return b.String(), nil
		}
		b.WriteString(l)
		in.tokens.line(l)
		if !inside && begins(l) {
			compound = compound || isCompound(l)
		}
		if !compound && !in.tokens.open() && strings.TrimSpace(strings.SplitN(l, "#", 2)[0]) != "" {
			return b.String(), nil
		}
	}
}

// line takes the next line, with its line end. At the end of the text it returns the remaining text and an error.
func (in *source) line() (string, error) {
	if in.holds {
		in.holds = false
		return in.held, nil
	}
	seen := 0
	for {
		if i := bytes.IndexByte(in.rest[seen:], '\n'); i >= 0 {
			l := string(in.rest[:seen+i+1])
			in.rest = in.rest[seen+i+1:]
			return in.first(l), nil
		}
		if seen = len(in.rest); seen > maxSource {
			return "", fmt.Errorf("a line has more than %d MiB", maxSource>>20)
		}
		select {
		case b, more := <-in.got:
			if !more && in.fail != nil {
				return "", in.fail
			}
			if !more {
				l := string(in.rest)
				in.rest = nil
				return in.first(l), io.EOF
			}
			in.rest = append(in.rest, b...)
		case <-in.halt:
			return "", io.EOF
		}
	}
}

// first removes a byte order mark, with which some editors begin a text, from the first line.
func (in *source) first(l string) string {
	if !in.begun {
		l = strings.TrimPrefix(l, "\ufeff")
	}
	in.begun = true
	return l
}

// begins reports whether a statement begins in the first column of the line.
func begins(l string) bool {
	return strings.TrimSpace(l) != "" && !strings.ContainsRune(" \t#", rune(l[0]))
}

// firstWord returns the keyword or name with which a line begins.
func firstWord(l string) string {
	i := 0
	for i < len(l) && (l[i] == '_' || '0' <= l[i] && l[i] <= '9' || 'a' <= l[i] && l[i] <= 'z' || 'A' <= l[i] && l[i] <= 'Z' || l[i] >= 0x80) {
		i++
	}
	return l[:i]
}

func isCompound(l string) bool {
	switch firstWord(l) {
	case "def", "for", "while", "if":
		return true
	}
	return false
}

// continues reports whether a line continues the if statement before it.
func continues(l string) bool { return firstWord(l) == "else" || firstWord(l) == "elif" }

// tokenState tells, between two lines, whether a statement goes on in the next line because of a bracket, a string or a backslash.
type tokenState struct {
	depth     int
	quote     string // the quotes that end the open string; "" outside strings
	backslash bool
}

func (t *tokenState) open() bool { return t.depth > 0 || t.quote != "" || t.backslash }

// line reads one line.
func (t *tokenState) line(l string) {
	t.backslash = false
	for i := 0; i < len(l); i++ {
		switch c := l[i]; {
		case c == '\\':
			t.backslash = t.quote == "" && strings.TrimRight(l[i+1:], "\r\n") == ""
			i++
		case t.quote != "":
			if strings.HasPrefix(l[i:], t.quote) {
				i += len(t.quote) - 1
				t.quote = ""
			} else if c == '\n' && len(t.quote) == 1 {
				t.quote = "" // an error, which the parser reports
			}
		case c == '"' || c == '\'':
			t.quote = l[i : i+1]
			if triple := strings.Repeat(t.quote, 3); strings.HasPrefix(l[i:], triple) {
				t.quote = triple
				i += 2
			}
		case c == '#':
			return
		case strings.IndexByte("([{", c) >= 0:
			t.depth++
		case strings.IndexByte(")]}", c) >= 0:
			t.depth = max(0, t.depth-1)
		}
	}
}
