package main

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

func TestRolloutSendsTheCommandAndSaysWhatHappensNext(t *testing.T) {
	for _, tt := range []struct {
		args       string
		sent, says string
	}{
		{"start", `{"verb":"start"}`, "Your command to start a rollout was sent."},
		{
			"start --cluster dev,111122223333/eu-west-1/prod --force dev/* --why leak",
			`{"verb":"start","clusters":["dev","111122223333/eu-west-1/prod"],"forced":["dev/*"],"why":"leak"}`, "asks for approval",
		},
		{"pause --why sale", `{"verb":"pause","why":"sale"}`, "goes on to its end"},
		{"pause 20261121-1930-4f0c2ab19d3e --why sale", `{"verb":"pause","rollout":"20261121-1930-4f0c2ab19d3e","why":"sale"}`, "steward rollout resume"},
		{"resume --skip prod/batch", `{"verb":"resume","skip":["prod/batch"]}`, "are tried again"},
		{"retry prod/batch", `{"verb":"retry","group":"prod/batch"}`, "nothing else"},
		{"abort --why bad", `{"verb":"abort","why":"bad"}`, "for good"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			p := atPost(t)
			code, out, errs := runSteward(t, append([]string{"rollout"}, strings.Fields(tt.args)...)...)
			if code != exitOK || !strings.Contains(out, tt.says) || !strings.Contains(out, "steward rollout status") {
				t.Errorf("exit %d, %s, %s", code, out, errs)
			}
			if want := `{"rollout":` + tt.sent + `}`; len(p.sent) != 1 || p.sent[0] != want {
				t.Errorf("sent %q, want %s", p.sent, want)
			}
		})
	}
}

func TestRolloutSaysWhatToDoWhenItCannot(t *testing.T) {
	for _, tt := range []struct {
		args, refusal string
		code          int
		want          string
	}{
		{"pause", "", exitUsage, "--why: say why"},
		{"abort", "", exitUsage, "--why: say why"},
		{"start --force dev/batch", "", exitUsage, "--why: say why"},
		{"start --cluster *", "", exitUsage, `clusters[0] is "*": want a cluster's name`},
		{"resume --skip batch", "", exitUsage, `skip[0] is "batch": want cluster/group`},
		{"retry", "", exitUsage, "and nothing else: steward "},
		{"retry batch", "", exitUsage, "want cluster/group"},
		{"pause yesterday --why sale", "", exitUsage, "want the id of a rollout"},
		{"stop", "", exitUsage, "unknown command"},
		{"resume", "QueueDoesNotExist", exitIncomplete, "choose the account and region of the deployment"},
		{"resume", "AccessDeniedException", exitIncomplete, "attach the policy that the deployment's output shows"},
	} {
		t.Run(tt.args+tt.refusal, func(t *testing.T) {
			p := atPost(t)
			p.refusal = tt.refusal
			code, out, errs := runSteward(t, append([]string{"rollout"}, strings.Fields(tt.args)...)...)
			if code != tt.code || !strings.Contains(errs, tt.want) || out != "" || len(p.sent) > 0 {
				t.Errorf("exit %d, %q, %q, sent %q", code, out, errs, p.sent)
			}
		})
	}
}

// shown is a rollout in a ledger, and what status makes of it.
type shown struct {
	*ledger.Ledger
	rollout rollout.Rollout
	now     time.Time
	looks   []func() // what happens between two looks
}

func newShown(t *testing.T) *shown {
	t.Helper()
	store, err := file.Open(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := &shown{now: demoStart}
	s.Ledger = ledger.New(store, func() time.Time { return s.now })
	return s
}

func (s *shown) start(t *testing.T) {
	t.Helper()
	id := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "dev"}
	target := fleet.Target{Account: id.Account, Region: id.Region}
	plan := rollout.Plan{Waves: []rollout.Wave{{Name: "dev", Clusters: []rollout.ClusterPlan{{
		Target: target, ID: id, ARN: "arn", Version: "1.36", Mode: rollout.Enforce, Steps: []rollout.Step{{Group: "blue", ARN: "arn-blue", Nodes: 3, Expected: 20 * time.Minute}},
	}}}}}
	var all []rollout.Progress
	s.rollout, all = rollout.Begin(plan, "alice", s.now)
	if err := s.StartRollout(t.Context(), s.rollout, all); err != nil {
		t.Fatal(err)
	}
}

// become changes the one group of the rollout.
func (s *shown) become(t *testing.T, st rollout.StepState) {
	t.Helper()
	m := s.rollout.Members[0]
	p, err := s.ReviseProgress(t.Context(), s.rollout.ID, m.ID, func(p *rollout.Progress) error {
		p.Steps[0] = st
		p.Revision++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.revise(t, func(r *rollout.Rollout) { r.Note(0, p, s.now) })
}

func (s *shown) revise(t *testing.T, change func(*rollout.Rollout)) {
	t.Helper()
	if _, err := s.ReviseRollout(t.Context(), s.rollout.ID, func(r *rollout.Rollout) error { change(r); return nil }); err != nil {
		t.Fatal(err)
	}
}

func (s *shown) viewer() viewer {
	return viewer{records: s.Ledger, now: func() time.Time { return s.now }, pause: func(context.Context) bool {
		if len(s.looks) == 0 {
			return false
		}
		s.looks[0]()
		s.looks = s.looks[1:]
		return true
	}}
}

func TestStatusWatchesARolloutToItsEnd(t *testing.T) {
	for name, terminal := range map[string]bool{"watch.golden": false, "watch-terminal.golden": true} {
		t.Run(name, func(t *testing.T) {
			s := newShown(t)
			s.start(t)
			later := func(d time.Duration, st rollout.StepState) func() {
				return func() { s.now = s.now.Add(d); s.become(t, st) }
			}
			began := s.now.Add(5 * time.Minute)
			updating := rollout.StepState{Phase: rollout.Updating, Attempt: 1, Update: "u-1", Began: began}
			s.looks = []func(){
				later(5*time.Minute, updating),
				func() { s.now = s.now.Add(5 * time.Second) }, // nothing new
				later(20*time.Minute, rollout.StepState{Phase: rollout.Gating, Attempt: 1, Update: "u-1", Began: began, Open: began.Add(20 * time.Minute)}),
				later(30*time.Minute, rollout.StepState{Phase: rollout.Done, Told: rollout.Done, Attempt: 1, Update: "u-1", Began: began}),
				func() {
					s.revise(t, func(r *rollout.Rollout) {
						r.State, r.Ended, r.Told = rollout.Completed, s.now, rollout.Completed
					})
				},
				func() { t.Error("it looked again after the end") },
			}
			v := s.viewer()
			v.terminal = terminal
			var out bytes.Buffer
			if err := v.follow(t.Context(), &out, ""); err != nil {
				t.Fatal(err)
			}
			golden(t, name, strings.ReplaceAll(out.String(), "\x1b", "ESC"))
		})
	}
}

func TestStatusFindsTheRolloutThatIsMeant(t *testing.T) {
	s := newShown(t)
	look := func(id string) (string, error) {
		var out bytes.Buffer
		_, err := s.viewer().show(t.Context(), &out, id)
		return out.String(), err
	}
	if out, err := look(""); err != nil || !strings.Contains(out, "No rollout has been started yet") {
		t.Errorf("without any: %s, %v", out, err)
	}
	s.start(t)
	first := s.rollout.ID
	s.revise(t, func(r *rollout.Rollout) { r.State, r.Ended, r.Told = rollout.Aborted, s.now, rollout.Aborted })
	if out, err := look(""); err != nil || !strings.Contains(out, first+" is aborted") {
		t.Errorf("with none active: %s, %v", out, err)
	}
	s.now = s.now.Add(time.Hour)
	s.start(t)
	if out, err := look(""); err != nil || !strings.Contains(out, s.rollout.ID+" is running") {
		t.Errorf("with one active: %s, %v", out, err)
	}
	if out, err := look(first); err != nil || !strings.Contains(out, first+" is aborted") {
		t.Errorf("by its id: %s, %v", out, err)
	}
	if _, err := look("yesterday"); err == nil || !strings.Contains(err.Error(), "there is no rollout yesterday") {
		t.Errorf("by an id that nobody has: %v", err)
	}
}

// broken is a ledger of which a part cannot be read.
type broken struct{ *ledger.Ledger }

func (broken) AllProgress(context.Context, string) ([]rollout.Progress, error) {
	return nil, errors.New("no answer")
}

func TestStatusShowsWhatItCanAndSaysWhatItCannot(t *testing.T) {
	s := newShown(t)
	s.start(t)
	v := s.viewer()
	v.records = broken{s.Ledger}
	var out bytes.Buffer
	if _, err := v.show(t.Context(), &out, ""); err == nil || !strings.Contains(out.String(), s.rollout.ID) {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestStatusFindsTheTableOfTheDeployment(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		tables string // as DynamoDB lists them; empty is a refusal
		code   int
		want   string
	}{
		"the one of its stack":            {nil, `["other","EksSteward-StewardLedger0A1B2C3D-4E5F"]`, exitOK, "No rollout has been started yet"},
		"the one that is named":           {[]string{"--table", "mine"}, ``, exitOK, "No rollout has been started yet"},
		"none":                            {nil, `["EksSteward-Other","Ledger"]`, exitIncomplete, "give the table's name with --table"},
		"two":                             {nil, `["EksSteward-Ledger-1","EksSteward-Ledger-2"]`, exitIncomplete, "choose one with --table: EksSteward-Ledger-1, EksSteward-Ledger-2"},
		"no right to list them":           {nil, ``, exitIncomplete, "dynamodb:ListTables"},
		"an output that nobody knows":     {[]string{"-o", "xml"}, ``, exitUsage, "want table or json"},
		"two regions":                     {[]string{"--region", "eu-west-1,us-east-1"}, ``, exitUsage, "want the one of the deployment"},
		"an id that no rollout ever had ": {[]string{"--table", "mine", "20261121-1930-4f0c2ab19d3e"}, ``, exitIncomplete, "there is no rollout 20261121-1930-4f0c2ab19d3e"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				status, body := http.StatusOK, `{"Items":[],"Count":0}` // of a table without records
				switch {
				case call == "ListTables" && tt.tables == "":
					status = http.StatusBadRequest
					body = `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`
				case call == "ListTables":
					body = `{"TableNames":` + tt.tables + `}`
				case call == "GetItem":
					body = `{}`
				}
				w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10)) // the SDK looks
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}))
			defer server.Close()
			for name, value := range map[string]string{
				"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "",
				"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_MAX_ATTEMPTS": "1",
			} {
				t.Setenv(name, value)
			}
			code, out, errs := runSteward(t, append([]string{"rollout", "status"}, tt.args...)...)
			if code != tt.code || !strings.Contains(out+errs, tt.want) {
				t.Errorf("exit %d, %q, %q", code, out, errs)
			}
		})
	}
}
