package stack

import "smolsh/phy"

// framePools holds the frames for packets that the host sends: small frames, and large ones for super-segments and long
// datagrams.
type framePools struct {
	small, large *phy.Pool
	lent         int        // frames in use
	scratch      *phy.Frame // frame for segments that are dropped and not sent; see failNoPath
}

func newFramePools() framePools {
	return framePools{
		small:   phy.NewPool(phy.FrameSize, 1024),
		large:   phy.NewPool(phy.SuperFrameSize, 16),
		scratch: phy.NewFrame(phy.FrameSize),
	}
}

// get returns an empty frame with room for headers and n octets.
func (p *framePools) get(n int) *phy.Frame {
	p.lent++
	if n <= phy.FrameSize {
		return p.small.Get()
	}
	return p.large.Get()
}

// put returns a frame that get returned to its pool.
func (p *framePools) put(f *phy.Frame) {
	p.lent--
	f.Reset()
	if len(f.Tail()) >= phy.SuperFrameSize {
		p.large.Put(f)
	} else {
		p.small.Put(f)
	}
}
