package fault

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"smolsh/phy"
	"smolsh/stack/drop"
)

func TestParseSelection(t *testing.T) {
	for text, want := range map[string]Selection{
		"1":                       {Number: 1},
		"2.loss":                  {Number: 2, Effect: "loss"},
		"12.loss:tx:3,7":          {Number: 12, Effect: "loss", Frames: [2][]int{1: {3, 7}}},
		"1.reorder:rx:1:tx:10,11": {Number: 1, Effect: "reorder", Frames: [2][]int{{1}, {10, 11}}},
	} {
		got, err := ParseSelection(text)
		if err != nil || !reflect.DeepEqual(got, want) || got.String() != text {
			t.Errorf("%q: got %+v (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "0", "x", "-1", "1.", "1.lost", "1.loss:", "1.loss:tx", "1.loss:tx:", "1.loss:tx:0", "1.loss:up:1", "1:tx:3", "1.loss:tx:1:"} {
		if k, err := ParseSelection(text); err == nil {
			t.Errorf("%q: got %+v and no error", text, k)
		}
	}
}

// TestPlanKnowsEveryEffect: every field of a rule belongs either to its choice of frames or to exactly one effect that
// a plan knows. So the parts of a split rule have together the effects of the rule.
func TestPlanKnowsEveryEffect(t *testing.T) {
	choice := []string{"Name", "Dir", "Match", "MatchWay", "Nth", "Every", "Hits", "Once", "ECN", "Pass"} // ECN and Pass belong to every part
	aside := []string{"Hold", "Limit", "Interval"}                                                        // these belong to an effect, and do nothing alone
	rule := reflect.TypeFor[Rule]()
	for i := range rule.NumField() {
		f := rule.Field(i)
		if !f.IsExported() || slices.Contains(choice, f.Name) || slices.Contains(aside, f.Name) {
			continue
		}
		r := &Rule{}
		v := reflect.ValueOf(r).Elem().Field(i)
		switch v.Kind() {
		case reflect.Struct:
			v.Field(0).SetFloat(0.5)
		case reflect.Float64:
			v.SetFloat(0.5)
		case reflect.Uint64:
			v.SetUint(7)
		default:
			v.SetInt(7)
		}
		var known []string
		for _, e := range plannedEffects {
			if !e.has(r) {
				continue
			}
			known = append(known, e.name)
			if part := e.rules(r, Selection{})[0]; fmt.Sprint(*part) != fmt.Sprint(*r) {
				t.Errorf("%s of a rule with %s: %+v, want %+v", e.name, f.Name, *part, *r)
			}
		}
		if len(known) != 1 {
			t.Errorf("a rule with %s has the effects %v, want one", f.Name, known)
		}
	}
}

// TestPlanSplits: a plan omits the effects that it does not keep, limits an effect to single frames, and reports the frames hit.
func TestPlanSplits(t *testing.T) {
	rule := &Rule{Loss: 1, MaxSize: 4}
	if all := (&Plan{All: true}).Split(1, rule); len(all) != 2 || all[0].Effect != "max_size" || all[1].Effect != "loss" {
		t.Fatalf("all effects: %+v", all)
	}
	if none := (&Plan{}).Split(1, rule); len(none) != 0 {
		t.Errorf("an empty plan keeps %+v", none)
	}
	kept, err := ParseSelection("1.loss:tx:2,3")
	if err != nil {
		t.Fatal(err)
	}
	plan := &Plan{Kept: []Selection{kept}}
	if other := plan.Split(2, rule); len(other) != 0 {
		t.Errorf("the plan keeps %+v of another fault", other)
	}
	list := plan.Split(1, rule)
	if len(list) != 1 || !list[0].Single || list[0].Certain || list[0].Rule.Dir != TX {
		t.Fatalf("got %+v", list)
	}
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	s.Add(list[0].Rule)
	dropped := []bool{}
	for range 4 {
		f := phy.NewFrame(phy.FrameSize)
		f.Set([]byte{1, 2, 3})
		s.Apply(0, RX, phy.MediumIP, f)
		v := s.Apply(0, TX, phy.MediumIP, f)
		dropped = append(dropped, v.Drop != drop.None)
	}
	if want := []bool{false, true, true, false}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if r := list[0].Result(); r.Hits != 2 || r.String() != "1.loss:tx:2,3" || !r.Narrow {
		t.Errorf("report %+v", r)
	}
}

// TestPlanKeepsWhatARuleDoes: of a rule without effects, Split makes one that drops if it chooses frames, and none if it passes all.
func TestPlanKeepsWhatARuleDoes(t *testing.T) {
	all := &Plan{All: true}
	for _, c := range []struct {
		rule Rule
		want int
	}{{Rule{}, 0}, {Rule{Dir: TX}, 0}, {Rule{Every: 1}, 1}, {Rule{Every: 1, Pass: true}, 0}, {Rule{Nth: []int{1}}, 1}, {Rule{Loss: 1}, 1}} {
		if list := all.Split(1, &c.rule); len(list) != c.want {
			t.Errorf("%+v: %d rules, want %d", c.rule, len(list), c.want)
		}
	}
}

// TestPlanUnmatched: selections of faults, effects and frames that a run does not have are reported.
func TestPlanUnmatched(t *testing.T) {
	plan := &Plan{}
	for _, text := range []string{"1.loss:tx:1,9", "1.loss:rx:1", "1.corrupt", "2.loss:rx:1", "3", "1"} {
		k, err := ParseSelection(text)
		if err != nil {
			t.Fatal(err)
		}
		plan.Kept = []Selection{k}
		list := plan.Split(1, &Rule{Loss: 0.5})
		s := NewSet(rand.New(rand.NewPCG(1, 2)))
		for _, p := range list {
			s.Add(p.Rule)
		}
		for range 3 {
			f := phy.NewFrame(phy.FrameSize)
			f.Set([]byte{1, 2, 3})
			s.Apply(0, TX, phy.MediumIP, f)
		}
		want := map[string]string{"1.loss:tx:1,9": "[1.loss:tx:9]", "1": "[]"}[text]
		if want == "" {
			want = "[" + text + "]"
		}
		if got := fmt.Sprint(plan.Unmatched(list)); got != want {
			t.Errorf("%s: unmatched %s, want %s", text, got, want)
		}
	}
	if got := (&Plan{All: true}).Unmatched(nil); got != nil {
		t.Errorf("%v", got)
	}
}
