# Writes the capture files beside it, which hold packets of all protocols with values drawn at random, the same in each run:
# cd stack/packet/testdata && python3 packets.py (with Scapy 2.5). TestFieldsAreThoseOfTshark reads them.
import random
from scapy.all import *
from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3mq, IGMPv3mr, IGMPv3gr
from scapy.layers.l2 import GRE
from scapy.layers.vxlan import VXLAN
from scapy.layers.ipsec import AH
r=random.Random(7); R=r.randrange
def ip4(): return "10.%d.%d.%d"%(R(256),R(256),1+R(254))
def ip6(): return "2001:db8::%x:%x"%(1+R(65534),1+R(65534))
def mac(): return "02:%02x:%02x:%02x:%02x:%02x"%tuple(R(256) for _ in range(5))
def data(n=40): return bytes(R(256) for _ in range(R(n)))
def eth(): return Ether(src=mac(),dst=mac())
def v4(**k): return IP(src=ip4(),dst=ip4(),ttl=1+R(255),tos=R(256),id=R(65536),flags=r.choice(["","DF"]),**k)
def v6(**k): return IPv6(src=ip6(),dst=ip6(),hlim=1+R(255),tc=R(256),fl=R(1<<20),**k)
def net(): return v4() if R(2) else v6()
def port(): return r.choice([80,443,22,20000+R(20000)])
def tcp():
    o=[]
    if R(2): o+= [("MSS",500+R(2000)),("SAckOK",b""),("WScale",R(15))]
    if R(2): o+= [("Timestamp",(R(1<<32),R(1<<32)))]
    if R(3)==0: o+= [("NOP",None),("NOP",None),("SAck",(R(1<<32),R(1<<32)))]
    return TCP(sport=port(),dport=port(),seq=R(1<<32),ack=R(1<<32),flags=R(256),window=R(65536),urgptr=R(65536),options=o)/Raw(data())
def udp(): return UDP(sport=20000+R(20000),dport=20000+R(9000))/Raw(data())
def name(): return ".".join("%s%d"%(r.choice("abcdef"),R(1000)) for _ in range(1+R(4)))
def dns():
    q=R(3); n=name()
    d=DNS(id=R(65536),qr=q>0,opcode=r.choice([0,0,0,2,4]),aa=R(2),tc=R(2),rd=R(2),ra=R(2),ad=R(2),cd=R(2),rcode=r.choice([0,3]) if q else 0,qd=DNSQR(qname=n,qtype=r.choice([1,28,15,2,12])))
    if q==2: d.an=r.choice([DNSRR(rrname=n,type=1,ttl=R(1<<31),rdata=ip4()),DNSRR(rrname=n,type="CNAME",ttl=60,rdata=name()),DNSRR(rrname=n,type=28,ttl=R(9999),rdata=ip6())])
    return d
def dhcp():
    m=mac(); rep=R(2)
    return UDP(sport=67 if rep else 68,dport=68 if rep else 67)/BOOTP(op=2 if rep else 1,chaddr=mac2str(m),xid=R(1<<32),secs=R(65536),hops=R(4),flags=r.choice([0,0x8000]),ciaddr=ip4(),yiaddr=ip4(),siaddr=ip4(),giaddr=ip4(),sname=name().encode()[:20] if R(2) else b"",file=b"boot%d"%R(99))/DHCP(options=[("message-type",r.choice([1,2,3,5])),("lease_time",R(1<<31)),("server_id",ip4()),"end"])
def quoted(): return v4()/UDP(sport=R(65536),dport=R(65536))/Raw(b"x"*R(20))
def icmp():
    k=R(8)
    if k<2: return ICMP(type=[0,8][k],id=R(65536),seq=R(65536))/Raw(data())
    if k==2: return ICMP(type=3,code=4,nexthopmtu=R(65536))/quoted()
    if k==3: return ICMP(type=3,code=R(4))/quoted()
    if k==4: return ICMP(type=11)/quoted()
    if k==5: return ICMP(type=5,code=1,gw=ip4())/quoted()
    if k==6: return ICMP(type=12,ptr=R(256))/quoted()
    return ICMP(type=13,id=R(65536),seq=R(65536),ts_ori=R(1<<27),ts_rx=R(1<<27),ts_tx=R(1<<27))
def q6(): return v6()/UDP(sport=R(65536),dport=R(65536))/Raw(b"x"*R(20))
def icmp6():
    k=R(14)
    ll=ICMPv6NDOptSrcLLAddr(lladdr=mac())
    return [lambda:ICMPv6EchoRequest(id=R(65536),seq=R(65536),data=data()),lambda:ICMPv6EchoReply(id=R(65536),seq=R(65536),data=data()),
     lambda:ICMPv6DestUnreach(code=R(7))/q6(),lambda:ICMPv6PacketTooBig(mtu=1280+R(9000))/q6(),lambda:ICMPv6TimeExceeded()/q6(),lambda:ICMPv6ParamProblem(ptr=R(80))/q6(),
     lambda:ICMPv6ND_RS()/ll,lambda:ICMPv6ND_RA(chlim=R(256),M=R(2),O=R(2),H=R(2),prf=R(4),routerlifetime=R(9000),reachabletime=R(1<<20),retranstimer=R(9999))/ll/ICMPv6NDOptMTU(mtu=1280+R(9000))/ICMPv6NDOptPrefixInfo(prefixlen=64,L=R(2),A=R(2),validlifetime=R(1<<31),preferredlifetime=R(1<<30),prefix="2001:db8:%x::"%R(65536)),
     lambda:ICMPv6ND_NS(tgt=ip6())/ll,lambda:ICMPv6ND_NA(R=R(2),S=R(2),O=R(2),tgt=ip6())/ICMPv6NDOptDstLLAddr(lladdr=mac()),lambda:ICMPv6ND_Redirect(tgt=ip6(),dst=ip6()),
     lambda:ICMPv6MLQuery(mrd=R(32000),mladdr="ff02::%x"%R(65536)),lambda:ICMPv6MLReport(mladdr="ff02::%x"%R(65536)),
     lambda:ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=1+R(6),dst="ff02::%x"%R(65536),sources=[ip6()])])][k]()
def igmp():
    k=R(5)
    if k<3: return IGMP(type=[0x11,0x16,0x17][k],mrcode=R(128),gaddr="239.1.%d.%d"%(R(256),R(256)))
    if k==3: return IGMPv3(type=0x11,mrcode=R(128))/IGMPv3mq(gaddr="239.2.3.4",s=R(2),qrv=R(8),qqic=R(128),srcaddrs=[ip4(),ip4()])
    return IGMPv3(type=0x22)/IGMPv3mr(records=[IGMPv3gr(rtype=1+R(6),maddr="239.1.2.%d"%R(256),srcaddrs=[ip4()])])
def one():
    k=R(22)
    if k<3: return eth()/net()/tcp()
    if k<5: return eth()/net()/udp()
    if k<7: return eth()/net()/UDP(sport=20000+R(9000),dport=53)/dns()
    if k==7: return eth()/net()/TCP(sport=20000+R(9000),dport=53,seq=1,ack=1,flags="PA")/dns()
    if k<10: return eth()/v4()/dhcp()
    if k<12: return eth()/v4()/icmp()
    if k<14: return eth()/v6()/icmp6()
    if k==14: return eth()/IP(src=ip4(),dst="239.1.2.3",ttl=1)/igmp()
    if k==15: return eth()/ARP(op=1+R(2),hwsrc=mac(),psrc=ip4(),hwdst=mac(),pdst=ip4())
    if k==16: return eth()/Dot1Q(prio=R(8),vlan=R(4095),**({}))/net()/udp()
    if k==17: return eth()/v4()/GRE(key_present=R(2),key=R(1<<32),seqnum_present=R(2),sequence_number=R(1<<32),chksum_present=R(2))/v4()/udp()
    if k==18: return eth()/v4()/UDP(sport=20000+R(999),dport=4789)/VXLAN(flags=8,vni=R(1<<24))/eth()/v4()/udp()
    if k==19: return eth()/v6()/r.choice([IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)]),IPv6ExtHdrDestOpt(),IPv6ExtHdrRouting(addresses=[ip6()],segleft=1)])/r.choice([udp,tcp])()
    if k==20: return eth()/r.choice([v6()/IPv6ExtHdrFragment(offset=8*R(100)//8,m=1,id=R(1<<32),nh=17)/Raw(bytes(64)),v4()/AH(spi=R(1<<32),seq=R(1<<32),icv=bytes(12),payloadlen=4,nh=17)/udp()])
    p=v4(); p.flags="MF"; p.frag=1+R(99); p.proto=17
    return eth()/r.choice([p/Raw(bytes(64)),v4()/v4()/udp(),v4(options=[IPOption_RR(routers=["1.2.3.4","0.0.0.0"],pointer=8)])/udp()])
def stamp(ps):
    out=[]
    for i,p in enumerate(ps):
        q=bytes(p); e=p.__class__(q); e.time=1000+i; out.append(e)
    return out
wrpcap("packets.pcap",stamp([one() for _ in range(1900)]))
wrpcap("sll.pcap",stamp([CookedLinux(pkttype=R(5),lladdrtype=1,lladdrlen=6,src=mac2str(mac())+b"\0\0",proto=0x800)/v4()/udp() for _ in range(60)]),linktype=113)
wrpcap("sll2.pcap",stamp([CookedLinuxV2(proto=0x86dd,ifindex=R(99),lladdrtype=1,pkttype=R(5),lladdrlen=6,src=mac2str(mac())+b"\0\0")/v6()/udp() for _ in range(60)]),linktype=276)
wrpcap("null.pcap",stamp([Loopback(type=2)/v4()/tcp() for _ in range(60)]),linktype=0)
