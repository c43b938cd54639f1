package ssm

import (
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// PutCalendar adds a change calendar, or replaces the one of its name.
func (s *Service) PutCalendar(in edge.Scope, name string, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calendars[in] == nil {
		s.calendars[in] = map[string]bool{}
	}
	s.calendars[in][name] = open
}

// calendarDocument is what IAM calls a calendar, which is a document of Systems
// Manager.
const calendarDocument = "document/"

type calendarInput struct {
	CalendarNames []string // or their ARNs
	AtTime        string
}

type calendarOutput struct{ State, AtTime string }

// calendarState is GetCalendarState: several calendars are open when all are.
func (s *Service) calendarState(body []byte) (edge.Operation, error) {
	in, err := awsjson.Decode[calendarInput](body)
	if err != nil {
		return edge.Operation{}, err
	}
	op := edge.Operation{Name: "GetCalendarState", Action: "ssm:GetCalendarState", Resource: "*"}
	if len(in.CalendarNames) > 0 {
		op.Resource = calendarDocument + calendarName(in.CalendarNames[0])
	}
	op.Run = func(c edge.Call) (any, error) {
		if len(in.CalendarNames) == 0 || in.AtTime != "" {
			return nil, awsjson.Refuse("ValidationException", "The simulator wants the names of calendars and no time: it knows only their state by now")
		}
		out := calendarOutput{State: "OPEN", AtTime: s.now().UTC().Format(time.RFC3339)}
		for _, name := range in.CalendarNames {
			open, ok := s.calendar(c.Scope, name)
			switch {
			case !ok:
				return nil, awsjson.Refuse("InvalidDocument", "Document with name "+name+" does not exist.")
			case !open:
				out.State = "CLOSED"
			}
		}
		return out, nil
	}
	return op, nil
}

func (s *Service) calendar(in edge.Scope, name string) (open, ok bool) {
	if strings.HasPrefix(name, "arn:") && name != in.ARN("ssm", calendarDocument+calendarName(name)) {
		return false, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	open, ok = s.calendars[in][calendarName(name)]
	return open, ok
}

// calendarName takes the name out of what may be an ARN.
func calendarName(name string) string { return name[strings.LastIndex(name, "/")+1:] }
