//go:build linux

package portclaim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tableOwner is NFT_TABLE_F_OWNER: the table belongs to the netlink socket that makes it. Other processes can neither change nor
// remove it, and it ends with that socket.
const tableOwner = 0x2

// table is an nftables table with a base chain, a set of ports for each protocol, and the socket that owns them.
type table struct {
	name  string
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
	sets  [2]*nftables.Set // by position in protocols
}

// newTable makes a table with a chain and empty sets.
func newTable() (*table, error) {
	t := &table{name: fmt.Sprintf("smolsh-%d-%08x", os.Getpid(), rand.Uint32())} // pids repeat in other pid namespaces
	var err error
	t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		if err := own(c, t.name); err != nil {
			c.Close()
			return err
		}
		return nil
	}))
	if err != nil {
		return nil, explained(err)
	}
	t.table = &nftables.Table{Name: t.name, Family: nftables.TableFamilyINet}
	accept := nftables.ChainPolicyAccept
	t.chain = t.conn.AddChain(&nftables.Chain{
		Name: "input", Table: t.table, Type: nftables.ChainTypeFilter, Policy: &accept,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityRaw,
	})
	for k, p := range protocols {
		t.sets[k] = &nftables.Set{Table: t.table, Name: p.String(), KeyType: nftables.TypeInetService, KeyByteOrder: binaryutil.BigEndian}
		err = errors.Join(err, t.conn.AddSet(t.sets[k], nil))
	}
	if err = errors.Join(err, t.conn.Flush()); err != nil {
		t.close()
		return nil, explained(err)
	}
	return t, nil
}

// own makes the table that the socket c owns. It does not find an existing one.
func own(c *netlink.Conn, name string) error {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, tableOwner)},
	})
	if err != nil {
		return err
	}
	message := func(typ int, flags netlink.HeaderFlags, family byte, subsystem uint16, data []byte) netlink.Message {
		header := binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, subsystem) // struct nfgenmsg
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | flags}, Data: append(header, data...),
		}
	}
	_, err = c.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl, unix.NFPROTO_INET, 0, attributes),
		message(unix.NFNL_MSG_BATCH_END, 0, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
	})
	if err != nil {
		return err
	}
	_, err = c.Receive()
	return err
}

// explained returns the error of New for an error of nftables.
func explained(err error) error {
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return ErrPermission
	case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("nftables: %w", err)
}

// addInterface adds a rule for each protocol: iif INDEX tcp dport @tcp counter drop.
func (t *table) addInterface(index int) error {
	for k, p := range protocols {
		t.conn.AddRule(&nftables.Rule{Table: t.table, Chain: t.chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyIIF, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, uint32(index))},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(p)}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Lookup{SourceRegister: 1, SetName: t.sets[k].Name, SetID: t.sets[k].ID},
			&expr.Counter{},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	}
	if err := t.conn.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}

// add adds a port to the set of its protocol, and remove removes it.
func (t *table) add(k key) error {
	return t.change(t.conn.SetAddElements, k)
}

func (t *table) remove(k key) error {
	return t.change(t.conn.SetDeleteElements, k)
}

func (t *table) change(call func(*nftables.Set, []nftables.SetElement) error, k key) error {
	err := call(t.sets[setOf(k.proto)], []nftables.SetElement{{Key: binary.BigEndian.AppendUint16(nil, k.port)}})
	if err == nil {
		err = t.conn.Flush()
	}
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}

// close closes the socket, with which the table ends.
func (t *table) close() error { return t.conn.CloseLasting() }
