package tcp

// matrixCells is the matrix. A row holds the cells of one kind of segment in one or more states: kind | states | next state (=
// stays) | the segments that Emit returns, at once and later (- nothing) | the drop reason | octets readable | the section.
// Sections without an RFC are RFC 9293's. matrix_test.go defines the kinds, states, groups and words.
const matrixCells = `
SYN | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
SYN | LI | SR | SYN,ACK | - | 0 | §3.10.7.2 step 3
SYN | SS | SA | SYN,ACK | - | 0 | §3.10.7.3 step 4, simultaneous open
SYN | half | = | SYN,ACK | tcp duplicate | 0 | §3.8.1: our answer was lost, so it goes again
SYN | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

SYN +100 | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
SYN +100 | LI | SR | SYN,ACK | - | 0 | §3.10.7.2 step 3; RFC 7413 §3: neither acknowledged nor kept
SYN +100 | SS | SA | SYN,ACK | - | 0 | §3.10.7.3 step 4; RFC 7413 §3: neither acknowledged nor kept
SYN +100 | half | = | SYN,ACK | tcp duplicate | 0 | §3.8.1
SYN +100 | ES F1 F2 | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1
SYN +100 | fin | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

SYN in window | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
SYN in window | LI | SR | SYN,ACK+11 | - | 0 | §3.10.7.2 step 3: there is no window yet
SYN in window | SS | SA | SYN,ACK+11 | - | 0 | §3.10.7.3 step 4
SYN in window | SR | CL | - | tcp bad syn | 0 | §3.10.7.4 step 4: passive, back to LISTEN
SYN in window | SA | = | ACK | tcp bad syn | 0 | RFC 5961 §4
SYN in window | sync | = | ACK | tcp bad syn | 0 | RFC 5961 §4

SYN,FIN | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
SYN,FIN | LI | = | - | bad flags | 0 | §3.10.7.2; dropped: no one means it
SYN,FIN | SS | SA | SYN,ACK | - | 0 | §3.10.7.3 step 4; the FIN comes again
SYN,FIN | half | = | SYN,ACK | tcp duplicate | 0 | §3.8.1
SYN,FIN | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

SYN,ACK | CL | = | RST | no socket | 0 | §3.10.7.1
SYN,ACK | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
SYN,ACK | SS | ES | ACK | - | 0 | §3.10.7.3 step 4
SYN,ACK | half | ES | ACK | - | 0 | §3.5 figure 7: both SYNs crossed
SYN,ACK | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1, RFC 5961 §4: our ACK was lost

SYN,ACK old | CL | = | RST | no socket | 0 | §3.10.7.1
SYN,ACK old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
SYN,ACK old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
SYN,ACK old | half | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1
SYN,ACK old | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

SYN,ACK future | CL | = | RST | no socket | 0 | §3.10.7.1
SYN,ACK future | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
SYN,ACK future | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
SYN,ACK future | half | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1
SYN,ACK future | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

SYN,ACK +100 | CL | = | RST | no socket | 0 | §3.10.7.1
SYN,ACK +100 | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
SYN,ACK +100 | SS | ES | ACK+100 | - | 100 | §3.10.7.3 step 4: its text is processed too
SYN,ACK +100 | half | ES | ACK+100 | - | 100 | §3.5 figure 7
SYN,ACK +100 | sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

ACK too old | CL | = | RST | no socket | 0 | §3.10.7.1
ACK too old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK too old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK too old | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK too old | sync | = | ACK | tcp bad ack | 0 | RFC 5961 §5

ACK old | CL | = | RST | no socket | 0 | §3.10.7.1
ACK old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK old | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK old | sync | = | - | - | 0 | §3.10.7.4 step 5: may be ignored

ACK same | CL | = | RST | no socket | 0 | §3.10.7.1
ACK same | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK same | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK same | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK same | sync | = | - | - | 0 | §3.10.7.4 step 5

ACK new | CL | = | RST | no socket | 0 | §3.10.7.1
ACK new | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK new | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5: neither SYN nor RST
ACK new | half | ES | - | - | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK new | ES CW F2 TW | = | - | - | 0 | §3.10.7.4 step 5
ACK new | F1 | F2 | - | - | 0 | §3.10.7.4 step 5, FIN-WAIT-1
ACK new | CG | TW | - | - | 0 | §3.10.7.4 step 5, CLOSING
ACK new | LA | CL | - | - | 0 | §3.10.7.4 step 5, LAST-ACK

ACK future | CL | = | RST | no socket | 0 | §3.10.7.1
ACK future | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK future | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK future | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK future | sync | = | ACK | tcp bad ack | 0 | §3.10.7.4 step 5, ESTABLISHED

ACK before window | CL | = | RST | no socket | 0 | §3.10.7.1
ACK before window | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK before window | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK before window | half TW | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1
ACK before window | recv CW CG LA | = | ACK | - | 0 | §3.8.4: a keep-alive

ACK beyond window | CL | = | RST | no socket | 0 | §3.10.7.1
ACK beyond window | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK beyond window | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK beyond window | half sync | = | ACK | tcp out of window | 0 | §3.10.7.4 step 1

bare | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
bare | LI | = | - | tcp bad state | 0 | §3.10.7.2 step 4
bare | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
bare | half sync | = | - | tcp no ack | 0 | §3.10.7.4 step 5

bare +100 | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
bare +100 | LI | = | - | tcp bad state | 0 | §3.10.7.2 step 4
bare +100 | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
bare +100 | half sync | = | - | tcp no ack | 0 | §3.10.7.4 step 5

text | CL | = | RST | no socket | 0 | §3.10.7.1
text | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text | recv | = | later ACK+100 | - | 100 | §3.10.7.4 step 7, §3.8.6.3: the ACK is delayed
text | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7: there is no text behind a FIN

text, ACK old | CL | = | RST | no socket | 0 | §3.10.7.1
text, ACK old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text, ACK old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text, ACK old | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text, ACK old | recv | = | later ACK+100 | - | 100 | §3.10.7.4 steps 5 and 7: the text is good
text, ACK old | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

text, ACK new | CL | = | RST | no socket | 0 | §3.10.7.1
text, ACK new | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text, ACK new | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
text, ACK new | half | ES | later ACK+100 | - | 100 | §3.10.7.4 steps 5 and 7
text, ACK new | ES F2 | = | later ACK+100 | - | 100 | §3.10.7.4 steps 5 and 7
text, ACK new | F1 | F2 | later ACK+100 | - | 100 | §3.10.7.4 steps 5 and 7
text, ACK new | CW TW | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7
text, ACK new | CG | TW | ACK | tcp bad state | 0 | §3.10.7.4 steps 5 and 7
text, ACK new | LA | CL | - | - | 0 | §3.10.7.4 step 5, LAST-ACK

text, ACK future | CL | = | RST | no socket | 0 | §3.10.7.1
text, ACK future | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text, ACK future | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text, ACK future | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text, ACK future | sync | = | ACK | tcp bad ack | 0 | §3.10.7.4 step 5: dropped whole

text, urgent | CL | = | RST | no socket | 0 | §3.10.7.1
text, urgent | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text, urgent | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
text, urgent | half | ES | later ACK+100 | - | 100 | §3.10.7.4 step 6, RFC 6093: in line
text, urgent | ES F2 | = | later ACK+100 | - | 100 | §3.10.7.4 step 6, RFC 6093: in line
text, urgent | F1 | F2 | later ACK+100 | - | 100 | §3.10.7.4 step 6, RFC 6093: in line
text, urgent | CW TW | = | ACK | tcp bad state | 0 | §3.10.7.4 step 6: must not occur
text, urgent | CG | TW | ACK | tcp bad state | 0 | §3.10.7.4 step 6: must not occur
text, urgent | LA | CL | - | - | 0 | §3.10.7.4 step 5, LAST-ACK

text old | CL | = | RST | no socket | 0 | §3.10.7.1
text old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text old | half sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1

text partly old | CL | = | RST | no socket | 0 | §3.10.7.1
text partly old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text partly old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text partly old | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text partly old | recv | = | later ACK+50 | - | 50 | §3.10.7.4 step 1: cut to the window
text partly old | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

text early | CL | = | RST | no socket | 0 | §3.10.7.1
text early | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text early | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text early | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text early | recv | = | ACK | - | 0 | §3.10.7.4 step 7; RFC 5681 §4.2: at once
text early | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

text partly beyond | CL | = | RST | no socket | 0 | §3.10.7.1
text partly beyond | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text partly beyond | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text partly beyond | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
text partly beyond | recv | = | ACK | - | 0 | §3.10.7.4 step 1: what lies inside is kept
text partly beyond | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

text at edge | CL | = | RST | no socket | 0 | §3.10.7.1
text at edge | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text at edge | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text at edge | half sync | = | ACK | tcp out of window | 0 | §3.10.7.4 step 1

text beyond | CL | = | RST | no socket | 0 | §3.10.7.1
text beyond | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
text beyond | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
text beyond | half sync | = | ACK | tcp out of window | 0 | §3.10.7.4 step 1

FIN | CL | = | RST | no socket | 0 | §3.10.7.1
FIN | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN | ES | CW | ACK+1 | - | 0 | §3.10.7.4 step 8
FIN | F1 | CG | ACK+1 | - | 0 | §3.10.7.4 step 8: ours is not acknowledged
FIN | F2 | TW | ACK+1 | - | 0 | §3.10.7.4 step 8
FIN | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 8: there is no FIN behind a FIN

FIN, ACK new | CL | = | RST | no socket | 0 | §3.10.7.1
FIN, ACK new | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN, ACK new | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
FIN, ACK new | half ES | CW | ACK+1 | - | 0 | §3.10.7.4 step 8
FIN, ACK new | F1 F2 | TW | ACK+1 | - | 0 | §3.10.7.4 steps 5 and 8
FIN, ACK new | CW TW | = | ACK | tcp bad state | 0 | §3.10.7.4 step 8
FIN, ACK new | CG | TW | ACK | tcp bad state | 0 | §3.10.7.4 steps 5 and 8
FIN, ACK new | LA | CL | - | - | 0 | §3.10.7.4 step 5, LAST-ACK

FIN +100 | CL | = | RST | no socket | 0 | §3.10.7.1
FIN +100 | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN +100 | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN +100 | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN +100 | ES | CW | ACK+101 | - | 100 | §3.10.7.4 steps 7 and 8
FIN +100 | F1 | CG | ACK+101 | - | 100 | §3.10.7.4 steps 7 and 8
FIN +100 | F2 | TW | ACK+101 | - | 100 | §3.10.7.4 steps 7 and 8
FIN +100 | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

FIN, text old | CL | = | RST | no socket | 0 | §3.10.7.1
FIN, text old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN, text old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN, text old | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN, text old | ES | CW | ACK+1 | - | 0 | §3.10.7.4 steps 1 and 8
FIN, text old | F1 | CG | ACK+1 | - | 0 | §3.10.7.4 steps 1 and 8
FIN, text old | F2 | TW | ACK+1 | - | 0 | §3.10.7.4 steps 1 and 8
FIN, text old | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 8

FIN early | CL | = | RST | no socket | 0 | §3.10.7.1
FIN early | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN early | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN early | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN early | recv | = | ACK | - | 0 | §3.10.7.4: kept for its turn; RFC 5681 §4.2
FIN early | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 8

FIN +100 early | CL | = | RST | no socket | 0 | §3.10.7.1
FIN +100 early | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN +100 early | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN +100 early | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN +100 early | recv | = | ACK | - | 0 | §3.10.7.4: kept for its turn; one segment, one ACK (RFC 5681 §4.2)
FIN +100 early | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

FIN old | CL | = | RST | no socket | 0 | §3.10.7.1
FIN old | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN old | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN old | half sync | = | ACK | tcp duplicate | 0 | §3.10.7.4 step 1; in TIME-WAIT step 8 restarts 2 MSL

FIN partly beyond | CL | = | RST | no socket | 0 | §3.10.7.1
FIN partly beyond | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN partly beyond | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN partly beyond | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN partly beyond | recv | = | ACK | - | 0 | §3.10.7.4 step 1: the FIN is cut off with the text
FIN partly beyond | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 7

FIN beyond | CL | = | RST | no socket | 0 | §3.10.7.1
FIN beyond | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN beyond | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN beyond | half sync | = | ACK | tcp out of window | 0 | §3.10.7.4 step 1

FIN bare | CL | = | RST,ACK | no socket | 0 | §3.10.7.1
FIN bare | LI | = | - | tcp bad state | 0 | §3.10.7.2 step 4
FIN bare | SS | = | - | tcp bad state | 0 | §3.10.7.3 step 5
FIN bare | half sync | = | - | tcp no ack | 0 | §3.10.7.4 step 5

RST | CL | = | - | no socket | 0 | §3.10.7.1
RST | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST | SS | = | - | tcp bad reset | 0 | §3.10.7.3 step 2: it acknowledges nothing
RST | half ES F1 F2 CW CG LA | CL | - | - | 0 | §3.10.7.4 step 2
RST | TW | = | - | tcp bad reset | 0 | RFC 1337 F1

RST,ACK | CL | = | - | no socket | 0 | §3.10.7.1
RST,ACK | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST,ACK | SS | CL | - | - | 0 | §3.10.7.3 step 2: refused
RST,ACK | half ES F1 F2 CW CG LA | CL | - | - | 0 | §3.10.7.4 step 2
RST,ACK | TW | = | - | tcp bad reset | 0 | RFC 1337 F1

RST,ACK future | CL | = | - | no socket | 0 | §3.10.7.1
RST,ACK future | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST,ACK future | SS | = | - | tcp bad ack | 0 | §3.10.7.3 step 1: not even answered
RST,ACK future | half ES F1 F2 CW CG LA | CL | - | - | 0 | §3.10.7.4 step 2 comes before step 5
RST,ACK future | TW | = | - | tcp bad reset | 0 | RFC 1337 F1

RST in window | CL | = | - | no socket | 0 | §3.10.7.1
RST in window | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST in window | SS | = | - | tcp bad reset | 0 | §3.10.7.3 step 2
RST in window | half sync | = | ACK | tcp bad reset | 0 | RFC 5961 §3: challenge

RST old | CL | = | - | no socket | 0 | §3.10.7.1
RST old | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST old | SS | = | - | tcp bad reset | 0 | §3.10.7.3 step 2
RST old | half sync | = | - | tcp duplicate | 0 | §3.10.7.4 step 1

RST beyond | CL | = | - | no socket | 0 | §3.10.7.1
RST beyond | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST beyond | SS | = | - | tcp bad reset | 0 | §3.10.7.3 step 2
RST beyond | half sync | = | - | tcp out of window | 0 | §3.10.7.4 step 1

ACK at edge | CL | = | RST | no socket | 0 | §3.10.7.1
ACK at edge | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
ACK at edge | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
ACK at edge | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
ACK at edge | ES F1 F2 CW CG LA | = | - | - | 0 | deviates from §3.10.7.4 step 1: a peer that has filled the window sends no other
ACK at edge | TW | = | ACK | tcp out of window | 0 | §3.10.7.4 step 1: nothing lies beyond the peer's FIN

FIN at edge | CL | = | RST | no socket | 0 | §3.10.7.1
FIN at edge | LI | = | RST | tcp bad ack | 0 | §3.10.7.2 step 2
FIN at edge | SS | = | RST | tcp bad ack | 0 | §3.10.7.3 step 1
FIN at edge | half | = | RST | tcp bad ack | 0 | §3.10.7.4 step 5, SYN-RECEIVED
FIN at edge | recv | = | ACK | - | 0 | deviates from §3.10.7.4 step 1: it takes no room, and is kept
FIN at edge | fin | = | ACK | tcp bad state | 0 | §3.10.7.4 step 8

RST at edge | CL | = | - | no socket | 0 | §3.10.7.1
RST at edge | LI | = | - | tcp bad reset | 0 | §3.10.7.2 step 1
RST at edge | SS | = | - | tcp bad reset | 0 | §3.10.7.3 step 2
RST at edge | half sync | = | - | tcp out of window | 0 | RFC 5961 §3.2: outside, dropped in silence
`
