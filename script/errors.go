package script

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/script/complaint"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/tcp"
)

// opError is a failed operation, the address that it concerned, and the cause.
type opError struct {
	op    string
	where string
	err   error
}

func (e *opError) Error() string {
	s := e.op
	if e.where != "" {
		s += " " + e.where
	}
	return s + ": " + cause(e.err)
}

func (e *opError) Unwrap() error { return e.err }

// cause returns the language's text for an error of the stack.
func cause(err error) string {
	switch {
	case errors.Is(err, tcp.ErrClosing), errors.Is(err, tcp.ErrNotConnected), errors.Is(err, tcp.ErrAborted):
		return "closed"
	}
	if full := new(stack.LimitError); errors.As(err, &full) {
		return fmt.Sprintf("%v; limits.set(%s=…) raises it", err, full.Name)
	}
	return err.Error()
}

// failed wraps err with its operation and address. An error that ends the task is returned unchanged.
func failed(t *taskValue, op string, where any, err error) error {
	if err == nil || t != nil && t.Err() != nil {
		return err
	}
	w := fmt.Sprint(where)
	err = sharper(where, err)
	if ap, ok := where.(netip.AddrPort); ok && !ap.IsValid() {
		w = ""
	}
	return &opError{op, w, err}
}

// sharper replaces the stack's ErrInvalid by an error that states why the address is invalid.
func sharper(where any, err error) error {
	if !errors.Is(err, stack.ErrInvalid) {
		return err
	}
	var a netip.Addr
	port, ported := uint16(0), false
	switch w := where.(type) {
	case netip.Addr:
		a = w
	case netip.Prefix:
		a = w.Addr()
	case netip.AddrPort:
		a, port, ported = w.Addr(), w.Port(), true
	}
	switch {
	case ported && port == 0:
		return errors.New("port 0 is no service's")
	case ported && a.IsValid():
		return errors.New("the address is not one host's")
	}
	return err
}

// exitError is the error by which exit(code) ends a script.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// An ExitError contains the exit status for the program. Every message has been printed already.
type ExitError struct{ Code int }

// Error returns the status as text.
func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// report formats an error with its Starlark positions, innermost first, and the source line of each.
func (s *Session) report(err error) string {
	var b strings.Builder
	var list resolve.ErrorList
	var syn syntax.Error
	var eval *starlark.EvalError
	switch {
	case errors.As(err, &list):
		s.reportNames(&b, list)
	case errors.As(err, &syn):
		slip := s.slip(syn.Msg, syn.Pos)
		b.WriteString(syn.Msg + here(slip))
		if slip == "" && syn.Msg == "unexpected input character '!'" {
			b.WriteString(" (!command is for lines typed at the prompt; a script runs sh(\"command\"), and negates with not)")
		}
		s.position(&b, syn.Pos, "")
	case errors.As(err, &eval):
		b.WriteString(s.evaluation(eval))
		eachCall(eval.CallStack, func(f starlark.CallFrame) {
			name := f.Name
			if name == "<toplevel>" && f.Pos.Filename() == StdinName {
				name = "<expr>"
			}
			s.position(&b, f.Pos, name)
		}, func(n int) { fmt.Fprintf(&b, "\n  … %d calls more …", n) })
	default:
		b.WriteString(err.Error())
	}
	return b.String()
}

// reportNames formats the errors about undefined names. If a line is one of another shell, its first error says so and the others are
// left out.
func (s *Session) reportNames(b *strings.Builder, list resolve.ErrorList) {
	answered := int32(0)
	for _, e := range list {
		if e.Pos.Line == answered {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if slip := s.slip(e.Msg, e.Pos); slip != "" {
			answered = e.Pos.Line
			b.WriteString(e.Msg + here(slip))
		} else {
			b.WriteString(s.hint(e.Msg))
		}
		s.position(b, e.Pos, "")
	}
}

// slip returns what to type instead of the line at pos, about which the interpreter says msg; "" if that is not known.
func (s *Session) slip(msg string, pos syntax.Position) string {
	return suggest.Line(msg, s.sourceLine(pos.Filename(), int(pos.Line)), func(name string) bool { return s.prompt.builtins.Has(name) })
}

// here returns the text that an error ends with if something else is to be typed.
func here(text string) string {
	if text == "" {
		return ""
	}
	return " (here: " + text + ")"
}

// missing matches the interpreter's error about a field or method that a value does not have.
var missing = regexp.MustCompile(`^(?:"(\w+)" )?(?:the (layer) \w+|(\w+)) has no \.(\w+) (?:field or method|attribute)`)

// evaluation returns the text of an error that ended a statement, with what to type instead if that is known.
func (s *Session) evaluation(e *starlark.EvalError) string {
	msg := s.unbound(e.Msg)
	if m := missing.FindStringSubmatch(msg); m != nil {
		if text := suggest.Member(cmp.Or(m[1], m[2], m[3]), m[4]); text != "" {
			return m[0] + here(text)
		}
	}
	if text := operations[msg]; text != "" {
		return msg + here(text)
	}
	for i := range min(3, len(e.CallStack)) { // the innermost calls may be of builtins, which have no lines
		pos := e.CallStack.At(i).Pos
		if text := suggest.Access(msg, s.sourceLine(pos.Filename(), int(pos.Line))); text != "" {
			return msg + here(text)
		}
	}
	if n := len(e.CallStack); n > 0 && strings.HasPrefix(msg, "unknown binary op") {
		return msg + here(s.slip(msg, e.CallStack.At(0).Pos))
	}
	if s.cfg.Interactive && strings.HasPrefix(msg, "deadlock: ") {
		msg += "\n  time stands still while nothing waits: begin what is awaited first, with spawn(fn), after(\"1s\", fn) or serve(…)"
	}
	return msg
}

// operations has what to type instead of operations that values do not have.
var operations = map[string]string{
	"unknown binary op: string + int":                              `"n=" + str(n), or "n=%d" % n`,
	"unknown binary op: int + string":                              `str(n) + "text", or "%d" % n`,
	"unknown binary op: string + float":                            `"x=" + fmt(x, 2)`,
	"unknown binary op: bytes + string":                            `data + b"text", or str(data) + "text"`,
	"unknown binary op: string + bytes":                            `b"text" + data, or "text" + str(data)`,
	"'in bytes' requires bytes or int as left operand, not string": `b"text" in data, or "text" in str(data)`,
	"'in <string>' requires string as left operand, not bytes":     `data in b"text", or str(data) in "text"`,
	"invalid call of non-function (raw)":                           `p.bytes, all octets of a packet p; raw.bind(99).send("data", "192.168.69.100") sends`,
	"len: value of type packet has no len":                         `p.len, or len(p.bytes)`,
	"bytes: got packet, want string, bytes, or iterable of ints":   `p.bytes`,
	"got struct in sequence assignment":                            `r = sr([IP(dst="192.168.69.100")/ICMP()]), then r.answered and r.unanswered`,
	"unhandled index operation row[int]":                           `r.sent and r.answer: the columns of a row r are its fields, in lower case`,
	"unhandled index operation struct[int]":                        `r.answered and r.unanswered, with a dot: sr() returns a struct r`,
	"unhandled index operation capture_file[int]":                  `list(packets)[0], or read_capture without lazy=True`,
	"len: value of type capture_file has no len":                   `len(list(packets)), or read_capture without lazy=True`,
	"unknown conversion %.":                                        `fmt(x, 2)`,
	"unknown conversion %0":                                        `fmt(x, 2)`,
	"unknown conversion %5":                                        `fmt(x, 2)`,
	"invalid call of non-function (string)":                        `"%s" % x`,
	"invalid call of non-function (module)":                        `one of its functions, such as time.now(); help(time) lists them`,
	"invalid call of non-function (list)":                          `list[0]`,
	"invalid call of non-function (dict)":                          `d["key"]`,
	"invalid call of non-function (service handler)":               `serve("tcp", 7, echo)`,
}

// StdinName is the file name for typed input.
const StdinName = "<stdin>"

func (s *Session) position(b *strings.Builder, pos syntax.Position, in string) {
	fmt.Fprintf(b, "\n  %s:%d:%d", pos.Filename(), pos.Line, pos.Col)
	if in != "" {
		fmt.Fprintf(b, ": in %s", in)
	}
	if line := s.sourceLine(pos.Filename(), int(pos.Line)); line != "" && pos.Filename() != StdinName {
		fmt.Fprintf(b, "\n      %s", line)
	}
}

// sourceLine returns a line of a source that was run. It removes the indentation.
func (s *Session) sourceLine(name string, n int) string {
	src, ok := s.files.sources[name]
	if !ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		src = string(b)
	}
	sc := bufio.NewScanner(strings.NewReader(src))
	for i := 1; sc.Scan(); i++ {
		if i == n {
			return strings.TrimSpace(sc.Text())
		}
	}
	return ""
}

// planned holds names that the language reserves for later.
var planned = map[string]bool{
	"dhcp": true, "Raw": true, "packetdrill": true,
}

// hint adds to the error about an undefined name the name that was probably meant.
func (s *Session) hint(msg string) string {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok || strings.Contains(name, " ") {
		return msg
	}
	if name == "peer" && s.cfg.Peer == nil {
		return msg + here("kernel, which is the other end on this device; peer is the other host of smolsh --device sim")
	}
	if planned[name] {
		if text := suggest.Word(name); text != "" {
			return msg + " (not there yet; " + text + ")"
		}
		return msg + " (not there yet)"
	}
	var own []string
	for n := range s.globals {
		if !s.prompt.builtins.Has(n) {
			own = append(own, n)
		}
	}
	if n := suggest.Nearest(name, own); n != "" {
		return fmt.Sprintf("%s (did you mean %s?)", msg, n)
	}
	if text := suggest.Word(name); text != "" {
		return msg + here(text)
	}
	if list := s.reg.Members[name]; s.reg.IsType(name) && len(list) > 0 {
		return msg + here(fmt.Sprintf("help(%q) is about such values, help(%q) about a method", name, name+"."+list[len(list)-1]))
	}
	names := starlark.Universe.Keys()
	for n := range s.globals {
		names = append(names, n)
	}
	if n := suggest.Nearest(name, names); n != "" {
		return fmt.Sprintf("%s (did you mean %s?)", msg, n)
	}
	return msg + here(suggest.System(name))
}

func (s *Session) reportTask(t *taskValue) {
	if s.trouble(fmt.Sprintf("task %d (%s)", t.ID, t.Name), t.Failure()) {
		return
	}
	held := 0
	if t.server != nil && !stoppedByUser(t.Failure()) {
		say := false
		if say, held = t.server.Take(t.world().Now(), t.Failure()); !say {
			return
		}
	}
	s.out.Flush()
	fmt.Fprintf(s.cfg.Stderr, "task %d (%s): %s\n%s", t.ID, t.Name, s.report(t.Failure()), complaint.Before(held))
}

// stoppedByUser reports whether the error is that of a computation which Ctrl-C stopped.
func stoppedByUser(err error) bool {
	return strings.HasSuffix(err.Error(), stopped+task.ErrInterrupted.Error())
}

// firstLine returns the first line of an error's report.
func (s *Session) firstLine(err error) string {
	line, _, _ := strings.Cut(s.report(err), "\n")
	return line
}
