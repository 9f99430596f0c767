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
	{"SND-UNA", func(i *tcp.Info) starlark.Value { return num(uint32(i.SndUna)) }, nil},
	{"SND-NXT", func(i *tcp.Info) starlark.Value { return num(uint32(i.SndNxt)) }, nil},
	{"SND-WND", func(i *tcp.Info) starlark.Value { return num(i.SndWnd) }, nil},
	{"ISS", func(i *tcp.Info) starlark.Value { return num(uint32(i.ISS)) }, nil},
	{"RCV-NXT", func(i *tcp.Info) starlark.Value { return num(uint32(i.RcvNxt)) }, nil},
	{"RCV-WND", func(i *tcp.Info) starlark.Value { return num(i.RcvWnd) }, nil},
	{"IRS", func(i *tcp.Info) starlark.Value { return num(uint32(i.IRS)) }, nil},
	{"MSS", func(i *tcp.Info) starlark.Value { return num(i.MSS) }, nil},
	{"PMTU", func(i *tcp.Info) starlark.Value { return num(i.PathMTU) }, nil},
	// The retransmission timer of RFC 6298.
	{"RTO", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.RTO) }, showMillis},
	{"RTT", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.SRTT) }, showMillis},
	{"RTTVAR", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.RTTVar) }, showMillis},
	{"MIN-RTT", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.MinRTT) }, showMillis},
	{"BACKOFFS", func(i *tcp.Info) starlark.Value { return num(i.Backoffs) }, nil},
	// Congestion control (RFC 5681) and loss recovery (RFC 6675, RFC 8985).
	{"CONGESTION", func(i *tcp.Info) starlark.Value { return starlark.String(i.Congestion) }, nil},
	{"CWND", func(i *tcp.Info) starlark.Value { return num(i.Cwnd) }, nil},
	{"SSTHRESH", func(i *tcp.Info) starlark.Value { return ssthresh(i.Ssthresh) }, nil},
	{"RECOVERY", func(i *tcp.Info) starlark.Value { return starlark.String(i.Phase.String()) }, nil},
	{"ECN", func(i *tcp.Info) starlark.Value { return starlark.Bool(i.ECN) }, nil},
	{"PIPE", func(i *tcp.Info) starlark.Value { return num(i.Pipe) }, nil},
	{"SACKED", func(i *tcp.Info) starlark.Value { return num(i.Sacked) }, nil},
	{"LOST", func(i *tcp.Info) starlark.Value { return num(i.Lost) }, nil},
	{"RETRANS", func(i *tcp.Info) starlark.Value { return num(i.Retrans) }, nil},
	{"UNACKED", func(i *tcp.Info) starlark.Value { return num(i.Unacked) }, nil},
	{"REORDERING", func(i *tcp.Info) starlark.Value { return registry.Seconds(i.ReoWindow) }, showMillis},
	{"PACING-RATE", func(i *tcp.Info) starlark.Value {
		if i.PacingRate == 0 { // without pacing, all data that the window allows is sent at once
			return starlark.None
		}
		return num(i.PacingRate)
	}, nil},
	// Buffers and counts.
	{"SND-BUF", func(i *tcp.Info) starlark.Value { return num(i.SendBuf) }, nil},
	{"RCV-BUF", func(i *tcp.Info) starlark.Value { return num(i.RecvBuf) }, nil},
	{"GAPS", func(i *tcp.Info) starlark.Value { return num(i.Gaps) }, nil},
	{"BYTES-SENT", func(i *tcp.Info) starlark.Value { return num(i.BytesSent) }, nil},
	{"BYTES-ACKED", func(i *tcp.Info) starlark.Value { return num(i.BytesAcked) }, nil},
	{"BYTES-RECEIVED", func(i *tcp.Info) starlark.Value { return num(i.BytesReceived) }, nil},
	{"SEGS-OUT", func(i *tcp.Info) starlark.Value { return num(i.SegsOut) }, nil},
	{"SEGS-IN", func(i *tcp.Info) starlark.Value { return num(i.SegsIn) }, nil},
}

// ssthresh returns the threshold, None before the first loss.
func ssthresh(n int) starlark.Value {
	if n >= tcp.MaxBuffer {
		return starlark.None
	}
	return num(n)
}

// infoWords returns the names of the fields of info(), for its help text.
func infoWords() string {
	s := "state recv_q send_q timer"
	for _, f := range infoFields {
		s += " " + table.FieldName(f.name)
	}
	return s
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
