package tcp

import "time"

// Limits of a connection's buffers, in octets.
const (
	MinBuffer = 64
	MaxBuffer = 64 << 20
	// startBuffer is the initial limit of a buffer without a fixed size. The limit itself costs no memory, since
	// storage is allocated when octets arrive.
	startBuffer = 256 << 10
)

// Config holds one connection's options. A duration of zero takes the default unless its comment says otherwise.
//
// A buffer of fixed size holds that many octets, from MinBuffer to MaxBuffer. A buffer of size 0 sizes itself: it begins at 256
// KiB and grows with the needs of the path and the reader, up to its Max.
type Config struct {
	SendBuffer    int           // maximum octets in the send buffer; 0: twice the congestion window
	SendBufferMax int           // largest size of a send buffer that sizes itself
	RecvBuffer    int           // maximum octets in the receive buffer; 0: two to four times the octets read in a round trip
	RecvBufferMax int           // largest size of a receive buffer that sizes itself; sets the window scale
	MSS           int           // largest payload of a segment to receive and send; 0: as the MTU allows
	NoDelay       bool          // true if Nagle's algorithm is off (RFC 9293 §3.7.4)
	NoTimestamps  bool          // true if timestamps are neither offered nor accepted (RFC 7323)
	NoMTUProbing  bool          // true if there is no search for the path MTU after a black hole (RFC 4821)
	NoPacing      bool          // true if all data that the window allows is sent at once
	NoSACK        bool          // true if selective acknowledgements are neither offered nor accepted (RFC 2018)
	TTL           uint8         // time to live of the packets; the stack uses it
	KeepAlive     time.Duration // idle time before a keep-alive, and between two; 0: no keep-alives (RFC 9293 §3.8.4)
	KeepAliveMax  int           // unanswered keep-alives before the connection is aborted
	UserTimeout   time.Duration // longest time that data may stay unacknowledged (RFC 9293 §3.8.3); 0: until MaxRetries
	MaxRetries    int           // retransmissions of one segment before the connection is aborted
	OrphanRetries int           // MaxRetries after Close; zero-window probes that are answered still have MaxRetries
	SYNRetries    int           // retransmissions of a SYN before the connection is aborted
	DelayedAck    time.Duration // longest delay of an ACK (RFC 9293 §3.8.6.3); negative: no delay
	TimeWait      time.Duration // time in TIME-WAIT (2 MSL); negative: none
	RTOInitial    time.Duration // RTO before the first sample (RFC 6298 §2.1)
	RTOMin        time.Duration // minimum of RTO - SRTT, the variance term of the RTO (RFC 6298 §2.3, §2.4)
	RTOMax        time.Duration // maximum of the RTO (RFC 6298 §2.5)
	InitialWindow int           // initial congestion window in segments; 0: RFC 6928 §2
	Congestion    Algorithm     // congestion controller
	ECN           ECN           // use of explicit congestion notification (RFC 3168)
	Log           int           // entries kept in the log of the sender's variables, at most MaxLog; 0: no log (see Conn.Log)
}

// Default returns the default options. SendBufferMax and RecvBufferMax exceed twice the bandwidth-delay product of 100
// Mbit/s × 200 ms, 2.5 MB. A window needs twice that product during loss recovery.
func Default() Config {
	return Config{
		SendBufferMax: 8 << 20,
		RecvBufferMax: 8 << 20,
		KeepAliveMax:  9,
		MaxRetries:    15,
		OrphanRetries: 8,
		SYNRetries:    6,
		DelayedAck:    40 * time.Millisecond,
		TimeWait:      10 * time.Second,
		RTOInitial:    time.Second,
		RTOMin:        200 * time.Millisecond,
		RTOMax:        60 * time.Second,
		TTL:           64,
	}
}

// withDefaults replaces zeros by defaults and limits sizes to their ranges.
func (c Config) withDefaults() Config {
	d := Default()
	set(&c.SendBufferMax, d.SendBufferMax)
	set(&c.RecvBufferMax, d.RecvBufferMax)
	set(&c.KeepAliveMax, d.KeepAliveMax)
	set(&c.MaxRetries, d.MaxRetries)
	set(&c.OrphanRetries, d.OrphanRetries)
	set(&c.SYNRetries, d.SYNRetries)
	set(&c.DelayedAck, d.DelayedAck)
	set(&c.TimeWait, d.TimeWait)
	set(&c.RTOInitial, d.RTOInitial)
	set(&c.RTOMin, d.RTOMin)
	set(&c.RTOMax, d.RTOMax)
	set(&c.TTL, d.TTL)
	for _, n := range [...]*int{&c.SendBuffer, &c.RecvBuffer, &c.SendBufferMax, &c.RecvBufferMax} {
		if *n != 0 {
			*n = min(max(*n, MinBuffer), MaxBuffer)
		}
	}
	c.Log = min(max(c.Log, 0), MaxLog)
	c.InitialWindow = min(max(c.InitialWindow, 0), 1<<15)
	return c
}

// Shared returns a copy of cfg with its defaults filled in, which any number of connections may share. Nobody may
// change the copy. SetConfig replaces one connection's Config by another.
func Shared(cfg Config) *Config {
	cfg = cfg.withDefaults()
	return &cfg
}

// sendStart and recvStart are the initial limits of the buffers.
func (c *Config) sendStart() int { return startSize(c.SendBuffer, c.SendBufferMax) }
func (c *Config) recvStart() int { return startSize(c.RecvBuffer, c.RecvBufferMax) }

func startSize(fixed, limit int) int {
	if fixed != 0 {
		return fixed
	}
	return min(startBuffer, limit)
}

// maxRecvBuffer returns the largest size that the receive buffer may take.
func (c *Config) maxRecvBuffer() int {
	if c.RecvBuffer != 0 {
		return c.RecvBuffer
	}
	return c.RecvBufferMax
}

func set[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
