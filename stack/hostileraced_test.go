//go:build race

package stack

// raced is true if the race detector is on, which makes everything slow.
const raced = true
