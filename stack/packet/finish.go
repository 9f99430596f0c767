package packet

// FinishChecksum writes the checksum of the TCP or UDP header in a whole frame, which the sender has left to its device, over what stands
// there. Of a super-segment it is the checksum of all its octets. It leaves frames without such a header as they are.
func FinishChecksum(b []byte, first *Protocol) {
	for _, l := range Dissect(b, len(b), first).Layers {
		if l.Protocol != TCP && l.Protocol != UDP {
			continue
		}
		f := l.Protocol.Field("chksum")
		if sum, ok := f.Sum(l); ok && l.Has(f) {
			from, _ := l.Span(f)
			putBits(b, 8*from, f.Bits, sum)
		}
		return
	}
}
