package command

import (
	"fmt"
	"strings"
	"syscall"
)

// SignalNamed returns the signal of a name, with or without SIG, in capital letters or small ones; 0 if there is none.
func SignalNamed(name string) syscall.Signal {
	return signalNumber("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
}

// StatusWords returns a program's status as text, such as "status 143 (terminated)".
func StatusWords(status int) string {
	text := fmt.Sprintf("status %d", status)
	if status > 128 && signalName(syscall.Signal(status-128)) != "" {
		text += fmt.Sprintf(" (%v)", syscall.Signal(status-128))
	}
	return text
}
