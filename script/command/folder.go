package command

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
)

// ChangesFolder reports whether a line of the system's shell does nothing but change the shell's folder.
func ChangesFolder(line string) bool {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	return word == "cd" && !strings.ContainsAny(rest, ";&|<>()`#\n")
}

// ChangeFolder runs a line for which ChangesFolder is true, and changes this process's folder as the line changes the
// shell's. It returns the shell's status, and its message if the status is not 0.
func ChangeFolder(line string) (status int, said string) {
	cmd := exec.Command("/bin/sh", "-c", line+" >/dev/null && pwd")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := Start(cmd)
	if err == nil {
		err = Wait(cmd)
	}
	status, ran := Status(err)
	if !ran {
		return status, err.Error()
	}
	if status != 0 {
		_, text, _ := strings.Cut(errs.String(), "cd: ")
		return status, "cd: " + strings.TrimSpace(text)
	}
	before, _ := os.Getwd() // "" if the folder is gone
	to := strings.TrimSuffix(out.String(), "\n")
	if err := os.Chdir(to); err != nil {
		return 1, "cd: " + err.Error()
	}
	os.Setenv("OLDPWD", before)
	os.Setenv("PWD", to)
	return 0, ""
}
