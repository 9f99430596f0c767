package tcp

import "time"

// Limits of a connection's buffers, in octets.
const (
	MinBuffer = 64
	MaxBuffer = 64 << 20
	// startBuffer is where a buffer begins whose size nobody has fixed. Storage comes with the octets, so
	// that it costs nothing by itself.
	startBuffer = 256 << 10
)

// Config holds one connection's options. Durations of zero take the default unless a field says
// otherwise.
//
// A buffer of fixed size holds that many octets, MinBuffer to MaxBuffer. One of size 0 sizes itself: it
// begins at 256 KiB and grows as the path and the reader show that they need it, up to its Max.
type Config struct {
	SendBuffer    int           // octets queued at most; 0: twice the congestion window
	SendBufferMax int           // what a send buffer that sizes itself grows to
	RecvBuffer    int           // octets kept for the reader at most; 0: two to four times what it takes in a round trip
	RecvBufferMax int           // what a receive buffer that sizes itself grows to; sets the window scale
	MSS           int           // largest segment's payload we want to receive and send; 0: what the MTU allows
	NoDelay       bool          // switches Nagle's algorithm off (RFC 9293 §3.7.4)
	NoTimestamps  bool          // does not offer or accept timestamps (RFC 7323)
	NoMTUProbing  bool          // does not look for a path that drops long packets without a word (RFC 4821)
	NoPacing      bool          // sends all that the window lets out at once
	NoSACK        bool          // does not offer or accept selective acknowledgements (RFC 2018)
	TTL           uint8         // of the packets; used by the stack
	KeepAlive     time.Duration // idle time before a probe, and between probes; 0: no keep-alive
	KeepAliveMax  int           // probes without an answer before the connection is given up
	UserTimeout   time.Duration // how long data may stay unacknowledged; 0: until MaxRetries
	MaxRetries    int           // retransmissions of one segment before giving up
	OrphanRetries int           // the same once the application has closed; probes of a shut window that are answered have MaxRetries then
	SYNRetries    int           // retransmissions of a SYN before giving up
	DelayedAck    time.Duration // longest delay of an ACK; negative: none is delayed
	TimeWait      time.Duration // 2 MSL; negative: none
	RTOInitial    time.Duration // RFC 6298 §2.1
	RTOMin        time.Duration // least of RTO - SRTT: the floor of the variance's term (RFC 6298 §2.3, §2.4)
	RTOMax        time.Duration // RFC 6298 §2.5
	InitialWindow int           // initial congestion window in segments; 0: RFC 6928 §2
	Congestion    Algorithm     // how the congestion window answers to the path
	ECN           ECN           // explicit congestion notification; accepted where nothing else is said
	Log           int           // entries kept of how the sender's variables changed, at most MaxLog; 0: none (see Conn.Log)
}

// Default is what an option is when nothing is said. The buffers' bounds fill 10 Gbit/s × 1 ms and
// 100 Mbit/s × 200 ms, 2.5 MB, twice over, as a window needs while a loss is being repaired.
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

// withDefaults fills what is zero and brings sizes into their bounds.
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

// Shared is cfg with its defaults filled in, to be given to any number of connections. Nobody changes it
// any more: SetConfig gives the one connection a Config of its own.
func Shared(cfg Config) *Config {
	cfg = cfg.withDefaults()
	return &cfg
}

// sendStart and recvStart are the sizes that the buffers begin with.
func (c *Config) sendStart() int { return startSize(c.SendBuffer, c.SendBufferMax) }
func (c *Config) recvStart() int { return startSize(c.RecvBuffer, c.RecvBufferMax) }

func startSize(fixed, most int) int {
	if fixed != 0 {
		return fixed
	}
	return min(startBuffer, most)
}

// maxRecvBuffer is the most that the receive buffer may become.
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
