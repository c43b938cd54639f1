package config

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// judge holds the values against one another, once each of them has passed
// alone.
func (b *builder) judge() {
	b.judgeTargets()
	b.judgeRules("", b.file.unmatched())
	b.judgeWaves()
	b.judgeNotify()
	b.judgeMutes()
	for i, o := range b.file.Overrides {
		b.judgeOverride(i, o)
	}
}

// clash reports that the value at path does not go with others, which why names.
// It stays silent where one of them is known to be wrong already.
func (b *builder) clash(path string, value any, why, want string, others ...string) {
	for _, p := range append(others, path) {
		if b.bad[p] {
			return
		}
	}
	n := Node{Kind: Number, Text: written(reflect.ValueOf(value))}
	if _, ok := value.(string); ok {
		n.Kind = Text
	}
	b.report(path, b.places[path], fmt.Sprintf("%s is %s, but %s: want %s", path, n.shown(), why, want))
}

func (b *builder) judgeTargets() {
	seen := map[fleet.Target]string{}
	for i, a := range b.file.Accounts {
		item := fmt.Sprintf("targets[%d]", i)
		for j, region := range a.Regions {
			at := fmt.Sprintf("%s.regions[%d]", item, j)
			if b.bad[at] || b.bad[item+".account"] {
				continue
			}
			target := fleet.Target{Account: a.Account, Region: region}
			if first, again := seen[target]; again {
				b.clash(at, region, fmt.Sprintf("account %s has it already in line %d", a.Account, b.places[first].Line), "each account and region once")
				continue
			}
			seen[target] = at
			if Partition(region) != Partition(a.Regions[0]) {
				b.clash(at, region, fmt.Sprintf("it is in partition %s and %s is in %s", Partition(region), a.Regions[0], Partition(a.Regions[0])), "regions of one partition, since an account is in only one", item+".regions[0]")
			}
		}
		b.judgeRole(item, a)
	}
}

func (b *builder) judgeRole(item string, a Account) {
	at := item + ".role"
	if a.Role == "" || a.Role == OwnCredentials {
		return
	}
	key, _ := KeyOf(at)
	parts := strings.SplitN(a.Role, ":", 6) // arn:partition:iam::account:role/name
	if parts[4] != a.Account {
		b.clash(at, a.Role, "the target's account is "+a.Account, key.Want, item+".account")
	}
	if len(a.Regions) > 0 && parts[1] != Partition(a.Regions[0]) {
		b.clash(at, a.Role, fmt.Sprintf("%s is in partition %s", a.Regions[0], Partition(a.Regions[0])), "an ARN of that partition", item+".regions[0]")
	}
}

// judgeRules looks at the sections that an override can hold, in the file itself
// or in one.
func (b *builder) judgeRules(within string, o Override) {
	b.judgeSizes(join(within, "etcdSize"), o.EtcdSize)
	b.judgeSupport(join(within, "versionSupport"), o.VersionSupport)
	b.judgeEncryption(join(within, "secretsEncryption"), o.SecretsEncryption)
	b.judgeRollout(join(within, "nodegroupRollout"), o.NodegroupRollout)
}

func (b *builder) judgeSizes(section string, s EtcdSize) {
	for _, o := range []order{
		{s.WarnPercent >= s.CriticalPercent, []string{"warnPercent", "criticalPercent"}, []any{s.WarnPercent, s.CriticalPercent}},
		{
			s.WatchPercent > s.WarnPercent-s.HysteresisPercent,
			[]string{"watchPercent", "warnPercent", "hysteresisPercent"},
			[]any{s.WatchPercent, s.WarnPercent, s.HysteresisPercent},
		},
		{s.StaleAfter > s.History, []string{"staleAfter", "history"}, []any{s.StaleAfter, s.History}},
	} {
		b.judgeOrder(section, o)
	}
}

func (b *builder) judgeSupport(section string, s VersionSupport) {
	b.judgeOrder(section, order{
		broken: s.ExtendedUSDPerHour < s.StandardUSDPerHour,
		keys:   []string{"extendedUSDPerHour", "standardUSDPerHour"},
		values: []any{s.ExtendedUSDPerHour, s.StandardUSDPerHour},
	})
	if reminders := section + ".reminders"; !b.given(reminders) || b.bad[reminders] {
		return
	}
	for i, days := range s.Reminders[1:] {
		at, before := fmt.Sprintf("%s.reminders[%d]", section, i+1), fmt.Sprintf("%s.reminders[%d]", section, i)
		if days >= s.Reminders[i] {
			b.clash(at, days, fmt.Sprintf("the one before it is %d", s.Reminders[i]), "the most days first, each number once", before)
		}
	}
}

// judgeEncryption has the list of keys and the requirement of one of them go
// together.
func (b *builder) judgeEncryption(section string, s SecretsEncryption) {
	require, keys := section+".require", section+".keys"
	switch key, _ := KeyOf(keys); {
	case s.Require == ListedKeys && len(s.Keys) == 0 && b.given(require):
		b.clash(require, s.Require, "no keys are listed", keys+" to be a list with at least one key, such as [alias/eks-secrets]", keys)
	case s.Require != ListedKeys && b.given(keys):
		b.clash(keys, s.Keys, "require is "+s.Require, key.Want, require)
	}
}

// An order is what must hold between the keys of one section.
type order struct {
	broken bool
	keys   []string // the first one that the section gives is told
	values []any
}

// judgeOrder tells a broken order at the key that the section itself gives; an
// override that gives none of the keys only inherits it.
func (b *builder) judgeOrder(section string, o order) {
	told := slices.IndexFunc(o.keys, func(key string) bool { return b.given(section + "." + key) })
	if !o.broken || told < 0 {
		return
	}
	var why, others []string
	for i, key := range o.keys {
		if i != told {
			why = append(why, key+" is "+written(reflect.ValueOf(o.values[i])))
			others = append(others, section+"."+key)
		}
	}
	key, _ := KeyOf(section + "." + o.keys[0])
	want := fmt.Sprintf("%s to be %s", o.keys[0], key.Want)
	if told == 0 {
		want = key.Want
	}
	b.clash(section+"."+o.keys[told], o.values[told], strings.Join(why, " and "), want, others...)
}

func (b *builder) given(path string) bool {
	_, ok := b.places[path]
	return ok
}

// judgeOverride refuses an override that can never apply, which is what most
// typing errors lead to, and one that would not do what it says.
func (b *builder) judgeOverride(i int, o Override) {
	item := fmt.Sprintf("overrides[%d]", i)
	for j, other := range b.file.Overrides[:i] {
		first := fmt.Sprintf("overrides[%d]", j)
		if reflect.DeepEqual(other.Match, o.Match) && !b.badBelow(first) && !b.badBelow(item) {
			b.report(item, b.places[item], fmt.Sprintf("%s never applies, because %s in line %d matches the same clusters first: want one of them", item, first, b.places[first].Line))
		}
	}
	accounts, regions := b.watched()
	b.judgeAmong(item+".match.accounts", o.Match.Accounts, accounts)
	b.judgeAmong(item+".match.regions", o.Match.Regions, regions)
	b.judgePatterns(item+".match.names", o.Match.Names, `"prod-*"`)
	if len(o.Match.Names) > 0 {
		b.judgePerTarget(item+".etcdSize.", o.EtcdSize)
	}
	b.judgeRules(item, o)
	if key, _ := KeyOf(item); !b.setsSomething(item) && !b.badBelow(item) {
		b.report(item, b.places[item], fmt.Sprintf("%s selects clusters, but says nothing about them: want %s", item, key.Want))
	}
}

// setsSomething tells whether an override holds a section.
func (b *builder) setsSomething(item string) bool {
	return slices.ContainsFunc(names(reflect.TypeFor[Override]()), func(section string) bool {
		return section != "match" && b.given(join(item, section))
	})
}

// judgePatterns refuses what path.Match cannot read.
func (b *builder) judgePatterns(list string, patterns []string, such string) {
	for i, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			b.clash(fmt.Sprintf("%s[%d]", list, i), p, "the pattern is malformed", "a pattern such as "+such)
		}
	}
}

// watched are the accounts and regions of the targets.
func (b *builder) watched() (accounts, regions []string) {
	for _, a := range b.file.Accounts {
		accounts = append(accounts, a.Account)
		regions = append(regions, a.Regions...)
	}
	return accounts, regions
}

func (b *builder) judgeAmong(list string, values, watched []string) {
	for j, v := range values {
		if !slices.Contains(watched, v) {
			b.clash(fmt.Sprintf("%s[%d]", list, j), v, "no target has it and the override would never apply", "one of the targets'", "targets")
		}
	}
}

// judgePerTarget refuses values in an override by name that hold for a whole
// target.
func (b *builder) judgePerTarget(section string, s EtcdSize) {
	for _, v := range []struct {
		key     string
		differs bool
	}{
		{"standardLimitGB", s.StandardLimitGB != b.file.EtcdSize.StandardLimitGB},
		{"history", s.History != b.file.EtcdSize.History},
	} {
		if at := section + v.key; v.differs {
			b.report(at, b.places[at], at+" holds for a whole account and region, because their sizes are read together: want it in an override without names")
		}
	}
}

// badBelow tells whether anything in a section is wrong.
func (b *builder) badBelow(section string) bool {
	for p := range b.bad {
		if strings.HasPrefix(p, section) {
			return true
		}
	}
	return false
}
