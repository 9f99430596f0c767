package command

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// shell returns the command that runs a line of the prompt: cmd.exe, or the program that %ComSpec% names. That program
// splits the line itself.
func shell(line string) *exec.Cmd {
	cmd := exec.Command(cmp.Or(os.Getenv("ComSpec"), "cmd.exe"))
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: "/S /C \"" + line + "\""}
	return cmd
}

// separate gives a command a process group of its own.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr.CreationFlags |= syscall.CREATE_NEW_PROCESS_GROUP }

// signals are the signals that package syscall knows on this system.
var signals = map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT, "SIGQUIT": syscall.SIGQUIT,
	"SIGABRT": syscall.SIGABRT, "SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM}

// signalNumber returns the signal of a name such as SIGTERM, 0 if there is none.
func signalNumber(name string) syscall.Signal { return signals[name] }

// signalName returns the name of a signal, "" if the number is no signal's.
func signalName(sig syscall.Signal) string {
	for name, s := range signals {
		if s == sig {
			return name
		}
	}
	return ""
}

// errPrograms is the error of every program of a script.
var errPrograms = errors.New("scripts run programs on Unix systems only, because on this one nothing would end what a program " +
	"leaves behind; run it outside, and exchange files with write_file and read_file")

// childAttr returns errPrograms.
func childAttr() (*syscall.SysProcAttr, error) { return nil, errPrograms }

// Adopt does nothing: on this system the processes that commands leave in the background continue after End.
func Adopt() {}

// End does nothing; see Adopt.
func End() {}

// EndOf does nothing, because scripts run no programs on this system.
func EndOf(int) {}

// Start starts a process for which the caller must call Wait.
func Start(cmd *exec.Cmd) error { return cmd.Start() }

// Wait waits for the end of a process that Start has started, as cmd.Wait does.
func Wait(cmd *exec.Cmd) error { return cmd.Wait() }

// The following functions concern the programs of a Set, which has none on this system.

func (p *Program) await() {
	_ = p.cmd.Wait()
	p.mu.Lock()
}

func reap()                               {}
func disown(int)                          {}
func signalGroup(int, syscall.Signal)     {}
func signalMarked(string, syscall.Signal) {}
func killMarked(string)                   {}
func endMarked(string)                    {}
