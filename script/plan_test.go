package script

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"smolsh/phy/fault"
)

func TestParseKept(t *testing.T) {
	for text, want := range map[string]Kept{
		"1":                       {Number: 1},
		"2.loss":                  {Number: 2, Effect: "loss"},
		"12.loss:tx:3,7":          {Number: 12, Effect: "loss", Frames: [2][]int{1: {3, 7}}},
		"1.reorder:rx:1:tx:10,11": {Number: 1, Effect: "reorder", Frames: [2][]int{{1}, {10, 11}}},
	} {
		got, err := ParseKept(text)
		if err != nil || !reflect.DeepEqual(got, want) || got.String() != text {
			t.Errorf("%q: got %+v (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "0", "x", "-1", "1.", "1.lost", "1.loss:", "1.loss:tx", "1.loss:tx:", "1.loss:tx:0", "1.loss:up:1", "1:tx:3", "1.loss:tx:1:"} {
		if k, err := ParseKept(text); err == nil {
			t.Errorf("%q: got %+v and no error", text, k)
		}
	}
}

// Every field of a rule is either part of its choice or of exactly one effect that a plan knows, so that a
// rule that is taken apart does in its parts what it did as one.
func TestPlanKnowsEveryEffect(t *testing.T) {
	choice := []string{"Name", "Dir", "Match", "MatchWay", "Nth", "Every", "Hits", "ECN"} // the last goes with every part
	aside := []string{"Hold", "Limit", "Interval"}                                        // go with an effect, and do nothing by themselves
	rule := reflect.TypeFor[fault.Rule]()
	for i := range rule.NumField() {
		f := rule.Field(i)
		if !f.IsExported() || slices.Contains(choice, f.Name) || slices.Contains(aside, f.Name) {
			continue
		}
		r := &fault.Rule{}
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
		for _, e := range planEffects {
			if !e.has(r) {
				continue
			}
			known = append(known, e.name)
			if part := e.rules(r, Kept{})[0]; fmt.Sprint(*part) != fmt.Sprint(*r) {
				t.Errorf("%s of a rule with %s: %+v, want %+v", e.name, f.Name, *part, *r)
			}
		}
		if len(known) != 1 {
			t.Errorf("a rule with %s has the effects %v, want one", f.Name, known)
		}
	}
}
