package phy

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/drop"
)

// Marks records the changes that fault rules and links made to a frame. They travel with the frame, so that traces and
// captures can show them, and have no other effect. The zero value means an unchanged frame.
type Marks struct {
	Held      time.Duration // delay that rules added
	Copies    int           // number of copies made of the frame
	Copy      bool          // true if the frame is a copy of another frame
	Corrupted bool
	Congested bool        // true if a rule has set the ECN field to CE
	Lost      drop.Reason // reason for which a link dropped the frame after it was sent; else None
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
