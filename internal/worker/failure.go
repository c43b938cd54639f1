package worker

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
)

// Permanent marks an error that no repetition will mend. The log line says so;
// the message still goes the way of every failure, since only SQS can move it
// to the dead-letter queue, after maxReceiveCount receives. nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err or one that it wraps was marked by Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// panicked is a handler's panic as an error. A nil map in one message's path
// must not take the other messages down with it.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("the handler panicked: %v", p.value) }

// catch turns a panic into *err; it must be deferred itself.
func catch(err *error) {
	if v := recover(); v != nil {
		*err = &panicked{value: v, stack: string(debug.Stack())}
	}
}

// longest is the most characters of one text in a log line: a line may have
// 256 KB (CloudWatch Logs), and a thousand joined errors help nobody.
const longest = 8000

var address = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s"'<>]+`)

// plain makes a text fit for a log line. Addresses are left out, because the
// address of a Slack webhook is its password, and net/http puts the address of
// a failed request into its error.
func plain(text string) string {
	text = address.ReplaceAllString(text, "(address left out)")
	for i := range text {
		if i >= longest {
			return text[:i] + "..."
		}
	}
	return text
}
