package tcp

// Phase is what the sender thinks of the path.
type Phase uint8

// The phases, from the best to the worst.
const (
	PhaseOpen     Phase = iota // nothing is missing
	PhaseDisorder              // something has overtaken something else
	PhaseRecovery              // fast recovery (RFC 6582, RFC 9937)
	PhaseLoss                  // after a timeout

	numPhases
)

var phaseNames = [numPhases]string{"open", "disorder", "recovery", "loss"}

// String is one word.
func (p Phase) String() string {
	if p >= numPhases {
		return "unknown"
	}
	return phaseNames[p]
}

func (c *Conn) phase() Phase {
	g, b := &c.cong, c.snd.scoreboard
	switch {
	case g.inRecovery:
		return PhaseRecovery
	case g.afterTimeout || b == nil && c.rtt.backoffs > 0:
		return PhaseLoss
	case b != nil && b.sacked > 0 || g.dupAcks > 0:
		return PhaseDisorder
	}
	return PhaseOpen
}
