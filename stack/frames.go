package stack

import "smolsh/phy"

// framePools holds the frames for packets that the host itself sends: small ones, and large ones for super-segments and
// long datagrams.
type framePools struct {
	small, large *phy.Pool
	lent         int        // number of frames in use
	scratch      *phy.Frame // for segments that are dropped instead of sent; see failNoPath
}

func newFramePools() framePools {
	return framePools{
		small:   phy.NewPool(phy.FrameSize, 1024),
		large:   phy.NewPool(phy.SuperFrameSize, 16),
		scratch: phy.NewFrame(phy.FrameSize),
	}
}

// get returns an empty frame with room for a packet of n octets without its headers.
func (p *framePools) get(n int) *phy.Frame {
	p.lent++
	if n <= phy.FrameSize {
		return p.small.Get()
	}
	return p.large.Get()
}

// put returns a frame of get to its pool.
func (p *framePools) put(f *phy.Frame) {
	p.lent--
	f.Reset()
	if len(f.Tail()) >= phy.SuperFrameSize {
		p.large.Put(f)
	} else {
		p.small.Put(f)
	}
}
