package sts

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

type assumeRoleResponse struct {
	XMLName     xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	User        assumedUser `xml:"AssumeRoleResult>AssumedRoleUser"`
	Credentials credentials `xml:"AssumeRoleResult>Credentials"`
	RequestID   string      `xml:"ResponseMetadata>RequestId"`
}

type assumedUser struct {
	ID  string `xml:"AssumedRoleId"`
	ARN string `xml:"Arn"`
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

var (
	roleARN     = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/(.+)$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

// Bounds of DurationSeconds, from the API reference of AssumeRole.
const (
	minSession, maxSession = 900, 43200
	defaultSession         = 3600
)

func (s *Service) assumeRole(form url.Values) edge.Operation {
	op := edge.Operation{Name: "AssumeRole", Action: "sts:AssumeRole", Resource: "*"}
	op.Run = func(c edge.Call) (any, error) {
		arn, session := form.Get("RoleArn"), form.Get("RoleSessionName")
		m := roleARN.FindStringSubmatch(arn)
		lifetime, err := duration(form.Get("DurationSeconds"))
		switch {
		case err != nil:
			return nil, err
		case m == nil:
			return nil, invalid("%s is invalid", arn)
		case !sessionName.MatchString(session):
			return nil, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint", session)
		case m[1] != c.Partition() || !s.trusts(m[2], m[3], form.Get("ExternalId")):
			return nil, denied(c, arn)
		}
		return s.session(c, arn, session, lifetime), nil
	}
	return op
}

func duration(seconds string) (time.Duration, error) {
	if seconds == "" {
		return defaultSession * time.Second, nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < minSession || n > maxSession {
		return 0, invalid("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint", seconds)
	}
	return time.Duration(n) * time.Second, nil
}

// denied does not tell a missing role from one that does not trust the caller,
// as AWS does not.
func denied(c edge.Call, role string) *edge.Refusal {
	return &edge.Refusal{
		Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "User: " + c.Caller.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + role,
	}
}

// session hands out an access key. It ends by the machine's clock, since that is
// how an SDK measures it.
func (s *Service) session(c edge.Call, arn, name string, lifetime time.Duration) assumeRoleResponse {
	n := s.sessions.Add(1)
	m := roleARN.FindStringSubmatch(arn)
	p := edge.Principal{
		Account: m[2], Role: arn,
		ARN:    fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", m[1], m[2], m[3][strings.LastIndex(m[3], "/")+1:], name),
		UserID: fmt.Sprintf("AROA%017d:%s", n, name),
	}
	key := fmt.Sprintf("ASIA%016d", n)
	s.bind(key, p)
	return assumeRoleResponse{
		User: assumedUser{ID: p.UserID, ARN: p.ARN},
		Credentials: credentials{
			AccessKeyID: key, SecretAccessKey: "simulated", SessionToken: "simulated",
			Expiration: time.Now().Add(lifetime).UTC().Format(time.RFC3339),
		},
		RequestID: c.RequestID,
	}
}
