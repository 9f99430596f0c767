package dns

import (
	"fmt"
	"strings"
)

// A stray says why a message does not answer a question.
type stray uint8

const (
	fits          stray = iota // the message answers the question
	wrongID                    // its id is not the question's
	otherQuestion              // it is about another name, type or class, or about none
	noResponse                 // it is a question, or of another kind than a query (RFC 1035 §4.1.1)
	unreadable                 // its header or its question can't be read
)

// Strays counts the messages from a server's address that do not answer the question, by kind.
type Strays struct {
	WrongID       int // the id is not the question's
	OtherQuestion int // the message is about another name, type or class, or about none
	NoResponse    int // the message is no response to a query
	Unreadable    int // the header or the question can't be read
}

func (s *Strays) count(kind stray) {
	switch kind {
	case wrongID:
		s.WrongID++
	case otherQuestion:
		s.OtherQuestion++
	case noResponse:
		s.NoResponse++
	case unreadable:
		s.Unreadable++
	}
}

// Total returns the number of messages of all kinds.
func (s Strays) Total() int { return s.WrongID + s.OtherQuestion + s.NoResponse + s.Unreadable }

// String returns the kinds that occurred, such as "2 with a wrong id, 1 about another question".
func (s Strays) String() string {
	var list []string
	for _, kind := range []struct {
		n    int
		text string
	}{{s.WrongID, "with a wrong id"}, {s.OtherQuestion, "about another question"}, {s.NoResponse, "no response"}, {s.Unreadable, "malformed"}} {
		if kind.n > 0 {
			list = append(list, fmt.Sprint(kind.n, " ", kind.text))
		}
	}
	return strings.Join(list, ", ")
}
