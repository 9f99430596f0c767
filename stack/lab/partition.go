package lab

// pair is two hosts, the one that was added earlier first.
type pair [2]*Host

func pairOf(a, b *Host) pair {
	if b.order < a.order {
		a, b = b, a
	}
	return pair{a, b}
}

// Partition stops frames between a and b, on a link and through a switch. A link between them is down and loses the
// frames in transit. A switch does not forward between them. Hosts that forward packets still reach both.
func (l *Lab) Partition(a, b *Host) { l.cut[pairOf(a, b)] = true }

// Heal ends all partitions. Links that SetUp took down stay down.
func (l *Lab) Heal() { clear(l.cut) }

func (l *Lab) isCut(a, b *Host) bool {
	return len(l.cut) > 0 && l.cut[pairOf(a, b)]
}
