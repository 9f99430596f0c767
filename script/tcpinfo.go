package script

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack/tcp"
)

// infoColumn is one variable of a connection, in `sockets(info=True)` and `info()`.
type infoColumn struct {
	name  string
	about string // meaning, with the unit
	value func(i *tcp.Info) starlark.Value
	show  func(starlark.Value) string
}

func showMillis(v starlark.Value) string {
	f, _ := starlark.AsFloat(v)
	if f *= 1e3; f >= 1000 {
		return fmt.Sprintf("%.0fms", f)
	}
	return fmt.Sprintf("%.3gms", f)
}

// infoFields are the variables in the order of the RFCs that define them.
var infoFields = []infoColumn{
	// The connection's variables of RFC 9293, section 3.3.1, and the sizes of segments.
	{"SND-UNA", "the oldest sequence number not acknowledged", func(i *tcp.Info) starlark.Value { return num(uint32(i.SndUna)) }, nil},
	{"SND-NXT", "the next sequence number to be sent", func(i *tcp.Info) starlark.Value { return num(uint32(i.SndNxt)) }, nil},
	{"SND-WND", "octets that the peer's window allows, from snd_una", func(i *tcp.Info) starlark.Value { return num(i.SndWnd) }, nil},
	{"ISS", "our initial sequence number", func(i *tcp.Info) starlark.Value { return num(uint32(i.ISS)) }, nil},
	{"RCV-NXT", "the next sequence number expected", func(i *tcp.Info) starlark.Value { return num(uint32(i.RcvNxt)) }, nil},
	{"RCV-WND", "octets that our window allows the peer", func(i *tcp.Info) starlark.Value { return num(i.RcvWnd) }, nil},
	{"IRS", "the peer's initial sequence number", func(i *tcp.Info) starlark.Value { return num(uint32(i.IRS)) }, nil},
	{"MSS", "octets of data in a segment of the full size", func(i *tcp.Info) starlark.Value { return num(i.MSS) }, nil},
	{"PMTU", "octets of the longest packet that the path carries; 0 before the handshake", func(i *tcp.Info) starlark.Value { return num(i.PathMTU) }, nil},
	// The retransmission timer of RFC 6298.
	{"RTO", "retransmission timeout in seconds (RFC 6298)", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.RTO) }, showMillis},
	{"RTT", "smoothed round trip in seconds, SRTT", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.SRTT) }, showMillis},
	{"RTTVAR", "variation of the round trip in seconds", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.RTTVar) }, showMillis},
	{"MIN-RTT", "smallest round trip of the last minutes in seconds", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.MinRTT) }, showMillis},
	{"BACKOFFS", "timeouts, or window probes, in a row; each doubles the wait", func(i *tcp.Info) starlark.Value { return num(i.Backoffs) }, nil},
	// Congestion control (RFC 5681) and loss recovery (RFC 6675, RFC 8985).
	{"CONGESTION", "the algorithm: cubic or newreno", func(i *tcp.Info) starlark.Value { return starlark.String(i.Congestion) }, nil},
	{"CWND", "congestion window: octets that may be in flight", func(i *tcp.Info) starlark.Value { return num(i.Cwnd) }, nil},
	{"SSTHRESH", "octets of cwnd at which slow start ends; None before the first loss", func(i *tcp.Info) starlark.Value { return ssthresh(i.Ssthresh) }, nil},
	{"RECOVERY", "open (no sign of loss), disorder (SACKs or duplicates), recovery (retransmitting) or loss (after a timeout)", func(i *tcp.Info) starlark.Value { return starlark.String(i.Phase.String()) }, nil},
	{"ECN", "whether congestion is marked in place of dropped (RFC 3168)", func(i *tcp.Info) starlark.Value { return starlark.Bool(i.ECN) }, nil},
	{"PIPE", "octets estimated to be in flight (RFC 6675)", func(i *tcp.Info) starlark.Value { return num(i.Pipe) }, nil},
	{"SACKED", "octets beyond snd_una that the peer has reported as received", func(i *tcp.Info) starlark.Value { return num(i.Sacked) }, nil},
	{"LOST", "octets marked as lost and not yet retransmitted", func(i *tcp.Info) starlark.Value { return num(i.Lost) }, nil},
	{"RETRANS", "segments retransmitted so far", func(i *tcp.Info) starlark.Value { return num(i.Retrans) }, nil},
	{"UNACKED", "octets sent and not acknowledged, snd_nxt - snd_una", func(i *tcp.Info) starlark.Value { return num(i.Unacked) }, nil},
	{"REORDERING", "seconds that RACK waits for late segments (RFC 8985)", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.ReoWindow) }, showMillis},
	{"PACING-RATE", "octets of new data a second; None without pacing", func(i *tcp.Info) starlark.Value {
		if i.PacingRate == 0 { // without pacing, all data that the window allows is sent at once
			return starlark.None
		}
		return num(i.PacingRate)
	}, nil},
	// Buffers and counts.
	{"SND-BUF", "octets that the send buffer may hold now", func(i *tcp.Info) starlark.Value { return num(i.SendBuf) }, nil},
	{"RCV-BUF", "octets that the receive buffer may hold now", func(i *tcp.Info) starlark.Value { return num(i.RecvBuf) }, nil},
	{"GAPS", "ranges received out of order, beyond what is missing", func(i *tcp.Info) starlark.Value { return num(i.Gaps) }, nil},
	{"BYTES-SENT", "octets of data sent, retransmissions included", func(i *tcp.Info) starlark.Value { return num(i.BytesSent) }, nil},
	{"BYTES-ACKED", "octets of data that the peer has acknowledged", func(i *tcp.Info) starlark.Value { return num(i.BytesAcked) }, nil},
	{"BYTES-RECEIVED", "octets of data received in order", func(i *tcp.Info) starlark.Value { return num(i.BytesReceived) }, nil},
	{"SEGS-OUT", "segments sent", func(i *tcp.Info) starlark.Value { return num(i.SegsOut) }, nil},
	{"SEGS-IN", "segments received", func(i *tcp.Info) starlark.Value { return num(i.SegsIn) }, nil},
}

// ssthresh returns the threshold, None before the first loss.
func ssthresh(n int) starlark.Value {
	if n >= tcp.MaxBuffer {
		return starlark.None
	}
	return num(n)
}

// infoWords returns the names of the fields of info() with their meanings, for its help text.
func infoWords() [][2]string {
	words := [][2]string{
		{"state", "RFC 9293's name: ESTABLISHED, CLOSE-WAIT, …"}, {"recv_q", "octets that wait for the reader"},
		{"send_q", "octets that are not yet acknowledged"}, {"timer", "the timer that expires next, and when"},
	}
	for _, f := range infoFields {
		words = append(words, [2]string{table.FieldName(f.name), f.about})
	}
	return words
}

func infoColumns() []table.Column {
	cols := make([]table.Column, len(infoFields))
	for i, f := range infoFields {
		cols[i] = table.Column{Name: f.name, Show: f.show}
	}
	return cols
}

func infoValues(info *tcp.Info) []starlark.Value {
	vals := make([]starlark.Value, len(infoFields))
	for i, f := range infoFields {
		vals[i] = starlark.None
		if info != nil {
			vals[i] = f.value(info)
		}
	}
	return vals
}
