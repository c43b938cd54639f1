// Package deployed runs what cdk deploy deploys, for tests: the real command
// line deploys both stacks into an emulator of AWS, and a Runner plays Lambda
// and EventBridge Scheduler over what it reads back from there. It knows nothing
// of what the functions do, and adds nothing to what was deployed but the
// addresses of the stand-ins.
//
// Where it differs from AWS: the functions run one batch at a time, so nothing
// shows of concurrency; visibility timeouts pass when a test says so; AWS's
// resource policies are not in force.
package deployed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/e2e/emulator"
)

// Where everything is deployed: the account that moto gives to static keys.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// Bus is the name of our own bus, which member stacks know.
const Bus = "eks-steward"

// The stacks.
const (
	HubStack    = "EksSteward"
	MemberStack = "EksStewardMember-" + Account + "-" + Region
)

// Deployment is both stacks in an emulator of their own.
type Deployment struct {
	*emulator.Emulator
	CLI      *CLI
	Assembly string // folder
	Hub      *Stack
	Member   *Stack
}

// Deploy bootstraps an empty account and deploys an assembly that Synth wrote.
// The caller closes the deployment.
func Deploy(ctx context.Context, assembly string) (d *Deployment, err error) {
	d = &Deployment{Assembly: assembly}
	if d.Emulator, err = emulator.Start(ctx); err != nil {
		return nil, err
	}
	if err := d.deploy(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Deployment) deploy(ctx context.Context) (err error) {
	if d.CLI, err = NewCLI(ctx, strings.Replace(d.URL, "127.0.0.1", "localhost", 1)); err != nil {
		return err
	}
	if err := d.CLI.bootstrap(ctx); err != nil {
		return err
	}
	if _, err := d.CLI.Assembly(ctx, d.Assembly, "deploy", "--require-approval", "never"); err != nil {
		return err
	}
	if d.Hub, err = Template(d.Assembly, HubStack); err != nil {
		return err
	}
	if d.Member, err = Template(d.Assembly, MemberStack); err != nil {
		return err
	}
	return errors.Join(d.Hub.locate(ctx, d.Config), d.Member.locate(ctx, d.Config))
}

// As is the configuration of an SDK client with the credentials of a role.
func (d *Deployment) As(ctx context.Context, role string) (aws.Config, error) {
	out, err := sts.NewFromConfig(d.Config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("e2e")})
	if err != nil {
		return aws.Config{}, fmt.Errorf("assume %s: %w", role, err)
	}
	cfg := d.Config.Copy()
	c := out.Credentials
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return cfg, nil
}

// EKS serves a stand-in of EKS, which knows no policies, behind those of the
// deployed roles. The caller closes it.
func (d *Deployment) EKS(standIn http.Handler) *httptest.Server {
	mux := http.NewServeMux()
	// Actions and their resources ("Actions, resources, and condition keys for
	// Amazon EKS", Service authorization reference).
	for pattern, action := range map[string]string{
		"GET /clusters":                  "eks:ListClusters",
		"GET /cluster-versions":          "eks:DescribeClusterVersions",
		"GET /addons/supported-versions": "eks:DescribeAddonVersions",

		"GET /clusters/{name}":                 "eks:DescribeCluster",
		"GET /clusters/{name}/node-groups":     "eks:ListNodegroups",
		"GET /clusters/{name}/addons":          "eks:ListAddons",
		"POST /clusters/{name}/insights":       "eks:ListInsights",
		"GET /clusters/{name}/insights/{item}": "eks:DescribeInsight",
		"GET /clusters/{name}/updates":         "eks:ListUpdates",
		"GET /clusters/{name}/updates/{item}":  "eks:DescribeUpdate",

		"GET /clusters/{name}/node-groups/{nodegroup}":    "eks:DescribeNodegroup",
		"GET /clusters/{name}/addons/{addon}":             "eks:DescribeAddon",
		"GET /clusters/{name}/access-entries/{principal}": "eks:DescribeAccessEntry",
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			asked := []emulator.Question{{Action: action, Resource: resourceOf(r)}}
			if group := r.URL.Query().Get("nodegroupName"); group != "" { // whose updates they are
				r.SetPathValue("nodegroup", group)
				asked = append(asked, emulator.Question{Action: action, Resource: resourceOf(r)})
			}
			d.guard(w, r, standIn, asked...)
		})
	}
	mux.HandleFunc("POST /clusters/{name}/node-groups/{nodegroup}/update-version", func(w http.ResponseWriter, r *http.Request) {
		d.guard(w, r, standIn, emulator.Question{Action: "eks:UpdateNodegroupVersion", Resource: resourceOf(r), Conditions: tagsOf(standIn, r)})
	})
	mux.HandleFunc("POST /clusters/{name}/encryption-config/associate", func(w http.ResponseWriter, r *http.Request) {
		body, err := reread(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.guard(w, r, standIn, associating(resourceOf(r), body)...)
	})
	return httptest.NewServer(mux)
}

// tagsOf are the tags of the nodegroup that a request is about, as conditions: IAM
// asks EKS for them ("Global condition context keys", IAM user guide).
func tagsOf(standIn http.Handler, r *http.Request) map[string][]string {
	path, _, _ := strings.Cut(r.URL.Path, "/update-version")
	describe := r.Clone(r.Context())
	describe.Method, describe.URL.Path, describe.Body, describe.ContentLength = http.MethodGet, path, http.NoBody, 0
	answer := httptest.NewRecorder()
	standIn.ServeHTTP(answer, describe)
	var out struct {
		Nodegroup struct{ Tags map[string]string }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		return nil // it is not there, and has none
	}
	conditions := map[string][]string{}
	for key, value := range out.Nodegroup.Tags {
		conditions["aws:ResourceTag/"+key] = []string{value}
	}
	return conditions
}

// associating is what a caller must be allowed who puts keys on a cluster: EKS
// asks KMS in his name ("Encrypt Kubernetes secrets with KMS on existing
// clusters", EKS user guide).
func associating(cluster string, body []byte) []emulator.Question {
	var in struct {
		EncryptionConfig []struct{ Provider struct{ KeyArn string } }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return []emulator.Question{{Action: "eks:unreadable", Resource: cluster}}
	}
	var keys []string
	var ofKMS []emulator.Question
	for _, c := range in.EncryptionConfig {
		key := c.Provider.KeyArn
		keys = append(keys, key)
		ofKMS = append(ofKMS, emulator.Question{Action: "kms:DescribeKey", Resource: key}, emulator.Question{Action: "kms:CreateGrant", Resource: key})
	}
	call := emulator.Question{Action: "eks:AssociateEncryptionConfig", Resource: cluster}
	if len(keys) > 0 {
		call.Conditions = map[string][]string{"eks:encryptionConfigProviderKeyArns": keys}
	}
	return append([]emulator.Question{call}, ofKMS...)
}

// Around serves stand-ins of what is around clusters behind the policies of the
// deployed roles: EC2, KMS, the tagging API, CloudWatch and Service Quotas, and of
// Systems Manager what is not the account's own. The caller closes it.
func (d *Deployment) Around(standIns http.Handler) *httptest.Server {
	emulated := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: strings.TrimPrefix(d.URL, "http://")})
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := reread(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		action, resource := requested(r, body)
		if resource == own {
			emulated.ServeHTTP(w, r)
			return
		}
		d.guard(w, r, standIns, emulator.Question{Action: action, Resource: resource})
	}))
}

// reread reads the body of a request and leaves it to be read again.
func reread(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// own is a parameter of the account itself, which the emulator has.
const own = "a parameter of the account"

// requested names the action and the resource of a request to EC2, whose body is a
// form, to CloudWatch, whose path names the action, or to another service, whose
// header does.
func requested(r *http.Request, body []byte) (action, resource string) {
	service, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var of struct {
		KeyID, Name   string
		CalendarNames []string
	}
	_ = json.Unmarshal(body, &of) // what is none names nothing
	switch {
	case strings.HasPrefix(r.URL.Path, "/service/GraniteServiceVersion20100801/"):
		return "cloudwatch:" + path.Base(r.URL.Path), "*"
	case service == "TrentService" && of.KeyID != "" && name != "ListAliases":
		return "kms:" + name, of.KeyID
	case service == "TrentService":
		return "kms:" + name, "*"
	case service == "AmazonSSM" && len(of.CalendarNames) > 0:
		return "ssm:" + name, "arn:aws:ssm:" + Region + ":" + Account + ":document/" + of.CalendarNames[0]
	case service == "AmazonSSM" && strings.HasPrefix(of.Name, "/aws/service/"):
		return "ssm:" + name, "arn:aws:ssm:" + Region + "::parameter" + of.Name
	case service == "AmazonSSM":
		return "ssm:" + name, own
	case strings.HasPrefix(service, "ServiceQuotas"):
		return "servicequotas:" + name, "*"
	case strings.HasPrefix(service, "ResourceGroupsTaggingAPI"):
		return "tag:" + name, "*"
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "ec2:unreadable", "*"
	}
	return "ec2:" + form.Get("Action"), "*"
}

// guard passes a request on to a stand-in if the role behind it may do all that
// it asks for.
func (d *Deployment) guard(w http.ResponseWriter, r *http.Request, standIn http.Handler, asked ...emulator.Question) {
	for _, q := range asked {
		q.AccessKey, q.Region = accessKey(r), Region
		allowed, err := d.Authorize(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if !allowed {
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"message": "not authorized to perform: %s on resource: %s"}`, q.Action, q.Resource)
			return
		}
	}
	standIn.ServeHTTP(w, r)
}

// resourceOf names what a request to EKS is about, as policies do: everything
// below a cluster ends in an id that EKS makes up.
func resourceOf(r *http.Request) string {
	const of, id = "arn:aws:eks:" + Region + ":" + Account + ":", "/00000000"
	name := r.PathValue("name")
	for _, kind := range []string{"nodegroup", "addon"} {
		if item := r.PathValue(kind); item != "" {
			return of + kind + "/" + name + "/" + item + id
		}
	}
	switch principal := r.PathValue("principal"); {
	case principal != "":
		return of + "access-entry/" + name + "/role/" + Account + "/" + path.Base(principal) + id
	case name != "":
		return of + "cluster/" + name
	}
	return "*"
}

// accessKey is the one that a request is signed with.
func accessKey(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}
