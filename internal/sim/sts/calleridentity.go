package sts

import (
	"encoding/xml"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

type callerIdentityResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

func callerIdentity(c edge.Call) (any, error) {
	return callerIdentityResponse{ARN: c.Caller.ARN, UserID: c.Caller.UserID, Account: c.Caller.Account, RequestID: c.RequestID}, nil
}
