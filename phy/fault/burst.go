package fault

import "fmt"

// GilbertElliott loses frames in bursts: a chain of two states, good and bad, that makes a step with each frame (E. N. Gilbert,
// 1960; E. O. Elliott, 1963; netem's "loss gemodel"). The state before the step applies to the frame. The zero value loses
// nothing; all fields are probabilities, 0 to 1.
type GilbertElliott struct {
	P, R float64 // probabilities of a step from good to bad, and back
	Bad  float64 // probability of a loss in the bad state (netem's 1-h)
	Good float64 // probability of a loss in the good state (netem's 1-k)
}

// Bursts returns the chain that loses the given share of all frames, 0 to 1, in bursts of the given mean length, 1 or more frames:
// in the bad state everything is lost, in the good state nothing. It returns an error if so many losses are impossible with such
// short bursts.
func Bursts(loss, length float64) (GilbertElliott, error) {
	switch {
	case !(length >= 1):
		return GilbertElliott{}, fmt.Errorf("a burst has at least 1 packet, got %v", length)
	case !(loss > 0 && loss < 1):
		return GilbertElliott{}, fmt.Errorf("bursts of a mean length need a loss between 0 and 1, got %v", loss)
	}
	// In the long run loss = p/(p+r), and the bad state lasts for 1/r frames on average.
	g := GilbertElliott{P: loss / (1 - loss) / length, R: 1 / length, Bad: 1}
	if g.P > 1 {
		return GilbertElliott{}, fmt.Errorf("a loss of %v needs bursts of %.4g or more packets, got %v", loss, loss/(1-loss), length)
	}
	return g, nil
}

// MeanLoss returns the share of frames that is lost in the long run.
func (g GilbertElliott) MeanLoss() float64 {
	if g.P == 0 {
		return g.Good
	}
	bad := g.P / (g.P + g.R)
	return bad*g.Bad + (1-bad)*g.Good
}

func (g *GilbertElliott) used() bool { return g.P > 0 || g.Good > 0 }

// step decides whether a frame is lost in the chain's state *bad, and then advances the chain.
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
