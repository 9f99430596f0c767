package gonet

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzAnswer: whatever a server sends, parsing ends, the addresses are of the family that was asked for, and their number is bounded.
func FuzzAnswer(f *testing.F) {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("a.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	good := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}, Questions: []dnsmessage.Question{q}}
	for range 100 {
		good.Answers = append(good.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}},
		})
	}
	b, err := good.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseAnswer(b, 7, q)
		if !ok {
			return
		}
		addrs := answerAddrs(m, q)
		if len(addrs) > maxAnswers {
			t.Errorf("%d addresses", len(addrs))
		}
		for _, a := range addrs {
			if !a.Is4() {
				t.Errorf("address %v", a)
			}
		}
	})
}
