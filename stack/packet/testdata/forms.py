# Writes forms.pcap beside it: every code of ICMP, ICMPv6 and IGMP, options of TCP, records of DNS, and headers that are cut or wrong, for
# TestLinesAreThoseOfTcpdump: cd stack/packet/testdata && python3 forms.py
import struct
def cks(b):
    if len(b)%2: b+=b'\0'
    s=sum(struct.unpack('!%dH'%(len(b)//2),b))
    while s>>16: s=(s&0xffff)+(s>>16)
    return ~s&0xffff
def ip(p,body,src='10.0.0.1',dst='10.0.0.2',frag=0,opts=b'',ln=None):
    A=lambda a: bytes(map(int,a.split('.')))
    h=struct.pack('!BBHHHBBH4s4s',0x45+len(opts)//4,0,ln or 20+len(opts)+len(body),7,frag,64,p,0,A(src),A(dst))+opts
    return h[:10]+struct.pack('!H',cks(h))+h[12:]+body
def icmp(t,c,rest,body=b''):
    m=struct.pack('!BBH',t,c,0)+rest+body
    return m[:2]+struct.pack('!H',cks(m))+m[4:]
def tcp(sp,dp,seq,ack,off,fl,win,urg=0,opts=b'',data=b''):
    return struct.pack('!HHIIBBHHH',sp,dp,seq,ack,off<<4,fl,win,0,urg)+opts+data
def udp(sp,dp,data,ln=None): return struct.pack('!HHHH',sp,dp,ln if ln is not None else 8+len(data),0)+data
fr=[]
q=[ip(17,udp(5000,6000,b'hi')),ip(6,tcp(5000,80,1000,0,5,2,0)[:8],ln=40),ip(253,b'12345678')]
for c in range(17):
    for k in q: fr.append(ip(1,icmp(3,c,struct.pack('!HH',0,1400),k)))
fr.append(ip(1,icmp(3,4,bytes(4),q[0])))
fr.append(ip(1,icmp(3,3,bytes(4),q[0][:20])))
fr.append(ip(1,icmp(3,3,bytes(4),q[0][:16])))
fr.append(ip(1,icmp(3,3,bytes(4),ip(17,udp(5000,6000,b'hi'),frag=100))))
for t in range(0,20):
    for c in range(0,4): 
        if t!=3: fr.append(ip(1,icmp(t,c,bytes([10,0,0,9]),q[0])))
fr.append(ip(1,icmp(77,3,bytes(4))))
for n in range(0,8): fr.append(ip(1,icmp(8,0,bytes(4))[:n]))
# tcp
O=lambda h: bytes.fromhex(h)
for off,fl,opts,data in [(5,0x10,b'',b''),(5,0,b'',b''),(5,0x18,b'',b'hello'),(5,0x02,b'',b'hello'),(5,0x14,b'',b'why not'),(4,0x10,b'',b''),(15,0x10,b'',b''),
 (6,2,O('020405b4'),b''),(10,2,O('020405b40402080a0000000a00000000')+O('01030307'),b''),(8,0x10,O('0101050a000003e8000003f2'),b''),(10,0x10,O('01010512000003e8000003f2000007d0000007da'),b''),
 (6,2,O('02040504'),b''),(6,2,O('02030504'),b''),(6,2,O('02090504'),b''),(6,2,O('02000504'),b''),(6,2,O('02010504'),b''),(6,2,O('01010102'),b''),(6,2,O('fe04f989'),b''),(7,2,O('2206010203040000'),b''),(6,2,O('22020000'),b''),(6,2,O('1c048005'),b''),(10,2,O('1312'+'ab'*16+'0000'),b''),(7,0x10,O('0606000000010000'),b''),(8,2,O('1e0c0081'+'ab'*8),b''),(6,2,O('00ffffff'),b''),(6,2,O('03030e00'),b''),(6,2,O('0303ff00'),b''),(7,2,O('09020a0300000000'),b''),(5,0xff,b'',b'')]:
    fr.append(ip(6,tcp(5000,6000,1000,2000,off,fl,500,3,opts,data)))
for n in [0,1,4,8,12,13,16,19]: fr.append(ip(6,tcp(5000,6000,1000,2000,5,0x10,500)[:n]))
# udp
for d,l in [(b'hi',None),(b'',None),(b'hi',7),(b'hi',0),(b'hi',20),(b'hello',10)]: fr.append(ip(17,udp(5000,6000,d,l)))
for n in range(0,8): fr.append(ip(17,udp(5000,6000,b'')[:n]))
# fragments
for p in (17,6,1,2,253,50,89): 
    for fo in (0x2000,0x2000|185,185): fr.append(ip(p,udp(5000,6000,bytes(1472),2008)[:1480] if fo==0x2000 else bytes(100),frag=fo))
# igmp
for t in (0x11,0x12,0x16,0x17,0x22,0x13,0x14,0x1f,0x86):
  for mr in (0,100):
    for g in ([0,0,0,0],[239,1,2,3])[:1 if t==0x22 else 2]: fr.append(ip(2,icmp(t,mr,bytes(g)),dst='224.0.0.1'))
fr.append(ip(2,icmp(0x11,100,bytes([239,1,2,3]),struct.pack('!BBH',2,125,0)),dst='224.0.0.1'))
fr.append(ip(2,icmp(0x11,100,bytes([239,1,2,3]),struct.pack('!BBH',2,125,1)+bytes([10,0,0,5])),dst='224.0.0.1'))
fr.append(ip(2,icmp(0x22,0,struct.pack('!HH',0,2),(struct.pack('!BBH',4,0,0)+bytes([239,1,2,3]))*2),dst='224.0.0.1'))
for n in range(0,8): fr.append(ip(2,icmp(0x16,0,bytes(4))[:n]))
b=bytearray(icmp(0x16,0,bytes([239,1,2,3]))); b[2]^=1; fr.append(ip(2,bytes(b)))
for p in (41,50,51,89,103,112,136,253,0,255): fr.append(ip(p,b'hello123'))
fr.append(ip(4,ip(17,udp(5,6,b'hi')))); fr.append(ip(47,struct.pack('!HH',0,0x800)+ip(17,udp(5,6,b'hi')))); fr.append(ip(47,struct.pack('!HHI',0x2000,0x88be,9)+b'xx'))
E=lambda t,b: bytes.fromhex('020000000002020000000001')+struct.pack('!H',t)+b
fs=[E(0x800,x) for x in fr]
g,bad=ip(17,udp(5,6,b'hi')),ip(17,udp(5,6,b'hi'),src='10.9.9.9')
for m in (lambda b:b[:3],lambda b:b[:10],lambda b:b[:20], lambda b:b'\x44'+b[1:],lambda b:b'\x55'+b[1:],lambda b:b[:2]+b'\0\x05'+b[4:],lambda b:b[:2]+b'\1\x05'+b[4:],lambda b:b'\x4f'+b[1:]): fs.append(E(0x800,m(bad)))
fs+= [E(0x8100,struct.pack('!HH',0x6005,0x800)+g),E(0x8100,struct.pack('!HH',5,0x9999)+b'hello'),E(0x9999,b'hello'),E(0x86dd,b'\x60\0\0\0'),E(0x88cc,b'\x02\x07\x04\x02\0\0\0\0\1'),E(38,bytes.fromhex('424203000000')+bytes(31)),E(0x8899,b'hi'),E(20,b'x'*20)]
def arp(op,sh,sp,th,tp,ht=1,hl=6,pt=0x800,pl=4): return struct.pack('!HHBBH',ht,pt,hl,pl,op)+bytes.fromhex(sh)+bytes(map(int,sp.split('.')))+bytes.fromhex(th)+bytes(map(int,tp.split('.')))
z='00'*6; a='020000000001'
for op in range(0,10): fs.append(E(0x806,arp(op,a,'10.0.0.1',z,'10.0.0.2')))
for x in (arp(1,a,'10.0.0.1',z,'10.0.0.1'),arp(2,a,'10.0.0.1',z,'10.0.0.1'),arp(1,a,'0.0.0.0',z,'10.0.0.1'),arp(1,a,'10.0.0.1',z,'10.0.0.2',ht=6),arp(1,a,'10.0.0.1',z,'10.0.0.2',pt=0x86dd),arp(1,a,'10.0.0.1',z,'10.0.0.2',hl=4),arp(1,a,'10.0.0.1',z,'10.0.0.2',pl=3),arp(1,a,'10.0.0.1',z,'10.0.0.2')[:20],arp(1,a,'10.0.0.1',z,'10.0.0.2')[:7]): fs.append(E(0x806,x))
import socket
def ip6(nh,body): return struct.pack('!IHBB',0x60000000,len(body),nh,64)+socket.inet_pton(10,'fdaa::1')+socket.inet_pton(10,'fdaa::2')+body
def i6(t,c,rest): 
    m=struct.pack('!BBH',t,c,0)+rest
    ph=socket.inet_pton(10,'fdaa::1')+socket.inet_pton(10,'fdaa::2')+struct.pack('!II',len(m),58)
    return m[:2]+struct.pack('!H',cks(ph+m))+m[4:]
q6=ip6(17,udp(5000,6000,b'hi')); tg=socket.inet_pton(10,'fdaa::9')
for c in range(8): fs.append(E(0x86dd,ip6(58,i6(1,c,bytes(4)+q6))))
fs.append(E(0x86dd,ip6(58,i6(1,4,bytes(4)+ip6(6,tcp(5000,80,1,0,5,2,0))))))
fs.append(E(0x86dd,ip6(58,i6(1,4,bytes(4)+ip6(58,i6(128,0,bytes(4)))))))
for t in (2,3,4):
    for c in range(3): fs.append(E(0x86dd,ip6(58,i6(t,c,struct.pack('!I',1280)+q6))))
for t in (128,129): fs.append(E(0x86dd,ip6(58,i6(t,0,struct.pack('!HH',5,6)+b'data'))))
for t in range(130,162):
    for c in (0,1): fs.append(E(0x86dd,ip6(58,i6(t,c,bytes(4)+tg+tg))))
fs.append(E(0x86dd,ip6(58,i6(143,0,struct.pack('!HH',0,1)+struct.pack('!BBH',4,0,0)+socket.inet_pton(10,'ff02::5')))))
fs.append(E(0x86dd,ip6(58,i6(77,3,bytes(4))))); fs.append(E(0x86dd,ip6(58,i6(133,0,bytes(4)))))
fs.append(E(0x86dd,ip6(59,b'')));fs.append(E(0x86dd,ip6(253,b'hello')));fs.append(E(0x86dd,ip6(4,g)));fs.append(E(0x86dd,ip6(41,q6)));fs.append(E(0x86dd,ip6(0,b'\x11\0\1\4\0\0\0\0'+udp(5,6,b'hi'))));fs.append(E(0x86dd,ip6(60,b'\x11\0\1\4\0\0\0\0'+udp(5,6,b'hi'))));
for o in (1,8*100+1,8*100): fs.append(E(0x86dd,ip6(44,struct.pack('!BBHI',17,0,o,77)+udp(5,6,bytes(16)))))
for n in (0,1,8): fs.append(E(0x86dd,ip6(58,i6(128,0,bytes(4))[:n])))
# dns
def nm(s): return b''.join(bytes([len(x)])+x.encode() for x in s.split('.') if x)+b'\0'
def dns(fl,qd,an=[],ns=0,ar=0,nq=None): return struct.pack('!HHHHHH',4711,fl,len(qd) if nq is None else nq,len(an),ns,ar)+b''.join(nm(n)+struct.pack('!HH',t,c) for n,t,c in qd)+b''.join(nm(n)+struct.pack('!HHIH',t,c,60,len(d))+d for n,t,c,d in an)
Q=[('example.org',1,1)]
RR=lambda t,d:[('example.org',t,1,d)]
for d in [dns(0x100,Q),dns(0x110,Q),dns(0,Q),dns(0x120,Q),dns(0x100,[('example.org',255,1)]),dns(0x100,[('example.org',65,1)]),dns(0x100,[('example.org',6500,1)]),dns(0x100,[('example.org',1,3)]),dns(0x100,Q*2),dns(0x100,[]),dns(0x100,Q,ar=1),dns(0x100,Q,ns=1),dns(0x100,Q,RR(1,b'\1\2\3\4')),dns(0x900,Q),dns(0x2800,Q),dns(0x7800,Q),
 dns(0x8180,Q,RR(1,b'\1\2\3\4')),dns(0x8580,Q,RR(1,b'\1\2\3\4')*6),dns(0x8100,Q),dns(0x8183,Q),dns(0x8182,Q),dns(0x818b,Q),dns(0x818f,Q),dns(0x83a0,Q),dns(0x8180,Q,RR(28,tg)),dns(0x8180,Q,RR(5,nm('a.b'))),dns(0x8180,Q,RR(2,nm('a.b'))),dns(0x8180,Q,RR(12,nm('a.b'))),dns(0x8180,Q,RR(15,b'\0\5'+nm('a.b'))),dns(0x8180,Q,RR(33,b'\0\5\0\6\0\7'+nm('a.b'))),dns(0x8180,Q,RR(16,b'\5hello\3abc')),dns(0x8180,Q,RR(6,nm('a.b')+nm('c.d')+struct.pack('!5I',1,2,3,4,5))),dns(0x8180,Q,RR(48,b'abcd')),dns(0x8180,Q,RR(1,b'\1\2\3')),dns(0x8180,Q,RR(1,b'\1\2\3\4'))[:-2],dns(0x8180,Q*2,RR(1,b'\1\2\3\4')),dns(0x8180,Q,RR(65,b'\0\1\0')),dns(0x8180,Q,RR(13,b'\1a\1b'))]:
    fs.append(E(0x800,ip(17,udp(40000,53,d)))) 
fs.append(E(0x800,ip(17,udp(40000,53,b'???')))); fs.append(E(0x800,ip(17,udp(40000,5353,dns(0,Q)))));fs.append(E(0x800,ip(17,udp(40000,5355,dns(0,Q)))))
def bootp(op,y=0,opts=b'',cookie=b'\x63\x82\x53\x63'): return struct.pack('!BBBBIHHIIII',op,1,6,0,7,0,0,0,y,0,0)+bytes.fromhex(a)+bytes(10)+bytes(192)+cookie+opts
for op in (0,1,2,3):
  for o in (b'',b'\x35\1\1\xff',b'\x35\1\5\x33\4\0\0\x0e\x10\xff',b'\x35\1\3\x32\4\x0a\0\0\5\xff',b'\x35\xc8'): fs.append(E(0x800,ip(17,udp(68,67,bootp(op,0x0a000005 if op==2 else 0,o)))))
fs.append(E(0x800,ip(17,udp(68,67,bootp(1)[:100])))); fs.append(E(0x800,ip(17,udp(68,67,bootp(1)[:240]))))
open('forms.pcap','wb').write(struct.pack('<IHHIIII',0xa1b2c3d4,2,4,0,0,65536,1)+b''.join(struct.pack('<IIII',0,0,len(f),len(f))+f for f in fs))
