// Go programs on hosts of a lab. The module is a module of its own, as a user's would be.
module smolsh/examples/go

go 1.26.0

require smolsh v0.0.0

require (
	github.com/gopacket/gopacket v1.7.7 // indirect
	golang.org/x/net v0.55.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace smolsh => ../..
