package phy

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/drop"
)

// Marks record the changes that fault rules and links made to a frame. They travel with the frame so that traces and
// captures can show them, and have no effect. The zero value is an untouched frame.
type Marks struct {
	Held      time.Duration // the delay that rules added
	Copies    int           // number of copies that were made of it
	Copy      bool          // true for such a copy
	Corrupted bool
	Congested bool        // a rule has set its ECN field to CE
	Lost      drop.Reason // the reason why a link dropped it after it was sent; else None
}

// After appends the marks to a frame's verdict, which may be empty: "held 5ms, corrupted".
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
