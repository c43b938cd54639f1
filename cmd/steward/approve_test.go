package main

import (
	"crypto/md5" //nolint:gosec // the protocol of SQS has it
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/approval"
)

const somePlan = "0123456789ab"

// post is a stand-in for SQS with one queue, in its JSON protocol.
type post struct {
	url     string
	calls   []string
	sent    []string
	refusal string // error code that every call gets
}

func (p *post) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.calls = append(p.calls, call)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	var in struct {
		QueueName string
		QueueURL  string `json:"QueueUrl"`
		Entries   []struct{ MessageBody string }
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch {
	case p.refusal != "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"no"}`, p.refusal)
	case call == "GetQueueUrl" && in.QueueName == approval.QueueName:
		_ = json.NewEncoder(w).Encode(map[string]string{"QueueUrl": p.url + "/111122223333/" + in.QueueName})
	case call == "SendMessageBatch" && strings.HasPrefix(in.QueueURL, p.url):
		for _, e := range in.Entries {
			p.sent = append(p.sent, e.MessageBody)
		}
		// The SDK holds the digest against what it sent.
		fmt.Fprintf(w, `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"%x"}],"Failed":[]}`, md5.Sum([]byte(in.Entries[0].MessageBody))) //nolint:gosec // the protocol's
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func atPost(t *testing.T) *post {
	t.Helper()
	p := &post{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return p
}

func TestApproveSendsThePlanAndSaysWhatHappensNext(t *testing.T) {
	for name, args := range map[string][]string{
		"the beginning of a hash":        {somePlan},
		"a hash in other letters":        {strings.ToUpper(somePlan)},
		"a region that is named on line": {somePlan, "--region", "eu-central-1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := atPost(t)
			code, out, errs := runSteward(t, append([]string{"approve"}, args...)...)
			if code != exitOK || !strings.Contains(out, "Your approval of plan "+somePlan+" was sent.") || !strings.Contains(out, "What happens next") {
				t.Errorf("exit %d, %s, %s", code, out, errs)
			}
			if len(p.sent) != 1 || p.sent[0] != `{"plan":"`+somePlan+`"}` {
				t.Errorf("sent %q", p.sent)
			}
		})
	}
}

func TestApproveTakesTheQueueThatItIsGiven(t *testing.T) {
	p := atPost(t)
	code, _, errs := runSteward(t, "approve", somePlan, "--queue-url", p.url+"/444455556666/other")
	if code != exitOK || len(p.sent) != 1 || strings.Join(p.calls, ",") != "SendMessageBatch" {
		t.Errorf("exit %d, calls %v, %s", code, p.calls, errs)
	}
}

func TestApproveSaysWhatToDoWhenItCannot(t *testing.T) {
	for name, tt := range map[string]struct {
		args    []string
		refusal string
		code    int
		want    string
	}{
		"no plan":               {nil, "", exitUsage, "and nothing else: steward "},
		"a plan that is none":   {[]string{"yes"}, "", exitUsage, `"yes" is no plan: want the hexadecimal digits that the message names`},
		"two regions":           {[]string{somePlan, "--region", "eu-west-1,us-east-1"}, "", exitUsage, "want the one of the deployment"},
		"a URL that is none":    {[]string{somePlan, "--queue-url", "eks-steward-approvals"}, "", exitUsage, "want the URL of an SQS queue"},
		"no queue":              {[]string{somePlan}, "QueueDoesNotExist", exitIncomplete, "choose the account and region of the deployment"},
		"no right to find it":   {[]string{somePlan}, "AccessDeniedException", exitIncomplete, "attach the policy that the deployment's output shows"},
		"no right to send here": {[]string{somePlan, "--queue-url", "URL/111122223333/q"}, "AccessDeniedException", exitIncomplete, "sqs:SendMessage"},
	} {
		t.Run(name, func(t *testing.T) {
			p := atPost(t)
			p.refusal = tt.refusal
			args := []string{"approve"}
			for _, a := range tt.args {
				args = append(args, strings.Replace(a, "URL/", p.url+"/", 1))
			}
			code, out, errs := runSteward(t, args...)
			if code != tt.code || !strings.Contains(errs, tt.want) || out != "" || len(p.sent) > 0 {
				t.Errorf("exit %d, %q, %q, sent %q", code, out, errs, p.sent)
			}
		})
	}
}
