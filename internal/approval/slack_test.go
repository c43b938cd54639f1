package approval_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/eks-steward/eks-steward/internal/approval"
)

// The example of https://docs.slack.dev/authentication/verifying-requests-from-slack.
const (
	docSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	docTimestamp = "1531420618"
	docSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	docBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
		"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
		"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

var docTime = time.Unix(1531420618, 0)

const fiveMinutes = 5 * time.Minute

func sign(secret, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":" + body))
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

func TestVerify(t *testing.T) {
	good := approval.Request{Timestamp: docTimestamp, Signature: docSignature, Body: []byte(docBody)}
	large := strings.Repeat("a", approval.MaxBody)
	for name, tt := range map[string]struct {
		change func(*approval.Request)
		secret string
		now    time.Time
		want   error
	}{
		"Slack's own example is verified":                   {nil, docSecret, docTime, nil},
		"a request of five minutes ago is verified":         {nil, docSecret, docTime.Add(fiveMinutes), nil},
		"a clock that is five minutes behind is no harm":    {nil, docSecret, docTime.Add(-fiveMinutes), nil},
		"a request of 64 KB is verified":                    {func(r *approval.Request) { r.Body, r.Signature = []byte(large), sign(docSecret, docTimestamp, large) }, docSecret, docTime, nil},
		"FAULT 57 a request that is older is refused":       {nil, docSecret, docTime.Add(fiveMinutes + time.Second), approval.ErrOld},
		"FAULT 57 a request of the future is refused":       {nil, docSecret, docTime.Add(-fiveMinutes - time.Second), approval.ErrOld},
		"FAULT 57 another body is refused":                  {func(r *approval.Request) { r.Body = append(r.Body, '&') }, docSecret, docTime, approval.ErrForged},
		"FAULT 57 another time is refused":                  {func(r *approval.Request) { r.Timestamp = "1531420619" }, docSecret, docTime, approval.ErrForged},
		"FAULT 57 another secret is refused":                {nil, "another", docTime, approval.ErrForged},
		"FAULT 57 a cut signature is refused":               {func(r *approval.Request) { r.Signature = r.Signature[:21] }, docSecret, docTime, approval.ErrForged},
		"FAULT 57 an empty signature is refused":            {func(r *approval.Request) { r.Signature = "v0=" }, docSecret, docTime, approval.ErrForged},
		"a signature with an empty secret is refused":       {func(r *approval.Request) { r.Signature = sign("", docTimestamp, docBody) }, "", docTime, approval.ErrForged},
		"no signature is refused":                           {func(r *approval.Request) { r.Signature = "" }, docSecret, docTime, approval.ErrUnsigned},
		"a signature of another version is refused":         {func(r *approval.Request) { r.Signature = "v1" + r.Signature[2:] }, docSecret, docTime, approval.ErrUnsigned},
		"a signature that is no number is refused":          {func(r *approval.Request) { r.Signature = "v0=xyz" }, docSecret, docTime, approval.ErrUnsigned},
		"no time is refused":                                {func(r *approval.Request) { r.Timestamp = "" }, docSecret, docTime, approval.ErrUnsigned},
		"a time that is none is refused":                    {func(r *approval.Request) { r.Timestamp = "soon" }, docSecret, docTime, approval.ErrUnsigned},
		"the earliest time there is is refused":             {func(r *approval.Request) { r.Timestamp = "-9223372036854775808" }, docSecret, docTime, approval.ErrOld},
		"the latest time there is is refused":               {func(r *approval.Request) { r.Timestamp = "9223372036854775807" }, docSecret, docTime, approval.ErrOld},
		"a body above 64 KB is refused before it is hashed": {func(r *approval.Request) { r.Body = []byte(large + "a") }, docSecret, docTime, approval.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			r.Body = []byte(docBody)
			if tt.change != nil {
				tt.change(&r)
			}
			if err := r.Verify(tt.secret, tt.now); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// documented is the payload of a pressed button in the fields that Slack documents.
const documented = `{"type":"block_actions","user":{"id":"U0123","username":"alice","name":"alice","team_id":"T0123"},"api_app_id":"A0123","token":"x",
"container":{"type":"message","message_ts":"1700000000.000100","channel_id":"C0123","is_ephemeral":false},"trigger_id":"1.2.3",
"team":{"id":"T0123","domain":"example"},"enterprise":null,"is_enterprise_install":false,"channel":{"id":"C0123","name":"eks"},
"message":{"type":"message","subtype":"bot_message","text":"hello","ts":"1700000000.000100"},"state":{"values":{}},
"response_url":"https://hooks.slack.com/actions/T0123/1/abc",
"actions":[{"action_id":"approve-plan","block_id":"b","text":{"type":"plain_text","text":"Approve"},"value":"VALUE","type":"button","action_ts":"1700000001.000000"}]}`

// form is a request's body around a payload.
func form(payload string) []byte {
	return []byte(url.Values{"payload": {strings.ReplaceAll(payload, "VALUE", approval.Value(plan, nonce))}}.Encode())
}

func TestAPressIsReadFromTheDocumentedPayload(t *testing.T) {
	want := approval.Press{Plan: plan, Nonce: nonce, Team: "T0123", User: "U0123", Name: "alice", Reply: "https://hooks.slack.com/actions/T0123/1/abc"}
	if got, err := approval.ReadPress(form(documented)); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	// The library that knows Slack's types reads the same from it.
	var callback slack.InteractionCallback
	if err := json.Unmarshal([]byte(documented), &callback); err != nil {
		t.Fatal(err)
	}
	action := callback.ActionCallback.BlockActions[0]
	if callback.Type != slack.InteractionTypeBlockActions || action.ActionID != approval.Action || callback.User.ID != want.User || callback.Team.ID != want.Team || callback.ResponseURL != want.Reply {
		t.Errorf("the sample is not what Slack sends: %+v", callback)
	}
}

func TestReadPressRefusesEverythingElse(t *testing.T) {
	replace := func(before, after string) []byte {
		if !strings.Contains(documented, before) {
			t.Fatalf("the sample has no %s", before)
		}
		return form(strings.Replace(documented, before, after, 1))
	}
	for name, tt := range map[string]struct {
		body []byte
		want error
	}{
		"nothing":                      {nil, approval.ErrMalformed},
		"JSON without a form":          {[]byte(documented), approval.ErrMalformed},
		"two payloads":                 {append(form(documented), append([]byte("&"), form(documented)...)...), approval.ErrMalformed},
		"a payload that is no JSON":    {form("{"), approval.ErrMalformed},
		"another kind of interaction":  {replace("block_actions", "view_submission"), approval.ErrMalformed},
		"nobody":                       {replace(`"id":"U0123"`, `"id":""`), approval.ErrMalformed},
		"no action":                    {replace(`"actions":[{`, `"actions":[],"other":[{`), approval.ErrMalformed},
		"two actions":                  {replace(`"actions":[`, `"actions":[{},`), approval.ErrMalformed},
		"another button":               {replace("approve-plan", "snooze"), approval.ErrNoPlan},
		"a button that opens a page":   {replace("approve-plan", "link-1"), approval.ErrLink},
		"a value without a nonce":      {replace("VALUE", plan), approval.ErrNoPlan},
		"a value with an empty nonce":  {replace("VALUE", plan+":"), approval.ErrNoPlan},
		"only the beginning of a plan": {replace("VALUE", plan[:12]+":"+nonce), approval.ErrNoPlan},
		"a plan that is none":          {replace("VALUE", strings.Repeat("x", 64)+":"+nonce), approval.ErrNoPlan},
		"a nonce with a line break":    {replace("VALUE", plan+`:\n`+nonce), approval.ErrNoPlan},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := approval.ReadPress(tt.body); !errors.Is(err, tt.want) || got != (approval.Press{}) {
				t.Errorf("got %+v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestFault_57_OnlyThoseWhoAreNamedMayApprove(t *testing.T) {
	allowed := approval.Allowed{Team: "T0123", Users: []string{"U0001", "U0123"}}
	guest := strings.Replace(documented, `"team_id":"T0123"`, `"team_id":"T0666"`, 1) // in a channel that two workspaces share
	fromGuest, err := approval.ReadPress(form(guest))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		allowed approval.Allowed
		press   approval.Press
		want    error
	}{
		"a user who is named may":                       {allowed, *press(), nil},
		"a user who is not named may not":               {allowed, approval.Press{Team: "T0123", User: "U0124"}, approval.ErrStranger},
		"a user of another workspace may not":           {allowed, fromGuest, approval.ErrTeam},
		"nobody may where nobody is named":              {approval.Allowed{Team: "T0123"}, *press(), approval.ErrStranger},
		"nobody may where no workspace is named":        {approval.Allowed{Users: []string{"U0123"}}, approval.Press{User: "U0123"}, approval.ErrTeam},
		"a user of no workspace may not":                {allowed, approval.Press{User: "U0123"}, approval.ErrTeam},
		"an empty list of users does not name nobody":   {approval.Allowed{Team: "T0123", Users: []string{""}}, *press(), approval.ErrStranger},
		"the beginning of a user's id names no one":     {allowed, approval.Press{Team: "T0123", User: "U012"}, approval.ErrStranger},
		"the id of the workspace is not that of a user": {allowed, approval.Press{Team: "T0123", User: "T0123"}, approval.ErrStranger},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tt.allowed.Admit(tt.press); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzSlackRequest(f *testing.F) {
	const secret = "a secret"
	now := docTime
	for _, body := range []string{string(form(documented)), docBody, "", "payload=", "payload=%7B%7D", "payload=null", "%zz", "payload={\"actions\":[{}]}"} {
		f.Add(docTimestamp, sign(secret, docTimestamp, body), []byte(body), true)
		f.Add(docTimestamp, docSignature, []byte(body), false)
	}
	f.Add("-9223372036854775808", "v0=", []byte("x"), false)
	f.Add("1e9", "v0=zz", []byte("x"), true)
	f.Add(docTimestamp, strings.ToUpper(sign(secret, docTimestamp, "x")), []byte("x"), false)
	f.Add(docTimestamp, "v0="+strings.ToUpper(strings.TrimPrefix(sign(secret, docTimestamp, "x"), "v0=")), []byte("x"), false)
	f.Fuzz(func(t *testing.T, timestamp, given string, body []byte, honest bool) {
		if honest {
			given = sign(secret, timestamp, string(body))
		}
		err := approval.Request{Timestamp: timestamp, Signature: given, Body: body}.Verify(secret, now)
		at, parseErr := strconv.ParseInt(timestamp, 10, 64)
		inTime := parseErr == nil && at >= now.Unix()-300 && at <= now.Unix()+300
		sum, v0 := strings.CutPrefix(given, "v0=")
		genuine := v0 && strings.EqualFold("v0="+sum, sign(secret, timestamp, string(body)))
		if want := inTime && genuine && len(body) <= approval.MaxBody; (err == nil) != want {
			t.Errorf("verified: %v, want it verified: %t", err, want)
		}
		press, err := approval.ReadPress(body)
		if err != nil {
			if press != (approval.Press{}) {
				t.Errorf("refused, and yet it says %+v", press)
			}
			return
		}
		word := approval.Word{Plan: press.Plan, Slack: &press}
		message, err := word.Message()
		if err != nil {
			t.Fatalf("a press that was read cannot be passed on: %v", err)
		}
		if got, err := approval.Parse(message); err != nil || got.Slack.Nonce != press.Nonce || got.Plan != press.Plan {
			t.Errorf("passed on as %+v, %v", got, err)
		}
	})
}
