package filter

import "smolsh/stack/wire"

// The protocols whose headers protochain follows.
const (
	nextHopByHop       = 0
	nextRouting        = 43
	nextFragment       = 44
	nextAuthentication = 51
	nextNone           = 59
	nextDestination    = 60
)

// maxChain is the largest number of headers that protochain follows.
const maxChain = 64

// chain4 matches a packet in which a header names the protocol want as the next. It follows authentication headers
// after the IPv4 header. chain6 also follows the extension headers after the IPv6 header.
func chain4(t tags, want uint32) node {
	return and(linkNode(t, wire.EtherTypeIPv4), func(p packet) result {
		next, ok := p.load(t.net(p)+9, 1)
		header, all := t.headerLen(p)
		if !ok || !all {
			return abort
		}
		return p.chain(t.net(p), header, next, want, false)
	})
}

func chain6(t tags, want uint32) node {
	return and(linkNode(t, wire.EtherTypeIPv6), func(p packet) result {
		next, ok := p.load(t.net(p)+6, 1)
		if !ok {
			return abort
		}
		return p.chain(t.net(p), wire.IPv6Len, next, want, true)
	})
}

// chain follows the headers that begin at the offset at, which counts from the network header. After an authentication
// header it continues as if that header stood at the beginning of the network header, as libpcap does, probably by
// mistake.
func (p packet) chain(network, at, next, want uint32, extended bool) result {
	for range maxChain {
		if next == want || next == nextNone {
			return truth(next == want)
		}
		after, ok := p.load(network+at, 1)
		length, all := p.load(network+at+1, 1)
		switch next {
		case nextHopByHop, nextRouting, nextFragment, nextDestination:
			if !extended {
				return no
			}
			at += (length + 1) * 8
		case nextAuthentication:
			at = (length + 2) * 4
		default:
			return no
		}
		if !ok || !all {
			return abort
		}
		next = after
	}
	return no // the headers form a circle, in which libpcap would not terminate
}
