package tcp

import "time"

// Limits of a connection's buffers, in octets.
const (
	MinBuffer = 64
	MaxBuffer = 64 << 20
)

// Config holds one connection's options. Durations of zero take the default unless a field says
// otherwise. It is copied when a connection is made.
type Config struct {
	SendBuffer    int           // octets queued at most, MinBuffer to MaxBuffer
	RecvBuffer    int           // octets kept for the reader at most; sets the offered window
	MSS           int           // largest segment's payload we want to receive and send; 0: what the MTU allows
	NoDelay       bool          // switches Nagle's algorithm off (RFC 9293 §3.7.4)
	NoTimestamps  bool          // does not offer or accept timestamps (RFC 7323)
	TTL           uint8         // of the packets; used by the stack
	StampOffset   uint32        // our timestamp clock at instant zero; the stack gives each pair of ends its own (RFC 7323 §5.4)
	KeepAlive     time.Duration // idle time before a probe, and between probes; 0: no keep-alive
	KeepAliveMax  int           // probes without an answer before the connection is given up
	UserTimeout   time.Duration // how long data may stay unacknowledged; 0: until MaxRetries
	MaxRetries    int           // retransmissions of one segment before giving up
	SYNRetries    int           // retransmissions of a SYN before giving up
	DelayedAck    time.Duration // longest delay of an ACK; negative: none is delayed
	TimeWait      time.Duration // 2 MSL; negative: none
	RTOInitial    time.Duration // RFC 6298 §2.1
	RTOMin        time.Duration // RFC 6298 §2.4
	RTOMax        time.Duration // RFC 6298 §2.5
	InitialWindow int           // initial congestion window in segments; 0: RFC 5681 §3.1
	Controller    Controller    // congestion controller, for this connection alone; nil: NewReno
}

// Default is what an option is when nothing is said.
func Default() Config {
	return Config{
		SendBuffer:   256 << 10,
		RecvBuffer:   256 << 10,
		KeepAliveMax: 9,
		MaxRetries:   15,
		SYNRetries:   6,
		DelayedAck:   40 * time.Millisecond,
		TimeWait:     10 * time.Second,
		RTOInitial:   time.Second,
		RTOMin:       200 * time.Millisecond,
		RTOMax:       60 * time.Second,
		TTL:          64,
	}
}

// withDefaults fills what is zero and brings sizes into their bounds.
func (c Config) withDefaults() Config {
	d := Default()
	set(&c.SendBuffer, d.SendBuffer)
	set(&c.RecvBuffer, d.RecvBuffer)
	set(&c.KeepAliveMax, d.KeepAliveMax)
	set(&c.MaxRetries, d.MaxRetries)
	set(&c.SYNRetries, d.SYNRetries)
	set(&c.DelayedAck, d.DelayedAck)
	set(&c.TimeWait, d.TimeWait)
	set(&c.RTOInitial, d.RTOInitial)
	set(&c.RTOMin, d.RTOMin)
	set(&c.RTOMax, d.RTOMax)
	set(&c.TTL, d.TTL)
	c.SendBuffer = min(max(c.SendBuffer, MinBuffer), MaxBuffer)
	c.RecvBuffer = min(max(c.RecvBuffer, MinBuffer), MaxBuffer)
	return c
}

func set[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
