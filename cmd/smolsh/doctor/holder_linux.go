//go:build !portable

package doctor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// holder returns the process that has a TAP or TUN of this namespace open, as ": process 123 (smolsh)". It returns ""
// if it may not see that process, which belongs to another user.
func holder(name string) string {
	ours, _ := os.Readlink("/proc/thread-self/ns/net")
	files, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte("iff:\t"+name+"\n")) {
			continue
		}
		process := filepath.Dir(filepath.Dir(file))
		if ns, err := os.Readlink(process + "/ns/net"); err == nil && ns != ours {
			continue // the device is in another namespace
		}
		comm, _ := os.ReadFile(process + "/comm")
		return fmt.Sprintf(": process %s (%s)", filepath.Base(process), strings.TrimSpace(string(comm)))
	}
	return ""
}

// fill replaces each {name} in text by its value; words are pairs of name and value.
func fill(text string, words []string) string {
	for i := 0; i+1 < len(words); i += 2 {
		text = strings.ReplaceAll(text, "{"+words[i]+"}", words[i+1])
	}
	return text
}
