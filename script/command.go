package script

import (
	"fmt"

	"smolsh/script/command"
)

// Shell runs a command line of the system's shell on the process's own terminal, in its network namespace, and returns
// its exit status (128 and the signal's number if a signal ended it). Meanwhile a live lab's stack and tasks continue.
// Only the command receives the keyboard's interrupt and quit. Processes that the command leaves in the background live
// until command.End, after command.Adopt. In a shell, a line that starts some has a pipe in place of the terminal as
// its outputs, so that what they write later stands in lines above the line being typed. The files of captures that go
// on have every packet so far when the command begins. A line that is cd alone changes the folder of this process.
func (s *Session) Shell(line string) int {
	s.out.Flush()
	if s.cfg.NoFiles {
		fmt.Fprintf(s.cfg.Stderr, "!%s: %s\n", line, errNoFiles)
		return command.Missing
	}
	if s.cfg.Interactive {
		s.prompt.inputs = append(s.prompt.inputs, typedInput{src: "!" + line, shell: true})
	}
	if command.ChangesFolder(line) {
		return s.changeFolder(line)
	}
	s.flushCaptures()
	cmd := command.New(line)
	if some, all := command.InBackground(line); s.cfg.Interactive && some {
		if all {
			cmd.Apart()
		}
		cmd.Lines(func(text []byte) { s.out.Offer([]byte(s.clean(string(text)))) })
	}
	early, restore := s.tasks.Divert(cmd.Interrupt)
	if early { // the command answers for an interrupt that preceded its process
		cmd.Interrupt()
	}
	var err error
	s.Await(func() {
		err = cmd.Run()
		restore() // at once, since a task that computes may keep the baton
	}, nil)
	status, ran := command.Status(err)
	if !ran {
		fmt.Fprintf(s.cfg.Stderr, "%s: %v\n", line, err)
	}
	return status
}

// changeFolder runs a line that changes the folder, for this process and so for all later lines.
func (s *Session) changeFolder(line string) (status int) {
	var said string
	s.Await(func() { status, said = command.ChangeFolder(line) }, nil)
	if said != "" {
		fmt.Fprintln(s.cfg.Stderr, said)
	}
	return status
}
