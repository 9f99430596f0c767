package stack

// Limits bound what a host keeps. Zero fields take the defaults.
type Limits struct {
	Sockets    int // sockets of every kind, connections in TIME-WAIT included: 1,048,576
	SYNQueue   int // half-open connections of one listener: 1024
	RecvQueue  int // octets that wait in a UDP or ICMP socket, overhead included: 262,144
	SendQueue  int // datagrams that wait for one interface: 512
	Groups     int // multicast groups that sockets have joined, each counted for each socket: 1024
	ReplyQueue int // answers of the stack itself that wait for one interface: 256
	Paths      int // destinations whose path MTU is known to be less than the link's: 1024
	Challenges int // ACKs sent per second for segments that may be forged, give or take a half: 1000
	ICMPRate   int // ICMP errors sent per second: 1000
	ICMPBurst  int // ICMP errors sent at once: 50
}

// DefaultBacklog is the backlog of a listener that names none.
const DefaultBacklog = 128

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Sockets, 1<<20)
	def(&l.SYNQueue, 1024)
	def(&l.RecvQueue, 256<<10)
	def(&l.SendQueue, 512)
	def(&l.Groups, 1024)
	def(&l.ReplyQueue, 256)
	def(&l.Paths, 1024)
	def(&l.Challenges, 1000)
	def(&l.ICMPRate, 1000)
	def(&l.ICMPBurst, 50)
	return l
}
