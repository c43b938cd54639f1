package window_test

import (
	"sort"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine that tests may have none

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/window"
)

// at reads a moment such as 2026-03-29T01:59:59Z.
func at(t interface{ Fatal(...any) }, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func windows(all ...window.Window) window.Schedule { return window.Schedule{Windows: all} }

func every(cron string, d time.Duration, zone string) window.Window {
	return window.Window{Cron: cron, Duration: d, Zone: zone}
}

const h = time.Hour

var (
	nightly  = every("0 2 * * *", 2*h, "Europe/Berlin")
	holidays = window.Freeze{From: "2026-12-18", To: "2027-01-06", Zone: "Europe/Berlin", Reason: "holidays"}
)

// closes is when a schedule closes that is open now, by what fits; zero where it is
// not open or does not close within a year. No zone knows seconds here.
func closes(s window.Schedule, now time.Time) time.Time {
	const year = 366 * 24 * 60
	begin := now.Truncate(time.Minute)
	n := sort.Search(year, func(n int) bool {
		fits, _ := s.Fits(now, begin.Add(time.Duration(n+1)*time.Minute).Sub(now))
		return !fits
	})
	if n == year || n == 0 && !s.At(now).Open {
		return time.Time{}
	}
	return begin.Add(time.Duration(n) * time.Minute)
}

type moment struct {
	name     string
	schedule window.Schedule
	now      string
	until    string // where it is open; - where nothing closes it
	next     string // where it is closed; - where it never opens
}

func (m moment) check(t *testing.T) {
	t.Helper()
	got := m.schedule.At(at(t, m.now))
	open, until, next := m.until != "", at(t, strings.Trim(m.until, "-")), at(t, strings.Trim(m.next, "-"))
	if ends := closes(m.schedule, at(t, m.now)); got.Open != open || !ends.Equal(until) || !got.Next.Equal(next) {
		t.Errorf("at %s it is open=%t until %s, next %s; want open=%t until %s, next %s", m.now,
			got.Open, ends.UTC(), got.Next.UTC(), open, until, next)
	}
	if got.Open == (got.Why != "") {
		t.Errorf("open=%t is explained with %q", got.Open, got.Why)
	}
}

func TestAt(t *testing.T) {
	frozen := func(s window.Schedule, all ...window.Freeze) window.Schedule { s.Freezes = all; return s }
	kolkata := every("30 22 * * 6", 3*h, "Asia/Kolkata")
	tests := []moment{
		{name: "nothing configured is always open", now: "2026-11-20T12:00:00Z", until: "-"},
		{"just before it opens", windows(nightly), "2026-11-20T00:59:59Z", "", "2026-11-20T01:00:00Z"},
		{"as it opens", windows(nightly), "2026-11-20T01:00:00Z", "2026-11-20T03:00:00Z", ""},
		{"just before it closes", windows(nightly), "2026-11-20T02:59:59Z", "2026-11-20T03:00:00Z", ""},
		{"as it closes", windows(nightly), "2026-11-20T03:00:00Z", "", "2026-11-21T01:00:00Z"},
		{"windows that overlap are one", windows(nightly, every("0 3 * * *", 4*h, "Europe/Berlin")), "2026-11-20T01:30:00Z", "2026-11-20T06:00:00Z", ""},
		{"windows that follow each other are one", windows(nightly, every("0 4 * * *", h, "Europe/Berlin")), "2026-11-20T01:30:00Z", "2026-11-20T04:00:00Z", ""},
		{"a window within another changes nothing", windows(nightly, every("30 2 * * *", h, "Europe/Berlin")), "2026-11-20T02:00:00Z", "2026-11-20T03:00:00Z", ""},
		{"windows of several zones", windows(nightly, every("0 2 * * *", 2*h, "America/New_York")), "2026-11-20T04:00:00Z", "", "2026-11-20T07:00:00Z"},
		{"windows without a break close never", windows(every("0 * * * *", h, "UTC")), "2026-11-20T12:34:56Z", "-", ""},
		{"a day of the week", windows(every("0 2 * * sat", 2*h, "Europe/Berlin")), "2026-11-20T12:00:00Z", "", "2026-11-21T01:00:00Z"},
		{"a day of the month or of the week", windows(every("0 2 22 * sat", 2*h, "Europe/Berlin")), "2026-11-21T12:00:00Z", "", "2026-11-22T01:00:00Z"},
		{"a leap day is not within a year", windows(every("0 2 29 2 *", 2*h, "UTC")), "2026-11-20T12:00:00Z", "", "-"},

		{"a freeze ends an open window", frozen(windows(every("0 22 * * *", 4*h, "Europe/Berlin")), holidays), "2026-12-17T21:30:00Z", "2026-12-17T23:00:00Z", ""},
		{"in a freeze nothing opens", frozen(windows(nightly), holidays), "2026-12-20T01:30:00Z", "", "2027-01-07T01:00:00Z"},
		{"a window that is open when the freeze ends", frozen(windows(every("0 22 * * *", 4*h, "Europe/Berlin")), holidays), "2026-12-20T12:00:00Z", "", "2027-01-06T23:00:00Z"},
		{"without windows a freeze is still one", frozen(window.Schedule{}, holidays), "2026-12-20T01:30:00Z", "", "2027-01-06T23:00:00Z"},
		{"without windows the freeze is what closes", frozen(window.Schedule{}, holidays), "2026-11-20T12:00:00Z", "2026-12-17T23:00:00Z", ""},
		{"freezes that follow each other", frozen(window.Schedule{}, holidays, window.Freeze{From: "2027-01-07", To: "2027-01-08", Zone: "Europe/Berlin"}), "2026-12-20T01:30:00Z", "", "2027-01-08T23:00:00Z"},
		{"a freeze of a year and more", frozen(windows(nightly), window.Freeze{From: "2026-01-01", To: "2028-01-01", Zone: "UTC"}), "2026-11-20T01:30:00Z", "", "-"},
		{"a freeze of the past", frozen(windows(nightly), window.Freeze{From: "2025-12-18", To: "2026-01-06", Zone: "UTC"}), "2026-11-20T01:30:00Z", "2026-11-20T03:00:00Z", ""},

		{"FAULT 36 across midnight, before it", windows(kolkata), "2026-11-21T17:00:00Z", "2026-11-21T20:00:00Z", ""},
		{"FAULT 36 across midnight, after it", windows(kolkata), "2026-11-21T18:31:00Z", "2026-11-21T20:00:00Z", ""},
		{"FAULT 36 across midnight, the evening after", windows(kolkata), "2026-11-22T17:00:00Z", "", "2026-11-28T17:00:00Z"},
		{"FAULT 36 a zone half an hour off", windows(kolkata), "2026-11-21T16:59:59Z", "", "2026-11-21T17:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, test.check)
	}
}

func TestFault_36_WhereTheClockIsChanged(t *testing.T) {
	berlin := func(cron string, d time.Duration) window.Schedule { return windows(every(cron, d, "Europe/Berlin")) }
	newYork := func(cron string, d time.Duration) window.Schedule {
		return windows(every(cron, d, "America/New_York"))
	}
	lordHowe := func(cron string, d time.Duration) window.Schedule {
		return windows(every(cron, d, "Australia/Lord_Howe"))
	}
	santiago := func(cron string, d time.Duration) window.Schedule {
		return windows(every(cron, d, "America/Santiago"))
	}
	off := func(zone, from, to string) window.Schedule {
		return window.Schedule{Freezes: []window.Freeze{{From: from, To: to, Zone: zone}}}
	}
	tests := []moment{
		// Berlin goes from 02:00 to 03:00 at 01:00 UTC on 2026-03-29, and from 03:00
		// back to 02:00 at 01:00 UTC on 2026-10-25.
		{"Berlin: 02:30 does not exist and opens nothing", berlin("30 2 * * *", 2*h), "2026-03-29T01:30:00Z", "", "2026-03-30T00:30:00Z"},
		{"Berlin: a window that is open loses an hour of its clock, none of its length", berlin("30 1 * * *", 2*h), "2026-03-29T02:29:00Z", "2026-03-29T02:30:00Z", ""},
		{"Berlin: 03:00 follows 01:59", berlin("0 3 * * *", h), "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", ""},
		{"Berlin: the first 02:30 is not yet it", berlin("30 2 * * *", 2*h), "2026-10-25T00:45:00Z", "", "2026-10-25T01:30:00Z"},
		{"Berlin: from the second 02:30 both readings are open", berlin("30 2 * * *", 2*h), "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z", ""},
		{"Berlin: as long as both are", berlin("30 2 * * *", 2*h), "2026-10-25T02:30:00Z", "", "2026-10-26T01:30:00Z"},
		{"Berlin: no longer than the change, never both", berlin("30 2 * * *", h), "2026-10-25T01:30:00Z", "", "2026-10-26T01:30:00Z"},
		{"Berlin: a window that began before is open through both", berlin("0 1 * * *", 3*h), "2026-10-25T01:45:00Z", "2026-10-25T02:00:00Z", ""},

		{"New York: 02:00 does not exist and opens nothing", newYork("0 2 * * *", 2*h), "2026-03-08T07:00:00Z", "", "2026-03-09T06:00:00Z"},
		{"New York: the first 01:15 is not yet it", newYork("15 1 * * sun", 3*h), "2026-11-01T05:15:00Z", "", "2026-11-01T06:15:00Z"},
		{"New York: the second is, and loses an hour", newYork("15 1 * * sun", 3*h), "2026-11-01T06:15:00Z", "2026-11-01T08:15:00Z", ""},
		{"New York: across midnight into the day of the change", newYork("0 23 * * sat", 4*h), "2026-03-08T06:59:00Z", "2026-03-08T08:00:00Z", ""},

		// Lord Howe goes from 02:00 to 02:30 at 15:30 UTC on 2026-10-03, and from 02:00
		// back to 01:30 at 15:00 UTC on 2026-04-04.
		{"Lord Howe: 02:15 does not exist", lordHowe("15 2 * * *", h), "2026-10-03T15:30:00Z", "", "2026-10-04T15:15:00Z"},
		{"Lord Howe: 02:30 does", lordHowe("30 2 * * *", h), "2026-10-03T15:30:00Z", "2026-10-03T16:30:00Z", ""},
		{"Lord Howe: half an hour twice, the first 01:45", lordHowe("45 1 * * *", h), "2026-04-04T14:50:00Z", "", "2026-04-04T15:15:00Z"},
		{"Lord Howe: half an hour twice, the second 01:45", lordHowe("45 1 * * *", h), "2026-04-04T15:15:00Z", "2026-04-04T15:45:00Z", ""},

		// Santiago goes from 00:00 to 01:00 at 04:00 UTC on 2026-09-06, and from 24:00
		// back to 23:00 at 03:00 UTC on 2026-04-05.
		{"Santiago: a midnight that does not exist opens nothing", santiago("0 0 * * *", 2*h), "2026-09-06T04:00:00Z", "", "2026-09-07T03:00:00Z"},
		{"Santiago: across the midnight that does not exist", santiago("0 23 * * *", 2*h), "2026-09-06T04:30:00Z", "2026-09-06T05:00:00Z", ""},
		{"Santiago: 23:30 twice", santiago("30 23 * * sat", 2*h), "2026-04-05T02:45:00Z", "", "2026-04-05T03:30:00Z"},
		{"Santiago: 23:30 twice, the second", santiago("30 23 * * sat", 2*h), "2026-04-05T03:30:00Z", "2026-04-05T04:30:00Z", ""},

		{"a freeze of the day with 23 hours", off("Europe/Berlin", "2026-03-29", "2026-03-29"), "2026-03-28T23:00:00Z", "", "2026-03-29T22:00:00Z"},
		{"a freeze of the day with 25 hours", off("Europe/Berlin", "2026-10-25", "2026-10-25"), "2026-10-24T22:00:00Z", "", "2026-10-25T23:00:00Z"},
		{"a freeze from a day without a midnight", off("America/Santiago", "2026-09-06", "2026-09-06"), "2026-09-06T03:59:59Z", "2026-09-06T04:00:00Z", ""},
		{"a freeze of a day without a midnight", off("America/Santiago", "2026-09-06", "2026-09-06"), "2026-09-06T04:00:00Z", "", "2026-09-07T03:00:00Z"},
		{"a freeze to the day before one without a midnight", off("America/Santiago", "2026-09-05", "2026-09-05"), "2026-09-05T12:00:00Z", "", "2026-09-06T04:00:00Z"},
		{"a freeze of a day that ends twice", off("Africa/Cairo", "2026-10-29", "2026-10-29"), "2026-10-29T21:30:00Z", "", "2026-10-29T22:00:00Z"},
		{"a freeze from a day that begins twice", off("America/Havana", "2026-11-01", "2026-11-01"), "2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", ""},
		{"a freeze to the day before one that begins twice", off("America/Havana", "2026-10-31", "2026-10-31"), "2026-11-01T04:30:00Z", "", "2026-11-01T05:00:00Z"},
		{"a freeze of a day that never was", off("Pacific/Apia", "2011-12-30", "2011-12-30"), "2011-12-30T10:00:00Z", "-", ""},
	}
	for _, test := range tests {
		t.Run(test.name, test.check)
	}
}

func TestFits(t *testing.T) {
	frozen := windows(nightly)
	frozen.Freezes = []window.Freeze{{From: "2026-11-20", To: "2026-11-22", Zone: "UTC", Reason: "sale"}}
	evening := windows(every("0 23 * * *", 4*h, "Europe/Berlin"))
	evening.Freezes = []window.Freeze{{From: "2026-11-21", To: "2026-11-22", Zone: "Europe/Berlin"}}
	tests := []struct {
		name     string
		schedule window.Schedule
		now      string
		takes    time.Duration
		want     string // what is missing
	}{
		{"always open", window.Schedule{}, "2026-11-20T12:00:00Z", 100 * h, ""},
		{"it fits to the second", windows(nightly), "2026-11-20T01:20:00Z", 100 * time.Minute, ""},
		{"a second too long", windows(nightly), "2026-11-20T01:20:01Z", 100 * time.Minute, "The window closes at 2026-11-20 04:00 CET and the group usually takes 1h40m."},
		{"closed", windows(nightly), "2026-11-20T12:00:00Z", time.Minute, "No maintenance window is open; work may begin again at 2026-11-21 02:00 CET."},
		{"frozen", frozen, "2026-11-20T01:30:00Z", time.Minute, "There is a freeze from 2026-11-20 to 2026-11-22 (sale); work may begin again at 2026-11-23 02:00 CET."},
		{"a freeze is near", evening, "2026-11-20T22:30:00Z", time.Hour, "A freeze from 2026-11-21 to 2026-11-22 begins at 2026-11-21 00:00 CET and the group usually takes 1h."},
		{"never", windows(every("0 2 29 2 *", 2*h, "UTC")), "2026-11-20T12:00:00Z", time.Minute, "No maintenance window is open; nothing may begin within a year."},
		{
			"one that cannot be read is closed", windows(every("0 2 * *", 2*h, "UTC")), "2026-11-20T02:00:00Z", time.Minute,
			`The maintenance windows cannot be read: cron "0 2 * *" has not five fields: want minute, hour, day of month, month and day of week, such as "0 2 * * sat".`,
		},
		{
			"so is a freeze",
			window.Schedule{Freezes: []window.Freeze{{From: "x", To: "x", Zone: "UTC"}}},
			"2026-11-20T02:00:00Z", time.Minute,
			`The maintenance windows cannot be read: from "x" is not a day: want one like 2026-12-18.`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fits, why := test.schedule.Fits(at(t, test.now), test.takes)
			if fits != (test.want == "") || why != test.want {
				t.Errorf("fits=%t: %q, want %q", fits, why, test.want)
			}
		})
	}
}

// TestAWindowThatBeginsAnewAllTheTimeIsCheapToAsk counts allocations: every start
// that is tried costs at least one.
func TestAWindowThatBeginsAnewAllTheTimeIsCheapToAsk(t *testing.T) {
	now := at(t, "2026-11-20T12:34:56Z")
	for _, cron := range []string{"* * * * *", "*/5 * * * *"} {
		once, each := windows(every(cron, window.Shortest, "UTC")), window.Schedule{}
		for range 50 {
			each.Windows = append(each.Windows, once.Windows...)
		}
		read := testing.AllocsPerRun(1, func() { _ = once.Windows[0].Check() })
		for _, test := range []struct {
			name     string
			question func(window.Schedule)
			steps    float64 // windows that follow each other in what is asked for
		}{
			{"is it open", func(s window.Schedule) { s.At(now) }, 1},
			{"does half a day fit", func(s window.Schedule) { s.Fits(now, 12*h) }, 1 + 12*60/10},
		} {
			for _, s := range []window.Schedule{once, each} {
				n := float64(len(s.Windows))
				if got, most := testing.AllocsPerRun(1, func() { test.question(s) }), n*(read+10+4*test.steps); got > most {
					t.Errorf("%s: %s of %.0f windows took %.0f allocations, want no more than %.0f", cron, test.name, n, got, most)
				}
			}
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		it   interface{ Check() error }
		want string // part of it
	}{
		{"a good window", nightly, ""},
		{"a good freeze", holidays, ""},
		{"a freeze of one day", window.Freeze{From: "2026-12-18", To: "2026-12-18", Zone: "UTC"}, ""},
		{"a freeze the wrong way round", window.Freeze{From: "2026-12-18", To: "2026-12-17", Zone: "UTC"}, "ends on 2026-12-17, before it begins on 2026-12-18"},
		{"a freeze of no such day", window.Freeze{From: "2026-12-18", To: "2026-12-32", Zone: "UTC"}, `to "2026-12-32" is not a day`},
		{"a freeze without a zone", window.Freeze{From: "2026-12-18", To: "2026-12-18"}, `zone "" is not a time zone`},
		{"no such zone", every("0 2 * * *", h, "Europe/Berln"), `zone "Europe/Berln" is not a time zone: want an IANA name`},
		{"the machine's own zone", every("0 2 * * *", h, "Local"), `zone "Local"`},
		{"a file that is no zone", every("0 2 * * *", h, "../../etc/passwd"), "is not a time zone"},
		{"too short", every("0 2 * * *", time.Minute, "UTC"), "duration 1m is not one of a window: want 15m to 168h"},
		{"too long", every("0 2 * * *", 169*h, "UTC"), "duration 169h"},
		{"below nothing", every("0 2 * * *", -h, "UTC"), "duration -1h"},
		{"an empty cron", every("", h, "UTC"), `cron "" has not five fields`},
		{"six fields", every("0 0 2 * * *", h, "UTC"), "has not five fields"},
		{"a descriptor", every("@daily", h, "UTC"), "has not five fields"},
		{"a descriptor of five words", every("@every 1 2 3 4", h, "UTC"), "has not five fields"},
		{"a zone in the cron", every("TZ=UTC 2 * * *", h, "UTC"), "has not five fields"},
		{"no such hour", every("0 24 * * *", h, "UTC"), `cron "0 24 * * *" cannot be read, end of range (24) above maximum (23): 24: want minute`},
		{"no such day", every("0 2 31 2 *", h, "UTC"), "never comes"},
		{"nothing in a field", every(", 2 * * *", h, "UTC"), "never comes"},
		{"a leap day comes", every("0 2 29 2 *", h, "UTC"), ""},
		{"a long text", every("0 2 * * "+strings.Repeat("x", 1000), h, "UTC"), "..."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.it.Check()
			switch {
			case (err == nil) != (test.want == ""):
				t.Errorf("%v, want %q", err, test.want)
			case err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400):
				t.Errorf("%q, want one sentence with %q", err, test.want)
			}
		})
	}
}

// TestAWindowIsOpenAsLongAfterItsStart holds At to its definition, minute by
// minute, where no clock is changed.
func TestAWindowIsOpenAsLongAfterItsStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour")
		length := time.Duration(rapid.IntRange(1, 60*30).Draw(t, "minutes")) * time.Minute
		day := rapid.SampledFrom([]string{"*", "1", "3,5", "sat"}).Draw(t, "day")
		zone := rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"}).Draw(t, "zone")
		s := windows(window.Window{Cron: clock(minute, hour, day), Duration: length, Zone: zone})
		now := at(t, "2026-02-25T00:00:00Z").Add(time.Duration(rapid.IntRange(0, 20*24*60).Draw(t, "now")) * time.Minute)

		in, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		want := false
		for back := time.Duration(0); back < length && !want; back += time.Minute {
			local := now.Add(-back).In(in)
			want = local.Minute() == minute && local.Hour() == hour && falls(day, local.Weekday())
		}
		if got := s.At(now); got.Open != want {
			t.Fatalf("%+v at %s is open=%t, want %t", s, now, got.Open, want)
		}
	})
}

func clock(minute, hour int, day string) string {
	return time.Date(0, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15 ") + "* * " + day
}

func falls(day string, on time.Weekday) bool {
	switch day {
	case "1":
		return on == time.Monday
	case "3,5":
		return on == time.Wednesday || on == time.Friday
	case "sat":
		return on == time.Saturday
	}
	return true
}

// TestWhatAnAnswerSaysOfLaterIsTrueLater holds what fits and Next to what At says
// then, with freezes, several windows and clocks that are changed.
func TestWhatAnAnswerSaysOfLaterIsTrueLater(t *testing.T) {
	zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "Africa/Cairo", "America/Havana"})
	rapid.Check(t, func(t *rapid.T) {
		var s window.Schedule
		for range rapid.IntRange(0, 3).Draw(t, "windows") {
			cron := clock(rapid.SampledFrom([]int{0, 15, 30, 45}).Draw(t, "minute"), rapid.SampledFrom([]int{0, 1, 2, 3, 12, 23}).Draw(t, "hour"), rapid.SampledFrom([]string{"*", "sat", "sun"}).Draw(t, "day"))
			s.Windows = append(s.Windows, every(cron, time.Duration(rapid.IntRange(1, 40).Draw(t, "quarters"))*15*time.Minute, zone.Draw(t, "zone")))
		}
		for range rapid.IntRange(0, 2).Draw(t, "freezes") {
			from := at(t, "2026-01-01T00:00:00Z").AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "from"))
			to := from.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "days"))
			s.Freezes = append(s.Freezes, window.Freeze{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Zone: zone.Draw(t, "zone")})
		}
		now := at(t, "2026-01-01T00:00:00Z").Add(time.Duration(rapid.IntRange(0, 365*24*4).Draw(t, "now")) * 15 * time.Minute)
		a := s.At(now)
		end := a.Next
		if a.Open {
			end = closes(s, now)
		}
		if end.IsZero() {
			return
		}
		if !end.After(now) || s.At(end).Open == a.Open {
			t.Fatalf("%+v: at %s it is open=%t to %s, and then open=%t", s, now, a.Open, end.UTC(), s.At(end).Open)
		}
		between := now.Add(time.Duration(rapid.Int64Range(0, int64(end.Sub(now))-1).Draw(t, "between")))
		if b := s.At(between); b.Open != a.Open || a.Open && !closes(s, between).Equal(end) || !b.Next.Equal(a.Next) {
			t.Fatalf("%+v: at %s it is open=%t to %s, but at %s open=%t", s, now, a.Open, end.UTC(), between.UTC(), b.Open)
		}
		fits, _ := s.Fits(now, end.Sub(now))
		if over, why := s.Fits(now, end.Sub(now)+1); fits != a.Open || over || why == "" {
			t.Fatalf("%+v at %s: what takes %s fits=%t, a moment longer fits=%t", s, now, end.Sub(now), fits, over)
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, seed := range []string{"0 2 * * 6", "*/15 22-23 1,15 jan-mar mon", "@daily", "TZ=UTC", "CRON_TZ=", "0 0 31 2 *", ", , , , ,", "*/99 * * * *", "? ? ? ? ?", "0 2 * * 7", "1-2-3 * * * *", "*/9223372036854775807 * * * *"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, cron string) {
		w := every(cron, h, "Europe/Berlin")
		err := w.Check()
		a, end := windows(w).At(now), closes(windows(w), now)
		switch {
		case err != nil && a.Open:
			t.Errorf("%q is refused, and open", cron)
		case err != nil && len(err.Error()) > 1000:
			t.Errorf("%q is refused at length: %s", cron, err)
		case err == nil && !end.IsZero() && windows(w).At(end).Open:
			t.Errorf("%q closes at %s, and is open then", cron, end)
		}
	})
}
