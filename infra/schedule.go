package infra

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	rate = regexp.MustCompile(`^rate\(([1-9][0-9]{0,4}) (minute|hour|day)s?\)$`)
	cron = regexp.MustCompile(`^cron\(([^()]+)\)$`)
)

// interval is the time between two beats of an expression of EventBridge
// Scheduler, zero for a cron expression, whose beats need not be regular.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
func interval(expression string) (time.Duration, error) {
	if m := rate.FindStringSubmatch(expression); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
		return time.Duration(n) * unit, err
	}
	if m := cron.FindStringSubmatch(expression); m != nil {
		return 0, validCron(strings.Fields(m[1]))
	}
	return 0, errors.New("rate(n minutes), rate(n hours) or cron(minutes hours day month weekday year)")
}

// cronFields bound the numbers of each field. Names of months and weekdays are
// left out: numbers say the same.
var cronFields = []struct {
	name     string
	from, to int
}{
	{"minutes", 0, 59},
	{"hours", 0, 23},
	{"day of month", 1, 31},
	{"month", 1, 12},
	{"day of week", 1, 7},
	{"year", 1970, 2199},
}

const (
	dayOfMonth = 2
	dayOfWeek  = 4
)

func validCron(fields []string) error {
	if len(fields) != len(cronFields) {
		return fmt.Errorf("the six fields cron(minutes hours day month weekday year), not %d", len(fields))
	}
	for i, f := range cronFields {
		if fields[i] == "?" && (i == dayOfMonth || i == dayOfWeek) {
			continue
		}
		for item := range strings.SplitSeq(fields[i], ",") {
			if !validItem(item, f.from, f.to) {
				return fmt.Errorf("%s from %d to %d as 7, 7,9, 7-9, */5 or *, not %q", f.name, f.from, f.to, fields[i])
			}
		}
	}
	if (fields[dayOfMonth] == "?") == (fields[dayOfWeek] == "?") {
		return errors.New("a ? for either the day of month or the day of week, as AWS does")
	}
	return nil
}

// validItem takes n, n-m or *, each with a step.
func validItem(item string, from, to int) bool {
	item, step, stepped := strings.Cut(item, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > to) {
		return false
	}
	if item == "*" {
		return true
	}
	low, high, ranged := strings.Cut(item, "-")
	a, err := strconv.Atoi(low)
	if err != nil || a < from || a > to {
		return false
	}
	if !ranged {
		return true
	}
	b, err := strconv.Atoi(high)
	return err == nil && a <= b && b <= to
}
