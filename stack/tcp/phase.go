package tcp

// Phase is the sender's present assumption about loss on the path, such as PhaseRecovery.
type Phase uint8

// The phases, best first.
const (
	PhaseOpen     Phase = iota // no loss or reordering is known
	PhaseDisorder              // segments were reordered or duplicate ACKs received
	PhaseRecovery              // loss recovery (RFC 6582, RFC 9937)
	PhaseLoss                  // after a timeout

	numPhases
)

var phaseNames = [numPhases]string{"open", "disorder", "recovery", "loss"}

// String returns the phase's name, one word.
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
