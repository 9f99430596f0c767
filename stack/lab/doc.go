// Package lab joins hosts with links, switches and devices under one clock, one event queue and one
// seed.
//
// A World is the clock and the queue; the labs made in it share both. A Lab is a set of hosts and
// links whose randomness all comes from one seed, a stream for each host, each direction of each link
// and each set of fault rules, so that adding a link leaves the draws of the others alone. Nothing here
// reads a clock: a Runner moves the World, by jumping from event to event (NewVirtual) or along the
// wall clock (package live). The same seed and the same calls give the same octets at the same
// instants.
//
// A frame has one owner at a time: the port that took it from its host, the link, the port where it arrives, and then the
// World's pool again. Frames are handed over, not copied; only a flooding switch and an injected duplicate copy one.
//
// Every drop is counted once. A host counts the frames that it drops. A frame lost on a link has left its host, so the
// link counts it (Link.Stats). A switch counts the frames that it can't forward (Switch.Stats) and those that its devices
// refuse (SwitchPort.Stats). Conservation checks that all of these counters add up.
//
// Limits: a direction of a link holds at most 65536 frames in transit, a port queues 1024 frames for its device (a switch's
// port at most 4 MiB of them), a switch learns 1024 addresses. Left out on purpose:
// spanning trees, VLANs, links between switches, and serialisation overhead (preamble, frame check
// sequence) in a link's rate.
//
// Everything is single-owner: only the goroutine that owns the World, or a function that Runner.Do
// runs on it, may call anything here, Runner.Do and Runner.Idle excepted.
package lab
