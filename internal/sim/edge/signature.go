package edge

import (
	"net/http"
	"regexp"
	"time"
)

// A signature is what the simulators read of Signature Version 4: who, where,
// for which service and when. See "Elements of an AWS API request signature" in
// the IAM user guide.
type signature struct {
	accessKey, region, service string
	at                         time.Time // zero when the request does not say
}

var credential = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/[0-9]{8}/([^/, ]+)/([^/, ]+)/aws4_request`)

func parseSignature(r *http.Request) (signature, error) {
	m := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return signature{}, &Refusal{Status: http.StatusForbidden, Code: "MissingAuthenticationTokenException", QueryCode: "MissingAuthenticationToken", Message: "Missing Authentication Token"}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		at = time.Time{}
	}
	return signature{accessKey: m[1], region: m[2], service: m[3], at: at}, nil
}

// SigningName is the service that a request was signed for; empty when it was
// not signed.
func SigningName(r *http.Request) string {
	s, err := parseSignature(r)
	if err != nil {
		return ""
	}
	return s.service
}
