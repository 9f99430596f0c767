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
// A frame has one owner at a time: the port that took it from its host, the link it is on, the port
// it arrives at, and then the World's pool again. Frames are handed over, not copied; only a flooding
// switch and an injected duplicate copy.
//
// What a host drops its own counters say. A frame lost on a link has left its host already: the link
// counts it (Link.Stats), a switch what it could not forward (Switch.Stats) and what its devices did not
// take (SwitchPort.Stats), and Conservation checks all of these laws.
//
// Limits: a link direction holds at most 65536 frames in flight, a port 1024 frames that its device
// has not taken (a switch's port 4 MiB of them), a switch learns 1024 addresses. Left out on purpose:
// spanning trees, VLANs, links between switches, and serialisation overhead (preamble, frame check
// sequence) in a link's rate.
//
// Everything is single-owner: only the goroutine that owns the World, or a function that Runner.Do
// runs on it, may call anything here, Runner.Do and Runner.Idle excepted.
package lab
