package nodegroup_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

func TestACalendarIsOpenOnlyWhereItSaysSo(t *testing.T) {
	w := enter(t, payments())
	if got := w.reader.Calendar(t.Context(), target, "shut"); !got.Known() || got.Value {
		t.Errorf("a closed one: %+v", got)
	}
	if got := w.reader.Calendar(t.Context(), target, "arn:aws:ssm:eu-west-1:"+account+":document/releases"); !got.Known() || !got.Value {
		t.Errorf("an open one by its ARN: %+v", got)
	}
	troubleIn(t, w.reader.Calendar(t.Context(), target, "absent"), fleet.Gone, "ssm:GetCalendarState")
	for name, body := range map[string]string{
		"FAULT 09 a state that nobody knows yet": `{"State":"AJAR"}`,
		"FAULT 10 no state":                      `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := answering(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_, _ = io.WriteString(w, body)
			})
			here := target
			here.Role = ""
			got := r.Calendar(t.Context(), here, "releases")
			troubleIn(t, got, fleet.Failed, "ssm:GetCalendarState")
			if got.Value {
				t.Error("it is open")
			}
		})
	}
}

func TestManyAlarmsAreReadByTheHundred(t *testing.T) {
	r := payments()
	var names []string
	for i := range 250 {
		names = append(names, fmt.Sprintf("alarm-%03d", i))
		r.Alarms = append(r.Alarms, sim.Alarm{Name: names[i]})
	}
	w := enter(t, r)
	got := w.reader.Alarms(t.Context(), target, append(slices.Clone(names), names...))
	if !got.Known() || len(got.Value) != 250 || got.Value[249].Name != "alarm-249" {
		t.Errorf("%d alarms, %s", len(got.Value), got.Why())
	}
	if n := w.Calls().Of("DescribeAlarms").Total(); n != 3 {
		t.Errorf("%d calls", n)
	}
	w.Faults().Script(edge.Step{Operation: "DescribeAlarms", Times: edge.Always, Do: edge.RepeatToken()})
	troubleIn(t, w.reader.Alarms(t.Context(), target, names), fleet.LoopingPages, "cloudwatch:DescribeAlarms")
}

func TestAlarmsOfEveryKindAreHeard(t *testing.T) {
	w := enter(t, payments())
	of := func(name string) cbor.List {
		return cbor.List{cbor.Map{"AlarmName": cbor.String(name), "StateValue": cbor.String("ALARM"), "StateReason": cbor.String("No.")}, cbor.Map{}}
	}
	body := cbor.Encode(cbor.Map{"MetricAlarms": of("a"), "CompositeAlarms": of("b"), "LogAlarms": of("c")})
	w.Faults().Script(edge.Step{Operation: "DescribeAlarms", Times: edge.Always, Do: edge.Raw(http.StatusOK, "application/cbor", string(body))})
	got := w.reader.Alarms(t.Context(), target, []string{"a", "b", "c"})
	var want []fleet.Alarm
	for _, name := range []string{"", "", "", "a", "b", "c"} { // FAULT 10: three of them say nothing
		a := fleet.Alarm{Name: name}
		if name != "" {
			a.State, a.Reason = "ALARM", "No."
		}
		want = append(want, a)
	}
	if !got.Known() || !slices.Equal(got.Value, want) {
		t.Errorf("got %+v, %s", got.Value, got.Why())
	}
}
