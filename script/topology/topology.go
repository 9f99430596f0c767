// Package topology reads a network from YAML: hosts, switches, links with their impairments, and a timetable of
// changes. The package only reads. The caller makes the hosts, switches and links, in the order of the lists.
//
// Reading is strict: an unknown key, a repeated key, an alias, a second document, and the name of a host or switch that
// the file does not define are errors that name the line. The notation of values is that of scripts (registry.Kind).
package topology

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"smolsh/script/suggest"
	"smolsh/stack/lab"
)

// Topology is a network as a file describes it.
type Topology struct {
	Hosts    []Host
	Switches []Switch
	Links    []Link
	Changes  []Change // ordered by At
}

// Host is a host of the file. Its gateways are resolved.
type Host struct {
	lab.HostConfig
	Line int // line of the file, from 1

	gateway *yaml.Node // an address, the name of a host, or a list of those; nil for none
}

// Switch is a switch of the file.
type Switch struct {
	Name  string
	Flood int // frames per second that each port may flood; 0 for any number
	Line  int // line of the file, from 1
}

// Link joins two hosts, or a host and a switch.
type Link struct {
	Name string // name; "a-b" unless the file has another one
	A, B string // names of the two ends; A is a host
	lab.LinkConfig
	Line int // line of the file, from 1
}

// The actions of a Change.
const (
	Up        = "up"
	Down      = "down"
	Set       = "set"
	Partition = "partition"
	Heal      = "heal"
)

// Change is an entry of the timetable.
type Change struct {
	At     time.Duration // time since the topology was made
	Action string
	Link   string                  // name of the link, for Up, Down and Set
	A, B   string                  // names of the hosts, for Partition
	Set    func(c *lab.LinkConfig) // sets the given fields, for Set
	MTU    int                     // given MTU in octets, for Set; 0 if none is given
	Line   int                     // line of the file, from 1
}

// Error is an error in a line of the file.
type Error struct {
	Line int // line of the file, from 1
	Text string
}

// Error returns the text with its line in front.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

func errorAt(n *yaml.Node, format string, args ...any) error {
	return &Error{max(1, n.Line), fmt.Sprintf(format, args...)}
}

// yamlLine finds the line in an error of the YAML parser.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// Parse reads a topology. An error about a place in the text is an *Error.
func Parse(text []byte) (*Topology, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Error{1, "the file is empty: it has hosts, switches, links and timetable"}
	case err != nil:
		return nil, syntaxError(err)
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &Error{max(1, second.Line), "a file has one document"}
	}
	t := &Topology{}
	p := &parser{t: t, names: map[string]string{}, links: map[string]*Link{}}
	if err := p.document(doc.Content[0]); err != nil {
		return nil, err
	}
	return t, nil
}

func syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line := 0
		fmt.Sscan(m[1], &line)
		return &Error{line, m[2]}
	}
	return errors.New(text)
}

// entry is a key of a mapping and its value.
type entry struct{ key, value *yaml.Node }

// entries returns the entries of a mapping in their order, and refuses unknown and repeated keys. The argument what
// names the mapping in errors. The list known has the mapping's keys; nil allows any key.
func entries(n *yaml.Node, what string, known []string) ([]entry, error) {
	if n.Kind != yaml.MappingNode {
		return nil, errorAt(n, "%s is a mapping, got %s", what, describe(n))
	}
	var list []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			return nil, errorAt(k, "a key of %s is a word, got %s", what, describe(k))
		}
		if known != nil && !contains(known, k.Value) {
			hint := ": it has " + strings.Join(known, ", ")
			if near := suggest.Nearest(k.Value, known); near != "" {
				hint = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return nil, errorAt(k, "%s has no key %s%s", what, k.Value, hint)
		}
		if seen[k.Value] {
			return nil, errorAt(k, "%s has the key %s twice", what, k.Value)
		}
		seen[k.Value] = true
		list = append(list, entry{k, v})
	}
	return list, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// describe names a node for errors.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "the alias *" + n.Value
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}
