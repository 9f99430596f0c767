package packet

// LetterText returns the text for the bits of a number, which ParseLetters reads. ok is false if a bit has no letter.
func (f *Field) LetterText(n uint64) (text string, ok bool) {
	text = f.letters(n)
	back, err := f.ParseLetters(text)
	return text, err == nil && back == n
}

// Octets returns the known octets in which the layer has a field, nil for a derived field.
func (l Layer) Octets(f *Field) []byte {
	from, to := l.Span(f)
	n := len(l.packet.Octets)
	if f.derived || from > n {
		return nil
	}
	return l.packet.Octets[from:min(to, n)]
}
