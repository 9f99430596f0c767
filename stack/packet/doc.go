// Package packet reads frames for people. A Protocol is a table of the fields of one header: name, width, kind, unit,
// names of values, default, and how sending computes the field. From the tables come the layers of a packet (Dissect),
// their values (Layer.Value), the description of every field (Packet.Show), one line about a packet (Summary and
// Sequences), and what completion and help say.
//
// Reading is lenient: a packet with a wrong checksum, a missing end or an unknown header is described as far as its
// octets allow, and Packet.Damage names the fields that contradict the protocol or the frame. stack/wire has the strict
// parsers that the stack itself uses. Nothing here knows of hosts, sessions or Starlark. Values refer to the frame's
// octets and are valid while the frame is unchanged.
//
// golang.org/x/net/dns/dnsmessage names the types of DNS records; gopacket names protocols without a table.
package packet
