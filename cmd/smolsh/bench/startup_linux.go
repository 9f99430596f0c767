package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/creack/pty"
)

// prompts are the ends of the shell's prompt, under the wall clock and under a virtual clock.
var prompts = [][]byte{[]byte("smolsh> "), []byte("smolsh (virtual)> ")}

// startToPrompt starts the program on a terminal and returns the time until its first prompt, in ms.
func startToPrompt(program string, args ...string) (float64, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TERM=xterm", "NO_COLOR=1", "HOME=/nonexistent"}
	start := time.Now()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 120})
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		tty.Close()
	}()
	guard := time.AfterFunc(runLimit, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	var said []byte
	buf := make([]byte, 4096)
	for {
		n, err := tty.Read(buf)
		said = append(said, buf[:n]...)
		for _, p := range prompts {
			if bytes.Contains(said, p) {
				return float64(time.Since(start).Microseconds()) / 1e3, nil
			}
		}
		if err != nil {
			return 0, fmt.Errorf("no prompt: %q", said)
		}
	}
}
