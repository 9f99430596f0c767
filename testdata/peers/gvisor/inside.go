package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// inside measures two stacks in one process, connected by channel endpoints with MTU 1500.
func inside(a args) (map[string]float64, error) {
	x, y, err := newPair()
	if err != nil {
		return nil, err
	}
	switch a["do"] {
	case "stream":
		return stream(a, x, y)
	case "connect":
		return connects(a, x, y)
	case "memory":
		return memory(a.number("n"), x, y)
	}
	return nil, fmt.Errorf("nothing called %q", a["do"])
}

func newPair() (x, y *stack.Stack, err error) {
	lx, ly := channel.New(4096, 1500, ""), channel.New(4096, 1500, "")
	if x, err = newStack(lx, "10.0.0.1"); err != nil {
		return nil, nil, err
	}
	if y, err = newStack(ly, "10.0.0.2"); err != nil {
		return nil, nil, err
	}
	go carry(lx, ly)
	go carry(ly, lx)
	return x, y, nil
}

// carry passes packets, including their checksums, from the link src to the link dst.
func carry(src, dst *channel.Endpoint) {
	for {
		out := src.ReadContext(context.Background())
		if out == nil {
			return
		}
		in := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: out.ToBuffer()})
		out.DecRef()
		dst.InjectInbound(header.IPv4ProtocolNumber, in)
		in.DecRef()
	}
}

// listener is a listening endpoint.
type listener struct {
	ep tcpip.Endpoint
	wq waiter.Queue
	in chan struct{}
}

func listen(s *stack.Stack, port uint16) (*listener, error) {
	l := &listener{}
	ep, err := s.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &l.wq)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %v", err)
	}
	l.ep = ep
	var e waiter.Entry
	e, l.in = waiter.NewChannelEntry(waiter.ReadableEvents)
	l.wq.EventRegister(&e)
	if err := ep.Bind(tcpip.FullAddress{Port: port}); err != nil {
		return nil, fmt.Errorf("bind: %v", err)
	}
	if err := ep.Listen(4096); err != nil {
		return nil, fmt.Errorf("listen: %v", err)
	}
	return l, nil
}

func (l *listener) accept() (*conn, error) {
	for {
		ep, wq, err := l.ep.Accept(nil)
		switch err.(type) {
		case nil:
			c := &conn{q: wq}
			c.adopt(ep)
			return c, nil
		case *tcpip.ErrWouldBlock:
			<-l.in
		default:
			return nil, fmt.Errorf("accept: %v", err)
		}
	}
}

func address(port int) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: parse("10.0.0.2"), Port: uint16(port)}
}

func stream(a args, x, y *stack.Stack) (map[string]float64, error) {
	l, err := listen(y, 1000)
	if err != nil {
		return nil, err
	}
	c, err := dial(x, address(1000), false)
	if err != nil {
		return nil, err
	}
	go c.source()
	d, err := l.accept()
	if err != nil {
		return nil, err
	}
	return d.sink(a)
}

// connects opens connections from several goroutines. Each carries one octet; the client and the server close first
// in turn.
func connects(a args, x, y *stack.Stack) (map[string]float64, error) {
	const ports = 32
	for i := range ports {
		l, err := listen(y, uint16(1000+i))
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				c, err := l.accept()
				if err != nil {
					return
				}
				go func() {
					var b [1]byte
					_, _ = c.read(b[:])
					if i%2 == 0 {
						_, _ = c.read(b[:])
					}
					c.ep.Close()
				}()
			}
		}()
	}
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var stop atomic.Bool
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			var b [1]byte
			for i := g; !stop.Load() && failed.Load() == nil; i++ {
				c, err := dial(x, address(1000+i%ports), false)
				if err == nil {
					err = c.write([]byte("x"))
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				if i%2 == 0 {
					c.ep.Shutdown(tcpip.ShutdownWrite)
				}
				_, _ = c.read(b[:])
				c.ep.Close()
				done.Add(1)
			}
		})
	}
	time.Sleep(a.span("warm"))
	before, start := done.Load(), time.Now()
	time.Sleep(a.span("seconds"))
	n, took := done.Load()-before, time.Since(start)
	stop.Store(true)
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return map[string]float64{"": float64(n) / took.Seconds()}, nil
}

// memory establishes n connections, sends an octet in each direction on each, and returns the memory of one end.
func memory(n int, x, y *stack.Stack) (map[string]float64, error) {
	const perPort = 10000
	var b [1]byte
	before := heap()
	ends := make([]*idle, 0, 2*n)
	for port := range (n + perPort - 1) / perPort {
		l, err := listen(y, uint16(1000+port))
		if err != nil {
			return nil, err
		}
		for range min(perPort, n-port*perPort) {
			c, err := dial(x, address(1000+port), false)
			if err != nil {
				return nil, err
			}
			d, err := l.accept()
			if err != nil {
				return nil, err
			}
			if err := c.write([]byte("x")); err != nil {
				return nil, err
			}
			_, _ = d.read(b[:])
			_ = d.write([]byte("y"))
			_, _ = c.read(b[:])
			ends = append(ends, c.rest(), d.rest())
		}
	}
	time.Sleep(500 * time.Millisecond)
	after := heap()
	start := time.Now()
	runtime.GC()
	took := time.Since(start)
	runtime.KeepAlive(ends)
	return map[string]float64{
		"size":    float64(after.HeapAlloc-before.HeapAlloc) / float64(2*n),
		"objects": float64(after.HeapObjects-before.HeapObjects) / float64(2*n),
		"full GC": float64(took.Microseconds()) / 1e3,
	}, nil
}

// idle is a connection without a waiting goroutine: the endpoint and its queue. It has none of our channels.
type idle struct {
	ep tcpip.Endpoint
	wq *waiter.Queue
}

func (c *conn) rest() *idle {
	c.q.EventUnregister(&c.ein)
	c.q.EventUnregister(&c.eou)
	return &idle{c.ep, c.q}
}

func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
