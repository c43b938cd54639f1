package config

import (
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/window"
)

func (b *builder) judgeRollout(section string, r NodegroupRollout) {
	b.judgeWindows(section+".windows", r.Windows)
	b.judgeFreezes(section+".freezes", r.Freezes)
	after, groups := section+".forceAfter", section+".forceGroups"
	switch key, _ := KeyOf(groups); {
	case r.ForceAfter > 0 && len(r.ForceGroups) == 0 && b.given(after):
		b.clash(after, r.ForceAfter, "no nodegroups are listed", groups+" to be "+key.Want, groups)
	case r.ForceAfter == 0 && b.given(groups):
		b.clash(groups, r.ForceGroups, "forceAfter is 0", key.Want, after)
	}
	if b.given(groups) {
		b.judgePatterns(groups, r.ForceGroups, `"lab-*/*"`)
	}
}

func (b *builder) judgeWindows(list string, windows []MaintenanceWindow) {
	for i, w := range windows {
		if at, ok := b.sound(list, i); ok {
			b.unless(window.Window(w).Check(), at)
		}
	}
}

func (b *builder) judgeFreezes(list string, freezes []Freeze) {
	for i, f := range freezes {
		at, ok := b.sound(list, i)
		switch {
		case !ok:
		case f.To < f.From: // days compare as texts
			key, _ := KeyOf(at + ".to")
			b.clash(at+".to", f.To, "from is "+f.From, key.Want)
		default:
			b.unless(window.Freeze(f).Check(), at)
		}
	}
}

// sound is the path of an item of a list that is given, and whether each of its
// values has passed alone. Windows and freezes are judged further only where there
// is a database of time zones.
func (b *builder) sound(list string, i int) (string, bool) {
	at := fmt.Sprintf("%s[%d]", list, i)
	return at, b.zones && b.given(at) && !b.bad[list] && !b.badBelow(at)
}

// unless reports what the package that will use a value says against it.
func (b *builder) unless(err error, path string) {
	if err != nil {
		b.report(path, b.places[path], fmt.Sprintf("%s: %v", path, err))
	}
}

func (b *builder) judgeWaves() {
	w := b.file.Waves
	seen := map[string]int{}
	for i, name := range w.Order {
		at := fmt.Sprintf("waves.order[%d]", i)
		if first, again := seen[name]; again {
			b.clash(at, name, fmt.Sprintf("it is wave %d already", first+1), "each wave once")
			continue
		}
		seen[name] = i
	}
	rests := len(w.Order) - 1
	if w.Others == OthersLast {
		rests++
	}
	// A rollout halts after longest: one that rests all the while never ends.
	b.judgeOrder("waves", order{
		broken: time.Duration(rests)*w.Bake >= w.Longest,
		keys:   []string{"longest", "bake", "order", "others"},
		values: []any{w.Longest, w.Bake, w.Order, w.Others},
	})
}
