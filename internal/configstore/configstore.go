// Package configstore reads the newest version of the run-time configuration
// from a versioned S3 object. It decides nothing about whether that version is
// good, and it never writes one.
package configstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Client is the one call that a Store makes.
type Client interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput, options ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Store is one configuration file, and the one that serves until it exists.
type Store struct {
	client      Client
	bucket, key string
	fallback    *object
}

type object struct{ bucket, key string }

// New returns the file at key in bucket.
func New(client Client, bucket, key string) *Store {
	return &Store{client: client, bucket: bucket, key: key}
}

// Default makes an object serve for as long as nobody has uploaded the file. It
// is an asset of the deployment: its key is made of its content, and so stands
// for its version, after config.DefaultVersion.
func (s *Store) Default(bucket, key string) *Store {
	s.fallback = &object{bucket, key}
	return s
}

// Name is how people name the file: s3://bucket/key.
func (s *Store) Name() string { return "s3://" + s.bucket + "/" + s.key }

// maxBytes is the largest file that is read: the accepted one has to fit into
// an item of the ledger (DynamoDB: 400 KB).
const maxBytes = 350 << 10

// Newest returns the newest version of the file, with the version id that S3
// gave it.
func (s *Store) Newest(ctx context.Context) (version string, data []byte, err error) {
	version, data, err = s.read(ctx, object{s.bucket, s.key})
	if _, missing := errors.AsType[*types.NoSuchKey](err); missing && s.fallback != nil {
		_, data, err = s.read(ctx, *s.fallback)
		return config.DefaultVersion + s.fallback.key, data, err
	}
	if err == nil && (version == "" || version == "null") { // what S3 calls a version from before versioning
		return "", nil, fmt.Errorf("read %s: the object has no version: enable versioning on bucket %s and upload the file again", s.Name(), s.bucket)
	}
	return version, data, err
}

func (s *Store) read(ctx context.Context, o object) (version string, data []byte, err error) {
	name := "s3://" + o.bucket + "/" + o.key
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: &o.key}, quietly)
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", name, advised(name, err))
	}
	defer out.Body.Close()
	data, err = io.ReadAll(io.LimitReader(out.Body, maxBytes+1))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("read %s: %w", name, refusal.Of(action, err))
	case len(data) > maxBytes:
		return "", nil, fmt.Errorf("read %s: it is larger than %d KB: use patterns in its overrides instead of single clusters", name, maxBytes>>10)
	}
	return aws.ToString(out.VersionId), data, nil
}

// quietly keeps the SDK from printing a line, which is no JSON, at each look at a
// file that was uploaded without a checksum, as by older tools.
func quietly(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

const action = "s3:GetObject"

// advised says what a person has to do. Without s3:ListBucket S3 calls a missing
// object denied (GetObject API reference), so that advice covers both.
func advised(name string, err error) error {
	upload := "aws s3 cp steward.yaml " + name
	if _, ok := errors.AsType[*types.NoSuchKey](err); ok {
		return &missing{upload, err}
	}
	t := refusal.Of(action, err)
	if errors.Is(t, fleet.Denied) {
		return fmt.Errorf("%w: upload the file with %s if there is none, else allow %s on it to the function's role", t, upload, t.Action)
	}
	return t
}

// missing keeps S3's error for Newest, and shows people what to do instead.
type missing struct {
	upload string
	err    error
}

func (m *missing) Error() string { return "there is no such file: upload one with " + m.upload }

func (m *missing) Unwrap() error { return m.err }
