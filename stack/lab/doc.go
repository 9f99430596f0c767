// Package lab joins hosts with links, switches and devices under one clock, one event queue and one
// seed.
//
// A World is a clock and an event queue, which the labs made in it share. A Lab is a set of hosts and links with one
// seed. The seed determines a random stream for each host, each direction of a link and each set of fault rules, so
// adding a link does not change the other streams. Nothing here reads a clock: a Runner advances the World, by jumping
// from event to event (NewVirtual) or along the wall clock (package live). Equal seeds and equal calls produce equal
// octets at equal times.
//
// A frame has one owner at a time: the port that received it from its host, the link, the port where it arrives, and
// then the World's pool again. The frame itself is passed on, without a copy. Only flooding in a switch and duplication
// by a fault rule copy a frame.
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
// Everything is single-owner: only the goroutine that owns the World, or a function that Runner.Do runs on it, may call
// anything here. The exceptions are Runner.Do and Runner.Idle.
package lab
