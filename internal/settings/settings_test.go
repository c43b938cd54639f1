package settings_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/file"
	"github.com/eks-steward/eks-steward/internal/settings"
)

const (
	good   = "schemaVersion: 1\ntargets:\n  - account: \"111122223333\"\n    regions: [eu-west-1]\n"
	better = good + "etcdSize: {warnPercent: 60}\n"
	bad    = good + "etcdSize: {warnPercent: 170}\n"
)

var (
	now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	hub = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1"}
)

// upload is the file that people edit; every text is a version of its own.
type upload struct {
	text string
	none bool // there is no file, and the text is the deployment's
	err  error
}

func (u *upload) Name() string { return "s3://bucket/steward.yaml" }

func (u *upload) Newest(context.Context) (version string, data []byte, err error) {
	if u.none {
		return config.DefaultVersion + u.text, []byte(u.text), u.err
	}
	return u.text, []byte(u.text), u.err
}

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	store, err := file.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	tick := now
	return ledger.New(store, func() time.Time { tick = tick.Add(time.Second); return tick })
}

func refresh(t *testing.T, u *upload, l settings.Ledger) (*config.File, fleet.Finding, error) {
	t.Helper()
	now = now.Add(time.Minute)
	return settings.Refresh(t.Context(), u, yamlfile.Parse, l, hub, now)
}

func TestFault_54_ABadFileIsRefusedAndTheLastGoodOneServes(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	u := &upload{text: better}
	if conf, f, err := refresh(t, u, l); err != nil || f.Outcome != fleet.Pass || conf.EtcdSize.WarnPercent != 60 {
		t.Fatalf("the good file: %v, %s, %v", conf, f.Outcome, err)
	}
	u.text = bad
	conf, f, err := refresh(t, u, l)
	if err != nil || conf.EtcdSize.WarnPercent != 60 {
		t.Errorf("got %v, %v; want the last good one", conf, err)
	}
	if f.Outcome != fleet.Fail || f.Cause != settings.CauseRefused || !strings.Contains(f.Reason, "steward.yaml:5:") {
		t.Errorf("got %s %s %q, want a refusal that names the line", f.Outcome, f.Cause, f.Reason)
	}
	// A cold start knows nothing but the ledger.
	if conf, err := settings.Current(t.Context(), l); err != nil || conf.EtcdSize.WarnPercent != 60 {
		t.Errorf("after a cold start: %v, %v; want the last good one", conf, err)
	}
	u.text = good
	if conf, f, err := refresh(t, u, l); err != nil || f.Outcome != fleet.Pass || conf.EtcdSize.WarnPercent != 70 {
		t.Errorf("the mended file: %v, %s, %v; want it in force", conf, f.Outcome, err)
	}
}

func TestFault_54_ARefusalSaysWhatWouldHaveSaidItBefore(t *testing.T) {
	const remedy = "Ask for no more than the deployment allows, and upload the file again. To see whether it does: " +
		"steward config validate steward.yaml --max-mode secretsEncryption=approve,keyGuard=report,nodegroupRollout=report. " +
		"Or deploy with what the file asks for: maxMode and secretsEncryption.keyGuard under eksSteward in cdk.json."
	within := func(name string, data []byte) (*config.File, error) {
		f, err := yamlfile.Parse(name, data)
		if err == nil {
			err = f.Within(config.MaxMode{SecretsEncryption: config.Approve})
		}
		return f, err
	}
	for text, want := range map[string]string{
		bad: "Run steward config validate on the file, mend what it names, and upload it again.",
		good + "nodegroupRollout: {mode: approve}\n": remedy,
	} {
		l := open(t, filepath.Join(t.TempDir(), "ledger"))
		if _, _, err := refresh(t, &upload{text: good}, l); err != nil {
			t.Fatal(err)
		}
		_, f, err := settings.Refresh(t.Context(), &upload{text: text}, within, l, hub, now)
		if err != nil || f.Cause != settings.CauseRefused || f.Remedy != want {
			t.Errorf("%s\n%s: %q, %v\nwant %q", text, f.Cause, f.Remedy, err, want)
		}
	}
}

// counted counts what is accepted.
type counted struct {
	*ledger.Ledger
	accepted int
}

func (c *counted) AcceptConfig(ctx context.Context, a ledger.AcceptedConfig) error {
	c.accepted++
	return c.Ledger.AcceptConfig(ctx, a)
}

func TestWhatAnotherReleaseAcceptedIsAcceptedAnew(t *testing.T) {
	l, u := &counted{Ledger: open(t, filepath.Join(t.TempDir(), "ledger"))}, &upload{text: better}
	conf, err := yamlfile.Parse(u.Name(), []byte(u.text))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := config.Encode(conf)
	if err != nil {
		t.Fatal(err)
	}
	theirs := bytes.Replace(encoded, []byte(`"warnPercent"`), []byte(`"keyOfTheirs":1,"warnPercent"`), 1)
	if err := l.Ledger.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: u.text, At: now, JSON: theirs}); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Current(t.Context(), l); err == nil || !strings.Contains(err.Error(), "keyOfTheirs") {
		t.Fatalf("what the other release accepted: %v, want it refused for its key", err)
	}
	for range 3 {
		if conf, f, err := refresh(t, u, l); err != nil || f.Outcome != fleet.Pass || conf.EtcdSize.WarnPercent != 60 {
			t.Errorf("the file: %v, %s, %v; want it in force", conf, f.Outcome, err)
		}
		if conf, err := settings.Current(t.Context(), l); err != nil || conf.EtcdSize.WarnPercent != 60 {
			t.Errorf("what every other function goes by: %v, %v; want the file", conf, err)
		}
	}
	if l.accepted != 1 {
		t.Errorf("accepted %d times, want once", l.accepted)
	}
}

func TestAFileThatCannotBeReadIsUnknownAndTheLastGoodOneServes(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	u := &upload{text: good}
	if _, _, err := refresh(t, u, l); err != nil {
		t.Fatal(err)
	}
	u.err = errors.New("s3:GetObject (denied)")
	conf, f, err := refresh(t, u, l)
	if conf == nil || err != nil || f.Outcome != fleet.Unknown || f.Cause != settings.CauseUnread {
		t.Errorf("got %v, %s %s, %v; want the last good one and an unknown", conf, f.Outcome, f.Cause, err)
	}
}

// TestAFileThatIsDeletedGoesOnServing holds that a slip in the bucket takes no
// targets, routes and mutes away.
func TestAFileThatIsDeletedGoesOnServing(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	u := &upload{}
	for _, step := range []struct {
		text  string
		none  bool
		warn  float64
		cause string
	}{
		{better, true, 60, ""}, // the deployment's, until there is a file
		{good, true, 70, ""},   // that of the next deployment
		{better, false, 60, ""},
		{good, true, 60, settings.CauseDeleted},
		{good, true, 60, settings.CauseDeleted},
		{good, false, 70, ""},
	} {
		u.text, u.none = step.text, step.none
		conf, f, err := refresh(t, u, l)
		if err != nil || conf.EtcdSize.WarnPercent != step.warn || f.Cause != step.cause || (f.Outcome == fleet.Fail) != (step.cause != "") {
			t.Errorf("%+v: warns at %v, %s %q, %v", step, conf.EtcdSize.WarnPercent, f.Outcome, f.Cause, err)
		}
	}
}

func TestWithoutAnyGoodFileTheErrorSaysBothReasons(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	conf, _, err := refresh(t, &upload{text: bad}, l)
	if conf != nil || !errors.Is(err, ledger.ErrAbsent) || !strings.Contains(err.Error(), "warnPercent") {
		t.Errorf("got %v, %v; want no configuration, and why", conf, err)
	}
}

// down is a ledger that cannot be reached.
type down struct{}

func (down) AcceptedConfig(context.Context) (ledger.AcceptedConfig, error) {
	return ledger.AcceptedConfig{}, ledger.ErrUnavailable
}

func (down) AcceptConfig(context.Context, ledger.AcceptedConfig) error { return ledger.ErrUnavailable }

func TestFault_33_WithoutALedgerTheFileItselfServes(t *testing.T) {
	conf, _, err := refresh(t, &upload{text: better}, down{})
	if err != nil || conf.EtcdSize.WarnPercent != 60 {
		t.Errorf("got %v, %v; want the file", conf, err)
	}
}
