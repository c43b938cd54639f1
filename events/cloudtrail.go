package events

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// What CloudTrail events are called on their way through EventBridge.
const (
	sourceEKS = "aws.eks"
	sourceKMS = "aws.kms"

	typeAPICall      = "AWS API Call via CloudTrail"
	typeServiceEvent = "AWS Service Event via CloudTrail"

	endpointEKS = "eks.amazonaws.com"
	endpointKMS = "kms.amazonaws.com"
)

// The EKS calls that change what a check sees.
const (
	CreateCluster             = "CreateCluster"
	DeleteCluster             = "DeleteCluster"
	UpdateClusterConfig       = "UpdateClusterConfig" // also the scaling tier, and with it etcd's limit
	UpdateClusterVersion      = "UpdateClusterVersion"
	AssociateEncryptionConfig = "AssociateEncryptionConfig"
	CreateNodegroup           = "CreateNodegroup"
	DeleteNodegroup           = "DeleteNodegroup"
	UpdateNodegroupConfig     = "UpdateNodegroupConfig"
	UpdateNodegroupVersion    = "UpdateNodegroupVersion"
	CreateAddon               = "CreateAddon"
	DeleteAddon               = "DeleteAddon"
	UpdateAddon               = "UpdateAddon"
)

var eksCalls = []string{
	CreateCluster, DeleteCluster, UpdateClusterConfig, UpdateClusterVersion, AssociateEncryptionConfig,
	CreateNodegroup, DeleteNodegroup, UpdateNodegroupConfig, UpdateNodegroupVersion,
	CreateAddon, DeleteAddon, UpdateAddon,
}

// The KMS calls that hurt a key or its use, and those that heal it. DeleteKey and
// DeleteExpiredKeyMaterial are no calls: KMS does them itself when the time has come.
const (
	ScheduleKeyDeletion       = "ScheduleKeyDeletion"
	DeleteKey                 = "DeleteKey"
	DisableKey                = "DisableKey"
	PutKeyPolicy              = "PutKeyPolicy"
	RevokeGrant               = "RevokeGrant"
	RetireGrant               = "RetireGrant"
	DeleteImportedKeyMaterial = "DeleteImportedKeyMaterial"
	DeleteExpiredKeyMaterial  = "DeleteExpiredKeyMaterial"
	DisconnectCustomKeyStore  = "DisconnectCustomKeyStore"
	CancelKeyDeletion         = "CancelKeyDeletion"
	EnableKey                 = "EnableKey"
	ImportKeyMaterial         = "ImportKeyMaterial"
	ConnectCustomKeyStore     = "ConnectCustomKeyStore"
)

var kmsCalls = []string{
	ScheduleKeyDeletion, DeleteKey, DisableKey, PutKeyPolicy, RevokeGrant, RetireGrant,
	DeleteImportedKeyMaterial, DeleteExpiredKeyMaterial, DisconnectCustomKeyStore,
	CancelKeyDeletion, EnableKey, ImportKeyMaterial, ConnectCustomKeyStore,
}

// record is a CloudTrail record, as far as it is used.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
type record struct {
	EventID            string          `json:"eventID"`
	EventTime          string          `json:"eventTime"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	Region             string          `json:"awsRegion"`
	RecipientAccountID string          `json:"recipientAccountId"`
	ReadOnly           bool            `json:"readOnly"`
	ErrorCode          string          `json:"errorCode"`
	UserIdentity       identity        `json:"userIdentity"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	ResponseElements   json.RawMessage `json:"responseElements"`
	Resources          []resource      `json:"resources"`
}

type identity struct {
	Type           string `json:"type"`
	ARN            string `json:"arn"`
	AccountID      string `json:"accountId"`
	InvokedBy      string `json:"invokedBy"` // the service that called
	SessionContext struct {
		SessionIssuer struct {
			ARN string `json:"arn"`
		} `json:"sessionIssuer"`
	} `json:"sessionContext"`
}

type resource struct {
	ARN  string `json:"ARN"`
	Type string `json:"type"`
}

func decodeEKS(env envelope, head Header) (Event, error) {
	switch {
	case slices.Contains(addonTypes, env.DetailType):
		return decodeAddonHealth(env, head)
	case env.DetailType != typeAPICall:
		return nil, ignored("EKS sends events of the type %s, and we use only its API calls and what it says of add-ons", quote(env.DetailType))
	}
	rec, head, err := trail(env, head, endpointEKS, eksCalls)
	if err != nil {
		return nil, err
	}
	cluster, err := rec.cluster()
	if err != nil {
		return nil, err
	}
	principal, err := rec.principal()
	if err != nil {
		return nil, err
	}
	update, err := rec.update()
	if err != nil {
		return nil, err
	}
	return &EKSCall{Header: head, Call: rec.EventName, Cluster: cluster, Update: update, Principal: principal}, nil
}

func decodeKMS(env envelope, head Header) (Event, error) {
	if env.DetailType != typeAPICall && env.DetailType != typeServiceEvent {
		return nil, ignored("KMS sends events of the type %s, and we use only what CloudTrail records", quote(env.DetailType))
	}
	rec, head, err := trail(env, head, endpointKMS, kmsCalls)
	if err != nil {
		return nil, err
	}
	keys, err := rec.keys()
	if err != nil {
		return nil, err
	}
	caller, err := rec.caller()
	if err != nil {
		return nil, err
	}
	return &KMSCall{Header: head, Call: rec.EventName, Keys: keys, Principal: caller}, nil
}

// Record renders the call as CloudTrail records it, so that whoever looks at a key
// once more at a later time still knows of the call.
func (e *KMSCall) Record() ([]byte, error) {
	rec := record{
		EventID: e.ID, EventTime: e.Time.UTC().Format(time.RFC3339Nano), EventSource: endpointKMS, EventName: e.Call,
		Region: e.Region, RecipientAccountID: e.Account,
	}
	if strings.HasPrefix(e.Principal, anARN) {
		rec.UserIdentity.ARN = e.Principal
	} else {
		rec.UserIdentity.InvokedBy = e.Principal
	}
	for _, key := range e.Keys {
		rec.Resources = append(rec.Resources, resource{ARN: key})
	}
	detail, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("encode the record of %s: %w", e.Call, err)
	}
	return envelope{
		Version: "0", ID: e.ID, DetailType: typeAPICall, Source: sourceKMS,
		Account: e.Account, Time: rec.EventTime, Region: e.Region, Resources: []string{}, Detail: detail,
	}.seal()
}

// trail reads the record of one of the wanted calls, and the header that it
// makes: the record's id survives a second delivery by CloudTrail, the
// envelope's does not.
func trail(env envelope, head Header, endpoint string, wanted []string) (record, Header, error) {
	var rec record
	if err := unmarshal("detail", env.Detail, &rec); err != nil {
		return rec, head, err
	}
	if err := rec.forged(env, endpoint); err != nil {
		return rec, head, err
	}
	switch {
	case rec.EventName == "":
		return rec, head, malformed("detail.eventName", "is missing: want the name of an API call")
	case rec.ErrorCode != "":
		return rec, head, ignored("the call of %s failed with %s and changed nothing", quote(rec.EventName), quote(rec.ErrorCode))
	case rec.ReadOnly:
		return rec, head, ignored("the call of %s only reads", quote(rec.EventName))
	case !slices.Contains(wanted, rec.EventName):
		return rec, head, ignored("no check depends on the call of %s", quote(rec.EventName))
	}
	at, err := moment("detail.eventTime", rec.EventTime, time.RFC3339)
	if err != nil {
		return rec, head, err
	}
	if err := validID("detail.eventID", rec.EventID); err != nil {
		return rec, head, err
	}
	head.ID, head.Time = rec.EventID, at
	return rec, head, nil
}

// forged compares what EventBridge vouches for with what the record claims, where
// it does: the account is optional, and records of several years lack it. The
// caller's account (userIdentity.accountId) may be another: roles and key policies
// admit callers from outside.
func (r record) forged(env envelope, endpoint string) error {
	for _, claim := range []struct{ field, got, want, of string }{
		{"eventSource", r.EventSource, endpoint, "the source " + env.Source},
		{"recipientAccountId", cmp.Or(r.RecipientAccountID, env.Account), env.Account, "the account of the envelope"},
		{"awsRegion", cmp.Or(r.Region, env.Region), env.Region, "the region of the envelope"},
	} {
		if claim.got != claim.want {
			return malformed("detail."+claim.field, "is %s: the event is forged, want %s, %s", quote(claim.got), claim.want, claim.of)
		}
	}
	return nil
}

// request is requestParameters. CloudTrail replaces what exceeds 100 KB by
// {"reason":"requestParameters too large","omitted":true,"originalSize":...}.
type request struct {
	Name        string          `json:"name"`
	ClusterName string          `json:"clusterName"` // in records of 2018
	KeyID       string          `json:"keyId"`
	Omitted     json.RawMessage `json:"omitted"` // true, or "true"
	Truncated   json.RawMessage `json:"_truncated"`
}

// parameters reads requestParameters; false means that CloudTrail left them out.
func (r record) parameters() (request, bool, error) {
	var req request
	if len(r.RequestParameters) == 0 || string(r.RequestParameters) == "null" {
		return req, false, nil
	}
	if err := unmarshal("detail.requestParameters", r.RequestParameters, &req); err != nil {
		return req, false, err
	}
	omitted := strings.Trim(string(req.Omitted), `"`) == "true" || req.Truncated != nil
	return req, !omitted, nil
}

// cluster is the name in the request, or empty when the request is left out.
func (r record) cluster() (string, error) {
	req, there, err := r.parameters()
	if err != nil || !there {
		return "", err
	}
	where, raw := "detail.requestParameters.name", req.Name
	if raw == "" {
		where, raw = "detail.requestParameters.clusterName", req.ClusterName
	}
	if raw == "" {
		return "", malformed("detail.requestParameters", "has no name: want the cluster's name, or no parameters at all")
	}
	// Path parameters are recorded as they were sent.
	name, err := url.PathUnescape(raw)
	if err != nil || fleet.ValidClusterName(name) != nil {
		return "", malformed(where, "is %s: want at most 100 letters, digits, '-' and '_', starting with a letter or digit", quote(raw))
	}
	return name, nil
}

// updateID is the grammar of an EKS update's id.
var updateID = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
})

func validUpdate(id string) bool { return updateID().MatchString(id) }

// update is the id in the response, or empty when the response has none or is
// left out.
func (r record) update() (string, error) {
	if len(r.ResponseElements) == 0 || string(r.ResponseElements) == "null" {
		return "", nil
	}
	var response struct {
		Update struct {
			ID string `json:"id"`
		} `json:"update"`
	}
	if err := unmarshal("detail.responseElements", r.ResponseElements, &response); err != nil {
		return "", err
	}
	id := response.Update.ID
	if id != "" && !validUpdate(id) {
		return "", malformed("detail.responseElements.update.id", "is %s: want the id of an update, a UUID", quote(id))
	}
	return id, nil
}

// keyARN is the grammar of a key, in any partition.
var keyARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$`)
})

func validKey(arn string) bool { return len(arn) <= maxARN && keyARN().MatchString(arn) }

// keys are the ARNs in the record's resources. The request may name the key by
// its id, alias or ARN, and is used only when it has the ARN and resources have
// none.
func (r record) keys() ([]string, error) {
	var keys []string
	for i, res := range r.Resources {
		if res.Type != "" && res.Type != "AWS::KMS::Key" {
			continue
		}
		if !validKey(res.ARN) {
			return nil, malformed(fmt.Sprintf("detail.resources[%d].ARN", i), "is %s: want the ARN of a KMS key", quote(res.ARN))
		}
		keys = append(keys, res.ARN)
	}
	if len(keys) == 0 {
		req, there, err := r.parameters()
		if err != nil {
			return nil, err
		}
		if there && validKey(req.KeyID) {
			keys = append(keys, req.KeyID)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// IAM limits a path to 512 and a name to 64 characters; a session adds 64.
const maxPrincipal = 1024

// anARN is how every ARN begins, and nothing else that tells a caller.
const anARN = "arn:"

// principal is the role behind a session, else the caller. Services and some
// federated callers have no ARN.
func (r record) principal() (string, error) {
	arn := r.UserIdentity.SessionContext.SessionIssuer.ARN
	if arn == "" {
		arn = r.UserIdentity.ARN
	}
	if arn != "" && (!strings.HasPrefix(arn, anARN) || len(arn) > maxPrincipal) {
		return "", malformed("detail.userIdentity", "has the ARN %s: want one of at most %d characters", quote(arn), maxPrincipal)
	}
	return arn, nil
}

// caller is the principal, or else what people are told of who called: the owner of
// a key learns only the account of a caller from another one, and a service has a
// name. What begins like an ARN is the principal, and may be compared with one.
func (r record) caller() (string, error) {
	arn, err := r.principal()
	id := r.UserIdentity
	named := printable(id.InvokedBy, maxPrincipal) && !strings.HasPrefix(id.InvokedBy, anARN)
	switch {
	case arn != "" || err != nil:
		return arn, err
	case fleet.ValidAccount(id.AccountID) == nil && (id.Type == "AWSAccount" || !named):
		return "account " + id.AccountID, nil
	case named:
		return id.InvokedBy, nil
	}
	return "", nil
}
