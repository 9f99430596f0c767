package phy

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/drop"
)

// Marks are what fault rules and links have done to a frame on its way: they go with it for those who show
// frames, and change nothing. The zero value is a frame that nobody touched.
type Marks struct {
	Held      time.Duration // how much later it comes, or will come, on account of rules
	Copies    int           // further copies that were made of it
	Copy      bool          // it is one of those
	Corrupted bool
	Congested bool        // a rule has set its ECN field to CE
	Lost      drop.Reason // not None: it was sent, and a link lost it
}

// After adds the marks to what is said of a frame, such as its verdict or nothing: "held 5ms, corrupted".
func (m Marks) After(verdict string) string {
	if m == (Marks{}) {
		return verdict
	}
	var parts []string
	if m.Lost != drop.None {
		parts = append(parts, "lost on the link: "+m.Lost.String())
	}
	if m.Corrupted {
		parts = append(parts, "corrupted")
	}
	if m.Congested {
		parts = append(parts, "marked CE")
	}
	if m.Copies > 0 {
		parts = append(parts, fmt.Sprintf("copied (%d)", m.Copies))
	}
	if m.Copy {
		parts = append(parts, "a copy")
	}
	if m.Held > 0 {
		parts = append(parts, fmt.Sprintf("held %v", m.Held))
	}
	if verdict != "" {
		verdict += "; "
	}
	return verdict + strings.Join(parts, ", ")
}
