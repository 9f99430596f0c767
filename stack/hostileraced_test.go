//go:build race

package stack

// raced says that the race detector is at work, which makes everything slow.
const raced = true
