package command

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"time"

	"smolsh/script/task"
)

// InBackground reports whether a line of the system's shell has the operator `&` outside quotes. The result all is true
// if the line is one pipeline, which `&` puts into the background.
func InBackground(line string) (some, all bool) {
	var quote byte
	line = strings.TrimSpace(line)
	all = true
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '&' && i+1 < len(line) && (line[i+1] == '&' || line[i+1] == '>'):
			all = all && line[i+1] == '>'
			i++ // && and bash's &>
		case c == ';' || c == '\n' || c == '|' && i+1 < len(line) && line[i+1] == '|':
			all = false
		case c == '&' && (i == 0 || !strings.ContainsRune("<>|", rune(line[i-1]))):
			return true, all && i == len(line)-1
		}
	}
	return false, false
}

// maxCommandLine is the largest number of octets that are held of a line without its end, from a process in the
// background.
const maxCommandLine = 4096

// Lines gives a command that has not started a pipe in place of the terminal as its outputs. print is called for each
// line of that output, without its line feed, on a separate goroutine. It must not keep the line's octets. Run returns
// when all lines are printed, unless processes in the background hold the pipe open. Their later lines are printed when
// they write them.
func (c *Command) Lines(print func(line []byte)) {
	r, w, err := os.Pipe()
	if err != nil {
		return // without a pipe the command keeps the terminal
	}
	c.cmd.Stdout, c.cmd.Stderr = w, w
	ended := make(chan struct{})
	task.Background(func() {
		defer r.Close()
		in := bufio.NewReaderSize(r, maxCommandLine)
		for {
			line, err := in.ReadSlice('\n')
			if len(line) > 0 {
				print(bytes.TrimRight(line, "\r\n"))
			}
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	}, func() { close(ended) })
	c.said = func() {
		w.Close()
		select {
		case <-ended:
		case <-time.After(outputSettle):
		}
	}
}
