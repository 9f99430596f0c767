//go:build !race

package lab

// raced is true if the race detector is on.
const raced = false
