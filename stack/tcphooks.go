package stack

import (
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
)

// tcpState, tcpEpisode and tcpCount are the tcp.Hooks of all connections.
func (h *Host) tcpState(conn *tcp.Conn, from, to tcp.State) {
	if len(h.watch.listeners) > 0 {
		h.watch.tcpEvents = append(h.watch.tcpEvents, tcpEvent{conn: conn, from: from, to: to})
	}
	counted := func(s tcp.State) bool { return s == tcp.Established || s == tcp.CloseWait }
	switch {
	case counted(to) && !counted(from):
		h.stats.counters[mib.TCPCurrEstab]++
	case counted(from) && !counted(to):
		h.stats.counters[mib.TCPCurrEstab]--
	}
}

func (h *Host) tcpEpisode(conn *tcp.Conn, e tcp.Episode, why string) {
	if len(h.watch.listeners) > 0 {
		h.watch.tcpEvents = append(h.watch.tcpEvents, tcpEvent{conn: conn, episode: e, why: why})
	}
}

func (h *Host) tcpCount(e tcp.Event, n int) {
	if int(e) < len(eventCounters) {
		h.stats.counters[eventCounters[e]] += uint64(n)
	}
}

var eventCounters = [tcp.NumEvents]mib.Counter{
	tcp.EventActiveOpen:      mib.TCPActiveOpens,
	tcp.EventPassiveOpen:     mib.TCPPassiveOpens,
	tcp.EventAttemptFail:     mib.TCPAttemptFails,
	tcp.EventEstabReset:      mib.TCPEstabResets,
	tcp.EventRetrans:         mib.TCPRetransSegs,
	tcp.EventFastRetrans:     mib.TCPExtFastRetrans,
	tcp.EventTimeout:         mib.TCPExtTimeouts,
	tcp.EventProbe:           mib.TCPExtWinProbe,
	tcp.EventKeepAlive:       mib.TCPExtKeepAlive,
	tcp.EventDelayedAck:      mib.TCPExtDelayedACKs,
	tcp.EventChallengeAck:    mib.TCPExtChallengeACK,
	tcp.EventOutOfOrder:      mib.TCPExtOFOQueue,
	tcp.EventPruned:          mib.TCPExtOFOPruned,
	tcp.EventTailProbe:       mib.TCPExtLossProbes,
	tcp.EventUndo:            mib.TCPExtFullUndo,
	tcp.EventPathMTU:         mib.TCPExtPathMTU,
	tcp.EventBlackHole:       mib.TCPExtBlackHole,
	tcp.EventMTUProbe:        mib.TCPExtMTUProbe,
	tcp.EventMTUProbeSuccess: mib.TCPExtMTUPSuccess,
	tcp.EventMTUProbeFail:    mib.TCPExtMTUPFail,
	tcp.EventAbortOnTimeout:  mib.TCPExtAbortOnTimeout,
	tcp.EventAbortOnData:     mib.TCPExtAbortOnData,
	tcp.EventAbortOnClose:    mib.TCPExtAbortOnClose,
}
