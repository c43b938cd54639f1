package deployed

import (
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/canary"
)

func TestALogThatShowsASecretIsAnError(t *testing.T) {
	t.Log(canary.Heard) // what searches this output hears something
	log := "{\"msg\":\"one\"}\n{\"msg\":\"post to " + canary.Hook + "\"}\n"
	if err := silent([]byte(log)); err == nil || strings.Contains(err.Error(), canary.Word) || !strings.Contains(err.Error(), "post to") {
		t.Error("a secret in a log goes unnoticed, or the error repeats it")
	}
	if err := silent([]byte("{\"msg\":\"one\"}\n")); err != nil {
		t.Error(err)
	}
}
