package labtest

import (
	"regexp"
	"runtime"
	"strings"
)

// A goroutine is one of a bubble's, as the runtime describes it.
type goroutine struct {
	state string // such as sleep (durable)
	text  string
}

var goroutineHead = regexp.MustCompile(`^goroutine \d+ .*\[([^,\]]*).*synctest bubble (\d+)`)

// bubbleStacks returns the goroutines of a bubble, or of all bubbles if its number is empty.
func bubbleStacks(number string) (list []goroutine) {
	for text := range strings.SplitSeq(stackText(true), "\n\n") {
		if m := goroutineHead.FindStringSubmatch(text); m != nil && (number == "" || number == m[2]) {
			list = append(list, goroutine{m[1], text})
		}
	}
	return list
}

// bubbleNumber returns the number of the caller's bubble.
func bubbleNumber() string {
	if m := goroutineHead.FindStringSubmatch(stackText(false)); m != nil {
		return m[2]
	}
	return ""
}

// stackText returns the stack of the caller, or of all goroutines, as far as 4 MiB hold them.
func stackText(all bool) string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, all)])
}

func stacksText(list []goroutine) string {
	var b strings.Builder
	for _, g := range list {
		b.WriteString(g.text + "\n\n")
	}
	return b.String()
}
