// Package repl reads lines from a terminal, runs them in a script.Session and prints what comes of
// them. It is a plain loop over readline so far: completion, help by x? and output above the line being
// typed have their place here.
//
// One goroutine runs a shell; Session.Await moves the reading elsewhere while a live lab's tasks run.
package repl

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/chzyer/readline"
	"go.starlark.net/syntax"

	"smolsh/script"
)

// options are those of files; a chunk that was typed is parsed once to see whether it is complete.
var options = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// Run reads and runs chunks until the end of the input or exit(), and returns the exit status. History
// is kept in the named file across runs; an empty name keeps it in memory.
func Run(s *script.Session, prompt, history string, stderr io.Writer) int {
	rl, err := readline.NewEx(&readline.Config{Prompt: prompt, HistoryFile: history, InterruptPrompt: "^C"})
	if err != nil {
		fmt.Fprintf(stderr, "smolsh: %v\n", err)
		return 1
	}
	defer rl.Close()
	for {
		var src string
		s.Await(func() { src, err = chunk(rl, prompt) }, nil)
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			continue
		case err != nil:
			return 0
		case strings.TrimSpace(src) == "":
			continue
		}
		var exit *script.ExitError
		if err := s.Typed(src); errors.As(err, &exit) && s.Exited() {
			return exit.Code
		}
		s.Flush()
	}
}

// chunk reads lines until they make a whole statement.
func chunk(rl *readline.Instance, prompt string) (string, error) {
	var src strings.Builder
	var failed error
	rl.SetPrompt(prompt)
	next := func() ([]byte, error) {
		line, err := rl.Readline()
		if err != nil {
			failed = err
			return nil, err
		}
		src.WriteString(line + "\n")
		rl.SetPrompt(strings.Repeat(".", max(0, len(prompt)-1)) + " ")
		return []byte(line + "\n"), nil
	}
	// A mistake is reported when the chunk is run; here only its end is looked for.
	_, _ = options.ParseCompoundStmt(script.StdinName, next)
	return src.String(), failed
}
