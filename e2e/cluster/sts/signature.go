package sts

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A presigned GetCallerIdentity ends after 15 minutes whatever its X-Amz-Expires says, and
// STS accepts no clock that is further ahead.
const validity = 15 * time.Minute

const dateFormat = "20060102T150405Z"

// A refusal is an error as STS words it.
type refusal struct {
	Code, Message, Type string
}

func refuse(code, message string) *refusal {
	return &refusal{Code: code, Message: message, Type: "Sender"}
}

// verify says whose request this is, or why it is refused. See "Create a signed AWS API
// request" and "Authenticating requests: using query parameters" of the IAM and S3 guides.
func (s *Server) verify(r *http.Request, now time.Time) (Caller, *refusal) {
	q := r.URL.Query()
	if q.Get("Action") != "GetCallerIdentity" {
		return Caller{}, refuse("InvalidAction", "Only GetCallerIdentity is simulated here")
	}
	scope := strings.Split(q.Get("X-Amz-Credential"), "/")
	signed := strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	at, err := time.Parse(dateFormat, q.Get("X-Amz-Date"))
	if err != nil || len(scope) != 5 || !slices.Contains(signed, "host") || q.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" {
		return Caller{}, refuse("IncompleteSignature", "The request is not presigned")
	}
	caller, known := s.caller(scope[0])
	switch {
	case !known, caller.SessionToken != q.Get("X-Amz-Security-Token"):
		return Caller{}, refuse("InvalidClientTokenId", "The security token included in the request is invalid.")
	case scope[1] != at.Format("20060102"), scope[2] != region(r.Host), scope[3] != "sts", scope[4] != "aws4_request":
		return Caller{}, refuse("SignatureDoesNotMatch", "Credential should be scoped to the day, the region and the service of the request")
	case now.Sub(at) > validity:
		return Caller{}, refuse("SignatureDoesNotMatch", "Signature expired")
	case at.Sub(now) > validity:
		return Caller{}, refuse("SignatureDoesNotMatch", "Signature not yet current")
	case !hmac.Equal([]byte(signature(r, scope, caller.Secret)), []byte(q.Get("X-Amz-Signature"))):
		return Caller{}, refuse("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	}
	return caller, nil
}

// region is the one that a host of STS serves. The global endpoint is us-east-1.
func region(host string) string {
	labels := strings.Split(host, ".")
	if len(labels) > 3 {
		return labels[1]
	}
	return "us-east-1"
}

// signature is what a holder of the secret signs this request with.
func signature(r *http.Request, scope []string, secret string) string {
	request := digest([]byte(canonical(r)))
	at := r.URL.Query().Get("X-Amz-Date")
	message := strings.Join([]string{"AWS4-HMAC-SHA256", at, strings.Join(scope[1:], "/"), request}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range scope[1:] {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, message))
}

// canonical spells the request as both sides sign it.
func canonical(r *http.Request) string {
	q := r.URL.Query()
	signed := q.Get("X-Amz-SignedHeaders")
	q.Del("X-Amz-Signature")
	var headers strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return strings.Join([]string{
		r.Method, r.URL.EscapedPath(), query(q), headers.String(), signed, digest(nil),
	}, "\n")
}

// query is sorted by name; a space is %20, never a plus.
func query(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
