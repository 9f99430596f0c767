package bench

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"smolsh/phy/tap"
	"smolsh/script"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
	"smolsh/stack/tcp"
)

// ourChunk is the number of octets that our side writes or reads at once.
const ourChunk = 64 << 10

// onTAP opens the TAP that the arguments name, and returns our host on it.
func (a *actor) onTAP() (lab.Runner, *lab.Lab, *lab.Host, error) {
	dev, err := tap.Open(a.args["tap"], tap.Options{Plain: !a.args.flag("offload")})
	if err != nil {
		return nil, nil, nil, err
	}
	l := lab.New(lab.NewWorld(), 1)
	h, err := l.AddHost(lab.HostConfig{Name: "local", Addrs: []netip.Prefix{ends(a.args.flag("ipv6")).ours}})
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := h.Attach(dev); err != nil {
		return nil, nil, nil, err
	}
	r, err := live.New(l.World())
	return r, l, h, err
}

// tap runs our side on a TAP. Arguments: tap=, the TAP's name; offload=; to=ADDRESS:PORT of the kernel's end; proto=;
// mode=sink, source or echo.
func (a *actor) tap() error {
	r, _, h, err := a.onTAP()
	if err != nil {
		return err
	}
	defer r.Close()
	to, err := netip.ParseAddrPort(a.args["to"])
	if err != nil {
		return err
	}
	over := make(chan error, 1)
	end := func(err error) {
		select {
		case over <- err:
		default:
		}
	}
	if a.args["proto"] == "udp" {
		r.Do(func(now clock.Instant) { err = echoDatagrams(now, h, to) })
	} else {
		r.Do(func(now clock.Instant) { err = a.stream(now, h, to, end) })
	}
	if err != nil {
		return err
	}
	return <-over
}

// stream opens the connection and moves octets on it. Only the owner calls it. It calls end with the connection's
// error, except when the other side has measured and closed.
func (a *actor) stream(now clock.Instant, h *lab.Host, to netip.AddrPort, end func(error)) error {
	c, err := h.DialTCP(now, netip.AddrPort{}, to, tcp.Config{NoDelay: a.args["mode"] == "echo"})
	if err != nil {
		return err
	}
	buf := make([]byte, ourChunk)
	switch mode := a.args["mode"]; mode {
	case "source":
		c.OnEvent = func(now clock.Instant) {
			for {
				n, err := c.Write(now, buf)
				if err != nil {
					end(nil)
				}
				if n == 0 || err != nil {
					return
				}
			}
		}
	case "sink":
		c.OnEvent = func(now clock.Instant) {
			for {
				n, err := c.Read(now, buf)
				if err != nil {
					end(fmt.Errorf("read: %w", err))
					return
				}
				if n == 0 {
					return
				}
				if a.count(n) {
					end(nil)
					return
				}
			}
		}
	case "echo":
		c.OnEvent = func(now clock.Instant) {
			for {
				n, err := c.Read(now, buf)
				if err == nil && n > 0 {
					_, err = c.Write(now, buf[:n])
				}
				if err != nil {
					end(nil)
				}
				if n == 0 || err != nil {
					return
				}
			}
		}
	default:
		return fmt.Errorf("tap: no mode %q", mode)
	}
	return nil
}

// echoDatagrams sends one datagram, from which the peer learns the address, and then sends every datagram back.
func echoDatagrams(now clock.Instant, h *lab.Host, to netip.AddrPort) error {
	u, err := h.DialUDP(netip.AddrPort{}, to)
	if err != nil {
		return err
	}
	buf := make([]byte, 1500)
	u.OnEvent = func(now clock.Instant) {
		for {
			n, src, err := u.Recv(buf)
			if err != nil {
				continue
			}
			if n < 0 {
				return
			}
			_ = u.Send(now, buf[:n], src)
		}
	}
	return u.Send(now, []byte("x"), to)
}

// scripts are the servers that serve compares.
var scripts = map[string]string{
	Smolsh: `serve("tcp", 7, echo, nodelay=True); wait()`,
	IPv6:   `serve("tcp", 7, echo, nodelay=True); wait()`,
	Starlark: `
def handler(c):
    data = c.recv()
    while data:
        c.send(data)
        data = c.recv()
serve("tcp", 7, handler, nodelay=True)
wait()
`}

// serve runs a script that serves port 7 on a TAP, until the process is killed. Arguments: tap=,
// offload=, script=.
func (a *actor) serve() error {
	r, l, h, err := a.onTAP()
	if err != nil {
		return err
	}
	defer r.Close()
	s := script.New(script.Config{Runner: r, Lab: l, Local: h, Seed: 1, Stdout: io.Discard, Stderr: os.Stderr})
	a.tell(line{Ready: netip.AddrPortFrom(ends(a.args.flag("ipv6")).ours.Addr(), 7).String()})
	return s.RunSource("serve.star", scripts[a.args["script"]])
}
