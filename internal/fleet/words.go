package fleet

import (
	"fmt"
	"strings"
)

// Steps writes steps as a remedy: one in a line, with numbers where there are
// several.
func Steps(steps ...string) string {
	if len(steps) == 1 {
		return steps[0]
	}
	lines := make([]string, len(steps))
	for i, step := range steps {
		lines[i] = fmt.Sprintf("%d. %s", i+1, step)
	}
	return strings.Join(lines, "\n")
}

// Count is a number with its noun, such as "3 addresses".
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Sentence ends a text that came from elsewhere with one full stop.
func Sentence(s string) string { return strings.TrimRight(strings.TrimSpace(s), ". ") + "." }

// Clip keeps the first runes of a text from elsewhere, which may be hostile: it
// bounds what that adds to a message.
func Clip(s string, runes int) string {
	for i := range s {
		if runes == 0 {
			return s[:i] + "..."
		}
		runes--
	}
	return s
}
