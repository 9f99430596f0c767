package stack

import (
	"smolsh/stack/drop"
	"smolsh/stack/mib"
)

// hostStatistics holds the host's counters. Counters only grow, except TcpCurrEstab.
type hostStatistics struct {
	counters mib.Table
	verdicts [Transmitted]uint64 // number of frames by kind of verdict
	drops    [drop.NumReasons]dropRecord
	refusals [numLimits]refusals
}

// count increments a counter.
func (h *Host) count(c mib.Counter) { h.stats.counters[c]++ }

// CounterInfo is a counter's name and value.
type CounterInfo = mib.Info

// CounterInfos returns every counter, in the order of the layers. Counters only grow, except TcpCurrEstab.
func (h *Host) CounterInfos() []CounterInfo { return h.stats.counters.Infos() }

// Conservation returns the number of frames that have arrived, and the number of frames that were delivered, answered, forwarded,
// overheard or dropped. The two are always equal.
func (h *Host) Conservation() (in, accounted uint64) {
	for _, i := range h.net.ifaces {
		in += i.stats.rxPackets
	}
	accounted = h.stats.verdicts[Delivered] + h.stats.verdicts[Answered] + h.stats.verdicts[Forwarded] + h.stats.verdicts[Overheard]
	for r := range h.stats.drops {
		accounted += h.stats.drops[r].rx
	}
	return in, accounted
}
