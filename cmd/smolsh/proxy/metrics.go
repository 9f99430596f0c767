package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
)

// counters are the counters of a route.
type counters struct {
	conns, failures, resets atomic.Uint64 // TCP connections, or UDP flows
	open                    atomic.Int64
	up, down                atomic.Uint64 // octets of payload from and to the programs
	sent, received, lost    atomic.Uint64 // datagrams
}

// Metrics returns the counters in the text format of Prometheus: those of the routes, of the link, and of both hosts.
func (p *Proxy) Metrics() []byte {
	var m metrics
	p.mu.Lock()
	routes := p.routes
	p.mu.Unlock()
	for _, f := range []struct {
		name, kind, help string
		value            func(c *counters) any
	}{
		{"connections_total", "counter", "TCP connections accepted, or UDP flows begun.", func(c *counters) any { return c.conns.Load() }},
		{"connections_open", "gauge", "TCP connections or UDP flows that are open.", func(c *counters) any { return c.open.Load() }},
		{"connection_failures_total", "counter", "TCP connections for which the target, or the lab, was not reached.", func(c *counters) any { return c.failures.Load() }},
		{"connection_resets_total", "counter", "TCP connections that ended by a reset or another error.", func(c *counters) any { return c.resets.Load() }},
		{"sent_bytes_total", "counter", "Payload from the programs to the target.", func(c *counters) any { return c.up.Load() }},
		{"received_bytes_total", "counter", "Payload from the target to the programs.", func(c *counters) any { return c.down.Load() }},
		{"sent_datagrams_total", "counter", "UDP datagrams from the programs.", func(c *counters) any { return c.sent.Load() }},
		{"received_datagrams_total", "counter", "UDP datagrams to the programs.", func(c *counters) any { return c.received.Load() }},
		{"failed_datagrams_total", "counter", "UDP datagrams that a socket refused; those lost on the link are counted there.", func(c *counters) any { return c.lost.Load() }},
	} {
		m.family("smolsh_proxy_"+f.name, f.kind, f.help)
		for _, r := range routes {
			m.sample(f.value(&r.count), "network", r.network, "listen", r.listen, "target", r.target)
		}
	}
	var hosts [2][]stack.CounterInfo
	var ways [2]lab.Flow
	p.cfg.Runner.Do(func(clock.Instant) {
		hosts = [2][]stack.CounterInfo{p.cfg.Local.CounterInfos(), p.cfg.Peer.CounterInfos()}
		if p.cfg.Link != nil {
			ways[0], ways[1] = p.cfg.Link.Stats()
		}
	})
	names := [2]string{p.cfg.Local.Name(), p.cfg.Peer.Name()}
	if p.cfg.Link != nil {
		m.link(ways, names)
	}
	m.family("smolsh_host_mib", "untyped", "Counters of the hosts' stacks under their MIB names, such as TcpRetransSegs.")
	for i, list := range hosts {
		for _, c := range list {
			m.sample(c.Value, "host", names[i], "name", c.Name)
		}
	}
	return m.b.Bytes()
}

// link writes the counters of the link's directions.
func (m *metrics) link(ways [2]lab.Flow, names [2]string) {
	m.family("smolsh_link_frames_total", "counter", "Frames sent into the link.")
	for i := range ways {
		m.sample(ways[i].In, "from", names[i])
	}
	m.family("smolsh_link_bytes_total", "counter", "Octets of the frames sent into the link.")
	for i := range ways {
		m.sample(ways[i].Octets, "from", names[i])
	}
	m.family("smolsh_link_copies_total", "counter", "Additional copies made by fault rules.")
	for i := range ways {
		m.sample(ways[i].Copies, "from", names[i])
	}
	m.family("smolsh_link_dropped_frames_total", "counter", "Frames that the link lost, by reason.")
	for i := range ways {
		for why, n := range ways[i].Drops {
			if n > 0 {
				m.sample(n, "from", names[i], "reason", drop.Reason(why).String())
			}
		}
	}
}

// metrics is text in the format of Prometheus, version 0.0.4.
type metrics struct {
	b    bytes.Buffer
	name string
}

// family begins the samples of one name.
func (m *metrics) family(name, kind, help string) {
	m.name = name
	fmt.Fprintf(&m.b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes a value with pairs of a label's name and its value.
func (m *metrics) sample(value any, labels ...string) {
	m.b.WriteString(m.name)
	for i := 0; i < len(labels); i += 2 {
		sep := ','
		if i == 0 {
			sep = '{'
		}
		fmt.Fprintf(&m.b, `%c%s="%s"`, sep, labels[i], escapeLabel.Replace(labels[i+1]))
	}
	fmt.Fprintf(&m.b, "} %v\n", value)
}

// MetricsServer returns a server of HTTP that answers GET /metrics by Metrics.
func (p *Proxy) MetricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(p.Metrics()) // fails if the client has left
	})
	return &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: maxRequest}
}
