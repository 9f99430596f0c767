//go:build !linux || portable

package scenario

import (
	"os"
	"os/exec"
)

// pageVariable is the environment variable with the path of the file by which a worker shares its page.
const pageVariable = "SMOLSH_TEST_PAGE"

// sharedFile returns an empty temporary file, which the caller removes.
func sharedFile() (f *os.File, path string, err error) {
	if f, err = os.CreateTemp("", "smolsh-position-*"); err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// carry gives a worker's command its files. Not every system lets a process inherit other files than its standard input and outputs,
// so the requests and replies take the place of two of these. What the worker writes to its standard error goes to said.
func carry(cmd *exec.Cmd, requests, replies, page *os.File, said *head) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = requests, replies, said
	cmd.Env = append(cmd.Environ(), pageVariable+"="+page.Name())
}

// WorkerFiles returns, in a worker process, the files that the runner passed to it. Afterwards os.Stdout is the standard error, so that
// nothing but replies reaches the runner, and os.Stdin has no input.
func WorkerFiles() (requests, replies, page *os.File, err error) {
	if page, err = os.OpenFile(os.Getenv(pageVariable), os.O_RDWR, 0); err != nil {
		return nil, nil, nil, err
	}
	os.Unsetenv(pageVariable)
	requests, replies = os.Stdin, os.Stdout
	if os.Stdin, err = os.Open(os.DevNull); err != nil {
		return nil, nil, nil, err
	}
	os.Stdout = os.Stderr
	return requests, replies, page, nil
}
