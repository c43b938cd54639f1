package checks

import "testing"

func TestAddonVersionsAreOrderedByNumber(t *testing.T) {
	ordered := []string{"v1.9.9-eksbuild.20", "v1.10.0", "v1.10.0-eksbuild.1", "1.10.0-eksbuild.2", "v1.10.0-eksbuild.10", "v1.10.2-eksbuild.1", "v1.11.1-eksbuild.1", "v2.0.0-eksbuild.1"}
	for i := range len(ordered) - 1 {
		a, errA := parseAddonVersion(ordered[i])
		b, errB := parseAddonVersion(ordered[i+1])
		if errA != nil || errB != nil || a.compare(b) >= 0 || b.compare(a) <= 0 || a.compare(a) != 0 {
			t.Errorf("%s is not before %s (%v, %v)", ordered[i], ordered[i+1], errA, errB)
		}
	}
}

func TestAnAddonVersionOfAnotherFormIsAnError(t *testing.T) {
	for _, s := range []string{"", "latest", "v1.2", "v1.2.3.4", "v1.2.3-rc.1", "v1.2.3-eksbuild.", "v1.2.3-eksbuild.1 ", "v-1.2.3", "v1.2.99999999999999999999"} {
		if v, err := parseAddonVersion(s); err == nil {
			t.Errorf("%q is read as %v", s, v)
		}
	}
}

func FuzzParseAddonVersion(f *testing.F) {
	for _, s := range []string{"v1.21.1-eksbuild.3", "v1.13.1", "1.0.0-eksbuild.10", "v1.2.3-rc.1", "", "v1..2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseAddonVersion(s)
		if err != nil {
			if len(err.Error()) > 4000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		for _, n := range v {
			if n < 0 {
				t.Errorf("%q is read as %v", s, v)
			}
		}
	})
}
