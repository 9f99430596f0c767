// Package bench is the verb bench: it measures this program beside its peers, in one run, and
// reports medians and ratios.
//
// Each measurement has sides: smolsh, and the peers that can do the same (the kernel over a veth pair,
// gVisor's netstack as a program of its own). The sides take turns, A B A B …, so that a load on the
// machine for a while slows all of them; a figure is the median over the rounds, and a ratio is
// smolsh's median divided by the peer's of the same run. Every run of a side is a process of its own
// (an actor), which warms up first. Source, sink and stop-watch on the kernel's end are the same for all
// sides: sockets of another process, with CUBIC, whatever the machine's default is.
//
// Actors print their results as lines of JSON. Actor is their entry point. The programs under testdata/peers take the same
// arguments and print the same lines.
//
// Everything on the network happens in the calling process's network namespace, which no other process may
// use, and in namespaces made from it. Linux only.
//
// Left out on purpose: loss and bottlenecks, which tests measure in octets rather than in time, and
// anything that takes minutes. Run belongs to one goroutine.
package bench
