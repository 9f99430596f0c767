// Package bench implements `smolsh bench`. It measures this program and its peers in one run, and reports medians and
// ratios.
//
// Each measurement has sides: smolsh, and the peers that can do the same (the kernel over a veth pair, gVisor's netstack as a
// program of its own). The sides take turns, A B A B …, so that a temporary load on the machine slows all of them. A figure is
// the median over the rounds; a ratio is smolsh's median divided by the peer's of the same run. Every run of a side is a separate
// process (an actor), which warms up first. All sides use the same source, sink and stop-watch on the kernel's end: sockets of
// another process, with CUBIC, whatever the machine's default is.
//
// Actors print their results as lines of JSON. Actor is their entry point. The programs under testdata/peers take the same
// arguments and print the same lines.
//
// The measurements use only the calling process's network namespace, which no other process may use, and namespaces that they
// make. Linux only.
//
// Left out on purpose: loss and bottlenecks, which tests measure in octets rather than in time, and anything that takes minutes.
// Only one goroutine may call Run.
package bench
