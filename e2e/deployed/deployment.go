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
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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
		"GET /clusters":         "eks:ListClusters",
		"GET /clusters/{name}":  "eks:DescribeCluster",
		"GET /cluster-versions": "eks:DescribeClusterVersions",

		"GET /clusters/{name}/access-entries/{principal}": "eks:DescribeAccessEntry",
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			resource := "*"
			switch name, principal := r.PathValue("name"), r.PathValue("principal"); {
			case principal != "":
				resource = "arn:aws:eks:" + Region + ":" + Account + ":access-entry/" + name + "/role/" + Account + "/" + path.Base(principal) + "/00000000"
			case name != "":
				resource = "arn:aws:eks:" + Region + ":" + Account + ":cluster/" + name
			}
			allowed, err := d.Authorize(r.Context(), emulator.Question{AccessKey: accessKey(r), Region: Region, Action: action, Resource: resource})
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if !allowed {
				w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, `{"message": "not authorized to perform: %s on resource: %s"}`, action, resource)
				return
			}
			standIn.ServeHTTP(w, r)
		})
	}
	return httptest.NewServer(mux)
}

// accessKey is the one that a request is signed with.
func accessKey(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}
