package labtest

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"smolsh/stack"
	"smolsh/stack/drop"
)

// report returns what a failed run prints. The caller is the owner, or every goroutine of the bubble waits for ever.
func (l *Lab) report(why string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.reportHead(why, fmt.Sprintf(", after %v of the lab's time", time.Duration(l.world.Now()))))
	for _, k := range l.lab.Links() {
		from, to := k.Ends()
		ab, ba := k.Stats()
		fmt.Fprintf(&b, "link %s - %s: %s; back %s\n", from, to, flowText(ab.In, ab.Dropped(), &ab.Drops), flowText(ba.In, ba.Dropped(), &ba.Drops))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.WriteString(l.stillRunning())
	for _, h := range l.hosts {
		b.WriteString(h.socketTable())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// reportHead returns the seed of a run, the command that repeats it, and the name of its capture.
func (l *Lab) reportHead(why, after string) string {
	return fmt.Sprintf("%s with seed %d%s\nrepeat:  %s\ncapture: %s", why, l.seed, after, repeatCommand(l.name, l.seed), l.captured)
}

// maxSockets is the number of a host's sockets that a report shows.
const maxSockets = 50

// flowText describes one direction of a link.
func flowText(in, dropped uint64, reasons *[drop.NumReasons]uint64) string {
	text := fmt.Sprintf("%d frames", in)
	if dropped == 0 {
		return text
	}
	var list []string
	for r, n := range reasons {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %v", n, drop.Reason(r)))
		}
	}
	return fmt.Sprintf("%s, dropped: %s", text, strings.Join(list, ", "))
}

// socketTable returns the host's sockets in the form of ss. The caller is the owner and holds l.mu.
func (h *Host) socketTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s", h.Name())
	for _, a := range h.host.Addrs() {
		fmt.Fprintf(&b, " %v", a)
	}
	if h.crashed {
		b.WriteString(", crashed")
	}
	b.WriteString("\n")
	infos := h.host.SocketInfos(h.l.world.Now())
	if len(infos) == 0 {
		b.WriteString("no sockets\n")
		return b.String()
	}
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "Netid\tState\tRecv-Q\tSend-Q\tLocal\tPeer\t")
	for i := range infos[:min(len(infos), maxSockets)] {
		s := &infos[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", s.NetID, s.State, s.RecvQ, s.SendQ, addrText(s.Local), addrText(s.Remote), tcpText(s))
	}
	w.Flush()
	if more := len(infos) - maxSockets; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

func addrText(a netip.AddrPort) string {
	switch {
	case a == netip.AddrPort{}:
		return "*"
	case !a.Addr().IsValid():
		return fmt.Sprintf("*:%d", a.Port())
	}
	return a.String()
}

// tcpText returns the words of ss -i about a connection.
func tcpText(s *stack.SocketInfo) string {
	t := s.TCP
	if t == nil {
		return ""
	}
	text := fmt.Sprintf("cwnd %d rto %v retrans %d", t.Cwnd, t.RTO, t.Retrans)
	if t.Timer != "" {
		text += fmt.Sprintf(" timer %s %v", t.Timer, t.TimerLeft)
	}
	return text
}
