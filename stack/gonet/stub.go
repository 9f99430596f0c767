package gonet

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of the stub resolver.
const (
	dnsTimeout  = 5 * time.Second // for one question to one server
	dnsAttempts = 2               // rounds through the servers
	dnsUDPSize  = 1232            // octets of an answer over UDP that fit a packet on most paths (RFC 6891 §6.2.5)
	maxAliases  = 16              // CNAME records followed in one answer
	maxAnswers  = 64              // addresses taken from one answer
)

var (
	errNoAnswer = errors.New("server misbehaving")
	errTimedOut = errors.New("i/o timeout")
)

// ask returns the addresses of a name that the DNS servers know, of one family or, if family is 0, of both. It asks for both at once, and
// waits for both answers. Deviates: RFC 8305 §3 begins to connect 50 ms after the first of them.
func (r *Resolver) ask(ctx context.Context, family int, host string) ([]netip.Addr, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil || !isDomain(host) {
		return nil, notFound(host)
	}
	var lists [2][]netip.Addr
	var errs [2]error
	var both sync.WaitGroup
	for k, typ := range [...]dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA} {
		if family == 0 || (family == 4) == (typ == dnsmessage.TypeA) {
			both.Go(func() {
				lists[k], errs[k] = r.question(ctx, dnsmessage.Question{Name: name, Type: typ, Class: dnsmessage.ClassINET})
			})
		}
	}
	both.Wait()
	if addrs := append(lists[0], lists[1]...); len(addrs) > 0 {
		return addrs, nil
	}
	if err := cmp.Or(errs[0], errs[1]); err != nil {
		return nil, err
	}
	return nil, notFound(host)
}

// isDomain reports whether a name consists of labels of 1 to 63 letters, digits, - and _, at most 253 octets together.
func isDomain(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !(c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
				return false
			}
		}
	}
	return true
}

// question asks the servers in turn until one answers.
func (r *Resolver) question(ctx context.Context, q dnsmessage.Question) ([]netip.Addr, error) {
	name := strings.TrimSuffix(q.Name.String(), ".")
	var last error
	for range dnsAttempts {
		for _, server := range r.net.servers {
			if err := ctx.Err(); err != nil {
				return nil, dnsError(name, server, contextError(err))
			}
			addrs, err := r.askServer(ctx, server, q)
			if err == nil {
				return addrs, nil
			}
			if err == errNotThere {
				e := notFound(name)
				e.(*net.DNSError).Server = server.String()
				return nil, e
			}
			last = dnsError(name, server, err)
		}
	}
	return nil, last
}

// dnsError returns the error of a question that no server has answered.
func dnsError(name string, server netip.AddrPort, err error) error {
	e := &net.DNSError{Err: err.Error(), Name: name, Server: server.String(), IsTemporary: true, UnwrapErr: err}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() || err == errTimedOut {
		e.IsTimeout, e.Err = true, errTimedOut.Error()
	}
	return e
}

// errNotThere is the answer NXDOMAIN.
var errNotThere = errors.New("no such name")

// askServer asks one server over UDP, and over TCP if the answer is cut (RFC 1035 §4.2, RFC 7766 §5).
func (r *Resolver) askServer(ctx context.Context, server netip.AddrPort, q dnsmessage.Question) ([]netip.Addr, error) {
	until := time.Now().Add(dnsTimeout)
	if t, ok := ctx.Deadline(); ok && t.Before(until) {
		until = t
	}
	var random [2]byte
	rand.Read(random[:])
	id := binary.BigEndian.Uint16(random[:]) // as unpredictable as the port, which the stack chooses (RFC 5452 §9)
	query, err := packQuery(id, q)
	if err != nil {
		return nil, err
	}
	answer, err := r.overUDP(ctx, server, until, id, q, query)
	if err == nil && answer.Truncated {
		answer, err = r.overTCP(ctx, server, until, id, q, query)
	}
	if err != nil {
		return nil, err
	}
	switch answer.RCode {
	case dnsmessage.RCodeSuccess:
		return answerAddrs(answer, q), nil
	case dnsmessage.RCodeNameError:
		return nil, errNotThere
	}
	return nil, errNoAnswer
}

// packQuery returns the message of a question, with an OPT record for answers longer than 512 octets (RFC 6891).
func packQuery(id uint16, q dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{ID: id, RecursionDesired: true})
	var opt dnsmessage.ResourceHeader
	err := errors.Join(b.StartQuestions(), b.Question(q), b.StartAdditionals(), opt.SetEDNS0(dnsUDPSize, dnsmessage.RCodeSuccess, false),
		b.OPTResource(opt, dnsmessage.OPTResource{}))
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// overUDP sends a query and waits for the answer to it. It ignores datagrams that do not answer the query, which anybody may forge.
func (r *Resolver) overUDP(ctx context.Context, server netip.AddrPort, until time.Time, id uint16, q dnsmessage.Question, query []byte) (*dnsmessage.Message, error) {
	c, err := r.net.dialUDP("udp", netip.AddrPort{}, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, 65535)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		if m, ok := parseAnswer(buf[:n], id, q); ok {
			return m, nil
		}
	}
}

// overTCP asks over a connection, in which a length of two octets is before each message.
func (r *Resolver) overTCP(ctx context.Context, server netip.AddrPort, until time.Time, id uint16, q dnsmessage.Question, query []byte) (*dnsmessage.Message, error) {
	d := Dialer{Net: r.net, Deadline: until}
	k, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	defer k.Close()
	k.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { k.SetDeadline(time.Unix(1, 0)) })()
	if _, err := k.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(k, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(k, buf); err != nil {
		return nil, err
	}
	m, ok := parseAnswer(buf, id, q)
	if !ok {
		return nil, errNoAnswer
	}
	return m, nil
}

// parseAnswer parses a message and reports whether it answers the question: the same id, name, type and class. Of a message whose
// records can't be parsed, and of one that is cut, only the header is returned.
func parseAnswer(b []byte, id uint16, q dnsmessage.Question) (*dnsmessage.Message, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != id {
		return nil, false
	}
	got, err := p.Question()
	if err != nil || got.Type != q.Type || got.Class != q.Class || !strings.EqualFold(got.Name.String(), q.Name.String()) {
		return nil, false
	}
	m := &dnsmessage.Message{Header: h}
	if h.Truncated {
		return m, true
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, false
	}
	for {
		head, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return m, true
		}
		if err != nil {
			return nil, false
		}
		switch head.Type {
		case dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeCNAME:
			a, err := p.Answer()
			if err != nil {
				return nil, false
			}
			m.Answers = append(m.Answers, a)
		default:
			if err := p.SkipAnswer(); err != nil {
				return nil, false
			}
		}
	}
}

// answerAddrs returns the addresses of the question's name, and of the aliases to which CNAME records of the answer lead from it
// (RFC 1034 §3.6.2). Records of other names are ignored.
func answerAddrs(m *dnsmessage.Message, q dnsmessage.Question) (addrs []netip.Addr) {
	name := q.Name.String()
	for range maxAliases {
		alias := ""
		for _, a := range m.Answers {
			if !strings.EqualFold(a.Header.Name.String(), name) || a.Header.Class != dnsmessage.ClassINET || len(addrs) >= maxAnswers {
				continue
			}
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				if q.Type == dnsmessage.TypeA {
					addrs = append(addrs, netip.AddrFrom4(body.A))
				}
			case *dnsmessage.AAAAResource:
				if a := netip.AddrFrom16(body.AAAA); q.Type == dnsmessage.TypeAAAA && !a.Is4In6() {
					addrs = append(addrs, a)
				}
			case *dnsmessage.CNAMEResource:
				alias = body.CNAME.String()
			}
		}
		if alias == "" || len(addrs) > 0 {
			break
		}
		name = alias
	}
	return addrs
}
