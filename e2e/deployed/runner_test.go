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

func TestALogWithoutFieldsIsAnError(t *testing.T) {
	const line = "{\"message\":\"one\"}\n"
	if err := structured([]byte(line + "level=INFO msg=two\n")); err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("error %v, want one that shows the line", err)
	}
	if err := structured([]byte(line + line)); err != nil {
		t.Error(err)
	}
}
