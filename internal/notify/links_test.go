package notify_test

import (
	"os"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// A link to a place that is not in the page leads to its top, and nobody notices.
func TestEveryCheckHasItsPlaceInARunbook(t *testing.T) {
	for _, check := range config.Checks {
		page := notify.Runbook(check) + ".md"
		text, err := os.ReadFile("../../docs/runbooks/" + page)
		if err != nil {
			t.Errorf("%s: %v", check, err)
			continue
		}
		if strings.Count(string(text), `<a id="`+check+`"></a>`) != 1 {
			t.Errorf("docs/runbooks/%s: want <a id=%q></a> once, where the page is about %s", page, check, check)
		}
	}
}
