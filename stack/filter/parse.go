package filter

import (
	"slices"
)

// parser is a recursive descent over the tokens. The grammar is libpcap's:
//
//	expr  = term { ("and" | "or") term }
//	term  = "not" term | arith relop arith | primitive | id
//	arith = C's operators over numbers, "len", proto "[" arith [":" size] "]", "(" expr ")"
type parser struct {
	expr  string
	toks  []token
	i     int
	depth int
	last  quals // keywords for the next identifier that has none
	tags  tags  // octets of the VLAN tags named so far
}

// quals are the keywords before an identifier; a missing keyword is the empty string.
type quals struct {
	proto string // ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, …
	dir   string // src, dst, src and dst; empty for either
	typ   string // host, net, port, portrange, proto
	pos   int
	set   bool // true if there is at least one keyword
}

// operand is a parsed term: a predicate, or a number that an operator uses.
type operand struct {
	node  node
	arith arith
	tok   token // first token of the term
	bare  bool  // true for a single number, which may turn out to be an identifier
	quals quals // keywords for the number if it is an identifier
}

// parse compiles an expression.
func parse(expr string) (node, error) {
	toks, err := lex(expr)
	if err != nil {
		return nil, err
	}
	p := &parser{expr: expr, toks: toks}
	if p.peek().kind == tokEnd {
		return func(packet) result { return yes }, nil
	}
	o, err := p.parseExpr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.fail(t, "expected \"and\", \"or\" or the end, found "+t.describe())
	}
	n, err := p.predicate(o)
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

// isOp reports whether the next token is one of the given operators.
func (p *parser) isOp(ops ...string) bool {
	t := p.peek()
	return t.kind == tokOp && slices.Contains(ops, t.text)
}

// isKey reports whether the next token is one of the given keywords.
func (p *parser) isKey(words ...string) bool {
	t := p.peek()
	return t.kind == tokWord && !t.escaped && slices.Contains(words, t.text)
}

// accept consumes the next token if it is the given operator or keyword, and reports whether it did.
func (p *parser) accept(text string) bool {
	if !p.isOp(text) && !p.isKey(text) {
		return false
	}
	p.i++
	return true
}

func (p *parser) expect(op string) *Error {
	if !p.accept(op) {
		return p.fail(p.peek(), "expected \""+op+"\", found "+p.peek().describe())
	}
	return nil
}

func (p *parser) fail(t token, msg string) *Error { return &Error{p.expr, t.pos, msg} }

// enter counts a level of recursion, and fails beyond maxDepth.
func (p *parser) enter() *Error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.peek(), "the expression is nested too deeply")
	}
	return nil
}

// predicate converts o to a predicate. A single number becomes an identifier with the preceding keywords, if there are
// any.
func (p *parser) predicate(o operand) (node, *Error) {
	if o.node != nil {
		return o.node, nil
	}
	if o.bare && o.quals.set {
		return p.primitive(o.quals, o.tok)
	}
	if o.bare {
		return nil, p.fail(o.tok, "expected a keyword such as host or port before "+o.tok.describe())
	}
	return nil, p.fail(p.peek(), "expected a comparison such as \"= 0\", found "+p.peek().describe())
}

func (p *parser) parseExpr() (operand, *Error) {
	if err := p.enter(); err != nil {
		return operand{}, err
	}
	defer func() { p.depth-- }()
	left, err := p.parseTerm()
	if err != nil {
		return left, err
	}
	for p.isOp("&&", "||") || p.isKey("and", "or") {
		op := p.next().text
		a, err := p.predicate(left)
		if err != nil {
			return left, err
		}
		right, err := p.parseTerm()
		if err != nil {
			return left, err
		}
		b, err := p.predicate(right)
		if err != nil {
			return left, err
		}
		if op == "and" || op == "&&" {
			left = operand{node: and(a, b), tok: left.tok}
		} else {
			left = operand{node: or(a, b), tok: left.tok}
		}
	}
	return left, nil
}

func (p *parser) parseTerm() (operand, *Error) {
	first := p.peek()
	if p.isOp("!") || p.isKey("not") {
		p.next()
		if err := p.enter(); err != nil {
			return operand{}, err
		}
		defer func() { p.depth-- }()
		o, err := p.parseTerm()
		if err != nil {
			return o, err
		}
		n, err := p.predicate(o)
		if err != nil {
			return o, err
		}
		return operand{node: not(n), tok: first}, nil
	}
	left, err := p.parseArith(0)
	if err != nil || left.node != nil {
		return left, err
	}
	if !p.isOp("=", "==", "!=", "<", ">", "<=", ">=") {
		return left, nil
	}
	op := p.next().text
	right, err := p.parseArith(0)
	if err != nil {
		return left, err
	}
	if right.node != nil {
		return left, p.fail(right.tok, "expected a number to compare with, found "+right.tok.describe())
	}
	return operand{node: relation(op, left.arith, right.arith), tok: first}, nil
}

// precedence of the binary operators is that of C, except for % and ^. libpcap's grammar gives these two no precedence:
// they include all arithmetic to their right, and only one operand to their left.
var precedence = map[string]int{"%": 0, "^": 0, "|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5}

// parseArith parses operators that bind more strongly than limit. Its result is a predicate if the first operand is not
// a number.
func (p *parser) parseArith(limit int) (operand, *Error) {
	left, err := p.parseOperand()
	if err != nil {
		return left, err
	}
	for {
		op := p.peek()
		level, ok := precedence[op.text]
		if op.kind != tokOp || !ok || level != 0 && level <= limit {
			return left, nil
		}
		if left.node != nil {
			return left, p.fail(op, "expected \"and\", \"or\" or the end, found "+op.describe())
		}
		p.next()
		right, err := p.parseArith(level)
		if err != nil {
			return left, err
		}
		if right.node != nil {
			return left, p.fail(right.tok, "expected a number, found "+right.tok.describe())
		}
		if known := right.arith.known; known != nil {
			switch {
			case (op.text == "/" || op.text == "%") && *known == 0:
				return left, p.fail(right.tok, "division by zero")
			case (op.text == "<<" || op.text == ">>") && *known > 31:
				return left, p.fail(right.tok, "a shift by more than 31 bits")
			}
		}
		left = operand{arith: binop(op.text, left.arith, right.arith), tok: left.tok}
	}
}

func (p *parser) parseOperand() (operand, *Error) {
	t := p.peek()
	if err := p.enter(); err != nil {
		return operand{tok: t}, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("("):
		o, err := p.parseExpr()
		if err == nil {
			err = p.expect(")")
		}
		if !o.bare { // a single number keeps its own token, since it may turn out to be an identifier
			o.tok = t
		}
		return o, err
	case p.accept("-"):
		o, err := p.parseOperand()
		if err != nil {
			return o, err
		}
		if o.node != nil {
			return o, p.fail(o.tok, "expected a number, found "+o.tok.describe())
		}
		return operand{arith: binop("-", number(0), o.arith), tok: t}, nil
	case t.kind == tokNum:
		p.next()
		return operand{arith: number(t.num), tok: t, bare: true, quals: p.last}, nil
	case t.kind == tokWord && !t.escaped:
		if o, ok, err := p.parseNamedNumber(t); ok || err != nil {
			return o, err
		}
	}
	n, err := p.parsePrimitive()
	return operand{node: n, tok: t}, err
}

// parseNamedNumber parses len, a constant, or a byte access. It returns false for any other word.
func (p *parser) parseNamedNumber(t token) (operand, bool, *Error) {
	if t.text == "len" {
		p.next()
		return operand{arith: frameLen(), tok: t}, true, nil
	}
	if v, ok := constants[t.text]; ok {
		p.next()
		return operand{arith: number(v), tok: t}, true, nil
	}
	if after := p.toks[p.i+1]; after.kind != tokOp || after.text != "[" {
		return operand{}, false, nil
	}
	if _, ok := access(t.text, 0, number(0), 1); !ok {
		return operand{}, false, nil
	}
	p.i += 2
	index, err := p.parseArith(0)
	if err != nil {
		return index, true, err
	}
	if index.node != nil {
		return index, true, p.fail(index.tok, "expected an offset, found "+index.tok.describe())
	}
	size := uint32(1)
	if p.accept(":") {
		s := p.next()
		if s.kind != tokNum || s.num != 1 && s.num != 2 && s.num != 4 {
			return index, true, p.fail(s, "expected a size of 1, 2 or 4, found "+s.describe())
		}
		size = s.num
	}
	if err := p.expect("]"); err != nil {
		return index, true, err
	}
	a, _ := access(t.text, p.tags, index.arith, size)
	return operand{arith: a, tok: t}, true, nil
}
