package main

// inForeground returns true: the system has no background jobs.
func inForeground() bool { return true }

// openFiles returns false: the system has no such limit.
func openFiles() (uint64, bool) { return 0, false }
