package fault

import "fmt"

// GilbertElliott loses frames in bursts: a chain of two states, good and bad, that takes a step with each
// frame (E. N. Gilbert, 1960; E. O. Elliott, 1963; netem's "loss gemodel"). A frame meets the state that
// the chain is in, and then the chain moves on. The zero value loses nothing; all fields are chances, 0 to 1.
type GilbertElliott struct {
	P, R float64 // of going from good to bad, and back
	Bad  float64 // of a loss in the bad state (netem's 1-h)
	Good float64 // of a loss in the good state (netem's 1-k)
}

// Bursts is the chain that loses the given share of all frames, 0 to 1, in bursts of the given mean length,
// 1 or more frames: in the bad state everything is lost, in the good one nothing. It is an error where so
// many losses can't come in bursts so short.
func Bursts(loss, length float64) (GilbertElliott, error) {
	switch {
	case !(length >= 1):
		return GilbertElliott{}, fmt.Errorf("a burst has at least 1 packet, got %v", length)
	case !(loss > 0 && loss < 1):
		return GilbertElliott{}, fmt.Errorf("bursts of a mean length need a loss between 0 and 1, got %v", loss)
	}
	// In the long run loss = p/(p+r), and a stay in the bad state is 1/r frames long.
	g := GilbertElliott{P: loss / (1 - loss) / length, R: 1 / length, Bad: 1}
	if g.P > 1 {
		return GilbertElliott{}, fmt.Errorf("a loss of %v needs bursts of %.4g or more packets, got %v", loss, loss/(1-loss), length)
	}
	return g, nil
}

// MeanLoss is the share of frames that is lost in the long run.
func (g GilbertElliott) MeanLoss() float64 {
	if g.P == 0 {
		return g.Good
	}
	bad := g.P / (g.P + g.R)
	return bad*g.Bad + (1-bad)*g.Good
}

func (g *GilbertElliott) used() bool { return g.P > 0 || g.Good > 0 }

// step judges a frame in the given state and moves the chain on.
func (g *GilbertElliott) step(s *Set, bad *bool) (lost bool) {
	if *bad {
		lost = s.chance(g.Bad)
		*bad = !s.chance(g.R)
		return lost
	}
	lost = s.chance(g.Good)
	*bad = s.chance(g.P)
	return lost
}
