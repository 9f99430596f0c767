//go:build !linux

package proxy

import "net"

// queued returns 0: only Linux tells how many octets wait.
func queued(*net.TCPConn) int { return 0 }

// hungUp returns false: only Linux tells it without a Read or a Write.
func hungUp(*net.TCPConn) bool { return false }
