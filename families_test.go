package smolsh_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// familiesReport is docs/families.md: the tests of whole hosts and labs, and the families of IP in which each runs.
const familiesReport = "docs/families.md"

// familyTests are the places of these tests. Those with all set must name the reason for every test that runs in one family alone.
var familyTests = []struct {
	glob, title string
	all         bool
}{
	{"stack/lab/*_test.go", "Labs: campaigns, links, switches, captures, goodput", true},
	{"stack/lab/live/*_test.go", "Live labs: conformance and integrity with the kernel as the peer", false},
	{"stack/*attacks*_test.go stack/siege_test.go stack/*hostile*_test.go stack/injection_test.go stack/kept_test.go stack/cost*_test.go", "Attacks, fuzzers and costs", false},
	{"examples/*.star examples/*/*.star testdata/script/*.star", "Examples, scenarios and scripts", false},
}

// oneFamily has the reasons for which tests run in one family alone.
var oneFamily = map[string]string{
	"TestAnEventMaySend":                    "its packets show the world at work, not the family",
	"TestCallsGiveWork":                     "its packets show the world at work, not the family",
	"TestHostsTransmitInOrder":              "its packets show the world at work, not the family",
	"TestPanicGoesOn":                       "its packets show the world at work, not the family",
	"TestPanicWithinABatch":                 "its packets show the world at work, not the family",
	"TestPanicsByPlace":                     "its packets show the world at work, not the family",
	"TestRestingHostsAreNotAsked":           "its packets show the world at work, not the family",
	"TestStepEndsThoughHostsNeverStop":      "its packets show the world at work, not the family",
	"TestCarrierOfASwitchsLink":             "names, hardware addresses and the state of links, for both",
	"TestChangesKeepOrder":                  "names, hardware addresses and the state of links, for both",
	"TestHardwareAddressesSetByHandDiffer":  "names, hardware addresses and the state of links, for both",
	"TestInterfaceNames":                    "names, hardware addresses and the state of links, for both",
	"TestADeviceGetsTheSegmentsItTakes":     "rules, records and devices handle frames, whatever they carry",
	"TestHostileOffloadsEndAtThePort":       "rules, records and devices handle frames, whatever they carry",
	"TestPendingRecordsAreBounded":          "rules, records and devices handle frames, whatever they carry",
	"TestPortRules":                         "rules, records and devices handle frames, whatever they carry",
	"TestRecordsNeedNoOrderOfArrival":       "rules, records and devices handle frames, whatever they carry",
	"TestRefusedFramesCountOnce":            "rules, records and devices handle frames, whatever they carry",
	"TestCaptureNamesInterfacesAndVerdicts": "the file's form; verdicts of IPv6 in TestRecordsOfASwitch6",
	"TestCorruptionIsSeenByTheReceiverOnly": "the checksum of the IPv4 header, which IPv6 lacks",
	"TestGoodput":                           "the golden table; TestGoodputOfBothFamilies compares the families",
	"TestRecordsOfASwitch":                  "broadcasts of ARP; solicitations in TestRecordsOfASwitch6",
	"TestRecordsOfASwitch6":                 "solicitations; ARP in TestRecordsOfASwitch",
	"TestSwitchFloodsGroups":                "groups of IPv6; broadcasts in TestSwitchLearns",
	"TestAdvertisingRouterComesToRest":      "IPv4 has no advertisements",
}

// familyUse is the evidence of families in a test's source and in the functions and variables of its package that it names.
type familyUse struct{ four, six bool }

func (u familyUse) String() string {
	switch {
	case u.four && u.six:
		return "both"
	case u.four:
		return "IPv4"
	case u.six:
		return "IPv6"
	}
	return "frames only"
}

var (
	literal4 = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.(\d{1,3}|%\[?\d?\]?d|%d)\.`)
	literal6 = regexp.MustCompile(`\b(f[c-f]|20)[0-9a-f]{2}:|"\[?::1?[]"/]`)
)

func (u *familyUse) note(text string) {
	u.four = u.four || literal4.MatchString(text)
	u.six = u.six || literal6.MatchString(text)
}

// goFamilies returns the families of every test in the files, which are of one package.
func goFamilies(t *testing.T, files []string) map[string]familyUse {
	decls, tests := map[string]ast.Node{}, []string{}
	around, err := filepath.Glob(filepath.Dir(files[0]) + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range around {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if strings.HasPrefix(filepath.Base(name), "families_") && d.Recv != nil {
					continue // an addressing is of the family that the test has chosen
				}
				id := d.Name.Name
				if d.Recv != nil {
					id = "." + id
				}
				if _, twice := decls[id]; twice {
					decls[id] = nil // methods of one name are not told apart
				} else {
					decls[id] = d
				}
				if slices.Contains(files, name) && d.Recv == nil && strings.HasPrefix(d.Name.Name, "Test") {
					tests = append(tests, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						for _, n := range v.Names {
							decls[n.Name] = v
						}
					}
				}
			}
		}
	}
	all := map[string]familyUse{}
	for _, name := range tests {
		use, seen := familyUse{}, map[string]bool{}
		var visit func(name string)
		visit = func(name string) {
			d := decls[name]
			if d == nil || seen[name] {
				return
			}
			seen[name] = true
			var look func(n ast.Node) bool
			look = func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					use.note(n.Value)
				case *ast.SelectorExpr:
					visit("." + n.Sel.Name)
					ast.Inspect(n.X, look)
					return false
				case *ast.Ident:
					visit(n.Name)
				}
				return true
			}
			ast.Inspect(d, look)
		}
		visit(name)
		all[name] = use
	}
	return all
}

// familyRows returns the rows of one place, and the tests of one family for which oneFamily has no reason.
func familyRows(t *testing.T, globs string) (rows, unexplained []string) {
	var files []string
	for _, g := range strings.Fields(globs) {
		list, err := filepath.Glob(g)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	uses := map[string]familyUse{}
	if strings.HasSuffix(files[0], ".go") {
		uses = goFamilies(t, files)
	} else {
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var u familyUse
			u.note(string(text))
			uses[name] = u
		}
	}
	for name, use := range uses {
		why := oneFamily[name]
		if one := use.four != use.six; one && why == "" {
			unexplained = append(unexplained, name+" ("+use.String()+")")
		} else if !one && why != "" {
			t.Errorf("%s runs in %v, and the table says why it does not", name, use)
		}
		rows = append(rows, fmt.Sprintf("| %s | %v | %s |\n", name, use, why))
	}
	slices.Sort(rows)
	slices.Sort(unexplained)
	return rows, unexplained
}

// TestFamilies: docs/families.md says in which families the tests of hosts and labs run. Every test of labs that runs in one alone has a
// reason, and every reason a test.
func TestFamilies(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Tests and families\n\nGenerated from the tests by `go test . -run TestFamilies -update`. A test counts for a family if its source, or a function\n" +
		"or variable that it names, has an address of it. The dialogues of `stack/testdata` say in their names which they are of. A test of one family with an\n" +
		"empty cell could run in both.\n")
	known := ""
	for _, place := range familyTests {
		rows, unexplained := familyRows(t, place.glob)
		fmt.Fprintf(&b, "\n## %s\n\n| Test | Families | Why one alone |\n|---|---|---|\n%s", place.title, strings.Join(rows, ""))
		known += strings.Join(rows, "")
		if place.all && len(unexplained) > 0 {
			t.Errorf("run in one family alone, without a reason: %s", strings.Join(unexplained, ", "))
		}
	}
	for name := range oneFamily {
		if !strings.Contains(known, "| "+name+" |") {
			t.Errorf("there is no test %s", name)
		}
	}
	if *update {
		if err := os.WriteFile(familiesReport, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(familiesReport); err != nil || !bytes.Equal(have, []byte(b.String())) {
		t.Errorf("%s is not what the tests say: go test . -run TestFamilies -update (%v)", familiesReport, err)
	}
}
