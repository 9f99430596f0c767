package tcp

// State is a connection's state (RFC 9293 §3.3.2).
type State uint8

// The eleven states.
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait

	NumStates
)

var stateNames = [NumStates]string{
	"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
	"CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
}

// String returns the RFC's name of the state.
func (s State) String() string {
	if s >= NumStates {
		return "UNKNOWN"
	}
	return stateNames[s]
}

// transitions holds the legal transitions from each state: figure 5 of RFC 9293 §3.3.2, and those to CLOSED by reset,
// timeout and abort.
var transitions = [NumStates]uint16{
	Closed:      1<<Listen | 1<<SynSent,
	Listen:      1<<SynReceived | 1<<Closed,
	SynSent:     1<<SynReceived | 1<<Established | 1<<Closed,
	SynReceived: 1<<Established | 1<<FinWait1 | 1<<Closed,
	Established: 1<<FinWait1 | 1<<CloseWait | 1<<Closed,
	FinWait1:    1<<FinWait2 | 1<<Closing | 1<<Closed,
	FinWait2:    1<<TimeWait | 1<<Closed,
	CloseWait:   1<<LastAck | 1<<Closed,
	Closing:     1<<TimeWait | 1<<Closed,
	LastAck:     1 << Closed,
	TimeWait:    1 << Closed,
}

// setState changes the state. No other function does.
func (c *Conn) setState(to State) {
	from := c.state
	if transitions[from]&(1<<to) == 0 {
		panic("tcp: no transition from " + from.String() + " to " + to.String())
	}
	c.state = to
	if c.hooks != nil && c.hooks.State != nil {
		c.hooks.State(c, from, to)
	}
}
